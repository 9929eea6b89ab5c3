//! System resources of this process: open file limit, disk space, memory, processors, and private files.

use std::{
    fs::{self},
    path::Path,
};

/// Raises the open file limit to the maximum allowed without privileges, and returns it. Many systems default to 1,024 for the
/// sake of old programs, and allow far more: each connection is one. `None` if nothing limits them.
pub fn raise_open_file_limit() -> Option<u64> {
    #[cfg(unix)]
    {
        let taken = rlimit::increase_nofile_limit(u64::MAX);
        // On failure, return the current limit.
        taken.or_else(|_| rlimit::getrlimit(rlimit::Resource::NOFILE).map(|(now, _)| now)).ok()
    }
    #[cfg(not(unix))]
    None
}

/// Returns the free bytes on a directory's disk; `None` if unknown.
#[must_use]
pub fn free_space(directory: &Path) -> Option<u64> {
    fs4::available_space(directory).ok()
}

/// Returns the memory available to this process, in bytes: the machine's, or the limit of its control group (a container, a systemd unit)
/// if lower. `None` if unknown.
#[must_use]
pub fn memory() -> Option<u64> {
    let machine = fs::read_to_string("/proc/meminfo").ok().and_then(|text| memory_total(&text));
    let groups = fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
    let limits = group_limit_files(&groups).into_iter().filter_map(|file| fs::read_to_string(file).ok()?.trim().parse::<u64>().ok());
    machine.into_iter().chain(limits).min()
}

/// Number of processors available to this process.
#[must_use]
pub fn processors() -> usize {
    std::thread::available_parallelism().map_or(1, std::num::NonZero::get)
}

fn memory_total(meminfo: &str) -> Option<u64> {
    let kilobytes: u64 = meminfo.lines().find_map(|line| line.strip_prefix("MemTotal:"))?.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kilobytes * 1024)
}

/// Returns the limit files of a process's control groups: its own and its ancestors' in version 2; its own in version 1. In a container the
/// group's path differs from the path inside, so the root is checked too.
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

/// Whether other accounts on this machine can access a directory.
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
