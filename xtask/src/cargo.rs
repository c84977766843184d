//! Cargo as a tool: starts it for this workspace and learns from its messages where the binaries are.

use std::{
    io::{BufRead as _, BufReader},
    path::PathBuf,
    process::{Command, Stdio},
};

use anyhow::{Context as _, Result, bail};
use serde_json::Value;

use crate::{command, workspace::Workspace};

const REMEDY: &str = "`cargo xtask setup` installs what a build needs";

/// A binary that a build produced.
#[derive(Debug, PartialEq)]
pub(crate) struct Binary {
    /// The target's name, as in `Cargo.toml`.
    pub(crate) name: String,
    /// The target's first kind: `bin`, `lib`, `test`, `bench`.
    pub(crate) kind: String,
    /// Whether it is compiled as a test or benchmark harness.
    pub(crate) test: bool,
    /// The folder of its package, in which Cargo would run its tests.
    pub(crate) package: PathBuf,
    /// The file.
    pub(crate) path: PathBuf,
}

/// Cargo at the root of the workspace, where the pinned toolchain holds.
pub(crate) fn cargo(workspace: &Workspace) -> Command {
    let mut cargo = Command::new("cargo");
    cargo.current_dir(workspace.root());
    cargo
}

/// Members and target directory, as `cargo metadata` tells them.
pub(crate) struct Metadata {
    /// The manifest of each member.
    pub(crate) manifests: Vec<PathBuf>,
    /// Where builds go, wherever the user's settings put it.
    pub(crate) target: PathBuf,
}

impl Metadata {
    pub(crate) fn read(workspace: &Workspace) -> Result<Self> {
        let args = ["metadata", "--no-deps", "--format-version=1", "--locked"];
        let printed = command::read(cargo(workspace).args(args))?;
        let metadata: Value =
            serde_json::from_str(&printed).context("`cargo metadata` is not JSON")?;
        let path = |value: &Value| Some(PathBuf::from(value.as_str()?));
        let packages =
            metadata["packages"].as_array().context("no packages in `cargo metadata`")?;
        Ok(Self {
            manifests: packages
                .iter()
                .filter_map(|package| path(&package["manifest_path"]))
                .collect(),
            target: path(&metadata["target_directory"]).context("no target in `cargo metadata`")?,
        })
    }
}

/// Runs a Cargo build with its progress on the terminal and returns the binaries it made or found fresh.
pub(crate) fn binaries(build: &mut Command) -> Result<Vec<Binary>> {
    build.arg("--message-format=json-render-diagnostics");
    eprintln!("    $ {}", command::text(build));
    let mut child = build
        .stdout(Stdio::piped())
        .spawn()
        .with_context(|| format!("`{}` cannot be started", command::text(build)))?;
    let stdout = child.stdout.take().context("no pipe from Cargo")?;
    let mut binaries = Vec::new();
    for line in BufReader::new(stdout).lines() {
        let line = line?;
        // A build script's or a test's own output may come between Cargo's messages.
        if let Ok(message) = serde_json::from_str(&line) {
            binaries.extend(binary(&message));
        }
    }
    let status = child.wait()?;
    if !status.success() {
        bail!("`{}` failed ({status})\nremedy: {REMEDY}", command::text(build));
    }
    Ok(binaries)
}

fn binary(message: &Value) -> Option<Binary> {
    if message["reason"] != "compiler-artifact" {
        return None;
    }
    let text = |value: &Value| value.as_str().map(str::to_owned);
    Some(Binary {
        name: text(&message["target"]["name"])?,
        kind: text(&message["target"]["kind"][0])?,
        test: message["profile"]["test"] == true,
        package: PathBuf::from(message["manifest_path"].as_str()?).parent()?.to_owned(),
        path: text(&message["executable"])?.into(),
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn only_executables_are_binaries() {
        let mut message = json!({
            "reason": "compiler-artifact",
            "manifest_path": "/clone/collector/Cargo.toml",
            "target": {"kind": ["test"], "name": "e2e"},
            "profile": {"test": true},
            "executable": "/target/debug/deps/e2e-0",
        });
        let expected = Binary {
            name: "e2e".into(),
            kind: "test".into(),
            test: true,
            package: "/clone/collector".into(),
            path: "/target/debug/deps/e2e-0".into(),
        };
        assert_eq!(binary(&message), Some(expected));
        message["executable"] = Value::Null;
        assert_eq!(binary(&message), None);
        assert_eq!(binary(&json!({"reason": "build-finished", "success": true})), None);
    }
}
