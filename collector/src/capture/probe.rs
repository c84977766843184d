//! Loading and attaching: the only file that knows the names of programs and maps.

use std::os::fd::OwnedFd;
use std::{fmt, io};

use aya::maps::{Array, HashMap, Map, MapData, MapError, PerCpuArray, RingBuf};
use aya::programs::ProgramError;
use aya::{Btf, BtfError, Ebpf, EbpfError, EbpfLoader};
use aya_log::EbpfLogger;
use collector_ebpf::{RECORD_BYTES, Settings as ProbeSettings};

use super::attach::{self, Attached};
use super::multi::MultiError;
use super::offsets::{Iterators, Kernel};
use super::preemption;
use super::ring::ReaderState;
use super::skips::Skips;
use super::{Backend, Control, Settings};
use crate::record::Stream;

/// The probe, as `build.rs` made it.
pub(super) static OBJECT: &[u8] = aya::include_bytes_aligned!(concat!(env!("OUT_DIR"), "/probe"));

/// Programs and their tracepoints that follow a container's life and see nothing as long as none is watched.
const LIFE: [(&str, &str); 4] = [
    ("cgroup_rmdir", "cgroup_rmdir"),
    ("rmdir_again", "cgroup_rmdir"),
    ("sched_process_exec", "sched_process_exec"),
    ("exec_again", "sched_process_exec"),
];

/// The programs that watch new containers, and their tracepoint. Attached last of all, so that none is seen half.
const BEGINNING: ([&str; 2], &str) = (["cgroup_mkdir", "mkdir_again"], "cgroup_mkdir");

/// Threads that may be writing to watched streams at once, where their arguments are kept meanwhile.
const CALLS: u32 = 16_384;

/// Sessions that were opened from outside their container, of all containers; the least recently used are forgotten.
const SESSIONS: u32 = 4096;

/// No kind of iterator.
const NO_KIND: u64 = u64::MAX;

/// Cgroups that a container has at most on average; few have more than one.
const CGROUPS_PER_CONTAINER: u32 = 4;

/// Why the probe is not running.
#[derive(Debug, thiserror::Error)]
pub enum ProbeError {
    /// Built without it.
    #[error("this build of writetap has no probe; build it with `cargo xtask build`")]
    Absent,
    /// The ring's size is none.
    #[error("capture.ring_bytes {bytes} is no power of two of at least 4096")]
    RingBytes {
        /// What was asked for.
        bytes: u32,
    },
    /// The number of CPUs is unknown.
    #[error("failed to count the CPUs")]
    Cpus(#[source] io::Error),
    /// The kernel's types.
    #[error("failed to read the kernel's BTF")]
    Btf(#[source] BtfError),
    /// Maps or object refused.
    #[error(
        "failed to load the probe; it needs CAP_BPF and CAP_PERFMON (or root), and Linux 5.10 or later: \
         see `writetap doctor`"
    )]
    Load(#[source] EbpfError),
    /// A program refused.
    #[error("failed to load or attach the program `{program}`: see `writetap doctor`")]
    Attach {
        /// Which.
        program: &'static str,
        /// Why.
        source: ProgramError,
    },
    /// The backend needs another kernel.
    #[error("this kernel has no {what}")]
    Kernel {
        /// Of what it has none.
        what: &'static str,
    },
    /// The backend needs another kernel.
    #[error("this kernel has no function for {sees} that this version of Writetap knows")]
    Function {
        /// What it would see.
        sees: &'static str,
    },
    /// A program of `kprobe.multi` refused.
    #[error(transparent)]
    Multi(#[from] MultiError),
    /// No more descriptors.
    #[error("failed to copy the descriptor of a program")]
    Descriptor(#[source] io::Error),
    /// The object is not the one that this code knows.
    #[error("the probe has no `{name}`: it is of another version")]
    Mismatch {
        /// A map or program.
        name: &'static str,
    },
    /// A map cannot be used.
    #[error("failed to use the probe's map `{name}`")]
    Map {
        /// Which.
        name: &'static str,
        /// Why.
        source: MapError,
    },
}

/// A loaded probe; dropping it detaches it.
pub struct Probe {
    ebpf: Ebpf,
    /// Those of the programs that `aya` does not know.
    _links: Vec<OwnedFd>,
}

impl fmt::Debug for Probe {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Probe").finish_non_exhaustive()
    }
}

impl Probe {
    /// From here on new containers are watched.
    pub(super) fn begin(&mut self) -> Result<(), ProbeError> {
        BEGINNING.0.into_iter().try_for_each(|program| attach::tracepoint(&mut self.ebpf, program))
    }
}

/// The probe and what it shares with user space.
pub(super) struct Parts {
    pub(super) probe: Probe,
    pub(super) ring: RingBuf<MapData>,
    pub(super) control: Control,
    pub(super) reader_state: ReaderState,
    pub(super) skips: Skips,
    /// What the backend should see and does not.
    pub(super) gaps: Vec<&'static str>,
}

/// Loads the probe for this kernel and attaches every program but the one that begins to watch. `btf` are the kernel's types
/// to attach by: tens of megabytes.
pub(super) fn load(
    settings: &Settings,
    kernel: &Kernel,
    btf: &Btf,
    backend: Backend,
) -> Result<Parts, ProbeError> {
    if OBJECT.is_empty() {
        return Err(ProbeError::Absent);
    }
    let bytes = settings.ring_bytes;
    if bytes < 4096 || !bytes.is_power_of_two() {
        return Err(ProbeError::RingBytes { bytes });
    }
    require(kernel, backend)?;
    let cpus = aya::util::nr_cpus().map_err(|(_, error)| ProbeError::Cpus(error))? as u32;
    let policy = policy(settings, kernel, cpus);
    let containers = settings.max_containers;
    let mut ebpf = EbpfLoader::new()
        .btf(Some(btf))
        .override_global("OFFSETS", &kernel.offsets, true)
        .override_global("SETTINGS", &policy, true)
        .map_max_entries("RING", bytes)
        .map_max_entries("CONTAINERS", containers)
        .map_max_entries("CGROUPS", containers.saturating_mul(CGROUPS_PER_CONTAINER))
        .map_max_entries("SCRATCH", cpus * backend.slots())
        .map_max_entries("SESSIONS", if settings.daemon.is_some() { SESSIONS } else { 1 })
        .map_max_entries("CALLS", if backend == Backend::Syscall { 1 } else { CALLS })
        .load(OBJECT)
        .map_err(ProbeError::Load)?;
    let mut life = Vec::new();
    for program in BEGINNING.0 {
        life.push(attach::load(&mut ebpf, program, BEGINNING.1, btf)?);
    }
    for (program, tracepoint) in LIFE {
        life.push(attach::load(&mut ebpf, program, tracepoint, btf)?);
        attach::tracepoint(&mut ebpf, program)?;
    }
    let may_preempt = backend == Backend::Fexit && preemption::may_preempt();
    let Attached { backed, programs, links, gaps } = match backend {
        Backend::Multi => Attached::calls(&ebpf, &kernel.hooks, BEGINNING.0[0])?,
        Backend::Fexit => Attached::exits(&mut ebpf, &kernel.hooks, btf, may_preempt)?,
        Backend::Syscall => Attached::system_calls(&mut ebpf, btf)?,
    };
    life.extend(backed);
    let skips = Skips::of(life, programs);
    // Its warnings are rare; a probe without them is still a probe.
    let log = EbpfLogger::init(&mut ebpf)
        .inspect_err(|error| tracing::debug!(%error, "the probe's own log cannot be read"))
        .ok();
    Ok(Parts {
        ring: take(&mut ebpf, "RING")?,
        reader_state: ReaderState::new(take::<Array<_, _>>(&mut ebpf, "READER")?, log),
        control: Control::new(
            take::<HashMap<_, _, _>>(&mut ebpf, "CGROUPS")?,
            take::<HashMap<_, _, _>>(&mut ebpf, "CONTAINERS")?,
            take::<PerCpuArray<_, _>>(&mut ebpf, "NODE")?,
            skips.total(),
            if settings.daemon.is_some() { &Stream::ALL } else { &Stream::LOGGED },
        ),
        probe: Probe { ebpf, _links: links },
        skips,
        gaps,
    })
}

/// What can be told before anything is loaded.
fn require(kernel: &Kernel, backend: Backend) -> Result<(), ProbeError> {
    let lacks = |what| Err(ProbeError::Kernel { what });
    if backend == Backend::Multi && !kernel.has_graph_probes {
        return lacks("probes on the function graph tracer (Linux 6.14, CONFIG_FPROBE)");
    }
    if backend != Backend::Syscall && kernel.iterators.is_none() {
        return lacks("`iov_iter` of a form that this version of Writetap knows");
    }
    match kernel.hooks.refusal {
        Some(sees) if backend != Backend::Syscall => Err(ProbeError::Function { sees }),
        _ => Ok(()),
    }
}

fn policy(settings: &Settings, kernel: &Kernel, cpus: u32) -> ProbeSettings {
    let iterators = kernel.iterators;
    let kind = |kind: Option<u32>| kind.map_or(NO_KIND, u64::from);
    ProbeSettings {
        wake_bytes: u64::from(settings.ring_bytes / 4),
        pressure_bytes: u64::from(settings.ring_bytes / 2),
        share_bytes_per_second: settings.share_bytes_per_second,
        // A bucket that cannot hold a full record would refuse it for ever.
        share_burst_bytes: settings.share_burst_bytes.max(RECORD_BYTES as u64),
        daemon_bytes_per_second: settings.daemon.map_or(0, |daemon| daemon.bytes_per_second.max(1)),
        daemon_burst_bytes: settings
            .daemon
            .map_or(0, |daemon| daemon.burst_bytes.max(RECORD_BYTES as u64)),
        typed_task: u64::from(kernel.has_typed_task),
        cpus: u64::from(cpus),
        iter_kind_mask: iterators.map_or(0, |Iterators { kind_mask, .. }| u64::from(kind_mask)),
        iter_vector: kind(iterators.map(|iterators| iterators.vector)),
        iter_buffer: kind(iterators.and_then(|iterators| iterators.buffer)),
    }
}

fn take<T: TryFrom<Map, Error = MapError>>(
    ebpf: &mut Ebpf,
    name: &'static str,
) -> Result<T, ProbeError> {
    let map = ebpf.take_map(name).ok_or(ProbeError::Mismatch { name })?;
    T::try_from(map).map_err(|source| ProbeError::Map { name, source })
}
