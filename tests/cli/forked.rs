//! Runs of `repsim` in processes that begin with libtorch loaded.
//!
//! Loading it takes a program most of the time of a small run. This binary has it loaded: before its first test
//! it forks a process that waits, computes nothing and has one thread, and that forks itself once more for each
//! run. A run is a process of its own, as the program is, and does what the program does from the first line of
//! `main` on.
#![expect(unsafe_code, reason = "forks")]

use std::ffi::OsString;
use std::fs::{File, OpenOptions};
use std::io::{PipeReader, PipeWriter, Read, Write, pipe};
use std::os::fd::{AsRawFd, IntoRawFd};
use std::os::unix::ffi::OsStringExt;
use std::os::unix::net::UnixStream;
use std::sync::{Mutex, OnceLock};

use super::Run;

/// The way to the process that waits.
static WAITING: OnceLock<Mutex<UnixStream>> = OnceLock::new();

// SAFETY: functions of this section are called once, by the only thread, after the libraries are initialised.
#[used]
#[unsafe(link_section = ".init_array")]
static START: Initialiser = start;

type Initialiser = extern "C" fn();

extern "C" fn start() {
    let Ok((ours, theirs)) = UnixStream::pair() else { return };
    // SAFETY: there is no other thread yet, and OpenBLAS ends its own before it is forked.
    match unsafe { libc::fork() } {
        0 => {
            drop(ours);
            initialise_the_rest();
            wait_for_runs(theirs);
        }
        -1 => {}
        _ => drop(WAITING.set(Mutex::new(ours))),
    }
}

/// Calls the initialisers of this binary that come after [`START`].
fn initialise_the_rest() {
    unsafe extern "C" {
        static __init_array_start: [Initialiser; 0];
        static __init_array_end: [Initialiser; 0];
    }
    let (first, end) = (&raw const __init_array_start, &raw const __init_array_end);
    // SAFETY: the linker puts the two around the initialisers, which are called once each in this process.
    unsafe {
        let (first, end) = (first.cast::<Initialiser>(), end.cast::<Initialiser>());
        let all = std::slice::from_raw_parts(first, end.offset_from_unsigned(first));
        let own = all.iter().position(|&each| each as usize == start as *const () as usize);
        all.iter().skip(own.map_or(all.len(), |own| own + 1)).for_each(|initialise| initialise());
    }
}

/// What a run is told: where its outputs go, and its arguments.
struct Order {
    places: [String; 3],
    arguments: Vec<OsString>,
}

impl Order {
    fn send(&self, stream: &mut UnixStream) {
        let places = self.places.iter().map(|place| place.as_bytes().to_vec());
        let arguments = self.arguments.iter().cloned().map(OsStringExt::into_vec);
        let bytes = places.chain(arguments).collect::<Vec<_>>().join(&0);
        stream.write_all(&(bytes.len() as u64).to_le_bytes()).unwrap();
        stream.write_all(&bytes).unwrap();
    }

    /// The next order; `None` where the tests have ended.
    fn receive(stream: &mut UnixStream) -> Option<Self> {
        let mut length = [0; 8];
        stream.read_exact(&mut length).ok()?;
        let mut bytes = vec![0; u64::from_le_bytes(length) as usize];
        stream.read_exact(&mut bytes).ok()?;
        let mut words = bytes.split(|&byte| byte == 0).map(<[u8]>::to_vec);
        let places = std::array::from_fn(|_| String::from_utf8(words.next().unwrap()).unwrap());
        Some(Self { places, arguments: words.map(OsString::from_vec).collect() })
    }
}

/// Starts runs until the tests end.
fn wait_for_runs(mut stream: UnixStream) -> ! {
    // SAFETY: this process has one thread. Its children are reaped by the system, and a broken pipe is an error
    // of writing, as Rust has it in programs.
    unsafe {
        libc::signal(libc::SIGCHLD, libc::SIG_IGN);
        libc::signal(libc::SIGPIPE, libc::SIG_IGN);
        let nowhere = File::open("/dev/null").unwrap().into_raw_fd();
        for standard in 0..3 {
            libc::dup2(nowhere, standard);
        }
        while let Some(order) = Order::receive(&mut stream) {
            if libc::fork() == 0 {
                drop(stream);
                watch(order);
            }
        }
        libc::_exit(0)
    }
}

/// Forks a run and says how it ended.
fn watch(order: Order) -> ! {
    let [stdout, stderr, status] = &order.places;
    let open = |place: &str| OpenOptions::new().write(true).open(place).unwrap();
    let (outputs, mut status) = ([open(stdout), open(stderr)], open(status));
    status.write_all(&[0]).unwrap();
    // SAFETY: this process has one thread; the pointers are valid.
    unsafe {
        libc::signal(libc::SIGCHLD, libc::SIG_DFL);
        let child = libc::fork();
        if child == 0 {
            drop(status);
            for (output, standard) in outputs.into_iter().zip(1..) {
                libc::dup2(output.as_raw_fd(), standard);
            }
            let code = repsim::cli::program(order.arguments.into_iter());
            std::process::exit(code.into());
        }
        drop(outputs);
        let mut ended = 0;
        libc::waitpid(child, &mut ended, 0);
        let code = if libc::WIFEXITED(ended) { libc::WEXITSTATUS(ended) } else { -1 };
        let _ = status.write_all(&code.to_le_bytes());
        libc::_exit(0)
    }
}

/// Runs a command line, the program's name first, its outputs piped; `None` where there is nothing to fork from.
pub fn run(arguments: Vec<OsString>) -> Option<Run> {
    let stream = WAITING.get()?;
    let (stdout, stderr, mut status) = (pipe().unwrap(), pipe().unwrap(), pipe().unwrap());
    let place = |end: &PipeWriter| format!("/proc/{}/fd/{}", std::process::id(), end.as_raw_fd());
    let places = [place(&stdout.1), place(&stderr.1), place(&status.1)];
    Order { places, arguments }.send(&mut stream.lock().unwrap());
    status.0.read_exact(&mut [0]).unwrap();
    drop((stdout.1, stderr.1, status.1));
    let (mut stdout, mut stderr) = (stdout.0, stderr.0);
    let errors = std::thread::spawn(move || text(&mut stderr));
    let stdout = text(&mut stdout);
    let mut code = [0; 4];
    status.0.read_exact(&mut code).unwrap();
    Some(Run { code: i32::from_le_bytes(code), stdout, stderr: errors.join().unwrap() })
}

fn text(pipe: &mut PipeReader) -> String {
    let mut text = String::new();
    pipe.read_to_string(&mut text).unwrap();
    text
}
