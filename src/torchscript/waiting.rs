//! How the threads of libtorch wait for work.
//!
//! libgomp's threads spin between parallel regions, for milliseconds. Where other processes want the
//! same cores this costs most of the time, and where none do a sleep costs nothing that could be
//! measured. libgomp reads `OMP_WAIT_POLICY` when it is loaded, which is before `main`.
#![expect(unsafe_code, reason = "runs before the standard library does")]

use std::env;
use std::ffi::{CStr, c_char};

/// What says how threads wait; whoever sets one of them has decided.
const VARIABLES: [&str; 4] = ["OMP_WAIT_POLICY", "GOMP_SPINCOUNT", "KMP_BLOCKTIME", "KMP_LIBRARY"];
const PASSIVE: &CStr = c"OMP_WAIT_POLICY=passive";

/// How threads wait in this process, in a line.
pub fn told() -> String {
    let set = VARIABLES.iter().find_map(|name| Some((name, env::var(name).ok()?)));
    match set {
        Some((name, value)) => format!("threads wait as {name}={value} says"),
        None => "threads spin while they wait: OMP_WAIT_POLICY=passive would make them sleep, and the process \
                 could not be started anew with it"
            .to_owned(),
    }
}

/// Starts the process again with `OMP_WAIT_POLICY=passive` where the environment says nothing of how
/// threads wait. It returns where there is nothing to do or the process cannot be started again.
///
/// # Safety
/// `argv` and `envp` are the arrays that the process got, and no other thread runs.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
pub unsafe fn sleep_while_waiting(argv: *const *const c_char, envp: *const *const c_char) {
    // SAFETY: as the caller promises, `envp` is an array of C strings that ends with a null pointer,
    // and `argv` is passed on as it came. Nothing here needs what the standard library sets up.
    unsafe {
        // A dynamic loader that was called as a program takes its own path for the program's.
        if libc::getauxval(libc::AT_BASE) == 0 {
            return;
        }
        let mut environment = Vec::new();
        let mut next = envp;
        while !(*next).is_null() {
            if decides(CStr::from_ptr(*next)) {
                return;
            }
            environment.push(*next);
            next = next.add(1);
        }
        environment.push(PASSIVE.as_ptr());
        environment.push(std::ptr::null());
        if let Some(program) = own_path() {
            libc::execve(program.as_ptr(), argv, environment.as_ptr());
        }
    }
}

#[cfg(all(target_os = "linux", target_env = "gnu"))]
fn decides(entry: &CStr) -> bool {
    let entry = entry.to_bytes();
    let name = entry.split(|&byte| byte == b'=').next().unwrap_or(entry);
    VARIABLES.iter().any(|variable| variable.as_bytes() == name)
}

/// The program's own file; the link itself would become the name of the process.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
fn own_path() -> Option<std::ffi::CString> {
    let mut path = vec![0u8; libc::PATH_MAX as usize];
    // SAFETY: at most as many bytes are written as the buffer has.
    let length = unsafe {
        libc::readlink(c"/proc/self/exe".as_ptr(), path.as_mut_ptr().cast(), path.len() - 1)
    };
    path.truncate(usize::try_from(length).ok()?);
    std::ffi::CString::new(path).ok()
}

/// Sets `OMP_WAIT_POLICY=passive` where the environment says nothing: there OpenMP reads it when it
/// first computes.
///
/// # Safety
/// No other thread runs.
#[cfg(not(all(target_os = "linux", target_env = "gnu")))]
pub unsafe fn set_passive() {
    if VARIABLES.iter().all(|name| env::var_os(name).is_none()) {
        // SAFETY: as the caller promises.
        unsafe { env::set_var("OMP_WAIT_POLICY", "passive") };
    }
}
