//! What the probe keeps of each container: one map value, written by the kernel, read by user space.

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

use crate::LossReason;

/// Hexadecimal digits of a container id in a cgroup's name.
pub const CONTAINER_ID_BYTES: usize = 64;

/// Cgroups below a container's own that are watched with it. A container that may make cgroups must not fill the map.
pub const MAX_NESTED: u32 = 1024;

/// Streams of a container that are counted apart; the index is a [`crate::StreamTag`].
pub const STREAMS: usize = 3;

/// How the probe treats a container; the value of [`Container::state`].
#[repr(u32)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// Its cgroup exists and its first program has not been executed: the stdio is not known yet.
    Pending = 0,
    /// Its writes to stdout and stderr are captured.
    Watched = 1,
    /// Its cgroup is gone; the counters wait to be read.
    Gone = 2,
}

impl State {
    /// The state of a raw value, if it is one.
    pub const fn from_raw(raw: u32) -> Option<Self> {
        Some(match raw {
            0 => Self::Pending,
            1 => Self::Watched,
            2 => Self::Gone,
            _ => return None,
        })
    }
}

/// A file object: what tells one pipe, FIFO or terminal from another. All zero: none.
#[repr(C)]
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, Hash, FromBytes, IntoBytes, Immutable, KnownLayout,
)]
pub struct FileId {
    /// Inode number.
    pub inode: u64,
    /// Device of the file system, as the kernel's `dev_t` (major << 20 | minor).
    pub device: u32,
    /// Zero.
    pub reserved: u32,
}

/// Bytes and writes of one stream. Written = captured + referred + lost, for both.
#[repr(C)]
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout,
)]
pub struct Counters {
    /// Bytes the kernel took from the writers.
    pub written_bytes: u64,
    /// Calls that wrote them.
    pub written_writes: u64,
    /// Bytes handed to the ring.
    pub captured_bytes: u64,
    /// Calls whose every byte was handed to the ring.
    pub captured_writes: u64,
    /// Bytes that the ring has the place of, not the bytes: user space reads them from the file that they came from.
    pub referred_bytes: u64,
    /// Calls that brought those.
    pub referred_writes: u64,
    /// Bytes lost, for any reason.
    pub lost_total_bytes: u64,
    /// Bytes lost, by [`LossReason`].
    pub lost_bytes: [u64; LossReason::ALL.len()],
    /// Calls with lost bytes, by the reason of the first loss of the call.
    pub lost_writes: [u64; LossReason::ALL.len()],
}

/// A token bucket that a container pays from.
#[repr(C)]
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout,
)]
pub struct Bucket {
    /// Bytes it may still put into the ring.
    pub tokens_bytes: u64,
    /// `CLOCK_BOOTTIME` of the last refill, in ns.
    pub refilled_ns: u64,
}

/// One container, under the id of its topmost cgroup.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct Container {
    /// The container's id, from its cgroup's name.
    pub id: [u8; CONTAINER_ID_BYTES],
    /// The object that is stdout.
    pub stdout: FileId,
    /// The object that is stderr; equal to stdout for a terminal.
    pub stderr: FileId,
    /// The container's share of a ring under pressure.
    pub bucket: Bucket,
    /// What it may add to the ring of its stream [`crate::StreamTag::Daemon`], at any time.
    pub daemon_bucket: Bucket,
    /// A [`State`].
    pub state: u32,
    /// Cgroups made below its own and not removed yet; at most [`MAX_NESTED`] are watched.
    pub nested: u32,
    /// Counts, by [`crate::StreamTag`].
    pub streams: [Counters; STREAMS],
}

const _: () = assert!(size_of::<Container>() == 64 + 32 + 2 * 16 + 8 + 3 * 136);

impl Container {
    /// A container with this id, of which nothing was seen yet.
    pub const fn new(id: [u8; CONTAINER_ID_BYTES]) -> Self {
        const NONE: FileId = FileId { inode: 0, device: 0, reserved: 0 };
        const EMPTY: Bucket = Bucket { tokens_bytes: 0, refilled_ns: 0 };
        const ZERO: Counters = Counters {
            written_bytes: 0,
            written_writes: 0,
            captured_bytes: 0,
            captured_writes: 0,
            referred_bytes: 0,
            referred_writes: 0,
            lost_total_bytes: 0,
            lost_bytes: [0; LossReason::ALL.len()],
            lost_writes: [0; LossReason::ALL.len()],
        };
        Self {
            id,
            stdout: NONE,
            stderr: NONE,
            bucket: EMPTY,
            daemon_bucket: EMPTY,
            state: State::Pending as u32,
            nested: 0,
            streams: [ZERO; STREAMS],
        }
    }
}

#[cfg(feature = "user")]
// SAFETY: `repr(C)`, integers and byte arrays only, no padding (`IntoBytes` checks it), any bit pattern is valid
// (`FromBytes` checks it).
unsafe impl aya::Pod for Container {}
