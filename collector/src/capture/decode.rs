//! One ring record → one [`Event`]. Pure; fuzzed.

use collector_ebpf::{Header, Kind, StreamTag};
use zerocopy::FromBytes as _;

use super::file_range::FileRange;
use crate::record::{CgroupId, Chunk, Mode, Stream, Timestamp, Writer};

/// What the probe saw.
#[derive(Clone, Copy, Debug)]
pub enum Event<'a> {
    /// Bytes of a write.
    Chunk {
        /// Whose.
        cgroup: CgroupId,
        /// Bytes of the stream that were lost since its container began, up to this chunk.
        lost_bytes: u64,
        /// The bytes, and who wrote them. `sequence` and `lost_before_bytes` are left at 0: they take the state of the
        /// reader and of the stream.
        chunk: Chunk<'a>,
    },
    /// A write that has no bytes to copy.
    Unseen {
        /// Whose.
        cgroup: CgroupId,
        /// Bytes of the stream that were lost since its container began; with these, unless they have a `range`.
        lost_bytes: u64,
        /// How much was written, where to and by whom: without the bytes, and of `write_bytes` as many as fit.
        chunk: Chunk<'a>,
        /// The bytes can be had from there for as long as the writer has it open.
        range: Option<FileRange>,
    },
    /// A regular file was written for the first time.
    Discovery {
        /// By whom.
        cgroup: CgroupId,
        /// The writer's process, which has it open.
        pid: u32,
        /// As this descriptor.
        fd: i32,
    },
    /// A container's cgroup was made.
    Created(CgroupId),
    /// A container's cgroup was removed; nothing of it follows.
    Gone(CgroupId),
}

/// Why bytes are not a record. The probe and this decoder are of one build, so it means a damaged ring.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// Shorter than its header.
    #[error("a ring record of {length} bytes is shorter than its header")]
    Short {
        /// Its length.
        length: usize,
    },
    /// The payload is not as long as the header says.
    #[error("a ring record has {length} bytes of payload instead of {captured}")]
    Length {
        /// Its payload's length.
        length: usize,
        /// What the header says.
        captured: u32,
    },
    /// No such kind.
    #[error("a ring record has the unknown kind {0}")]
    Kind(u8),
    /// No such stream.
    #[error("a ring record has the unknown stream {0}")]
    Stream(u8),
}

/// Decodes a record; `wall` turns its time into wall-clock time.
pub fn decode(record: &[u8], wall: impl Fn(u64) -> Timestamp) -> Result<Event<'_>, DecodeError> {
    let (header, payload) = Header::ref_from_prefix(record)
        .map_err(|_size| DecodeError::Short { length: record.len() })?;
    if payload.len() != header.captured_bytes as usize {
        let (length, captured) = (payload.len(), header.captured_bytes);
        return Err(DecodeError::Length { length, captured });
    }
    let cgroup = CgroupId(header.cgroup_id);
    Ok(match Kind::from_raw(header.kind).ok_or(DecodeError::Kind(header.kind))? {
        Kind::Write => Event::Chunk {
            cgroup,
            lost_bytes: header.lost_bytes,
            chunk: chunk(header, payload, wall(header.time_ns))?,
        },
        Kind::Unseen => Event::Unseen {
            cgroup,
            lost_bytes: header.lost_bytes,
            chunk: Chunk { mode: Mode::Readback, ..chunk(header, payload, wall(header.time_ns))? },
            range: (header.inode != 0).then_some(FileRange {
                pid: header.tgid,
                fd: header.fd,
                inode: header.inode,
                device: header.device,
                position: header.position,
            }),
        },
        Kind::Discovery => Event::Discovery { cgroup, pid: header.tgid, fd: header.fd },
        Kind::Created => Event::Created(cgroup),
        Kind::Gone => Event::Gone(cgroup),
    })
}

fn chunk<'a>(
    header: &Header,
    payload: &'a [u8],
    time: Timestamp,
) -> Result<Chunk<'a>, DecodeError> {
    Ok(Chunk {
        stream: stream(header.stream)?,
        mode: Mode::Ebpf,
        time,
        writer: Some(Writer {
            pid: header.tgid,
            tid: header.tid,
            uid: header.uid,
            comm: header.comm,
        }),
        sequence: 0,
        write_bytes: header.written_bytes,
        offset_bytes: header.offset_bytes,
        lost_before_bytes: 0,
        payload,
    })
}

fn stream(raw: u8) -> Result<Stream, DecodeError> {
    Ok(match StreamTag::from_raw(raw).ok_or(DecodeError::Stream(raw))? {
        StreamTag::Stdout => Stream::Stdout,
        StreamTag::Stderr => Stream::Stderr,
        StreamTag::Daemon => Stream::Daemon,
    })
}

#[cfg(test)]
mod tests {
    use collector_ebpf::{Header, Kind};
    use proptest::prelude::*;
    use zerocopy::IntoBytes as _;

    use super::{DecodeError, Event, decode};
    use crate::record::{CgroupId, Stream, Timestamp};

    fn record(header: Header, payload: &[u8]) -> Vec<u8> {
        [header.as_bytes(), payload].concat()
    }

    #[test]
    fn decodes_a_write() {
        let header = Header {
            kind: Kind::Write as u8,
            cgroup_id: 7,
            time_ns: 5,
            stream: 1,
            captured_bytes: 3,
            written_bytes: 9,
            tgid: 11,
            comm: *b"sh\0\0\0\0\0\0\0\0\0\0\0\0\0\0",
            ..Header::default()
        };
        let bytes = record(header, b"a\0\xff");
        let Ok(Event::Chunk { cgroup, chunk, .. }) =
            decode(&bytes, |ns| Timestamp::from_nanos(ns + 1))
        else {
            panic!("no chunk");
        };
        assert_eq!((cgroup, chunk.stream), (CgroupId(7), Stream::Stderr));
        assert_eq!((chunk.payload, chunk.write_bytes), (&b"a\0\xff"[..], 9));
        assert_eq!(chunk.time, Timestamp::from_nanos(6));
        let writer = chunk.writer.unwrap();
        assert_eq!((writer.pid, writer.thread_name()), (11, &b"sh"[..]));
    }

    #[test]
    fn refuses_what_is_no_record() {
        let refused = |bytes: &[u8]| decode(bytes, Timestamp::from_nanos).unwrap_err();
        let size = size_of::<Header>();
        assert_eq!(refused(&[]), DecodeError::Short { length: 0 });
        assert_eq!(refused(&vec![0; size - 1]), DecodeError::Short { length: size - 1 });
        assert_eq!(refused(&vec![0; size]), DecodeError::Kind(0));
        let header = Header { kind: Kind::Write as u8, captured_bytes: 2, ..Header::default() };
        let length = DecodeError::Length { length: 1, captured: 2 };
        assert_eq!(refused(&record(header, b"x")), length);
        let header = Header { kind: Kind::Unseen as u8, stream: 3, ..Header::default() };
        assert_eq!(refused(&record(header, b"")), DecodeError::Stream(3));
    }

    proptest! {
        #[test]
        fn takes_any_bytes_without_a_panic(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            let _decoded = decode(&bytes, Timestamp::from_nanos);
        }
    }
}
