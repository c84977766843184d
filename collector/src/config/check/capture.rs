//! `capture`

use std::time::Duration;

use super::Findings;
use crate::config::file::{self, Attach};
use crate::config::units::Size;

/// The probe's settings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Capture {
    /// Which kernel hooks watch writes.
    pub attach: Attach,
    /// Bytes of the ring buffer; a power of two.
    pub ring_bytes: usize,
    /// How long a record may wait in the ring.
    pub wake_interval: Duration,
    /// Containers watched at the same time.
    pub max_containers: usize,
    /// What one container may always put into the ring in a second.
    pub share_bytes_per_second: u64,
    /// What it may put into it at once on top; at most `ring_bytes`.
    pub share_burst_bytes: u64,
}

pub(super) fn check(file: &file::Capture, findings: &mut Findings<'_>) -> Capture {
    let file::Capture {
        attach,
        ring_bytes,
        wake_interval,
        max_containers,
        share_bytes_per_second,
        share_burst_bytes,
    } = file;
    if !ring_bytes.bytes().is_power_of_two() {
        let larger = ring_bytes.bytes().next_power_of_two();
        let larger =
            Size::try_from(larger).map_or(String::new(), |size| format!(" such as {size}"));
        findings.add(
            &["capture", "ring_bytes"],
            format!("must be a power of two{larger}"),
        );
    }
    if let Some(burst) = share_burst_bytes.filter(|burst| burst > ring_bytes) {
        let message =
            format!("must be at most `capture.ring_bytes`: {burst} is more than {ring_bytes}");
        findings.add(&["capture", "share_burst_bytes"], message);
    }
    Capture {
        attach: *attach,
        ring_bytes: ring_bytes.bytes() as usize,
        wake_interval: wake_interval.duration(),
        max_containers: *max_containers as usize,
        share_bytes_per_second: share_bytes_per_second.bytes(),
        share_burst_bytes: share_burst_bytes.map_or(ring_bytes.bytes() / 64, Size::bytes),
    }
}
