//! Loading and attaching: the only file that knows the names of programs and maps.

use std::{fmt, io};

use aya::maps::{Array, HashMap, Map, MapData, MapError, PerCpuArray, RingBuf};
use aya::programs::{BtfTracePoint, ProgramError};
use aya::{Btf, BtfError, Ebpf, EbpfError, EbpfLoader};
use aya_log::EbpfLogger;
use collector_ebpf::{RECORD_BYTES, Settings as ProbeSettings};

use super::offsets::Kernel;
use super::ring::ReaderState;
use super::{Control, Settings};

/// The probe, as `build.rs` made it.
static OBJECT: &[u8] = aya::include_bytes_aligned!(concat!(env!("OUT_DIR"), "/probe"));

/// Programs, each named as its tracepoint, that see nothing as long as no container is watched.
const PROGRAMS: [&str; 3] = ["cgroup_rmdir", "sched_process_exec", "sys_exit"];

/// The program that watches new containers. Attached last, so that none is seen half.
const BEGINNING: &str = "cgroup_mkdir";

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
}

impl fmt::Debug for Probe {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Probe").finish_non_exhaustive()
    }
}

impl Probe {
    /// From here on new containers are watched.
    pub(super) fn begin(&mut self, btf: &Btf) -> Result<(), ProbeError> {
        attach(&mut self.ebpf, BEGINNING, btf)
    }
}

/// The probe and what it shares with user space.
pub(super) struct Parts {
    pub(super) probe: Probe,
    /// The kernel's types, to attach by: tens of megabytes.
    pub(super) btf: Btf,
    pub(super) ring: RingBuf<MapData>,
    pub(super) control: Control,
    pub(super) reader_state: ReaderState,
}

/// Loads the probe for this kernel and attaches every program but the one that begins to watch.
pub(super) fn load(settings: &Settings, kernel: &Kernel) -> Result<Parts, ProbeError> {
    if OBJECT.is_empty() {
        return Err(ProbeError::Absent);
    }
    let bytes = settings.ring_bytes;
    if bytes < 4096 || !bytes.is_power_of_two() {
        return Err(ProbeError::RingBytes { bytes });
    }
    let cpus = aya::util::nr_cpus().map_err(|(_, error)| ProbeError::Cpus(error))?;
    let btf =
        Btf::parse_file(&settings.btf, aya::Endianness::default()).map_err(ProbeError::Btf)?;
    let policy = ProbeSettings {
        wake_bytes: u64::from(bytes / 4),
        pressure_bytes: u64::from(bytes / 2),
        share_bytes_per_second: settings.share_bytes_per_second,
        // A bucket that cannot hold a full record would refuse it for ever.
        share_burst_bytes: settings.share_burst_bytes.max(RECORD_BYTES as u64),
        typed_task: u64::from(kernel.has_typed_task),
    };
    let containers = settings.max_containers;
    let mut ebpf = EbpfLoader::new()
        .btf(Some(&btf))
        .override_global("OFFSETS", &kernel.offsets, true)
        .override_global("SETTINGS", &policy, true)
        .map_max_entries("RING", bytes)
        .map_max_entries("CONTAINERS", containers)
        .map_max_entries("CGROUPS", containers.saturating_mul(CGROUPS_PER_CONTAINER))
        .map_max_entries("SCRATCH", cpus as u32)
        .load(OBJECT)
        .map_err(ProbeError::Load)?;
    for program in PROGRAMS {
        attach(&mut ebpf, program, &btf)?;
    }
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
        ),
        probe: Probe { ebpf },
        btf,
    })
}

fn attach(ebpf: &mut Ebpf, name: &'static str, btf: &Btf) -> Result<(), ProbeError> {
    let refused = |source| ProbeError::Attach { program: name, source };
    let program = ebpf.program_mut(name).ok_or(ProbeError::Mismatch { name })?;
    let program: &mut BtfTracePoint = program.try_into().map_err(refused)?;
    program.load(name, btf).map_err(refused)?;
    program.attach().map_err(refused)?;
    Ok(())
}

fn take<T: TryFrom<Map, Error = MapError>>(
    ebpf: &mut Ebpf,
    name: &'static str,
) -> Result<T, ProbeError> {
    let map = ebpf.take_map(name).ok_or(ProbeError::Mismatch { name })?;
    T::try_from(map).map_err(|source| ProbeError::Map { name, source })
}
