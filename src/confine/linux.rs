//! Landlock and seccomp.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Read;
use std::path::{Path, PathBuf};

use landlock::{
    ABI, Access, AccessFs, AccessNet, BitFlags, CompatLevel, Compatible, PathBeneath, PathFd,
    Ruleset, RulesetAttr, RulesetCreated, RulesetCreatedAttr, RulesetError, RulesetStatus, Scope,
};
use seccompiler::{
    BackendError, BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition,
    SeccompFilter, SeccompRule, apply_filter_all_threads, sock_filter,
};

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

/// Calls that reach other processes, networks or the system, start programs, or change what files are
/// beside their bytes, which Landlock does not hold.
const REFUSED: [libc::c_long; 80] = [
    libc::SYS_socket,
    libc::SYS_connect,
    libc::SYS_bind,
    libc::SYS_listen,
    libc::SYS_accept,
    libc::SYS_accept4,
    libc::SYS_execve,
    libc::SYS_execveat,
    libc::SYS_tkill,
    libc::SYS_ptrace,
    libc::SYS_process_vm_readv,
    libc::SYS_process_vm_writev,
    libc::SYS_process_madvise,
    libc::SYS_pidfd_open,
    libc::SYS_pidfd_getfd,
    libc::SYS_pidfd_send_signal,
    libc::SYS_kcmp,
    libc::SYS_io_uring_setup,
    libc::SYS_io_uring_enter,
    libc::SYS_io_uring_register,
    libc::SYS_fchmodat,
    libc::SYS_fchown,
    libc::SYS_fchownat,
    libc::SYS_utimensat,
    libc::SYS_setxattr,
    libc::SYS_lsetxattr,
    libc::SYS_fsetxattr,
    libc::SYS_removexattr,
    libc::SYS_lremovexattr,
    libc::SYS_fremovexattr,
    libc::SYS_shmget,
    libc::SYS_shmat,
    libc::SYS_shmctl,
    libc::SYS_msgget,
    libc::SYS_msgsnd,
    libc::SYS_msgrcv,
    libc::SYS_msgctl,
    libc::SYS_semget,
    libc::SYS_semop,
    libc::SYS_semtimedop,
    libc::SYS_semctl,
    libc::SYS_mq_open,
    libc::SYS_mq_unlink,
    libc::SYS_add_key,
    libc::SYS_request_key,
    libc::SYS_keyctl,
    libc::SYS_bpf,
    libc::SYS_perf_event_open,
    libc::SYS_userfaultfd,
    libc::SYS_fanotify_init,
    libc::SYS_mount,
    libc::SYS_umount2,
    libc::SYS_fsopen,
    libc::SYS_fsconfig,
    libc::SYS_fsmount,
    libc::SYS_fspick,
    libc::SYS_move_mount,
    libc::SYS_open_tree,
    libc::SYS_mount_setattr,
    libc::SYS_pivot_root,
    libc::SYS_chroot,
    libc::SYS_unshare,
    libc::SYS_setns,
    libc::SYS_init_module,
    libc::SYS_finit_module,
    libc::SYS_delete_module,
    libc::SYS_kexec_load,
    libc::SYS_open_by_handle_at,
    libc::SYS_mknodat,
    libc::SYS_quotactl,
    libc::SYS_swapon,
    libc::SYS_swapoff,
    libc::SYS_reboot,
    libc::SYS_sethostname,
    libc::SYS_setdomainname,
    libc::SYS_settimeofday,
    libc::SYS_clock_settime,
    libc::SYS_clock_adjtime,
    libc::SYS_acct,
    libc::SYS_syslog,
];

/// Their older forms.
#[cfg(target_arch = "x86_64")]
const REFUSED_HERE: [libc::c_long; 9] = [
    libc::SYS_chmod,
    libc::SYS_chown,
    libc::SYS_lchown,
    libc::SYS_utime,
    libc::SYS_utimes,
    libc::SYS_futimesat,
    libc::SYS_mknod,
    libc::SYS_uselib,
    libc::SYS_modify_ldt,
];
#[cfg(not(target_arch = "x86_64"))]
const REFUSED_HERE: [libc::c_long; 0] = [];

/// `fchmodat2`, of Linux 6.6, which has the same number on all processors.
const FCHMODAT2: libc::c_long = 452;

/// Calls that are refused unless their first argument names this process.
const OF_OTHERS: [libc::c_long; 4] =
    [libc::SYS_kill, libc::SYS_tgkill, libc::SYS_rt_sigqueueinfo, libc::SYS_rt_tgsigqueueinfo];

/// Calls that are refused unless their first argument is 0, which stands for this process.
const OF_NUMBERED: [libc::c_long; 1] = [libc::SYS_prlimit64];

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
    let libraries = paths.filter(|path| is_library(path));
    libraries.filter_map(|path| Some(path.parent()?.to_owned())).collect()
}

/// Whether a file is named as libraries are (`libc.so.6`) and begins as they do: data may be mapped too.
fn is_library(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let ending = name.rsplit_once(".so").map(|(_, version)| version);
    let is_named = ending.is_some_and(|v| v.bytes().all(|b| b == b'.' || b.is_ascii_digit()));
    let mut first = [0; 4];
    let mut read = || std::fs::File::open(path).and_then(|mut file| file.read_exact(&mut first));
    is_named && path.is_file() && read().is_ok() && first == *b"\x7fELF"
}

fn hold_calls() -> Result<(), String> {
    let own = u64::from(std::process::id());
    let whole = REFUSED.into_iter().chain(REFUSED_HERE).chain([FCHMODAT2]);
    let mut refused: BTreeMap<i64, Vec<_>> = whole.map(|call| (call, vec![])).collect();
    for (calls, allowed) in [(OF_OTHERS.as_slice(), own), (&OF_NUMBERED, 0)] {
        let other = other_than(allowed).map_err(|e| e.to_string())?;
        refused.extend(calls.iter().map(|&call| (call, vec![other.clone()])));
    }
    let arch = std::env::consts::ARCH.try_into();
    let arch = arch.map_err(|e: BackendError| e.to_string())?;
    let error = SeccompAction::Errno(libc::EACCES as u32);
    let filter = SeccompFilter::new(refused, SeccompAction::Allow, error, arch);
    let program: Result<BpfProgram, _> = filter.and_then(TryInto::try_into);
    let program = program.map_err(|e| e.to_string())?;
    apply_filter_all_threads(&program).map_err(|e| e.to_string())?;
    apply_filter_all_threads(&OTHER_NUMBERS).map_err(|e| e.to_string())
}

/// That the first argument of a call is another number.
fn other_than(number: u64) -> Result<SeccompRule, BackendError> {
    let (length, other) = (SeccompCmpArgLen::Dword, SeccompCmpOp::Ne);
    SeccompRule::new(vec![SeccompCondition::new(0, length, other, number)?])
}

/// Refuses the second set of numbers that x86-64 has for the same calls (x32): they begin at 2³⁰, where no
/// system has others. Loads the number, compares it, and allows or refuses.
const OTHER_NUMBERS: [sock_filter; 4] = [
    sock_filter { code: 0x20, jt: 0, jf: 0, k: 0 },
    sock_filter { code: 0x35, jt: 1, jf: 0, k: 1 << 30 },
    sock_filter { code: 0x06, jt: 0, jf: 0, k: 0x7fff_0000 },
    sock_filter { code: 0x06, jt: 0, jf: 0, k: 0x0005_0000 | libc::EACCES as u32 },
];
