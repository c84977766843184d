//! The kernel takes the programs, at a price that is known.

use std::time::Instant;

use anyhow::{Result, ensure};

use crate::baseline::{self, Program};
use crate::stage::{Outcome, Stage};

/// What a program may cost the verifier above what was reviewed.
const BUDGET_PERCENT: u64 = 110;

/// Includes the collector's own test: the probe has to see a write of this process.
pub(crate) fn loads_and_sees_its_own_write(stage: &mut Stage) -> Result<Outcome> {
    let start = Instant::now();
    stage.observer()?;
    let programs: Vec<String> = baseline::programs(std::process::id())?.into_keys().collect();
    let millis = start.elapsed().as_millis();
    let expected = ["cgroup_mkdir", "cgroup_rmdir", "sched_process_e", "sys_exit"];
    ensure!(programs == expected, "loaded: {programs:?}, expected {expected:?}");
    Ok(Outcome::Passed(format!("{millis} ms")))
}

pub(crate) fn costs_the_verifier_no_more_than_before(stage: &mut Stage) -> Result<Outcome> {
    stage.observer()?;
    let mut said = Vec::new();
    let reviewed = baseline::reviewed()?;
    for (name, Program { verified, .. }) in baseline::programs(std::process::id())? {
        let Some(verified) = verified else {
            return Ok(Outcome::Skipped("this kernel does not say".into()));
        };
        said.push(format!("{name} {verified}"));
        let Some(reviewed) = &reviewed else { continue };
        let known = reviewed.get(&name).copied().unwrap_or_default();
        let budget = known * BUDGET_PERCENT / 100;
        ensure!(
            verified <= budget,
            "`{name}` costs the verifier {verified} instructions, more than {budget}: make it cheaper, or review \
             `tests/vm/verifier.json`"
        );
    }
    if reviewed.is_none() {
        said.push("of a kernel without a baseline".into());
    }
    Ok(Outcome::Passed(said.join(", ")))
}
