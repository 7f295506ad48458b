//! The `repsim` command.

use std::process::ExitCode;

use repsim::cli::{FAILED, main as run};
use repsim::report::remove_hidden;
use repsim::torchscript::{native, waiting};

#[cfg(all(target_os = "linux", target_env = "gnu"))]
mod before {
    //! What has to happen before libraries are initialised.
    #![expect(unsafe_code, reason = "the dynamic loader calls it")]

    use std::ffi::{c_char, c_int};

    type Function = unsafe extern "C" fn(c_int, *const *const c_char, *const *const c_char);

    #[used]
    // SAFETY: the loader calls the functions of this section in turn, after all libraries are bound.
    #[unsafe(link_section = ".preinit_array")]
    static FIRST: Function = first;

    unsafe extern "C" fn first(_: c_int, argv: *const *const c_char, envp: *const *const c_char) {
        // SAFETY: the loader passes the process's own arrays, before any thread is started.
        unsafe { super::waiting::sleep_while_waiting(argv, envp) }
    }
}

#[cfg_attr(
    not(all(target_os = "linux", target_env = "gnu")),
    expect(unsafe_code, reason = "sets the environment before any thread runs")
)]
fn main() -> ExitCode {
    #[cfg(not(all(target_os = "linux", target_env = "gnu")))]
    // SAFETY: the first thing that the program does.
    unsafe {
        waiting::set_passive();
    }
    native::keep_memory();
    native::guard_exit::<{ FAILED as i32 }>();
    native::guard_crash::<{ FAILED as i32 }>(remove_hidden);
    let code = on_a_large_stack();
    native::ended();
    code
}

/// Bytes of the stack: libtorch follows the operators of a model by calling itself.
const STACK: usize = 512 << 20;

/// Runs the command line on a thread of its own, or here where none can be had.
fn on_a_large_stack() -> ExitCode {
    let thread = std::thread::Builder::new().stack_size(STACK).spawn(|| run(std::env::args_os()));
    match thread.map(std::thread::JoinHandle::join) {
        Ok(Ok(code)) => code,
        Ok(Err(_)) => ExitCode::from(FAILED),
        Err(_) => run(std::env::args_os()),
    }
}
