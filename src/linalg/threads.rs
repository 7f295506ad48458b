//! The threads of OpenBLAS, which has a pool of its own.
#![expect(unsafe_code, reason = "OpenBLAS has no safe form")]

use std::ffi::c_int;

unsafe extern "C" {
    fn openblas_set_num_threads(threads: c_int);
    fn openblas_get_num_threads() -> c_int;
}

/// Sets how many threads products are computed with.
pub fn set_blas_threads(threads: usize) {
    // SAFETY: it takes any positive number.
    unsafe { openblas_set_num_threads(threads.clamp(1, 1024) as c_int) };
}

/// Runs linear algebra on so many threads, and what comes later on one.
pub fn with_blas_threads<T>(threads: usize, body: impl FnOnce() -> T) -> T {
    set_blas_threads(threads);
    let found = body();
    set_blas_threads(1);
    found
}

/// Runs on one thread what is made of many small steps.
///
/// Large products gain by threads wherever they run. A factorization waits for all threads in each of its steps,
/// and where others compute on the same cores, each time until the scheduler comes round to the last of them: with one
/// other process a core the eigenvectors of a matrix of order 1,024 take 14 s on two threads, and 0.34 s on one.
pub fn serial<T>(body: impl FnOnce() -> T) -> T {
    // SAFETY: it only asks.
    match unsafe { openblas_get_num_threads() } {
        ..=1 => body(),
        threads => {
            set_blas_threads(1);
            let found = body();
            set_blas_threads(threads as usize);
            found
        }
    }
}
