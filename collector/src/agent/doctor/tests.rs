use std::os::unix::net::UnixListener;

use super::*;

/// A machine with all that is needed; `change` takes some of it away again.
fn statuses(change: impl Fn(&Path)) -> Vec<(&'static str, Status)> {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path();
    let write = |path: &str, text: &str| {
        let path = root.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    };
    write("proc/sys/kernel/osrelease", "6.18.5-generic\n");
    write("proc/self/status", "Name:\tx\nCapEff:\t000001ffffffffff\n");
    write(
        "proc/self/mountinfo",
        "30 24 0:26 / /sys/fs/cgroup rw,nosuid shared:9 - cgroup2 cgroup2 rw\n",
    );
    write("sys/kernel/btf/vmlinux", "");
    write("sys/kernel/security/lockdown", "none [integrity] confidentiality\n");
    let socket = root.join("docker.sock");
    let _listener = UnixListener::bind(&socket).unwrap();
    change(root);
    let text = format!(
        "capture: {{btf: '{}'}}\nidentity: {{docker: {{address: 'unix://{}'}}}}",
        root.join("sys/kernel/btf/vmlinux").display(),
        socket.display()
    );
    let config = Config::parse("test", text.as_bytes(), &|_| None).unwrap();
    let report = inspect(&config, &Roots { proc: root.join("proc"), sys: root.join("sys") });
    let bad = report.findings.iter().filter(|finding| finding.status != Status::Ok);
    bad.map(|finding| (finding.topic, finding.status)).collect()
}

#[test]
fn a_machine_with_everything_has_nothing_to_mend() {
    assert_eq!(statuses(|_| {}), []);
}

#[test]
fn what_is_taken_away_is_found() {
    use Status::{Degraded, Missing};
    let overwritten = |path: &'static str, text: &'static str| {
        statuses(move |root| fs::write(root.join(path), text).unwrap())
    };
    let removed =
        |path: &'static str| statuses(move |root| fs::remove_file(root.join(path)).unwrap());
    assert_eq!(overwritten("proc/sys/kernel/osrelease", "5.9.16"), [("kernel", Missing)]);
    assert_eq!(overwritten("proc/sys/kernel/osrelease", "5.10.0-rc1"), []);
    assert_eq!(overwritten("proc/sys/kernel/osrelease", "next"), [("kernel", Degraded)]);
    assert_eq!(removed("sys/kernel/btf/vmlinux"), [("BTF", Missing)]);
    let lockdown = "sys/kernel/security/lockdown";
    assert_eq!(overwritten(lockdown, "none integrity [confidentiality]"), [("lockdown", Missing)]);
    assert_eq!(removed(lockdown), []);
    let status = "proc/self/status";
    assert_eq!(
        overwritten(status, "CapEff:\t0000000000000000\n"),
        [
            ("CAP_BPF", Missing),
            ("CAP_PERFMON", Missing),
            ("CAP_SYS_PTRACE", Degraded),
            ("CAP_DAC_READ_SEARCH", Degraded),
        ]
    );
    // CAP_SYS_ADMIN, CAP_SYS_PTRACE and CAP_DAC_READ_SEARCH alone.
    assert_eq!(overwritten(status, "CapEff:\t0000000000280004\n"), []);
    assert_eq!(overwritten(status, "CapEff:\tx\n"), [("capabilities", Degraded)]);
    let v1 = "31 24 0:27 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n";
    assert_eq!(overwritten("proc/self/mountinfo", v1), [("cgroup", Missing)]);
    let on_version_1 = |root: &Path| {
        fs::create_dir(root.join("proc/7")).unwrap();
        let cgroups = format!("4:memory:/docker/{}\n0::/\n", "a".repeat(64));
        fs::write(root.join("proc/7/cgroup"), cgroups).unwrap();
    };
    assert_eq!(statuses(on_version_1), [("cgroup", Degraded)]);
    // Its address was given, so it is expected.
    assert_eq!(removed("docker.sock"), [("docker", Missing)]);
}
