//! What is wrong gets a clear message with the remedy and the documented exit code, and nothing that was accepted is lost.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Result, ensure};
use rustix::process::Signal;

use crate::harness::agent::output;
use crate::harness::image::WORKLOAD;
use crate::harness::record;
use crate::harness::{self, Agent, Config, Run};
use crate::lines::{assert_numbered, assert_streams};

/// Exit codes, as the README has them.
const FAILED: Option<i32> = Some(1);
const USAGE: Option<i32> = Some(64);

/// Asserts that the collector does not run with `config`, exits with `code`, and says each of `words`.
#[track_caller]
fn assert_refused(config: &str, wrap: &[&str], code: Option<i32>, words: &[&str]) -> Result<()> {
    let output = output(config, wrap, &["run"])?;
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), code, "{said}");
    for word in words {
        assert!(said.contains(word), "no `{word}` in: {said}");
    }
    assert!(!said.contains("panicked"), "{said}");
    Ok(())
}

#[test]
fn a_configuration_that_is_no_yaml() -> Result<()> {
    let Some(_turn) = harness::engine()? else {
        return Ok(());
    };
    assert_refused("capture: {\nsinks: [", &[], USAGE, &["writetap.yaml"])
}

#[test]
fn every_problem_of_a_configuration_at_once() -> Result<()> {
    let Some(_turn) = harness::engine()? else {
        return Ok(());
    };
    let config = "\n\ncapture:\n  ring_bytse: 16MiB\n\n\nline:\n  max_bytes: many\n\nsinks:\n  k: { type: kafkaesque }\n";
    let words = [
        "writetap.yaml:4:3: capture.ring_bytse",
        "did you mean `ring_bytes`",
        "writetap.yaml:8:14: line.max_bytes",
        "writetap.yaml:11:14: sinks.k.type",
    ];
    assert_refused(config, &[], USAGE, &words)
}

#[test]
fn a_configuration_that_is_not_there() -> Result<()> {
    let Some(_turn) = harness::engine()? else {
        return Ok(());
    };
    let output = harness::agent::program()?.args(["run", "--config", "/nowhere.yaml"]).output()?;
    assert_eq!(output.status.code(), USAGE);
    assert!(String::from_utf8_lossy(&output.stderr).contains("/nowhere.yaml"));
    Ok(())
}

#[test]
fn an_option_that_is_not_there() -> Result<()> {
    let Some(_turn) = harness::engine()? else {
        return Ok(());
    };
    let output = harness::agent::program()?.args(["run", "--nonsense"]).output()?;
    assert_eq!(output.status.code(), USAGE);
    Ok(())
}

#[test]
fn no_permission() -> Result<()> {
    let Some(engine) = harness::engine()? else {
        return Ok(());
    };
    let nobody = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"];
    let config = Config::new(&engine)
        .capture("required: true")
        .text("127.0.0.1:0", Path::new("/nonexistent"));
    assert_refused(&config, &nobody, FAILED, &["CAP_BPF", "root"])
}

#[test]
fn a_kernel_without_btf() -> Result<()> {
    let Some(engine) = harness::engine()? else {
        return Ok(());
    };
    let config = Config::new(&engine)
        .capture("required: true, btf: /nonexistent")
        .text("127.0.0.1:0", Path::new("/nonexistent"));
    assert_refused(&config, &[], FAILED, &["/nonexistent", "CONFIG_DEBUG_INFO_BTF"])
}

/// Capture goes on; lines carry the id that the cgroup tells, once they were held long enough for a name.
#[test]
fn a_docker_socket_that_is_dead() -> Result<()> {
    let Some(engine) = harness::engine()? else {
        return Ok(());
    };
    let identity = "docker: { address: \"unix:///nowhere/docker.sock\" }, hold_timeout: 500ms";
    let mut agent = Agent::start_unready(&Config::new(&engine).identity(identity))?;
    engine.run(Run::busybox("nameless", &["echo", "still here"]))?;
    let id = engine.inspect("nameless", ".Id")?;
    let records = agent.until_records(&id, 1)?;
    assert_streams(&records, &[b"still here".to_vec()], &[])?;
    assert_eq!(records[0].container_name, None);
    let (code, body) = agent.get("/readyz")?;
    assert_eq!(code, 503, "{body}");
    assert!(agent.said().contains("/nowhere/docker.sock"));
    agent.stop([])?;
    Ok(())
}

/// A file system of one mebibyte, unmounted at the end.
struct SmallDisk(PathBuf);

impl SmallDisk {
    fn mount(folder: &Path) -> Result<Self> {
        mount(&["-t", "tmpfs", "-o", "size=1m", "writetap-e2e"], folder)?;
        Ok(Self(folder.to_owned()))
    }

    fn grow(&self) -> Result<()> {
        mount(&["-o", "remount,size=64m"], &self.0)
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let status = Command::new("umount").arg("--lazy").arg(&self.0).status();
        if !status.is_ok_and(|status| status.success()) {
            eprintln!("failed to unmount `{}`", self.0.display());
        }
    }
}

fn mount(options: &[&str], folder: &Path) -> Result<()> {
    let output = Command::new("mount").args(options).arg(folder).output()?;
    ensure!(output.status.success(), "mount: {}", String::from_utf8_lossy(&output.stderr));
    Ok(())
}

/// The file sink waits for room; then every line is there, once and whole.
#[test]
fn a_disk_that_is_full() -> Result<()> {
    let Some(engine) = harness::engine()? else {
        return Ok(());
    };
    let disk = SmallDisk::mount(&harness::Site::get()?.folder("disk")?)?;
    let file = disk.0.join("records.json");
    let sinks = format!("f: {{ type: file, path: \"{}\", format: json }}", file.display());
    let mut agent = Agent::start(&Config::new(&engine).sinks(sinks))?;
    engine.run(Run::host("disk-full", &[WORKLOAD, "lines", "4000", "9"]))?;
    agent.until("a retry of the file sink", |agent| {
        Ok((agent.metrics()?.sum("writetap_sink_retries_total", &[]) > 0).then_some(()))
    })?;
    assert!(agent.said().contains("records.json"), "the log names the file");
    assert_eq!(agent.metrics()?.sum("writetap_sink_dropped_records_total", &[]), 0);
    disk.grow()?;
    agent.stop([])?;
    let records = record::of_container(&std::fs::read(&file)?, "disk-full")?;
    assert_numbered(&records, 4000, 9)
}

#[test]
fn a_wrong_configuration_at_sighup_changes_nothing() -> Result<()> {
    let Some(engine) = harness::engine()? else {
        return Ok(());
    };
    let mut agent = Agent::start(&Config::new(&engine))?;
    let good = agent.configuration()?;
    agent.rewrite(&format!("{good}\nnonsense: 1\n"))?;
    agent.signal(Signal::HUP)?;
    agent.until("the count of the refused configuration", |agent| {
        let refused = agent.metrics()?.sum("writetap_config_refused_reloads_total", &[]);
        Ok((refused == 1).then_some(()))
    })?;
    assert!(agent.said().contains("nonsense"), "the log names the key");
    engine.run(Run::busybox("after-hup", &["echo", "as before"]))?;
    let [records] = agent.stop(["after-hup"])?;
    assert_streams(&records, &[b"as before".to_vec()], &[])
}
