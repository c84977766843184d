//! A walk over a procfs and a hierarchy made of plain files.

use std::fs;
use std::os::unix::fs::{MetadataExt as _, symlink};
use std::path::{Path, PathBuf};

use prometheus_client::encoding::text::encode;
use prometheus_client::registry::Registry;
use tempfile::TempDir;

use super::{Found, Limits, ScanError, scan};
use crate::identity::{Metrics, Process};
use crate::record::{CgroupId, Runtime};

struct Node {
    directory: TempDir,
    registry: Registry,
    metrics: Metrics,
}

impl Node {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let mut registry = Registry::default();
        let metrics = Metrics::register(&mut registry);
        fs::create_dir(directory.path().join("cgroup")).unwrap();
        fs::create_dir(directory.path().join("proc")).unwrap();
        Self { directory, registry, metrics }
    }

    fn cgroup(&self, path: &str, procs: &str) -> PathBuf {
        let path = self.directory.path().join("cgroup").join(path);
        fs::create_dir_all(&path).unwrap();
        fs::write(path.join("cgroup.procs"), procs).unwrap();
        path
    }

    fn process(&self, pid: u32, start_ticks: u64) {
        let path = self.directory.path().join("proc").join(pid.to_string());
        fs::create_dir(&path).unwrap();
        let before = "S 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8";
        fs::write(path.join("stat"), format!("{pid} (a) b) {before} {start_ticks} 0")).unwrap();
    }

    fn scan(&self, limits: Limits) -> Result<Vec<Found>, ScanError> {
        let root = self.directory.path();
        scan(&root.join("proc"), &root.join("cgroup"), limits, &self.metrics)
    }

    fn left_out(&self) -> u64 {
        let mut text = String::new();
        encode(&mut text, &self.registry).unwrap();
        let counts = text.lines().filter(|line| line.starts_with("identity_scan_left_out_total"));
        counts.map(|line| line.rsplit_once(' ').unwrap().1.parse::<u64>().unwrap()).sum()
    }
}

fn id(path: &Path) -> CgroupId {
    CgroupId(fs::metadata(path).unwrap().ino())
}

#[test]
fn finds_a_container_with_what_is_nested_in_it() {
    let node = Node::new();
    let (a, b) = ("a".repeat(64), "b".repeat(64));
    node.cgroup("system.slice/ssh.service", "1\n");
    // An exec session in the container's own cgroup; its init moved down, as systemd and Docker in Docker do.
    let own = node.cgroup(&format!("docker/{a}"), "0\n40\n41\n");
    let init = node.cgroup(&format!("docker/{a}/init"), "30\n31\n");
    let middle = node.cgroup(&format!("docker/{a}/init/docker"), "");
    let inner = node.cgroup(&format!("docker/{a}/init/docker/{b}"), "50\n");
    symlink(&own, node.directory.path().join("cgroup").join("c".repeat(64))).unwrap();
    for (pid, start_ticks) in [(30, 700), (31, 700), (40, 900), (50, 950)] {
        node.process(pid, start_ticks);
    }
    let expected = Found {
        cgroup: id(&own),
        container: a.parse().unwrap(),
        runtime: Some(Runtime::Docker),
        path: own,
        nested: vec![id(&init), id(&middle), id(&inner)],
        init: Some(Process { pid: 30, start_ticks: 700 }),
    };
    assert_eq!(node.scan(Limits::default()).unwrap(), [expected]);
    assert_eq!(node.left_out(), 0);
}

#[test]
fn a_container_without_a_process_has_no_init() {
    let node = Node::new();
    node.cgroup(&format!("docker-{}.scope", "a".repeat(64)), "9\nx\n");
    let found = node.scan(Limits::default()).unwrap();
    assert_eq!(found[0].init, None);
    assert_eq!(found[0].nested, []);
}

#[test]
fn what_lies_beyond_a_limit_is_counted() {
    let node = Node::new();
    let a = "a".repeat(64);
    node.cgroup(&format!("docker/{a}"), "10\n11\n");
    node.cgroup(&format!("docker/{a}/x"), "");
    node.cgroup(&format!("docker/{a}/x/y"), "");
    node.process(10, 2);
    node.process(11, 1);
    let found = |limits| {
        let before = node.left_out();
        let found = node.scan(limits).unwrap();
        let nested = found.first().map(|found| found.nested.len());
        let init = found.first().and_then(|found| found.init).map(|init| init.pid);
        (nested, init, node.left_out() - before)
    };
    let all = Limits { depth: 4, cgroups: 2, nested: 2, processes: 2 };
    assert_eq!(found(all), (Some(2), Some(11), 0));
    assert_eq!(found(Limits { depth: 3, ..all }), (Some(1), Some(11), 1));
    assert_eq!(found(Limits { depth: 1, ..all }), (None, None, 1));
    assert_eq!(found(Limits { depth: 0, ..all }), (None, None, 1));
    assert_eq!(found(Limits { cgroups: 1, ..all }), (None, None, 1));
    assert_eq!(found(Limits { cgroups: 0, ..all }), (None, None, 1));
    assert_eq!(found(Limits { nested: 1, ..all }), (Some(1), Some(11), 1));
    assert_eq!(found(Limits { nested: 0, ..all }), (Some(0), Some(11), 1));
    assert_eq!(found(Limits { processes: 1, ..all }), (Some(2), Some(10), 1));
    assert_eq!(found(Limits { processes: 0, ..all }), (Some(2), None, 1));
}

#[test]
fn a_hierarchy_that_cannot_be_read_is_an_error() {
    let node = Node::new();
    fs::remove_dir(node.directory.path().join("cgroup")).unwrap();
    assert!(matches!(node.scan(Limits::default()), Err(ScanError::Read { .. })));
}
