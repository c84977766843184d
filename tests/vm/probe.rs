//! The kernel takes the programs, at a price that is known.

use std::fs;
use std::time::Instant;

use anyhow::{Result, ensure};
use collector::capture::Backend;

use crate::baseline::{self, Program};
use crate::stage::{Outcome, Stage};

/// What a program may cost the verifier above what was reviewed.
const BUDGET_PERCENT: u64 = 110;

/// Includes the collector's own test: the probe has to see a write of this process.
pub(crate) fn loads_and_sees_its_own_write(stage: &mut Stage) -> Result<Outcome> {
    let start = Instant::now();
    let observer = stage.observer()?;
    let (backend, gaps) = (observer.backend(), observer.gaps());
    ensure!(gaps.is_empty(), "not seen: {gaps:?}");
    let programs: Vec<String> = baseline::programs(std::process::id())?.into_keys().collect();
    let millis = start.elapsed().as_millis();
    let expected = expected(backend)?;
    ensure!(programs == expected, "loaded: {programs:?}, expected {expected:?}");
    Ok(Outcome::Passed(format!("{millis} ms")))
}

/// The names of the programs that a backend has on this kernel.
fn expected(backend: Backend) -> Result<Vec<&'static str>> {
    let mut programs = vec![
        "cgroup_mkdir",
        "cgroup_rmdir",
        "exec_again",
        "mkdir_again",
        "rmdir_again",
        "sched_process_e",
    ];
    programs.extend(match backend {
        Backend::Multi => &[
            "enter_sendfile",
            "enter_splice",
            "enter_tee",
            "enter_vmsplice",
            "enter_write",
            "leave",
        ][..],
        Backend::Fexit if programs_may_be_preempted() => &[
            "do_sendfile",
            "do_splice",
            "do_tee",
            "enter_write",
            "pipe_left",
            "sys_exit_again",
            "tty_left",
            "vmsplice",
        ],
        Backend::Fexit => {
            &["do_sendfile", "do_splice", "do_tee", "pipe_write", "tty_write", "vmsplice"]
        }
        Backend::Syscall => &["sys_exit"],
    });
    // Before, the function of pipes wrote for it.
    if baseline::release()? < (5, 12) {
        programs.retain(|program| !program.contains("sendfile"));
    }
    programs.sort_unstable();
    Ok(programs)
}

/// What a virtual machine shows to everybody.
fn programs_may_be_preempted() -> bool {
    fs::read_to_string("/sys/kernel/debug/sched/preempt")
        .is_ok_and(|modes| !["(none)", "(voluntary)"].iter().any(|mild| modes.contains(mild)))
}

pub(crate) fn costs_the_verifier_no_more_than_before(stage: &mut Stage) -> Result<Outcome> {
    stage.observer()?;
    within_budget(None)
}

/// Checks the programs that are loaded now against what was reviewed of them.
pub(crate) fn within_budget(class: Option<&str>) -> Result<Outcome> {
    let (mut said, mut dear) = (Vec::new(), Vec::new());
    let reviewed = baseline::reviewed(class)?;
    for (name, Program { verified, .. }) in baseline::programs(std::process::id())? {
        let Some(verified) = verified else {
            return Ok(Outcome::Skipped("this kernel does not say".into()));
        };
        said.push(format!("{name} {verified}"));
        let Some(reviewed) = &reviewed else { continue };
        let known = reviewed.get(&name).copied().unwrap_or_default();
        let budget = known * BUDGET_PERCENT / 100;
        if verified > budget {
            dear.push(format!("`{name}` {verified}, more than {budget}"));
        }
    }
    ensure!(
        dear.is_empty(),
        "instructions that the verifier looked at: {}: make it cheaper, or review `tests/vm/verifier.json`",
        dear.join(", ")
    );
    if reviewed.is_none() {
        said.push("of a kernel without a baseline".into());
    }
    Ok(Outcome::Passed(said.join(", ")))
}
