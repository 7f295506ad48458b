//! A process that gives up what it does not need: the files it may read and write, sockets, other processes.
//!
//! Landlock (Linux 5.19 and later) holds the files, seccomp the system calls. Both are for the life of the
//! process and bind the thread that puts them up, with all threads that it starts.

#[cfg(target_os = "linux")]
mod linux;

use std::path::PathBuf;

/// Where a run writes.
#[derive(Debug, Default)]
pub struct Written {
    /// Folders of outputs.
    pub folders: Vec<PathBuf>,
    /// Folders whose files are read too.
    pub readable: Vec<PathBuf>,
    /// Devices and pipes.
    pub devices: Vec<PathBuf>,
    /// Folders in which folders were made, which are removed again where the run fails.
    pub around: Vec<PathBuf>,
}

/// The walls, by the names that reports give them, and whether each stands or why not.
pub type Walls = [(&'static str, Result<(), String>); 2];

/// Puts up the walls: from now on this thread, and those it starts, read only these paths and what libtorch needs
/// (with `cuda` what its driver needs too), and write only where `written` says.
#[cfg(target_os = "linux")]
pub fn hold(readable: &[PathBuf], written: &Written, cuda: bool) -> Walls {
    linux::build(readable, written, cuda)
}

/// This system has no such walls.
#[cfg(not(target_os = "linux"))]
pub fn hold(_: &[PathBuf], _: &Written, _: bool) -> Walls {
    ["landlock", "seccomp"].map(|name| (name, Err("this system has none".to_owned())))
}

#[cfg(target_os = "linux")]
#[cfg(test)]
mod tests {
    use std::fs;
    use std::io::ErrorKind::PermissionDenied;
    use std::net::{TcpStream, UdpSocket};
    use std::os::unix::fs::{PermissionsExt, chown, symlink};
    use std::os::unix::net::{UnixListener, UnixStream};
    use std::path::{Path, PathBuf};
    use std::process::Command;

    use super::{Written, hold};

    /// Names the folder of a process that confines itself.
    const FOLDER: &str = "REPSIM_TEST_CONFINED";

    type Attempt = (&'static str, std::io::Result<()>);

    /// Sends signal 0, which only asks whether one could be sent.
    fn signal(process: u32) -> std::io::Result<()> {
        #[expect(unsafe_code, reason = "the standard library sends none")]
        // SAFETY: no signal is sent.
        match unsafe { libc::kill(process as libc::pid_t, 0) } {
            0 => Ok(()),
            _ => Err(std::io::Error::last_os_error()),
        }
    }

    /// What a model must not do to the world around it.
    fn attempts(folder: &Path) -> Vec<Attempt> {
        let (file, own) = (folder.join("file"), folder.join("out/own"));
        let permissions = || fs::Permissions::from_mode(0o777);
        let times = fs::FileTimes::new().set_modified(std::time::SystemTime::UNIX_EPOCH);
        let opened = fs::File::create(&own);
        vec![
            ("read", fs::read(&file).map(drop)),
            ("write", fs::write(&file, "x")),
            ("make", fs::write(folder.join("new"), "x")),
            ("remove", fs::remove_file(&file)),
            ("link", symlink("/", folder.join("out/link"))),
            ("mode", fs::set_permissions(&own, permissions())),
            ("owner", chown(&own, Some(1), None)),
            ("times", opened.and_then(|file| file.set_times(times))),
            ("TCP", TcpStream::connect("127.0.0.1:9").map(drop)),
            ("UDP", UdpSocket::bind("127.0.0.1:0").map(drop)),
            ("listen", UnixListener::bind(folder.join("out/socket")).map(drop)),
            ("connect", UnixStream::connect(folder.join("socket")).map(drop)),
            ("program", Command::new("/bin/true").status().map(drop)),
            ("signal", signal(std::os::unix::process::parent_id())),
        ]
    }

    /// Runs in a process of its own only, which it confines for the rest of its life.
    #[test]
    fn confined() {
        let Some(folder) = std::env::var_os(FOLDER).map(PathBuf::from) else { return };
        let written = Written { folders: vec![folder.join("out")], ..Written::default() };
        if hold(&[], &written, false).iter().any(|(_, built)| built.is_err()) {
            return;
        }
        for (name, done) in attempts(&folder) {
            let error = done.expect_err(name);
            assert_eq!(error.kind(), PermissionDenied, "{name}: {error}");
        }
        fs::write(folder.join("out/own"), "x").expect("outputs are written");
        signal(std::process::id()).expect("a process reaches itself");
    }

    #[test]
    fn the_walls_hold_a_process() -> std::io::Result<()> {
        let folder = tempfile::tempdir()?;
        fs::create_dir(folder.path().join("out"))?;
        fs::write(folder.path().join("file"), "a secret")?;
        let _listener = UnixListener::bind(folder.path().join("socket"))?;
        let mut command = Command::new(std::env::current_exe()?);
        command.args(["confine::tests::confined", "--exact", "--test-threads", "1"]);
        let output = command.env(FOLDER, folder.path()).output()?;
        let said = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success() && said.contains("1 passed"), "{said}");
        assert_eq!(fs::read(folder.path().join("file"))?, b"a secret");
        Ok(())
    }
}
