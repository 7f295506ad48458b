//! Calls into the C library, the dynamic loader and OpenBLAS.
#![expect(unsafe_code, reason = "these have no safe form")]

use std::ffi::{CStr, CString, c_int};
use std::sync::atomic::{AtomicBool, Ordering};

/// Whether the program has come to its own end.
static ENDED: AtomicBool = AtomicBool::new(false);

/// What is said where a library ends the process.
const ENDED_BY_LIBRARY: &[u8] =
    b"error: a library ended the run in the middle, for the reason above; try fewer \
                                  --threads, or allow more memory or threads (ulimit -a)\n";

/// Lets a library that calls `exit` in the middle of a run, as libgomp does where it gets no thread,
/// end it with this code, and not with one that means something else. To be called once.
pub fn guard_exit<const CODE: c_int>() {
    extern "C" fn at_exit<const CODE: c_int>() {
        if !ENDED.load(Ordering::SeqCst) {
            // SAFETY: it writes bytes that live for ever and ends the process, both at any time.
            unsafe {
                libc::write(2, ENDED_BY_LIBRARY.as_ptr().cast(), ENDED_BY_LIBRARY.len());
                libc::_exit(CODE);
            }
        }
    }
    // SAFETY: the function lives as long as the process and takes nothing.
    unsafe { libc::atexit(at_exit::<CODE>) };
}

/// Says that the program comes to its own end: its exit code counts.
pub fn ended() {
    ENDED.store(true, Ordering::SeqCst);
}

/// Makes glibc keep freed memory and asks for huge pages. By default it maps and unmaps every
/// large activation anew, and the page faults cost more than the arithmetic. To be called before
/// anything else runs.
pub fn keep_memory() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    // SAFETY: mallopt only sets parameters of the allocator, and no other thread runs yet. The
    // block is allocated and freed at once: with trimming off its addresses stay the heap's, and
    // advice about addresses changes no content. Where it cannot be had, nothing is advised.
    unsafe {
        libc::mallopt(libc::M_MMAP_MAX, 0);
        libc::mallopt(libc::M_TRIM_THRESHOLD, -1);
        libc::mallopt(libc::M_TOP_PAD, 64 << 20);
        // As much address space as the system grants, so that the heap is marked as a whole.
        for size in [16usize << 30, 8 << 30, 4 << 30, 2 << 30] {
            let block = libc::malloc(size);
            if block.is_null() {
                continue;
            }
            libc::free(block);
            const PAGE: usize = 1 << 21;
            let first = (block as usize).next_multiple_of(PAGE);
            libc::madvise(first as *mut libc::c_void, size - PAGE, libc::MADV_HUGEPAGE);
            break;
        }
    }
}

/// Whether the process was started with standard output closed. Rust opens `/dev/null` in its place before
/// `main`, so that this has to be asked before.
pub fn stdout_was_closed() -> bool {
    STDOUT_WAS_CLOSED.load(Ordering::Relaxed)
}

static STDOUT_WAS_CLOSED: AtomicBool = AtomicBool::new(false);

#[cfg(target_os = "linux")]
extern "C" fn ask_stdout() {
    // SAFETY: F_GETFD only asks, and takes any number for a file.
    let flags = unsafe { libc::fcntl(libc::STDOUT_FILENO, libc::F_GETFD) };
    STDOUT_WAS_CLOSED.store(flags == -1, Ordering::Relaxed);
}

// SAFETY: functions in this section are called once at the start, by one thread; this one needs nothing that
// is set up later.
#[cfg(target_os = "linux")]
#[used]
#[unsafe(link_section = ".init_array")]
static ASK_STDOUT: extern "C" fn() = ask_stdout;

/// Sets how many threads are computed with. They are libtorch's: OpenBLAS, which has a pool of its
/// own and few and small products to do beside the networks, gets one, so that the two do not
/// fight for the cores.
pub fn set_threads(threads: usize) {
    tch::set_num_threads(threads.clamp(1, 1024) as i32);
    set_blas_threads(1);
}

/// Runs linear algebra on so many threads of OpenBLAS, at a time when no network runs.
pub fn with_blas_threads<T>(threads: usize, body: impl FnOnce() -> T) -> T {
    set_blas_threads(threads);
    let found = body();
    set_blas_threads(1);
    found
}

fn set_blas_threads(threads: usize) {
    unsafe extern "C" {
        fn openblas_set_num_threads(threads: c_int);
    }
    // SAFETY: it takes any positive number.
    unsafe { openblas_set_num_threads(threads.clamp(1, 1024) as c_int) };
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
