//! Whether containers can be known by their cgroups of version 2, which is how the probe knows them.

use std::collections::BTreeSet;
use std::fs;

use super::{Finding, Roots};
use crate::identity;
use crate::record::ContainerId;

const TOPIC: &str = "cgroup";

/// A runtime joins the hierarchies that are there when it makes a container.
const REMEDY: &str = "boot with `systemd.unified_cgroup_hierarchy=1`, or mount version 2 beside version 1 \
                      (mount -t cgroup2 none /sys/fs/cgroup/unified) and start the runtime and its containers again";

/// Looks at the mounts, and at the cgroups of all processes.
pub(super) fn examine(roots: &Roots) -> Finding {
    let mounts = match fs::read_to_string(roots.proc.join("self/mountinfo")) {
        Ok(mounts) => mounts,
        Err(error) => {
            return Finding::missing(TOPIC, format!("no list of mounts: {error}"), "mount /proc");
        }
    };
    let mounted = |kind| mounts.lines().find_map(|line| mount_point(line, kind));
    let Some(path) = mounted("cgroup2") else {
        let what = if mounted("cgroup").is_some() { "only version 1" } else { "nothing" };
        let detail = format!(
            "{what} is mounted, and the probe knows containers by version 2: lines come from log files"
        );
        return Finding::missing(TOPIC, detail, REMEDY);
    };
    let strays = strays(roots);
    if let Some(first) = strays.first() {
        let (count, short) = (strays.len(), first.short());
        let detail = format!(
            "{count} containers are in cgroups of version 1 alone, such as {short}: their lines come from log files"
        );
        return Finding::degraded(TOPIC, detail, REMEDY);
    }
    if path == "/sys/fs/cgroup" {
        Finding::ok(TOPIC, "version 2 at /sys/fs/cgroup")
    } else {
        Finding::ok(TOPIC, format!("version 2 at {path}, beside version 1"))
    }
}

/// Where a line of mountinfo mounts a file system of this type, if it does. The fields after ` - ` begin with the type:
/// <https://man7.org/linux/man-pages/man5/proc_pid_mountinfo.5.html>
fn mount_point<'a>(line: &'a str, kind: &str) -> Option<&'a str> {
    let (mount, file_system) = line.split_once(" - ")?;
    if file_system.split(' ').next()? == kind { mount.split(' ').nth(4) } else { None }
}

/// Containers with processes that only version 1 has in a container's cgroup.
fn strays(roots: &Roots) -> BTreeSet<ContainerId> {
    let processes = fs::read_dir(&roots.proc).into_iter().flatten().flatten();
    // A process may end meanwhile; what is no process has no such file.
    let cgroups = processes.filter_map(|process| fs::read(process.path().join("cgroup")).ok());
    cgroups.filter_map(|cgroups| stray(&cgroups)).collect()
}

/// The container of a process, by the lines of its `/proc/<pid>/cgroup`, if the one of version 2 does not say it.
fn stray(cgroups: &[u8]) -> Option<ContainerId> {
    let (mut of_version_1, mut of_version_2) = (None, None);
    for line in cgroups.split(|&byte| byte == b'\n') {
        // `<hierarchy>:<controllers>:<path>`; hierarchy 0 is that of version 2.
        let mut fields = line.splitn(3, |&byte| byte == b':');
        let (Some(hierarchy), Some(path)) = (fields.next(), fields.nth(1)) else { continue };
        let named = identity::cgroup::path(path).map(|named| named.container);
        if hierarchy == b"0" {
            of_version_2 = named;
        } else {
            of_version_1 = of_version_1.or(named);
        }
    }
    of_version_1.filter(|_| of_version_2.is_none())
}

#[cfg(test)]
mod tests {
    use super::stray;

    const ID: &str = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

    #[test]
    fn a_container_is_astray_if_version_2_does_not_name_it() {
        let stray = |lines: &str| stray(lines.replace("ID", ID).as_bytes());
        let id = ID.parse().unwrap();
        assert_eq!(stray("2:memory:/docker/ID\n1:name=systemd:/x\n0::/\n"), Some(id));
        assert_eq!(stray("2:memory:/docker/ID\n"), Some(id));
        assert_eq!(stray("2:memory:/docker/ID\n0::/docker/ID/nested\n"), None);
        assert_eq!(stray("0::/docker/ID\n"), None);
        assert_eq!(stray("1:name=systemd:/user.slice\n0::/user.slice\n"), None);
        assert_eq!(stray("\n:\n0:\n"), None);
    }
}
