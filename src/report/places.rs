//! What a path that is written to names: a file, a device, or a descriptor that is open already.

use std::fs::File;
use std::io::{Error, Result};
use std::os::fd::{BorrowedFd, RawFd};
use std::os::unix::fs::{FileTypeExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::{OFlags, fcntl_getfl, fcntl_setfl};
use rustix::io::{FdFlags, fcntl_getfd};

/// Links followed from one to the next before a path is given up.
const MOST_LINKS: usize = 40;

/// The path that a chain of links leads to, which need not be there. It ends where a descriptor of this process
/// is named, whatever that leads to.
pub fn behind_links(path: &Path) -> PathBuf {
    let mut path = path.to_owned();
    for _ in 0..MOST_LINKS {
        let Ok(target) = std::fs::read_link(&path) else { break };
        let next = parent(&path).join(target);
        // What a descriptor of another process leads to may have no name.
        if descriptor(&path).is_some() || (is_special(&path) && !next.exists()) {
            break;
        }
        path = next;
    }
    path
}

/// Whether what is at a path behind links is replaced as a whole: a file, or nothing yet. A device, a pipe and a
/// descriptor that is open already are written to.
pub fn is_replaceable(path: &Path) -> bool {
    descriptor(path).is_none() && !is_special(path)
}

/// Whether something is there that is neither a file nor a folder.
fn is_special(path: &Path) -> bool {
    std::fs::metadata(path).is_ok_and(|found| !found.is_file() && !found.is_dir())
}

/// The number of a descriptor of this process that a path names: `/dev/fd/3`, `/proc/self/fd/3`.
pub fn descriptor(path: &Path) -> Option<RawFd> {
    let name = path.file_name()?.to_str()?;
    let number = name.bytes().all(|byte| byte.is_ascii_digit()).then(|| name.parse().ok())??;
    let folder = parent(path).canonicalize().ok()?;
    let is_own = || Path::new("/proc/self").canonicalize().is_ok_and(|own| folder.starts_with(own));
    (folder == Path::new("/dev/fd") || (folder.ends_with("fd") && is_own())).then_some(number)
}

/// Takes a descriptor that this process was started with: what is written to it goes where the last writer ended.
///
/// # Errors
/// None of that number was handed over, or it is for reading.
#[expect(unsafe_code, reason = "a descriptor that was handed over is known by its number")]
pub fn inherited(number: RawFd) -> Result<File> {
    // SAFETY: it is asked for its flags, which fails where it is not open. One that stays open in programs that
    // are started is nobody's in this one, so that nothing closes it.
    let open = unsafe { BorrowedFd::borrow_raw(number) };
    if !fcntl_getfd(open).is_ok_and(|flags| !flags.contains(FdFlags::CLOEXEC)) {
        return Err(Error::other("no such descriptor is open"));
    }
    if fcntl_getfl(open)? & OFlags::RWMODE == OFlags::RDONLY {
        return Err(Error::other("it is open for reading"));
    }
    Ok(File::from(open.try_clone_to_owned()?))
}

/// Opens a device or a pipe to write to it. A pipe that nobody reads is not waited for.
///
/// # Errors
/// It cannot be opened, or is a file by now.
pub fn open_special(path: &Path) -> Result<File> {
    if let Some(number) = descriptor(path) {
        return inherited(number);
    }
    let opened = File::options().write(true).custom_flags(libc::O_NONBLOCK).open(path);
    let is_pipe = || std::fs::metadata(path).is_ok_and(|found| found.file_type().is_fifo());
    let file = match opened {
        Err(e) if e.raw_os_error() == Some(libc::ENXIO) && is_pipe() => {
            return Err(Error::other("nobody reads from this pipe; start its reader first"));
        }
        opened => opened?,
    };
    if file.metadata()?.is_file() {
        return Err(Error::other("it became a file while this ran"));
    }
    fcntl_setfl(&file, fcntl_getfl(&file)? - OFlags::NONBLOCK)?;
    Ok(file)
}

/// The folder that a path is in.
pub fn parent(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn descriptors_are_known_by_every_name() {
        for (path, number) in [
            ("/dev/fd/1", Some(1)),
            ("/proc/self/fd/27", Some(27)),
            ("/proc/thread-self/fd/2", Some(2)),
            ("/dev/../dev/fd/1", Some(1)),
            ("/dev/null", None),
            ("/proc/self/fd/+1", None),
            ("/proc/1/fd/1", None),
            ("fd/1", None),
        ] {
            assert_eq!(descriptor(Path::new(path)), number, "{path}");
        }
        assert_eq!(descriptor(&behind_links(Path::new("/dev/stdout"))), Some(1));
    }

    #[test]
    fn what_a_path_is_decides_and_not_where_it_lies() {
        assert!(
            ["/dev/null", "/dev/stdout"].iter().all(|p| !is_replaceable(&behind_links(p.as_ref())))
        );
        assert!(
            ["/dev/shm", "/dev/nothing", "/proc/version"]
                .iter()
                .all(|p| is_replaceable(p.as_ref()))
        );
    }

    #[test]
    fn own_descriptors_and_unknown_ones_are_not_taken() -> Result<()> {
        use std::os::fd::AsRawFd;
        let own = File::options().write(true).open("/dev/null")?;
        assert!(inherited(own.as_raw_fd()).is_err() && inherited(9999).is_err());
        Ok(())
    }
}
