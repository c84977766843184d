//! What will be captured and how: by loading the probe for real, and letting go of it.

use std::error::Error;

use super::Finding;
use crate::capture::{self, Preflight, preflight};

/// Tries to capture with these settings.
pub(super) fn examine(settings: &capture::Settings) -> Vec<Finding> {
    let tried: Vec<Finding> = preflight(settings).iter().map(attempt).collect();
    if tried.iter().any(Finding::is_missing) {
        return tried;
    }
    let captured = Finding::ok(
        "captured",
        "stdout and stderr of every container, whichever process of it writes, by write, writev, \
         pwrite64, pwritev, pwritev2",
    );
    let unseen = Finding::ok(
        "counted only",
        "sendfile, splice, tee, vmsplice and copy_file_range onto these streams",
    );
    let not_seen = Finding::ok(
        "not seen",
        "io_uring and AIO, 32-bit processes, output to files, /dev/null or sockets",
    );
    [tried, vec![captured, unseen, not_seen]].concat()
}

fn attempt(Preflight { backend, outcome }: &Preflight) -> Finding {
    let topic = "probe";
    match outcome {
        Ok(()) => {
            let seen = "loads, attaches, and sees a write of this process";
            Finding::ok(topic, format!("backend `{}` {seen}", backend.as_str()))
        }
        Err(error) => Finding::missing(
            topic,
            format!("backend `{}`: {}", backend.as_str(), chain(error)),
            "see what is missing above; run as root, or with CAP_BPF, CAP_PERFMON and CAP_SYS_RESOURCE",
        ),
    }
}

/// An error and what caused it, on one line. The verifier's log has its lines cut.
fn chain(error: &dyn Error) -> String {
    let causes = std::iter::successors(Some(error), |&error| error.source());
    let lines = causes.map(|error| error.to_string().lines().next().unwrap_or_default().to_owned());
    lines.collect::<Vec<_>>().join(": ")
}
