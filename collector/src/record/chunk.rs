//! What sources make ([`Chunk`]) and what the line stage makes of it ([`Line`]).

use std::fmt;

use serde::{Deserialize, Serialize};

use super::Timestamp;

/// Id of a cgroup: the inode of its directory in the unified hierarchy, which is what
/// `bpf_get_current_cgroup_id()` returns.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CgroupId(pub u64);

impl fmt::Display for CgroupId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Which stream of a container; the value of `log.iostream`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stream {
    /// What the runtime gave the container as fd 1, or its terminal.
    Stdout,
    /// What the runtime gave the container as fd 2.
    Stderr,
    /// What its processes put out where nobody reads: `/dev/null`, a pipe without a reader, a terminal of their own.
    Daemon,
}

impl Stream {
    /// Every stream, in the order of [`Stream::index`].
    pub const ALL: [Self; 3] = [Self::Stdout, Self::Stderr, Self::Daemon];

    /// Those that a runtime's log has: the first of [`Stream::ALL`].
    pub const LOGGED: [Self; 2] = [Self::Stdout, Self::Stderr];

    /// Position in [`Stream::ALL`].
    pub const fn index(self) -> usize {
        self as usize
    }

    /// The value of `log.iostream`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Stdout => "stdout",
            Self::Stderr => "stderr",
            Self::Daemon => "daemon",
        }
    }
}

/// How the bytes were had; the value of `log.capture.mode`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Mode {
    /// Copied by the probe from the writer's memory.
    Ebpf,
    /// Read at once from the file that the writer moved them from (sendfile, splice).
    Readback,
    /// Read from a log file: a runtime's, or one that the container writes itself.
    Tail,
}

impl Mode {
    /// The value of `log.capture.mode`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ebpf => "ebpf",
            Self::Readback => "readback",
            Self::Tail => "tail",
        }
    }
}

/// Who wrote: ids of the initial namespaces.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Writer {
    /// `process.pid`
    pub pid: u32,
    /// `thread.id`
    pub tid: u32,
    /// `process.user.id`
    pub uid: u32,
    /// `thread.name` as the kernel's comm, NUL-padded. The container controls it: any bytes.
    pub comm: [u8; 16],
}

impl Writer {
    /// `thread.name` without its padding.
    pub fn thread_name(&self) -> &[u8] {
        let end = self.comm.iter().position(|&byte| byte == 0).unwrap_or(self.comm.len());
        &self.comm[..end]
    }
}

/// Bytes of one stream, as a source had them: the whole of a write or a part of it.
///
/// A source that does not see writers leaves `writer` out; its chunks are equal to the stages after it.
#[derive(Clone, Copy, Debug)]
pub struct Chunk<'a> {
    /// Which stream.
    pub stream: Stream,
    /// How the bytes were had.
    pub mode: Mode,
    /// When the write returned.
    pub time: Timestamp,
    /// Who wrote, where the source knows.
    pub writer: Option<Writer>,
    /// Number of this chunk among those of its source, ascending.
    pub sequence: u64,
    /// Length of the whole write that this chunk is of, in bytes.
    pub write_bytes: u32,
    /// Where this chunk begins in its write, in bytes.
    pub offset_bytes: u32,
    /// Bytes of the stream that were lost just before this chunk.
    pub lost_before_bytes: u64,
    /// The bytes: anything, of any length.
    pub payload: &'a [u8],
}

/// One line of a stream, without its newline.
#[derive(Clone, Copy, Debug)]
pub struct Line<'a> {
    /// The bytes: anything but a newline.
    pub body: &'a [u8],
    /// When the write returned that brought the line's first byte.
    pub time: Timestamp,
    /// How the bytes were had.
    pub mode: Mode,
    /// Who wrote the line's first byte, where the source knows.
    pub writer: Option<Writer>,
    /// [`Chunk::sequence`] of the chunk with the line's first byte.
    pub sequence: u64,
    /// Number of this line among those that begin in that chunk, from 0.
    pub index: u32,
    /// Bytes of the line are missing: it was too long, or a part of it was lost.
    pub truncated: bool,
}
