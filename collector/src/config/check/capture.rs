//! `capture`

use super::Findings;
use crate::capture::{Allowance, Backend, Settings};
use crate::config::file::{self, Attach, Document};
use crate::config::units::Size;

pub(super) fn check(document: &Document, findings: &mut Findings<'_>) -> Settings {
    let file::Capture {
        attach,
        required,
        btf,
        ring_bytes,
        wake_interval,
        max_containers,
        share_bytes_per_second,
        share_burst_bytes,
        daemon,
    } = &document.capture;
    if *attach == Attach::Off && *required {
        findings.add(&["capture", "required"], "needs another `attach` than `off`");
    }
    if *attach == Attach::Off && !document.tail.enabled {
        let message = "nothing would be read: `tail.enabled` is `false` as well";
        findings.add(&["capture", "attach"], message);
    }
    if *attach == Attach::Off && daemon.enabled {
        findings.add(&["capture", "daemon", "enabled"], "needs another `attach` than `off`");
    }
    if !ring_bytes.bytes().is_power_of_two() {
        let larger = ring_bytes.bytes().next_power_of_two();
        let larger =
            Size::try_from(larger).map_or(String::new(), |size| format!(" such as {size}"));
        findings.add(&["capture", "ring_bytes"], format!("must be a power of two{larger}"));
    }
    if let Some(burst) = share_burst_bytes.filter(|burst| burst > ring_bytes) {
        let message =
            format!("must be at most `capture.ring_bytes`: {burst} is more than {ring_bytes}");
        findings.add(&["capture", "share_burst_bytes"], message);
    }
    let backend = match attach {
        // Not started at all.
        Attach::Auto | Attach::Off => None,
        Attach::Multi => Some(Backend::Multi),
        Attach::Fexit => Some(Backend::Fexit),
        Attach::Syscall => Some(Backend::Syscall),
    };
    Settings {
        backend,
        btf: btf.clone(),
        ring_bytes: ring_bytes.bytes() as u32,
        wake_interval: wake_interval.duration(),
        max_containers: *max_containers,
        share_bytes_per_second: share_bytes_per_second.bytes(),
        share_burst_bytes: share_burst_bytes.map_or(ring_bytes.bytes() / 64, Size::bytes),
        daemon: daemon.enabled.then(|| Allowance {
            bytes_per_second: daemon.bytes_per_second.bytes(),
            burst_bytes: daemon.burst_bytes.bytes(),
        }),
    }
}
