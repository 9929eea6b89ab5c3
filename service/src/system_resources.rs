//! What the machine gives this process: files that may be open, room on a disk, and files that nobody else reads.

use std::{
    fs::{self},
    path::Path,
};

/// Takes as many open files as this process may take without asking anyone, and says how many. Many systems give 1,024 at first, for the
/// sake of old programs, and allow far more: each connection is one. `None` where nothing limits them.
pub fn raise_open_file_limit() -> Option<u64> {
    #[cfg(unix)]
    {
        let taken = rlimit::increase_nofile_limit(u64::MAX);
        // As many as before, then.
        taken.or_else(|_| rlimit::getrlimit(rlimit::Resource::NOFILE).map(|(now, _)| now)).ok()
    }
    #[cfg(not(unix))]
    None
}

/// The bytes that may still be written to the disk of a directory; `None` where nothing says so.
#[must_use]
pub fn free_space(directory: &Path) -> Option<u64> {
    fs4::available_space(directory).ok()
}

/// The memory that this process may use, in bytes: what the machine has, or what its control group (a container, a systemd unit) allows, if that
/// is less. `None` where nothing says so.
#[must_use]
pub fn memory() -> Option<u64> {
    let machine = fs::read_to_string("/proc/meminfo").ok().and_then(|text| memory_total(&text));
    let groups = fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
    let limits = group_limit_files(&groups).into_iter().filter_map(|file| fs::read_to_string(file).ok()?.trim().parse::<u64>().ok());
    machine.into_iter().chain(limits).min()
}

/// The processors that this process may use.
#[must_use]
pub fn processors() -> usize {
    std::thread::available_parallelism().map_or(1, std::num::NonZero::get)
}

fn memory_total(meminfo: &str) -> Option<u64> {
    let kilobytes: u64 = meminfo.lines().find_map(|line| line.strip_prefix("MemTotal:"))?.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kilobytes * 1024)
}

/// Where the limits of a process's control groups stand: its own and those around it, in version 2; in version 1 its own. In a container the
/// group's path is not the one inside, so the root is looked at as well.
fn group_limit_files(groups: &str) -> Vec<String> {
    let mut files = Vec::new();
    for line in groups.lines() {
        let mut parts = line.splitn(3, ':');
        let (Some(_), Some(kind), Some(path)) = (parts.next(), parts.next(), parts.next()) else { continue };
        if kind.is_empty() {
            let mut path = path.trim_end_matches('/');
            loop {
                files.push(format!("/sys/fs/cgroup{path}/memory.max"));
                match path.rfind('/') {
                    Some(end) => path = &path[..end],
                    None => break,
                }
            }
        } else if kind.split(',').any(|kind| kind == "memory") {
            files.push(format!("/sys/fs/cgroup/memory{}/memory.limit_in_bytes", path.trim_end_matches('/')));
            files.push("/sys/fs/cgroup/memory/memory.limit_in_bytes".into());
        }
    }
    files
}

/// Whether other accounts of this machine can look into a directory.
#[must_use]
pub fn is_open_to_others(directory: &Path) -> bool {
    #[cfg(unix)]
    return fs::metadata(directory).is_ok_and(|found| std::os::unix::fs::PermissionsExt::mode(&found.permissions()) & 0o007 != 0);
    #[cfg(not(unix))]
    {
        let _ = directory;
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_read_as_linux_tells_it() {
        assert_eq!(memory_total("MemTotal:       16384 kB\nMemFree: 1 kB\n"), Some(16 << 20));
        assert_eq!(memory_total("nothing"), None);
        assert_eq!(
            group_limit_files("0::/system.slice/earshot.service\n"),
            [
                "/sys/fs/cgroup/system.slice/earshot.service/memory.max",
                "/sys/fs/cgroup/system.slice/memory.max",
                "/sys/fs/cgroup/memory.max"
            ]
        );
        assert_eq!(group_limit_files("0::/\n"), ["/sys/fs/cgroup/memory.max"]);
        assert_eq!(group_limit_files("7:cpu,memory:/a\nnonsense\n")[0], "/sys/fs/cgroup/memory/a/memory.limit_in_bytes");
    }
}
