//! Calls into the C library, the dynamic loader and OpenBLAS.
#![expect(unsafe_code, reason = "these have no safe form")]

use std::ffi::{CStr, CString, c_int};

/// Makes glibc keep freed memory. By default it maps and unmaps every large activation anew, and
/// the page faults cost more than the arithmetic. To be called before anything else runs.
pub fn keep_memory() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    // SAFETY: mallopt only sets parameters of the allocator; no other thread runs yet.
    unsafe {
        libc::mallopt(libc::M_MMAP_MAX, 0);
        libc::mallopt(libc::M_TRIM_THRESHOLD, c_int::MAX);
        libc::mallopt(libc::M_TOP_PAD, 64 << 20);
    }
}

/// Sets how many threads are computed with. They are libtorch's: OpenBLAS, which has a pool of its
/// own and few and small products to do beside the networks, gets one, so that the two do not
/// fight for the cores.
pub fn set_threads(threads: usize) {
    unsafe extern "C" {
        fn openblas_set_num_threads(threads: c_int);
    }
    tch::set_num_threads(threads.clamp(1, 1024) as i32);
    // SAFETY: it takes any positive number.
    unsafe { openblas_set_num_threads(1) };
}

/// Opens a shared library for the life of the process, its symbols visible to all.
///
/// # Errors
/// What the dynamic loader said.
pub fn open_library(path: &str) -> Result<(), String> {
    let path = CString::new(path).map_err(|e| e.to_string())?;
    // SAFETY: a valid C string. dlerror's string is copied before another call could change it.
    unsafe {
        if !libc::dlopen(path.as_ptr(), libc::RTLD_NOW | libc::RTLD_GLOBAL).is_null() {
            return Ok(());
        }
        let error = libc::dlerror();
        Err(match error.is_null() {
            true => "the library could not be opened".to_owned(),
            false => CStr::from_ptr(error).to_string_lossy().into_owned(),
        })
    }
}
