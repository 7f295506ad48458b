//! Calls into the C library and the dynamic loader.
#![expect(unsafe_code, reason = "these have no safe form")]

use std::ffi::{CStr, CString, c_int};
use std::sync::atomic::{AtomicBool, Ordering};

use crate::linalg;

/// Whether the program has come to its own end.
static ENDED: AtomicBool = AtomicBool::new(false);

/// The user that the process acts for.
pub fn user() -> u32 {
    // SAFETY: it takes nothing and cannot fail.
    unsafe { libc::geteuid() }
}

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

/// Whether a thread was left at work that nobody waits for.
static IS_LEFT: AtomicBool = AtomicBool::new(false);

/// Says that a thread is left at work although the run has failed because of it: what becomes of it at the end of
/// the process is of no interest.
pub fn leave_behind() {
    IS_LEFT.store(true, Ordering::SeqCst);
}

/// The time that a thread has computed, where the system tells.
#[cfg(target_os = "linux")]
pub fn time_of<T>(thread: &std::thread::JoinHandle<T>) -> Option<std::time::Duration> {
    use std::os::unix::thread::JoinHandleExt;
    let mut clock = 0;
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the thread was not joined, and both out-pointers are valid.
    let failed = unsafe {
        libc::pthread_getcpuclockid(thread.as_pthread_t(), &mut clock) != 0
            || libc::clock_gettime(clock, &mut time) != 0
    };
    let seconds = u64::try_from(time.tv_sec).ok().filter(|_| !failed)?;
    Some(std::time::Duration::new(seconds, u32::try_from(time.tv_nsec).ok()?))
}

/// The time that a thread has computed, where the system tells.
#[cfg(not(target_os = "linux"))]
pub fn time_of<T>(_: &std::thread::JoinHandle<T>) -> Option<std::time::Duration> {
    None
}

/// Says that the program comes to its own end: its exit code counts. What libraries would tidy up of their memory
/// is left to the system, which is faster at it by a tenth of a second.
pub fn ended() {
    ENDED.store(true, Ordering::SeqCst);
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    {
        unsafe extern "C" {
            fn on_exit(
                function: extern "C" fn(c_int, *mut libc::c_void),
                of: *mut libc::c_void,
            ) -> c_int;
        }
        extern "C" fn end(code: c_int, _: *mut libc::c_void) {
            // SAFETY: null stands for all streams of C; nothing runs after the end.
            unsafe {
                libc::fflush(std::ptr::null_mut());
                libc::_exit(code);
            }
        }
        // SAFETY: the function lives as long as the process and ignores what it is given.
        unsafe { on_exit(end, std::ptr::null_mut()) };
    }
}

/// What is said where the process crashes, because its stack is full or else.
#[cfg(target_os = "linux")]
const OVERFLOWED: &[u8] =
    b"error: failed in the middle of the run: what a model or file holds nests too deeply for \
                            the stack; export it in a simpler form\n";
#[cfg(target_os = "linux")]
const CRASHED: &[u8] =
    b"error: failed in the middle of the run: libtorch or repsim crashed; this should not \
                         happen; please report it with the command you ran\n";

/// How far from the top of a full stack an access may lie, in bytes.
#[cfg(target_os = "linux")]
const NEAR: usize = 1 << 20;

/// How long a crashed process may take to remove what it wrote.
#[cfg(target_os = "linux")]
const REMOVAL: libc::timespec = libc::timespec { tv_sec: 2, tv_nsec: 0 };

#[cfg(target_os = "linux")]
static CRASH: std::sync::OnceLock<std::thread::Thread> = std::sync::OnceLock::new();
#[cfg(target_os = "linux")]
static HAS_CRASHED: AtomicBool = AtomicBool::new(false);

/// Lets a crash (a full stack, memory that is not there) end the process with this code and a line that says so,
/// after `clean` ran on a thread of its own. To be called once; elsewhere than on Linux it does nothing.
pub fn guard_crash<const CODE: c_int>(clean: fn()) {
    #[cfg(target_os = "linux")]
    {
        let thread = std::thread::Builder::new().name("repsim-crash".to_owned()).spawn(move || {
            while !HAS_CRASHED.load(Ordering::SeqCst) {
                std::thread::park();
            }
            clean();
            // SAFETY: it ends the process.
            unsafe { libc::_exit(CODE) }
        });
        let Ok(thread) = thread else { return };
        let _ = CRASH.set(thread.thread().clone());
        for signal in [libc::SIGSEGV, libc::SIGBUS, libc::SIGILL, libc::SIGFPE, libc::SIGABRT] {
            // SAFETY: the action is whole, and its handler does what signal handlers may; it runs on the
            // stack that the standard library or `catch_full_stacks` gives a thread for this.
            unsafe {
                let mut action: libc::sigaction = std::mem::zeroed();
                action.sa_sigaction = crashed::<CODE> as *const () as usize;
                action.sa_flags = libc::SA_SIGINFO | libc::SA_ONSTACK;
                libc::sigaction(signal, &action, std::ptr::null_mut());
            }
        }
    }
    #[cfg(not(target_os = "linux"))]
    let _ = clean;
}

/// Gives the thread that calls it memory for the handler of a crash, which cannot run on a stack that is full. The
/// memory is kept until the process ends.
pub fn catch_full_stacks() {
    #[cfg(target_os = "linux")]
    {
        const BYTES: usize = 64 << 10;
        let memory: &'static mut [u8] = vec![0; BYTES].leak();
        let stack =
            libc::stack_t { ss_sp: memory.as_mut_ptr().cast(), ss_flags: 0, ss_size: BYTES };
        // SAFETY: the memory is valid for so many bytes, for ever, and nothing else uses it.
        unsafe { libc::sigaltstack(&stack, std::ptr::null_mut()) };
    }
}

/// Says that the process crashed, wakes the thread that cleans up, and ends the process if that does not.
#[cfg(target_os = "linux")]
extern "C" fn crashed<const CODE: c_int>(
    signal: c_int,
    info: *mut libc::siginfo_t,
    context: *mut libc::c_void,
) {
    // A second thread that crashes waits for the first.
    if !HAS_CRASHED.swap(true, Ordering::SeqCst) {
        // SAFETY: the kernel hands over both; what is written lives for ever.
        unsafe {
            let reached = (*info).si_addr() as usize;
            let is_full = signal == libc::SIGSEGV
                && stack_pointer(context).is_some_and(|top| top.abs_diff(reached) < NEAR);
            let said = if is_full { OVERFLOWED } else { CRASHED };
            if !IS_LEFT.load(Ordering::SeqCst) {
                libc::write(2, said.as_ptr().cast(), said.len());
            }
        }
        if let Some(thread) = CRASH.get() {
            thread.unpark();
        }
    }
    // SAFETY: it waits, then ends the process.
    unsafe {
        libc::nanosleep(&REMOVAL, std::ptr::null_mut());
        libc::_exit(CODE);
    }
}

/// Where the stack of an interrupted thread ended.
///
/// # Safety
/// The context is one that the kernel gave a signal handler.
#[cfg(target_os = "linux")]
unsafe fn stack_pointer(context: *mut libc::c_void) -> Option<usize> {
    let context = context.cast::<libc::ucontext_t>();
    // SAFETY: as the caller promises.
    #[cfg(target_arch = "x86_64")]
    return Some(unsafe { (*context).uc_mcontext.gregs[libc::REG_RSP as usize] } as usize);
    // SAFETY: as the caller promises.
    #[cfg(target_arch = "aarch64")]
    return Some(unsafe { (*context).uc_mcontext.sp } as usize);
    #[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
    {
        let _ = context;
        None
    }
}

/// Makes glibc keep freed memory and asks for huge pages. By default it maps and unmaps every
/// large activation again, and the page faults cost more than the arithmetic. To be called before
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
    linalg::set_blas_threads(1);
}

/// Runs linear algebra at a time when no network runs: products on so many threads of OpenBLAS. libtorch's own rest: where
/// it has a LAPACK, that is the one that is called, and its threads would wait for each other in every step of a
/// factorization.
pub fn with_blas_threads<T>(threads: usize, body: impl FnOnce() -> T) -> T {
    let of_networks = tch::get_num_threads();
    tch::set_num_threads(1);
    let found = linalg::with_blas_threads(threads, body);
    tch::set_num_threads(of_networks);
    found
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
