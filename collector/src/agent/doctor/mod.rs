//! What this machine allows, read from `/proc` and `/sys`, by knocking at sockets, and by trying.

mod capability;
mod cgroup;
mod coverage;
mod log_files;

use std::fs::{self, File};
use std::io;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};

use serde::Serialize;

use crate::config::Config;
use crate::config::file::Attach;

/// What was found, in the order in which it is needed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Report {
    /// One entry a topic.
    pub findings: Vec<Finding>,
}

impl Report {
    /// Whether nothing is missing.
    pub fn is_able(&self) -> bool {
        !self.findings.iter().any(Finding::is_missing)
    }
}

/// What was found about one thing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// What it is about: `kernel`, `CAP_BPF`.
    pub topic: &'static str,
    /// How well it will do.
    pub status: Status,
    /// What was seen.
    pub detail: String,
    /// What to do about it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub remedy: Option<String>,
}

impl Finding {
    /// Whether Writetap cannot do its work because of it.
    pub fn is_missing(&self) -> bool {
        self.status == Status::Missing
    }

    /// All is well.
    pub fn ok(topic: &'static str, detail: impl Into<String>) -> Self {
        Self { topic, status: Status::Ok, detail: detail.into(), remedy: None }
    }

    /// Works less well than it could.
    pub fn degraded(
        topic: &'static str,
        detail: impl Into<String>,
        remedy: impl Into<String>,
    ) -> Self {
        Self { topic, status: Status::Degraded, detail: detail.into(), remedy: Some(remedy.into()) }
    }

    /// Does not work.
    pub fn missing(
        topic: &'static str,
        detail: impl Into<String>,
        remedy: impl Into<String>,
    ) -> Self {
        Self { topic, status: Status::Missing, detail: detail.into(), remedy: Some(remedy.into()) }
    }
}

/// How well something will do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// As it should be.
    Ok,
    /// Something is lost without it, and the detail says what.
    Degraded,
    /// Writetap cannot do its work.
    Missing,
}

/// Where the kernel shows its state; other folders in tests.
#[derive(Clone, Debug)]
pub struct Roots {
    /// `/proc`
    pub proc: PathBuf,
    /// `/sys`
    pub sys: PathBuf,
}

impl Default for Roots {
    fn default() -> Self {
        Self { proc: "/proc".into(), sys: "/sys".into() }
    }
}

/// The oldest kernel that the probe is tested on. It needs the ring buffer and the clock of 5.8.
const OLDEST_KERNEL: (u32, u32) = (5, 10);

/// Looks at everything that the configuration needs, and loads the probe for a moment.
pub fn examine(config: &Config, roots: &Roots) -> Report {
    let mut report = inspect(config, roots);
    if config.attach == Attach::Off {
        report.findings.push(Finding::ok("probe", "not attached (`capture.attach: off`)"));
    } else {
        report.findings.extend(coverage::examine(&config.capture));
    }
    report.findings.push(log_files::examine(config));
    report
}

/// Looks at everything that the configuration needs, and changes nothing.
fn inspect(config: &Config, roots: &Roots) -> Report {
    let mut findings = Vec::new();
    if config.attach != Attach::Off {
        findings.extend([kernel(roots), btf(&config.capture.btf), lockdown(roots)]);
        findings.extend(capability::examine(roots));
        findings.push(cgroup::examine(roots));
    }
    findings.push(docker(
        config.identity.stage.docker.as_deref(),
        config.identity.stage.is_docker_required,
    ));
    Report { findings }
}

fn kernel(roots: &Roots) -> Finding {
    let topic = "kernel";
    let release = match fs::read_to_string(roots.proc.join("sys/kernel/osrelease")) {
        Ok(release) => release.trim().to_owned(),
        Err(error) => {
            return Finding::degraded(topic, format!("version unknown: {error}"), "mount /proc");
        }
    };
    let mut numbers = release.split(['.', '-']).map_while(|part| part.parse::<u32>().ok());
    match numbers.next().zip(numbers.next()) {
        Some(version) if version >= OLDEST_KERNEL => Finding::ok(topic, format!("Linux {release}")),
        Some(_) => {
            let (major, minor) = OLDEST_KERNEL;
            let remedy = format!("run a kernel of version {major}.{minor} or later");
            Finding::missing(topic, format!("Linux {release} is too old for the probe"), remedy)
        }
        None => Finding::degraded(
            topic,
            format!("version `{release}` is not understood"),
            "tell the project what this kernel shows",
        ),
    }
}

fn btf(path: &Path) -> Finding {
    match File::open(path) {
        Ok(_) => Finding::ok("BTF", format!("{} is readable", path.display())),
        Err(error) => {
            let remedy =
                "run a kernel built with CONFIG_DEBUG_INFO_BTF=y, and show /sys to the agent";
            Finding::missing("BTF", format!("failed to open {}: {error}", path.display()), remedy)
        }
    }
}

/// Only `confidentiality` forbids BPF programs to read memory:
/// <https://github.com/torvalds/linux/blob/v6.12/kernel/trace/bpf_trace.c>, `LOCKDOWN_BPF_READ_KERNEL`.
fn lockdown(roots: &Roots) -> Finding {
    let topic = "lockdown";
    // `none [integrity] confidentiality`: the mode in force stands in brackets.
    let modes = match fs::read_to_string(roots.sys.join("kernel/security/lockdown")) {
        Ok(modes) => modes,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return Finding::ok(
                topic,
                "not shown here (securityfs is not mounted, or the kernel has no lockdown)",
            );
        }
        Err(error) => return Finding::degraded(topic, format!("unknown: {error}"), "run as root"),
    };
    match modes.split_once('[').and_then(|(_, rest)| rest.split_once(']')) {
        Some(("confidentiality", _)) => {
            let detail = "confidentiality: BPF programs may not read memory";
            Finding::missing(topic, detail, "boot with `lockdown=integrity` or without lockdown")
        }
        Some((mode, _)) => Finding::ok(topic, mode),
        None => Finding::degraded(
            topic,
            format!("`{}` is not understood", modes.trim()),
            "tell the project what this kernel shows",
        ),
    }
}

fn docker(address: Option<&str>, is_required: bool) -> Finding {
    let topic = "docker";
    let Some(address) = address else {
        return Finding::ok(topic, "not asked (`identity.docker.enabled: off`)");
    };
    let Some(path) = address.strip_prefix("unix://") else {
        return Finding::ok(topic, format!("{address} is not tried"));
    };
    match UnixStream::connect(Path::new(path)) {
        Ok(_) => Finding::ok(topic, format!("{path} answers")),
        Err(error) => {
            let detail = format!("failed to connect to {path}: {error}");
            let remedy = "start Docker, give the agent the right to its socket, or set `identity.docker.address`";
            if is_required {
                Finding::missing(topic, detail, remedy)
            } else {
                Finding::degraded(
                    topic,
                    format!("{detail}; lines will have container ids without names"),
                    remedy,
                )
            }
        }
    }
}

#[cfg(test)]
mod tests;
