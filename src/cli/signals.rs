//! What signals do: end the run, and leave nothing behind.

use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Once};

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM, SIGXFSZ};
use signal_hook::iterator::Signals;
use signal_hook::{flag, low_level};

use crate::report::remove_hidden;

/// Signals that end a run.
const ENDING: [i32; 3] = [SIGHUP, SIGINT, SIGTERM];

/// What a shell adds to the number of the signal that ended a program.
const EXIT: i32 = 128;

/// From now on each of [`ENDING`] removes what the run has written and not put in its place, and ends the process with
/// 128 and its number; a second one ends it at once. Those that whoever started the process has it ignore (`nohup`)
/// stay ignored. A file that grows beyond the limit of the shell becomes an error of writing it.
///
/// Before that `also` is called. Of several calls the first counts.
pub fn watch(also: fn()) {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| watch_from_now(also));
}

fn watch_from_now(also: fn()) {
    let ignored = ignored();
    let is_heard = |signal: &i32| ignored & (1 << (signal - 1)) == 0;
    let heard: Vec<i32> = ENDING.into_iter().filter(is_heard).collect();
    let ending = Arc::new(AtomicBool::new(false));
    for &signal in &heard {
        // In this order: the first sets the flag, the second finds it set. Without handlers a signal ends the
        // process all the same.
        let _ = flag::register_conditional_shutdown(signal, EXIT + signal, Arc::clone(&ending));
        let _ = flag::register(signal, Arc::clone(&ending));
    }
    let _ = flag::register(SIGXFSZ, Arc::new(AtomicBool::new(false)));
    let Ok(mut signals) = Signals::new(&heard) else { return };
    let thread = std::thread::Builder::new().name("repsim-signals".to_owned());
    let _ = thread.spawn(move || {
        if let Some(signal) = signals.forever().next() {
            remove_hidden();
            also();
            low_level::exit(EXIT + signal);
        }
    });
}

/// Signals that are ignored, as bits, where the system says so.
fn ignored() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    line.and_then(|bits| u64::from_str_radix(bits.trim(), 16).ok()).unwrap_or(0)
}
