//! The `repsim` command.

use std::process::ExitCode;

use repsim::torchscript::waiting;

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
    repsim::cli::program(std::env::args_os()).into()
}
