//! What a test needs of the machine. A machine that lacks it skips the test, loudly; or fails it, where all must run.

use std::io::{Write as _, stderr};
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};

use anyhow::{Result, bail};

use super::{broker, image};

/// `CAP_SYS_ADMIN` and `CAP_BPF` as bits of `CapEff`: either may load programs.
const BPF_CAPABILITIES: u64 = 1 << 21 | 1 << 39;
/// Either of them set means that a test that cannot run is a failure.
const REQUIRE_ALL: [&str; 2] = ["CI", "WRITETAP_REQUIRE_ALL"];

/// One thing needed: what is missing and the remedy, or `None`.
type Need = fn() -> Option<String>;

/// For every test.
pub(crate) const ENGINE: [Need; 4] = [root, bpf, programs, workload];
/// For a Kafka broker, besides.
pub(crate) const BROKER: [Need; 2] = [java, broker_library];

/// Whether all needs are met. If not, the calling test is [skipped](skip), or fails where every test must run.
pub(crate) fn met(needs: &[Need]) -> Result<bool> {
    let missing: Vec<String> = needs.iter().filter_map(|need| need()).collect();
    if missing.is_empty() {
        return Ok(true);
    }
    let missing = missing.join("; ");
    if REQUIRE_ALL.iter().any(|name| std::env::var_os(name).is_some_and(|value| value != "0")) {
        bail!("may not be skipped ({} is set): {missing}", REQUIRE_ALL.join(" or "));
    }
    skip(&missing)?;
    Ok(false)
}

/// For the test of its logs.
pub(crate) fn nginx() -> Option<String> {
    (!image::on_host("nginx")).then(|| "no nginx: install nginx-light".into())
}

/// For a test that makes system calls of its own.
pub(crate) fn python() -> Option<String> {
    (!image::on_host("/usr/bin/python3")).then(|| "no /usr/bin/python3: install python3".into())
}

/// Says that the calling test is skipped, and how many are by now.
fn skip(reason: &str) -> Result<()> {
    static SKIPPED: AtomicUsize = AtomicUsize::new(0);
    let thread = std::thread::current();
    let count = SKIPPED.fetch_add(1, Ordering::Relaxed) + 1;
    // Not `eprintln!`, which the test runner keeps to itself when the test passes.
    writeln!(stderr(), "SKIPPED {}: {reason} ({count} skipped)", thread.name().unwrap_or("?"))?;
    Ok(())
}

fn root() -> Option<String> {
    (!rustix::process::geteuid().is_root()).then(|| "not root".into())
}

fn bpf() -> Option<String> {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let effective = status.lines().find_map(|line| line.strip_prefix("CapEff:"));
    let effective = effective.and_then(|hex| u64::from_str_radix(hex.trim(), 16).ok());
    (effective.unwrap_or_default() & BPF_CAPABILITIES == 0).then(|| "no CAP_BPF".into())
}

fn programs() -> Option<String> {
    let missing: Vec<&str> =
        ["docker", "dockerd", "containerd", "runc", "busybox", "setpriv", "tar", "timeout"]
            .into_iter()
            .filter(|program| image::find(program).is_none())
            .collect();
    let remedy = "install docker.io, busybox-static and util-linux, or `cargo xtask setup`";
    (!missing.is_empty()).then(|| format!("no {}: {remedy}", missing.join(", ")))
}

fn workload() -> Option<String> {
    let path = image::workload();
    let remedy = "build it with `cargo build --package collector --example workload`";
    (!path.is_file()).then(|| format!("no `{}`: {remedy}", path.display()))
}

fn java() -> Option<String> {
    let missing = ["java", "keytool"].into_iter().find(|program| image::find(program).is_none());
    missing.map(|program| format!("no {program}: install default-jre-headless"))
}

fn broker_library() -> Option<String> {
    let folder = std::env::var_os(broker::LIBRARY).filter(|folder| Path::new(folder).is_dir());
    folder
        .is_none()
        .then(|| format!("{} names no folder of jars: `cargo xtask test` sets it", broker::LIBRARY))
}
