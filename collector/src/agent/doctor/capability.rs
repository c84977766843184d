//! The capabilities of this process, from `CapEff` of its status.

use std::fs;

use super::{Finding, Roots};

/// A capability, its bit in `include/uapi/linux/capability.h`, and what cannot be done without it.
struct Need {
    topic: &'static str,
    bit: u32,
    is_essential: bool,
    purpose: &'static str,
}

const NEEDS: [Need; 4] = [
    Need { topic: "CAP_BPF", bit: 39, is_essential: true, purpose: "loading the probe" },
    Need { topic: "CAP_PERFMON", bit: 38, is_essential: true, purpose: "attaching the probe" },
    Need {
        topic: "CAP_SYS_PTRACE",
        bit: 19,
        is_essential: false,
        purpose: "seeing the stdout of containers older than the agent",
    },
    Need {
        topic: "CAP_DAC_READ_SEARCH",
        bit: 2,
        is_essential: false,
        purpose: "reading the files of containers run by other users",
    },
];

/// Stands for `CAP_BPF` and `CAP_PERFMON`: <https://man7.org/linux/man-pages/man7/capabilities.7.html>
const SYS_ADMIN: u32 = 21;

/// A finding for each capability that is of use.
pub(super) fn examine(roots: &Roots) -> Vec<Finding> {
    match effective(roots) {
        Ok(effective) => NEEDS.iter().map(|need| judge(need, effective)).collect(),
        Err(reason) => vec![Finding::degraded("capabilities", reason, "mount /proc")],
    }
}

fn effective(roots: &Roots) -> Result<u64, String> {
    let path = roots.proc.join("self/status");
    let status = fs::read_to_string(&path)
        .map_err(|error| format!("failed to read {}: {error}", path.display()))?;
    let digits = status.lines().find_map(|line| line.strip_prefix("CapEff:")).map(str::trim);
    let bits = digits.and_then(|digits| u64::from_str_radix(digits, 16).ok());
    bits.ok_or_else(|| format!("{} has no `CapEff` line that is understood", path.display()))
}

fn judge(need: &Need, effective: u64) -> Finding {
    let Need { topic, bit, is_essential, purpose } = need;
    let has = |bit: u32| effective & (1 << bit) != 0;
    if has(*bit) {
        Finding::ok(topic, "granted")
    } else if *is_essential && has(SYS_ADMIN) {
        Finding::ok(topic, "granted by CAP_SYS_ADMIN")
    } else {
        let detail = format!("not granted; needed for {purpose}");
        let remedy = format!(
            "run as root, or grant {topic} (systemd: AmbientCapabilities, Docker: --cap-add)"
        );
        let finding = if *is_essential { Finding::missing } else { Finding::degraded };
        finding(topic, detail, remedy)
    }
}
