//! One ring buffer record: this header, then `captured_bytes` of payload.

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

/// The most payload one record carries. A larger write becomes several records with ascending `chunk`.
pub const CHUNK_BYTES: usize = 16 << 10;

/// The largest record: header and a full chunk.
pub const RECORD_BYTES: usize = size_of::<Header>() + CHUNK_BYTES;

/// What a record says; the value of [`Header::kind`].
#[repr(u8)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Bytes of a completed write follow.
    Write = 1,
    /// `written_bytes` reached the stream by a call that has no user buffer (sendfile, splice, tee, vmsplice): nothing to
    /// copy. Where they are known to have come from a regular file, (`device`, `inode`) is that file, `position` where in it
    /// they begin, and `tgid` had it open as `fd`; else `inode` is 0.
    Unseen = 2,
    /// A regular file was written that was not seen before: (`device`, `inode`), `tgid` and `fd` tell where to look.
    Discovery = 3,
    /// The cgroup of a container was made; `cgroup_id` is new.
    Created = 4,
    /// The cgroup of a container was removed: no record of it follows this one.
    Gone = 5,
}

impl Kind {
    /// The kind of a raw value, if it is one.
    pub const fn from_raw(raw: u8) -> Option<Self> {
        Some(match raw {
            1 => Self::Write,
            2 => Self::Unseen,
            3 => Self::Discovery,
            4 => Self::Created,
            5 => Self::Gone,
            _ => return None,
        })
    }
}

/// Which stream of its container a record belongs to; the value of [`Header::stream`] and an index of
/// [`crate::Container::streams`].
#[repr(u8)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StreamTag {
    /// The pipe, FIFO or terminal that the runtime gave the container as fd 1.
    Stdout = 0,
    /// The same as fd 2, where it is another object than fd 1.
    Stderr = 1,
    /// What a process has as fd 1 or 2 where nobody reads: `/dev/null`, a pipe without a reader, or a terminal that is not the
    /// container's own. A write counts by what it asked for.
    Daemon = 2,
}

impl StreamTag {
    /// The stream of a raw value, if it is one.
    pub const fn from_raw(raw: u8) -> Option<Self> {
        Some(match raw {
            0 => Self::Stdout,
            1 => Self::Stderr,
            2 => Self::Daemon,
            _ => return None,
        })
    }
}

/// The fixed part of a record. Every record has all fields; those that do not apply to its [`Kind`] are zero.
#[repr(C)]
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout,
)]
pub struct Header {
    /// Id of the container's topmost cgroup (a nested cgroup's writes carry the container's).
    pub cgroup_id: u64,
    /// `CLOCK_BOOTTIME` when the call returned, in ns.
    pub time_ns: u64,
    /// Bytes of this stream that were lost since the container began, up to this record: more than the record before
    /// said means that some in between found no room in the ring.
    pub lost_bytes: u64,
    /// Inode of the written object.
    pub inode: u64,
    /// Position in a regular file where the write began; 0 for pipes and terminals.
    pub position: u64,
    /// What the caller asked to write, in bytes; saturates.
    pub requested_bytes: u32,
    /// What the kernel took, in bytes: the call's return value; what it was asked to, where it refused for want of a reader.
    pub written_bytes: u32,
    /// Where this chunk begins in its write, in bytes.
    pub offset_bytes: u32,
    /// Payload bytes that follow this header.
    pub captured_bytes: u32,
    /// Device of the written object, as the kernel's `dev_t` (major << 20 | minor).
    pub device: u32,
    /// The writer's process id in the initial pid namespace.
    pub tgid: u32,
    /// The writer's thread id in the initial pid namespace.
    pub tid: u32,
    /// The writer's real user id in the initial user namespace.
    pub uid: u32,
    /// The file descriptor of the call; -1 where it is not known.
    pub fd: i32,
    /// Number of this chunk in its write, from 0.
    pub chunk: u16,
    /// A [`Kind`].
    pub kind: u8,
    /// A [`StreamTag`].
    pub stream: u8,
    /// The writer's thread name, NUL-padded.
    pub comm: [u8; 16],
}

const _: () = assert!(size_of::<Header>() == 96);
