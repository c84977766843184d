//! The kernel's ring buffer → [`Event`]s: the source that sees each write when it is made.
//!
//! [`Capture::start`] loads and attaches the probe and gives its parts: the [`Reader`], which belongs to one thread and
//! drains the ring, and the [`Control`], which says which cgroups are watched and reads what the kernel counted.
//!
//! Not here: which container a cgroup is (`identity`), and lines (`line`).

mod attach;
mod backend;
mod btf;
mod clock;
mod control;
mod decode;
mod file_range;
mod hooks;
mod memory;
mod metrics;
mod multi;
mod offsets;
mod preemption;
mod preflight;
mod probe;
mod ring;
mod self_test;
mod skips;
mod tries;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

pub use backend::Backend;
pub use control::{Control, Stdio, Watched};
pub use decode::{DecodeError, Event, decode};
pub use file_range::FileRange;
pub use metrics::Metrics;
pub use offsets::OffsetsError;
pub use preflight::{Preflight, preflight};
pub use probe::{Probe, ProbeError};
pub use ring::Reader;
pub use self_test::SelfTestError;
use tries::Tries;

/// What capture needs to know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// The only backend to try; `None`: the best that works.
    pub backend: Option<Backend>,
    /// The kernel's type information. Default: `/sys/kernel/btf/vmlinux`.
    pub btf: PathBuf,
    /// Size of the ring in bytes, a power of two of at least 4096. Default: 16 MiB.
    pub ring_bytes: u32,
    /// How long the reader sleeps between two drains while something is written. It bounds the delay of a line, and its
    /// inverse the wake-ups per second, however many containers write. Default: 10 ms.
    pub wake_interval: Duration,
    /// Containers watched at once; a quarter of the cgroups in them. Default: 4096.
    pub max_containers: u32,
    /// What a container may add to the ring while it is more than half full. Default: 1 MiB per second.
    pub share_bytes_per_second: u64,
    /// What it may add at once in that case; one full record in any case. Default: 1/64 of the ring.
    pub share_burst_bytes: u64,
    /// Whether what processes put out where nobody reads is captured too, as [`Stream::Daemon`]. Default: no.
    ///
    /// [`Stream::Daemon`]: crate::record::Stream::Daemon
    pub daemon: Option<Allowance>,
}

/// What a container may add to the ring of one of its streams, at any time. More is lost, and counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Allowance {
    /// Bytes per second, each record with its header of 96; at least 1.
    pub bytes_per_second: u64,
    /// Bytes at once; one full record in any case.
    pub burst_bytes: u64,
}

impl Default for Settings {
    fn default() -> Self {
        let ring_bytes = 16 << 20;
        Self {
            backend: None,
            btf: PathBuf::from("/sys/kernel/btf/vmlinux"),
            ring_bytes,
            wake_interval: Duration::from_millis(10),
            max_containers: 4096,
            share_bytes_per_second: 1 << 20,
            share_burst_bytes: u64::from(ring_bytes / 64),
            daemon: None,
        }
    }
}

/// Why capture could not start.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The kernel's types could not be had.
    #[error(transparent)]
    Offsets(#[from] OffsetsError),
    /// The kernel refused the probe.
    #[error(transparent)]
    Probe(#[from] ProbeError),
    /// The probe is attached and sees nothing.
    #[error(transparent)]
    SelfTest(#[from] SelfTestError),
}

/// A running probe, in the parts that different threads hold.
#[derive(Debug)]
pub struct Capture {
    /// Detaches the probe when it is dropped.
    pub probe: Probe,
    /// Drains the ring.
    pub reader: Reader,
    /// Watches cgroups and reads counters.
    pub control: Arc<Control>,
    /// Which hooks are in use.
    pub backend: Backend,
    /// What this backend should see and does not on this kernel, by name.
    pub gaps: Vec<&'static str>,
}

impl Capture {
    /// Loads and attaches the probe, makes sure that it sees a write of this process, and begins to watch containers
    /// that are made from now on. By the best backend that works, if none is asked for; the log says what is wrong with
    /// those before it.
    pub fn start(settings: &Settings, metrics: &Metrics) -> Result<Self, Error> {
        let tries = Tries::new(settings)?;
        let Some(backend) = settings.backend else {
            let [better @ .., last] = Backend::ALL;
            for backend in better {
                match tries.attempt(backend, settings, metrics) {
                    Ok(capture) => return Ok(capture),
                    Err(error) => {
                        let name = backend.as_str();
                        tracing::info!("not by backend `{name}`: {}", chain(&error));
                    }
                }
            }
            return tries.attempt(last, settings, metrics);
        };
        tries.attempt(backend, settings, metrics)
    }
}

/// An error and what caused it, on one line: a verifier's log is told by its first.
pub fn chain(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(Some(error), |&error| error.source());
    let lines = causes.map(|error| error.to_string().lines().next().unwrap_or_default().to_owned());
    lines.collect::<Vec<_>>().join(": ")
}
