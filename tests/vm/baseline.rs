//! What the kernel says of the loaded programs, and how much work they were to the verifier when that was last reviewed.

use std::collections::BTreeMap;
use std::fs;

use anyhow::{Context as _, Result};
use aya::programs::loaded_programs;

/// By kernel (the first two numbers of its release), then by program: instructions that the verifier looked at.
const REVIEWED: &str = include_str!("verifier.json");

/// Linux from which on `kprobe.multi` stands on the function graph tracer.
pub(crate) const GRAPH_PROBES: (u32, u32) = (6, 14);

/// A loaded program.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Program {
    /// Instructions that the verifier looked at; from Linux 5.16 on.
    pub(crate) verified: Option<u64>,
    /// Calls that the kernel left out, because the program was at work on that CPU; from Linux 5.12 on.
    pub(crate) skipped: Option<u64>,
}

/// A process's programs by name, which the kernel cuts to 15 bytes; of several with one name the latest.
pub(crate) fn programs(process: u32) -> Result<BTreeMap<String, Program>> {
    let mut found = BTreeMap::new();
    for entry in fs::read_dir(format!("/proc/{process}/fdinfo"))? {
        // The directory's own descriptor is closed by the time that it is read.
        let Ok(text) = fs::read_to_string(entry?.path()) else { continue };
        let value = |key: &str| {
            text.lines()
                .find_map(|line| line.strip_prefix(key)?.strip_prefix(':')?.trim().parse().ok())
        };
        // What attaches a program names it too.
        if !text.contains("prog_type") {
            continue;
        }
        let Some(id) = value("prog_id") else { continue };
        let program =
            Program { verified: value("verified_insns"), skipped: value("recursion_misses") };
        found.insert(id, program);
    }
    let mut named = BTreeMap::new();
    for info in loaded_programs() {
        let info = info.context("failed to list the loaded programs")?;
        if let Some(program) = found.get(&u64::from(info.id())) {
            named.insert(info.name_as_str().unwrap_or_default().to_owned(), *program);
        }
    }
    Ok(named)
}

/// What was reviewed for this kernel. `class`: with the class of that name, which has its own list.
pub(crate) fn reviewed(class: Option<&str>) -> Result<Option<BTreeMap<String, u64>>> {
    let mut all: BTreeMap<String, BTreeMap<String, u64>> = serde_json::from_str(REVIEWED)?;
    let (major, minor) = release()?;
    let class = class.map_or(String::new(), |class| format!(" {class}"));
    Ok(all.remove(&format!("{major}.{minor}{class}")))
}

/// The first two numbers of the kernel's release.
pub(crate) fn release() -> Result<(u32, u32)> {
    let release = fs::read_to_string("/proc/sys/kernel/osrelease")?;
    let mut numbers = release.split(['.', '-']).map(str::parse);
    match (numbers.next(), numbers.next()) {
        (Some(Ok(major)), Some(Ok(minor))) => Ok((major, minor)),
        _ => anyhow::bail!("`{release}` is no release of Linux"),
    }
}
