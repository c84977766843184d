//! Every map and global. Their names here are their names for user space.

use aya_ebpf::macros::map;
use aya_ebpf::maps::{Array, HashMap, LruHashMap, PerCpuArray, RingBuf};
use collector_ebpf::{CHUNK_BYTES, Container, FileId, Header, NodeCounter, Offsets, Settings};

use super::call::Call;
use super::first_loss::FirstLoss;

/// Set by user space before loading.
#[unsafe(no_mangle)]
pub(super) static OFFSETS: Offsets = zerocopy::transmute!([0_u8; size_of::<Offsets>()]);

/// Set by user space before loading.
#[unsafe(no_mangle)]
pub(super) static SETTINGS: Settings = zerocopy::transmute!([0_u8; size_of::<Settings>()]);

/// All records, of all containers, in one order. User space sets the size.
#[map]
pub(super) static RING: RingBuf = RingBuf::with_byte_size(16 << 20, 0);

/// cgroup id → id of the topmost cgroup of its container. The first and cheapest question of every program.
#[map]
pub(super) static CGROUPS: HashMap<u64, u64> = HashMap::with_max_entries(16384, 0);

/// Topmost cgroup id → container.
#[map]
pub(super) static CONTAINERS: HashMap<u64, Container> = HashMap::with_max_entries(4096, 0);

/// Where a container is put together before it is inserted, by [`super::copy::Slot`]: it is too large for the stack.
#[map]
pub(super) static BLANK: PerCpuArray<Container> = PerCpuArray::with_max_entries(2, 0);

/// Regular files that were announced, so that each is announced once; the least recently written are forgotten.
#[map]
pub(super) static FILES: LruHashMap<FileId, u8> = LruHashMap::with_max_entries(16384, 0);

/// Counts of the node, by [`NodeCounter`].
#[map]
pub(super) static NODE: PerCpuArray<u64> =
    PerCpuArray::with_max_entries(NodeCounter::ALL.len() as u32, 0);

/// A [`collector_ebpf::Reader`].
#[map]
pub(super) static READER: Array<u32> = Array::with_max_entries(1, 0);

/// Thread → its write to a watched stream that is under way. User space sets the count.
#[map]
pub(super) static CALLS: HashMap<u64, Call> = HashMap::with_max_entries(1, 0);

/// Session that was opened from outside a container → topmost cgroup of that. User space sets the count.
#[map]
pub(super) static SESSIONS: LruHashMap<u32, u64> = LruHashMap::with_max_entries(1, 0);

/// One per [`super::copy::Slot`] and CPU: per-CPU maps take no value above 32 KiB. User space sets the count.
#[map]
pub(super) static SCRATCH: Array<Scratch> = Array::with_max_entries(1, 0);

/// Where a record is put together, and the state of the walk over a large write.
#[repr(C)]
pub(super) struct Scratch {
    /// The record's header; its payload follows it without a gap.
    pub header: Header,
    /// The payload, and room for a segment that begins at its very end: the verifier adds the two bounds.
    pub payload: [u8; 2 * CHUNK_BYTES],
    /// See [`Walk`].
    pub walk: Walk,
}

/// State of the copy loop. In memory rather than in registers, so that the verifier sees the same state at the top of
/// every round and the program stays small to it.
#[repr(C)]
pub(super) struct Walk {
    /// Address of the next iovec, in the writer's memory or in the kernel's; 0: there is none.
    pub vector: u64,
    /// Not 0: it is in the kernel's.
    pub is_kernel: u64,
    /// Bytes of the next iovec that are no part of the write.
    pub skip_bytes: u64,
    /// iovecs left at `vector`.
    pub vectors: u64,
    /// User address of the current segment.
    pub segment: u64,
    /// Bytes left in it.
    pub segment_bytes: u64,
    /// Bytes of the write not copied yet.
    pub left_bytes: u64,
    /// Payload bytes gathered for the current record.
    pub gathered_bytes: u64,
    /// Why the first bytes were lost.
    pub(super) first_loss: FirstLoss,
}
