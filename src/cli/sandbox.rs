//! The operating system's wall around models: a process that has opened its inputs reads what they and
//! libtorch need, writes to the folders of its outputs, and reaches no other process and no network.
//!
//! Landlock (Linux 5.19 and later) holds the files, seccomp the system calls. Both are for the life of the
//! process and bind the thread that models run on, with all threads that it starts.

use std::sync::OnceLock;

use clap::ArgMatches;

use super::files::Files;
use super::output::Messages;
use super::outputs::{self, Written};
use crate::analysis::JUDGED;
use crate::error::{Error, Result};
use crate::torchscript::device::DeviceChoice;

/// The walls that stand, as reports name them.
static STANDING: OnceLock<Vec<&'static str>> = OnceLock::new();

/// How a command is to be held; `None` of one that runs no model, or trusts those it runs.
#[derive(Debug, Clone, Copy)]
pub struct Hold {
    device: DeviceChoice,
    /// Nothing but these walls is wanted.
    alone: bool,
}

impl Hold {
    /// What the options of a command ask for.
    pub fn of(matches: &ArgMatches) -> Option<Self> {
        let flag = |name| matches.try_get_one::<bool>(name).ok().flatten().copied();
        let device = matches.try_get_one::<DeviceChoice>("device").ok().flatten().copied();
        match flag("trust_model")? {
            true => None,
            false => Some(Self {
                device: device.unwrap_or_default(),
                alone: flag("only_confined").unwrap_or(false),
            }),
        }
    }

    /// Puts up the walls around a run that reads and writes these files.
    ///
    /// # Errors
    /// A folder cannot be written to, or nothing but these walls is wanted and one of them cannot stand.
    pub fn confine(self, files: &Files, messages: &Messages) -> Result<()> {
        let device = self.device.warm();
        let written = outputs::prepare(files)?;
        let mut standing = vec![];
        for (name, built) in system::build(&outputs::read_paths(), &written, device) {
            match built {
                Ok(()) => standing.push(name),
                Err(reason) if self.alone => {
                    let problem = format!("{name} cannot hold this process: {reason}");
                    return Err(Error::usage(problem, "leave out --only-confined"));
                }
                Err(reason) => messages.detail(&format!(
                    "{name} does not hold this process ({reason}): models are held by what their code may use alone"
                )),
            }
        }
        let judged = if self.alone { None } else { Some(JUDGED) };
        let all: Vec<&str> = judged.into_iter().chain(standing.iter().copied()).collect();
        messages.detail(&format!("models are held by {}", all.join(", ")));
        let _ = STANDING.set(standing);
        Ok(())
    }
}

/// The walls that stand.
pub fn walls() -> Vec<String> {
    STANDING.get().map_or(vec![], |names| names.iter().map(|name| (*name).to_owned()).collect())
}

#[cfg(not(target_os = "linux"))]
mod system {
    use std::path::PathBuf;

    use super::Written;

    pub fn build(_: &[PathBuf], _: &Written, _: bool) -> [(&'static str, Result<(), String>); 2] {
        ["landlock", "seccomp"].map(|name| (name, Err("this system has none".to_owned())))
    }
}

#[cfg(target_os = "linux")]
mod system {
    use std::collections::{BTreeMap, BTreeSet};
    use std::path::{Path, PathBuf};

    use landlock::{
        ABI, Access, AccessFs, AccessNet, BitFlags, CompatLevel, Compatible, PathBeneath, PathFd,
        Ruleset, RulesetAttr, RulesetCreated, RulesetCreatedAttr, RulesetError, RulesetStatus,
        Scope,
    };
    use seccompiler::{BpfProgram, SeccompAction, SeccompFilter, apply_filter_all_threads};

    use super::Written;

    /// What the C library, libtorch and its libraries read while they run.
    const READ: [&str; 14] = [
        "/lib",
        "/lib64",
        "/usr/lib",
        "/usr/lib64",
        "/etc/ld.so.cache",
        "/etc/localtime",
        "/proc/cpuinfo",
        "/proc/meminfo",
        "/proc/stat",
        "/sys/devices/system",
        "/sys/fs/cgroup",
        "/dev/random",
        "/dev/urandom",
        "/usr/share/zoneinfo",
    ];

    /// What is read of the process itself: nothing that holds its environment or its memory.
    const OWN: [&str; 6] = ["status", "stat", "statm", "maps", "cgroup", "mountinfo"];

    /// What CUDA reads and writes beside that.
    const READ_BY_CUDA: [&str; 8] = [
        "/usr/local",
        "/opt",
        "/etc",
        "/sys",
        "/proc/driver",
        "/proc/devices",
        "/proc/modules",
        "/proc/self",
    ];

    /// Calls that reach other processes, networks or the system, or start programs.
    const REFUSED: [libc::c_long; 32] = [
        libc::SYS_socket,
        libc::SYS_connect,
        libc::SYS_bind,
        libc::SYS_listen,
        libc::SYS_accept4,
        libc::SYS_execve,
        libc::SYS_execveat,
        libc::SYS_ptrace,
        libc::SYS_process_vm_readv,
        libc::SYS_process_vm_writev,
        libc::SYS_io_uring_setup,
        libc::SYS_io_uring_enter,
        libc::SYS_io_uring_register,
        libc::SYS_add_key,
        libc::SYS_request_key,
        libc::SYS_keyctl,
        libc::SYS_bpf,
        libc::SYS_perf_event_open,
        libc::SYS_userfaultfd,
        libc::SYS_mount,
        libc::SYS_umount2,
        libc::SYS_pivot_root,
        libc::SYS_chroot,
        libc::SYS_unshare,
        libc::SYS_setns,
        libc::SYS_init_module,
        libc::SYS_finit_module,
        libc::SYS_delete_module,
        libc::SYS_kexec_load,
        libc::SYS_open_by_handle_at,
        libc::SYS_pidfd_getfd,
        libc::SYS_pidfd_send_signal,
    ];

    /// Puts up both walls, each by its name.
    pub fn build(
        read: &[PathBuf],
        written: &Written,
        cuda: bool,
    ) -> [(&'static str, Result<(), String>); 2] {
        let files = hold_files(read, written, cuda).map_err(|e| e.to_string());
        [("landlock", files.and_then(|whole| whole)), ("seccomp", hold_calls())]
    }

    fn hold_files(
        read: &[PathBuf],
        written: &Written,
        cuda: bool,
    ) -> Result<Result<(), String>, RulesetError> {
        let reading = AccessFs::ReadFile | AccessFs::ReadDir;
        // Without the right to move a file from folder to folder no output could get to its place.
        let rules = Ruleset::default()
            .set_compatibility(CompatLevel::HardRequirement)
            .handle_access(AccessFs::from_all(ABI::V2))?
            .set_compatibility(CompatLevel::BestEffort)
            .handle_access(AccessFs::from_all(ABI::V5))?
            .handle_access(AccessNet::from_all(ABI::V4))?
            .scope(Scope::from_all(ABI::V6))?;
        let mut rules = rules.create()?;
        let own = OWN.map(|name| Path::new("/proc/self").join(name));
        let system = READ.iter().map(PathBuf::from).chain(own).chain(libraries());
        for path in system.chain(read.iter().cloned()) {
            rules = allow(rules, &path, reading)?;
        }
        for path in ["/dev/null", "/dev/zero"].map(Path::new) {
            rules = allow(rules, path, reading | AccessFs::WriteFile)?;
        }
        for folder in &written.folders {
            rules = allow(rules, folder, writing())?;
        }
        for folder in &written.readable {
            rules = allow(rules, folder, writing() | reading)?;
        }
        for folder in &written.around {
            rules = allow(rules, folder, AccessFs::RemoveDir.into())?;
        }
        for path in &written.devices {
            rules = allow(rules, path, AccessFs::WriteFile.into())?;
        }
        if cuda {
            rules = allow_cuda(rules)?;
        }
        let status = rules.restrict_self()?;
        Ok(match status.ruleset {
            RulesetStatus::NotEnforced => Err("the kernel has no Landlock".to_owned()),
            RulesetStatus::FullyEnforced | RulesetStatus::PartiallyEnforced => Ok(()),
        })
    }

    /// What is needed to write files, and to move them from one folder to another.
    fn writing() -> BitFlags<AccessFs> {
        AccessFs::WriteFile
            | AccessFs::Truncate
            | AccessFs::ReadDir
            | AccessFs::MakeReg
            | AccessFs::MakeDir
            | AccessFs::RemoveFile
            | AccessFs::RemoveDir
            | AccessFs::Refer
    }

    /// Allows what is done to a path and all below it; one that is not there needs no rule.
    fn allow(
        rules: RulesetCreated,
        path: &Path,
        access: BitFlags<AccessFs>,
    ) -> Result<RulesetCreated, RulesetError> {
        let Ok(opened) = PathFd::new(path) else { return Ok(rules) };
        let access = match path.is_dir() {
            true => access,
            false => access & AccessFs::from_file(ABI::V5),
        };
        rules.add_rule(PathBeneath::new(opened, access))
    }

    fn allow_cuda(mut rules: RulesetCreated) -> Result<RulesetCreated, RulesetError> {
        let reading = AccessFs::ReadFile | AccessFs::ReadDir;
        for path in READ_BY_CUDA.map(Path::new) {
            rules = allow(rules, path, reading)?;
        }
        let devices = std::fs::read_dir("/dev").into_iter().flatten().flatten();
        let devices = devices.filter(|e| e.file_name().to_string_lossy().starts_with("nvidia"));
        let all = AccessFs::from_all(ABI::V5) & !AccessFs::Execute;
        for device in devices {
            rules = allow(rules, &device.path(), all)?;
        }
        let home = std::env::var_os("HOME").map(PathBuf::from).unwrap_or_default();
        allow(rules, &home.join(".nv"), reading | writing())
    }

    /// The folders of the libraries that are loaded; of libtorch's that of all packages beside it, for the
    /// libraries that it loads later.
    fn libraries() -> BTreeSet<PathBuf> {
        let maps = std::fs::read_to_string("/proc/self/maps").unwrap_or_default();
        let paths = maps.lines().filter_map(|line| Some(Path::new(&line[line.find('/')?..])));
        let libraries = paths.filter(|path| path.to_string_lossy().contains(".so"));
        libraries.filter_map(|path| Some(path.parent()?.to_owned())).collect()
    }

    fn hold_calls() -> Result<(), String> {
        let refused: BTreeMap<i64, Vec<_>> =
            REFUSED.into_iter().map(|call| (call, vec![])).collect();
        let arch = std::env::consts::ARCH.try_into();
        let arch = arch.map_err(|e: seccompiler::BackendError| e.to_string())?;
        let error = SeccompAction::Errno(libc::EACCES as u32);
        let filter = SeccompFilter::new(refused, SeccompAction::Allow, error, arch);
        let program: Result<BpfProgram, _> = filter.and_then(TryInto::try_into);
        let program = program.map_err(|e| e.to_string())?;
        apply_filter_all_threads(&program).map_err(|e| e.to_string())
    }
}
