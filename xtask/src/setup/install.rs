//! Installs what is missing: packages in one go, then everything else in the order of the list.

use std::{path::Path, process::Command};

use anyhow::{Result, bail};

use super::{
    docker, kafka,
    need::{Fix, Need},
    tool,
};
use crate::{command, privilege, workspace::Workspace};

pub(super) fn all(workspace: &Workspace, missing: &[Need]) -> Result<()> {
    packages(workspace, missing)?;
    for need in missing {
        match need.fix() {
            Fix::Package(_) | Fix::IdlePackage(..) => {}
            Fix::Component(name) => {
                let mut add = Command::new("rustup");
                add.args(["component", "add", name]).current_dir(workspace.root());
                command::show(&mut add, &need.by_hand())?;
            }
            Fix::Crate(name, version) => {
                let mut install = Command::new("cargo");
                install
                    .args(["install", name, "--version", version, "--locked", "--force"])
                    // With the pinned toolchain, whose LLVM the linker has to match.
                    .current_dir(workspace.root());
                let log = workspace.cache("log")?.join(format!("{name}.log"));
                command::quiet(&format!("install {need}"), &mut install, &log, &need.by_hand())?;
            }
            Fix::StartDocker => docker::start(workspace)?,
            Fix::FetchKafka => kafka::fetch(workspace)?,
        }
    }
    Ok(())
}

/// Installs Debian packages, or says what to install where there is no `apt-get` or no way to be root.
fn packages(workspace: &Workspace, missing: &[Need]) -> Result<()> {
    let wanted = |need: &&Need| matches!(need.fix(), Fix::Package(_) | Fix::IdlePackage(..));
    let needs: Vec<&Need> = missing.iter().filter(wanted).collect();
    if needs.is_empty() {
        return Ok(());
    }
    let by_hand = || {
        let lines: Vec<String> = needs.iter().map(|need| format!("  {}", need.by_hand())).collect();
        lines.join("\n")
    };
    if !Path::new("/usr/bin/apt-get").is_file() {
        bail!(
            "packages can be installed only on Debian and its relatives; by hand:\n{}",
            by_hand()
        );
    }
    if !privilege::is_root() && tool::version(workspace, "sudo", &["--version"]).is_none() {
        bail!("installing packages takes root, and there is no `sudo`; as root:\n{}", by_hand());
    }
    let log = workspace.cache("log")?.join("apt-get.log");
    let mut update = apt_get();
    command::quiet(
        "update the package list",
        update.arg("update"),
        &log,
        "see that the package mirror answers",
    )?;
    let mut install = apt_get();
    install.args(["install", "--yes", "--no-install-recommends"]);
    for need in &needs {
        match need.fix() {
            Fix::Package(names) => {
                let known = |name: &&&str| {
                    tool::version(workspace, "apt-cache", &["show", "--no-all-versions", name])
                        .is_some()
                };
                install.arg(names.iter().find(known).unwrap_or(&names[0]));
            }
            Fix::IdlePackage(name, service) => {
                keep_from_starting(service)?;
                install.arg(name);
            }
            _ => {}
        }
    }
    command::quiet("install packages", &mut install, &log, &by_hand())
}

/// Where systemd runs the machine, a package starts its service as it is installed, unless that is masked.
fn keep_from_starting(service: &str) -> Result<()> {
    if !Path::new("/run/systemd/system").is_dir() {
        return Ok(());
    }
    let mut mask = privilege::as_root("systemctl");
    let remedy = format!("`systemctl unmask {service}` takes it back");
    command::show(mask.args(["mask", service]), &remedy)
}

fn apt_get() -> Command {
    let mut apt_get = privilege::as_root("apt-get");
    apt_get.env("DEBIAN_FRONTEND", "noninteractive");
    apt_get
}
