//! Trying one backend after the other.

use aya::{Btf, Endianness};

use super::offsets::{self, Kernel};
use super::probe::{self, Parts, ProbeError};
use super::{Backend, Capture, Error, Metrics, Reader, Settings, memory, self_test};
use crate::record::CgroupId;

/// What all backends need to know of the kernel.
pub(super) struct Tries {
    kernel: Kernel,
    /// This process's, in which a write is tried.
    cgroup: CgroupId,
    /// Tens of megabytes: read once, and not kept.
    btf: Btf,
    /// Dropped last.
    _memory: memory::GiveBack,
}

impl Tries {
    pub(super) fn new(settings: &Settings) -> Result<Self, Error> {
        let cgroup = self_test::own_cgroup()?;
        let kernel = offsets::resolve(&settings.btf, settings.daemon.is_some())?;
        let btf = Btf::parse_file(&settings.btf, Endianness::default()).map_err(ProbeError::Btf)?;
        Ok(Self { kernel, cgroup, btf, _memory: memory::GiveBack })
    }

    /// Loads, attaches, and makes sure that a write of this process is seen.
    pub(super) fn attempt(
        &self,
        backend: Backend,
        settings: &Settings,
        metrics: &Metrics,
    ) -> Result<Capture, Error> {
        let Parts { mut probe, ring, control, reader_state, skips, gaps } =
            probe::load(settings, &self.kernel, &self.btf, backend)?;
        let (interval, metrics) = (settings.wake_interval, metrics.clone());
        let mut reader = Reader::new(ring, reader_state, skips, interval, metrics);
        self_test::run(&mut reader, &control, self.cgroup)?;
        probe.begin()?;
        Ok(Capture { probe, reader, control: control.into(), backend, gaps })
    }
}
