//! What will be captured and how: by loading the probe for real, and letting go of it.

use super::Finding;
use crate::capture::{self, Backend, Preflight, chain, preflight};

/// The topic of what was tried.
const PROBE: &str = "probe";

/// What to do where nothing works.
const REMEDY: &str =
    "see what is missing above; run as root, or with CAP_BPF, CAP_PERFMON and CAP_SYS_RESOURCE";

/// Tries to capture with these settings.
pub(super) fn examine(settings: &capture::Settings) -> Vec<Finding> {
    let tried = match preflight(settings) {
        Ok(tried) => tried,
        Err(error) => return vec![Finding::missing(PROBE, chain(&error), REMEDY)],
    };
    let chosen = tried
        .iter()
        .find_map(|Preflight { backend, outcome }| Some((*backend, outcome.as_ref().ok()?)));
    let mut findings: Vec<Finding> =
        tried.iter().map(|tried| attempt(tried, chosen.is_some())).collect();
    if let Some((backend, gaps)) = chosen {
        findings.extend(coverage(backend, gaps, settings.daemon.is_some()));
    }
    findings
}

fn attempt(Preflight { backend, outcome }: &Preflight, is_another_chosen: bool) -> Finding {
    let name = backend.as_str();
    match outcome {
        Ok(_) => {
            let seen = "loads, attaches, and sees a write of this process";
            Finding::ok(PROBE, format!("backend `{name}` {seen}"))
        }
        Err(error) if is_another_chosen => {
            Finding::ok(PROBE, format!("not by backend `{name}`: {}", chain(error)))
        }
        Err(error) => {
            Finding::missing(PROBE, format!("backend `{name}`: {}", chain(error)), REMEDY)
        }
    }
}

/// What a backend sees.
fn coverage(backend: Backend, gaps: &[&str], has_daemon: bool) -> Vec<Finding> {
    let (captured, unseen, not_seen) = match backend {
        Backend::Multi | Backend::Fexit => (
            "whichever call it uses, io_uring and AIO too",
            "sendfile, splice, tee, vmsplice, and io_uring with registered buffers",
            "",
        ),
        Backend::Syscall => (
            "by write, writev, pwrite64, pwritev, pwritev2",
            "sendfile, splice, tee, vmsplice and copy_file_range",
            "io_uring and AIO, 32-bit processes, ",
        ),
    };
    let mut findings = vec![
        Finding::ok(
            "captured",
            format!("stdout and stderr of every container, whichever process writes, {captured}"),
        ),
        Finding::ok("counted only", format!("{unseen} onto these streams")),
    ];
    let discarded = if has_daemon {
        let nowhere =
            "output to /dev/null, to pipes without a reader and to terminals of their own";
        findings.push(Finding::ok("captured as `daemon`", format!("{nowhere}, within limits")));
        ""
    } else {
        "/dev/null, "
    };
    findings
        .push(Finding::ok("not seen", format!("{not_seen}output to {discarded}files or sockets")));
    if !gaps.is_empty() {
        findings.push(Finding::degraded(
            "not seen on this kernel",
            gaps.join(", "),
            "set `capture.attach` to `syscall`, or report the kernel's version",
        ));
    }
    findings
}
