//! `writetap containers` and `writetap doctor` on a real machine, as root and as nobody.

use std::path::Path;
use std::process::Output;

use anyhow::{Context as _, Result};
use serde_json::{Value, json};

use crate::harness::agent::output;
use crate::harness::image::{BUSYBOX, HOST};
use crate::harness::{self, Config, Engine, Run};

/// Runs a program with the rights of nobody.
const NOBODY: [&str; 4] = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"];

/// What a verb says of the machine with this engine.
fn verb(engine: &Engine, wrap: &[&str], arguments: &[&str]) -> Result<Output> {
    output(&Config::new(engine).text("127.0.0.1:0", Path::new("/nonexistent")), wrap, arguments)
}

/// The containers that `containers --json` lists, of these names or ids, in that order.
fn listed(output: &Output, wanted: &[&str]) -> Result<Vec<Value>> {
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    let lines: serde_json::Result<Vec<Value>> =
        String::from_utf8_lossy(&output.stdout).lines().map(serde_json::from_str).collect();
    let lines = lines?;
    let is = |line: &Value, wanted: &str| {
        line["container.name"] == wanted || line["container.id"] == wanted
    };
    let found = wanted.iter().filter_map(|name| lines.iter().find(|line| is(line, name)));
    Ok(found.cloned().collect())
}

#[test]
fn containers_with_their_names_and_how_they_are_read() -> Result<()> {
    let Some(engine) = harness::engine()? else {
        return Ok(());
    };
    let sleep = ["sleep", "600"];
    engine.detach(Run::busybox("listed-pipe", &sleep))?;
    engine.detach(Run { options: &["--tty"], ..Run::host("listed-tty", &sleep) })?;
    let silent = ["sh", "-c", "exec sleep 600 2> /dev/null"];
    engine.detach(Run::busybox("listed-silent", &silent))?;
    engine.run(Run::busybox("listed-ended", &["true"]))?;
    let names = ["listed-pipe", "listed-tty", "listed-silent", "listed-ended"];
    let ids: Result<Vec<_>> = names.iter().map(|name| engine.inspect(name, ".Id")).collect();
    let ids = ids?;
    let gaps: Result<Vec<_>> = names[..3]
        .iter()
        .map(|name| Ok(format!(", gaps from {}", engine.inspect(name, ".LogPath")?)))
        .collect();
    let gaps = gaps?;
    let expected = [
        (BUSYBOX, "probe"),
        (HOST, "probe (terminal)"),
        (BUSYBOX, "probe (stdout; stderr is no pipe)"),
    ];
    let expected = (0..3).map(|at| {
        json!({
            "container.id": ids[at],
            "container.name": names[at],
            "container.image.name": expected[at].0,
            "container.runtime.name": "docker",
            "capture": format!("{}{}", expected[at].1, gaps[at]),
        })
    });
    let as_root = verb(&engine, &[], &["containers", "--json"])?;
    assert_eq!(listed(&as_root, &names)?, expected.collect::<Vec<_>>());

    let table = verb(&engine, &[], &["containers"])?;
    let table = String::from_utf8(table.stdout)?;
    let row = table.lines().find(|line| line.contains("listed-tty")).context("no row")?;
    let cells: Vec<_> = row.split("  ").map(str::trim).filter(|cell| !cell.is_empty()).collect();
    let way = format!("probe (terminal){}", gaps[1]);
    assert_eq!(cells, [&ids[1][..12], names[1], HOST, "docker", &way]);

    // Neither the engine's socket nor other users' processes are open to nobody.
    let as_nobody = verb(&engine, &NOBODY, &["containers", "--json"])?;
    for (container, id) in listed(&as_nobody, &[&ids[0], &ids[1]])?.iter().zip(&ids) {
        let capture = "unknown: its stdout and stderr cannot be looked at; run as root";
        let expected =
            json!({ "container.id": id, "container.runtime.name": "docker", "capture": capture });
        assert_eq!(*container, expected);
    }
    for name in &names[..3] {
        engine.docker(&["rm", "--force", name])?;
    }
    Ok(())
}

/// Topic and status of every finding; those that are not well have a remedy, the others none.
fn findings(output: &Output) -> Result<Vec<(String, String)>> {
    let report: Value = serde_json::from_slice(&output.stdout)?;
    let findings = report["findings"].as_array().context("no findings")?;
    let finding = |finding: &Value| {
        let text = |key: &str| finding[key].as_str().map(str::to_owned).context("no text");
        let status = text("status")?;
        assert!(!text("detail")?.is_empty());
        assert_eq!(finding.get("remedy").is_none(), status == "ok", "{finding}");
        Ok((text("topic")?, status))
    };
    findings.iter().map(finding).collect()
}

#[test]
fn doctor_as_root_and_as_nobody() -> Result<()> {
    let Some(engine) = harness::engine()? else {
        return Ok(());
    };
    let as_root = verb(&engine, &[], &["doctor", "--json"])?;
    let found = findings(&as_root)?;
    let bad: Vec<_> = found.iter().filter(|(_, status)| status != "ok").collect();
    assert!(bad.is_empty(), "{bad:?}");
    assert_eq!(as_root.status.code(), Some(0));
    // A probe is tried by each backend up to one that works.
    let mut topics: Vec<&str> = found.iter().map(|(topic, _)| topic.as_str()).collect();
    topics.dedup();
    let machine = ["kernel", "BTF", "lockdown"];
    let rights = ["CAP_BPF", "CAP_PERFMON", "CAP_SYS_PTRACE", "CAP_DAC_READ_SEARCH"];
    let there = ["cgroup", "docker", "probe"];
    let coverage = ["captured", "counted only", "not seen", "log files"];
    assert_eq!(topics, [&machine[..], &rights, &there, &coverage].concat());

    let as_nobody = verb(&engine, &NOBODY, &["doctor", "--json"])?;
    assert_eq!(as_nobody.status.code(), Some(1));
    let found = findings(&as_nobody)?;
    let bad = found.iter().map(|(topic, status)| (topic.as_str(), status.as_str()));
    let mut bad: Vec<_> = bad.filter(|(_, status)| *status != "ok").collect();
    bad.dedup();
    let expected = [
        ("CAP_BPF", "missing"),
        ("CAP_PERFMON", "missing"),
        ("CAP_SYS_PTRACE", "degraded"),
        ("CAP_DAC_READ_SEARCH", "degraded"),
        ("docker", "missing"),
        ("probe", "missing"),
        ("log files", "degraded"),
    ];
    assert_eq!(bad, expected);
    Ok(())
}
