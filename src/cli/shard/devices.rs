//! One run on several devices of this machine: a process for each, which works on a shard, and their states merged.

use std::ffi::{OsStr, OsString};
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Mutex, PoisonError};
use std::thread::{self, JoinHandle, available_parallelism};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

use crate::cli::signals;
use crate::error::{Error, Result};
use crate::torchscript::device;

/// The folder of the states, for as long as they are needed.
static STATES: Mutex<Option<TempDir>> = Mutex::new(None);

/// The command line without its `--device` where that names several, and which these are: `cuda:all`, or a list.
///
/// # Errors
/// There is no CUDA device.
pub fn several(mut given: Vec<OsString>) -> Result<(Vec<OsString>, Vec<String>)> {
    let place = given.iter().position(|word| value_of(word).is_some());
    let Some(place) = place else { return Ok((given, vec![])) };
    let (value, words) = match value_of(&given[place]) {
        Some(Some(value)) => (value.to_owned(), 1),
        _ => (given.get(place + 1).and_then(|v| v.to_str()).unwrap_or_default().to_owned(), 2),
    };
    let devices: Vec<String> = match value.as_str() {
        "cuda:all" => (0..device::count()?).map(|number| format!("cuda:{number}")).collect(),
        list if list.contains(',') => list.split(',').map(|one| one.trim().to_owned()).collect(),
        _ => return Ok((given, vec![])),
    };
    if devices.iter().any(String::is_empty) {
        let remedy = "name each, such as cuda:0,cuda:1, or one: cpu, cuda or cuda:N";
        return Err(Error::usage(
            format!("--device: '{value}' names no device at a comma"),
            remedy,
        ));
    }
    given.drain(place..given.len().min(place + words));
    Ok((given, devices))
}

/// The value within a word of `--device`, `Some(None)` where it is the next word.
fn value_of(word: &OsStr) -> Option<Option<&str>> {
    let rest = word.to_str()?.strip_prefix("--device")?;
    match rest.strip_prefix('=') {
        Some(value) => Some(Some(value)),
        None => rest.is_empty().then_some(None),
    }
}

/// What every process is started with.
pub(super) struct Start<'a> {
    /// The program, as it was called.
    pub program: &'a OsStr,
    /// The command.
    pub name: &'a str,
    /// The options of the run.
    pub words: &'a [OsString],
    /// Whether these say how many threads there are.
    pub has_threads: bool,
    /// Where the states go that are kept where a process fails; others are kept until the run has ended.
    pub parts: Option<PathBuf>,
}

impl Start<'_> {
    /// Runs a shard on each of some devices, and gives the files of their states.
    ///
    /// # Errors
    /// A process cannot be started, or what the first said that failed.
    pub(super) fn on(&self, devices: &[String]) -> Result<Vec<PathBuf>> {
        let at = self.folder()?;
        signals::watch(forget);
        let file = |index: usize| at.join(format!("{index}-of-{}.state", devices.len()));
        let states: Vec<PathBuf> = (0..devices.len()).map(file).collect();
        let mut running: Vec<Running<'_>> = vec![];
        for (index, device) in devices.iter().enumerate() {
            let shard = format!("--shard={index}/{}", devices.len());
            match self.process(device, &shard, (&states[index], devices.len())).spawn() {
                Ok(child) => running.push(Running::new(device, child)),
                Err(error) => {
                    end(running);
                    return Err(Error::io("start", self.program_path(), error));
                }
            }
        }
        match first_failure(running)? {
            None => Ok(states),
            Some((device, said)) => Err(Error::usage(
                format!("the process on {device} failed: {said}"),
                "correct that, or name one device",
            )),
        }
    }

    /// The folder of the states.
    fn folder(&self) -> Result<PathBuf> {
        if let Some(parts) = &self.parts {
            return Ok(parts.clone());
        }
        let folder = tempfile::tempdir().map_err(|e| Error::io("make", std::env::temp_dir(), e))?;
        let at = folder.path().to_owned();
        *STATES.lock().unwrap_or_else(PoisonError::into_inner) = Some(folder);
        Ok(at)
    }

    fn process(&self, device: &str, shard: &str, (state, count): (&Path, usize)) -> Command {
        let mut process = Command::new(self.program_path());
        process
            .args([self.name, "--no-config", "--quiet", shard])
            .arg(format!("--device={device}"));
        process.arg("-o").arg(state).arg(format!("--with-parent={}", std::process::id()));
        if !self.has_threads {
            let threads = available_parallelism().map_or(1, usize::from) / count;
            process.arg(format!("--threads={}", threads.max(1)));
        }
        process.args(self.words).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
        process
    }

    /// The program itself, by its path where it was called by it.
    fn program_path(&self) -> PathBuf {
        let called = PathBuf::from(self.program);
        match called.is_absolute() {
            true => called,
            false => std::env::current_exe().unwrap_or(called),
        }
    }
}

/// A process on a device.
struct Running<'a> {
    device: &'a str,
    child: Child,
    /// Takes in what it says.
    said: JoinHandle<String>,
}

/// How long it is waited until processes are looked at again.
const BETWEEN: Duration = Duration::from_millis(20);

/// How long processes have to end after a signal.
const TO_END: Duration = Duration::from_secs(5);

impl<'a> Running<'a> {
    fn new(device: &'a str, mut child: Child) -> Self {
        let stderr = child.stderr.take();
        let said = thread::spawn(move || {
            let mut said = vec![];
            // What was read until it failed counts.
            let _ = stderr.map(|mut stderr| stderr.read_to_end(&mut said));
            String::from_utf8_lossy(&said).into_owned()
        });
        Self { device, child, said }
    }

    /// Why it failed, by the last line that it said.
    fn why(self, status: ExitStatus) -> String {
        let said = self.said.join().unwrap_or_default();
        let last = said.lines().last().unwrap_or_default();
        let said = last.strip_prefix("error: ").unwrap_or(last).to_owned();
        if said.is_empty() { status.to_string() } else { said }
    }
}

/// Waits for the end of all processes, or of the first one that fails: the others are ended then.
fn first_failure(mut running: Vec<Running<'_>>) -> Result<Option<(&str, String)>> {
    while !running.is_empty() {
        let mut place = 0;
        while let Some(one) = running.get_mut(place) {
            let ended = one.child.try_wait().map_err(|e| Error::io("run on", one.device, e))?;
            match ended {
                None => place += 1,
                Some(status) if status.success() => drop(running.remove(place)),
                Some(status) => {
                    let failed = running.remove(place);
                    end(running);
                    return Ok(Some((failed.device, failed.why(status))));
                }
            }
        }
        thread::sleep(BETWEEN);
    }
    Ok(None)
}

/// Ends processes, by force where they do not end by themselves.
fn end(mut running: Vec<Running<'_>>) {
    for one in &running {
        let process = Pid::from_child(&one.child);
        // One that has ended already is what is wanted.
        let _ = kill_process(process, Signal::TERM);
    }
    let until = Instant::now() + TO_END;
    for one in &mut running {
        while matches!(one.child.try_wait(), Ok(None)) && Instant::now() < until {
            thread::sleep(BETWEEN);
        }
        let _ = one.child.kill();
        let _ = one.child.wait();
    }
}

/// Removes the states of the processes.
pub fn forget() {
    let folder = STATES.lock().unwrap_or_else(PoisonError::into_inner).take();
    drop(folder);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_of_devices_are_taken_out() {
        let of = |line: &str| {
            let words = line.split_whitespace().map(OsString::from).collect();
            let (words, devices) = several(words).unwrap_or_default();
            let words: Vec<_> =
                words.into_iter().map(|w| w.to_string_lossy().into_owned()).collect();
            (words.join(" "), devices.join(" "))
        };
        let taken = |words: &str, devices: &str| (words.to_owned(), devices.to_owned());
        assert_eq!(of("repsim cka --device cpu,cpu a"), taken("repsim cka a", "cpu cpu"));
        assert_eq!(of("repsim cka --device=cuda:0,cuda:2"), taken("repsim cka", "cuda:0 cuda:2"));
        assert_eq!(of("repsim cka --device cpu a"), taken("repsim cka --device cpu a", ""));
        assert_eq!(of("repsim cka --device"), taken("repsim cka --device", ""));
        assert_eq!(of("repsim cka --devices a,b"), taken("repsim cka --devices a,b", ""));
        for list in ["cpu,", ",", ",cpu"] {
            assert!(several(["--device", list].map(OsString::from).to_vec()).is_err(), "{list}");
        }
    }
}
