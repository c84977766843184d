//! What stands before a segment's frames and before each frame's body, with checksums.
//!
//! Checksums are 64 bits of XXH3, seeded by a number that is drawn for each segment: a container that logs the bytes of a
//! frame cannot have them taken for one, since it does not know the number.

use xxhash_rust::xxh3::{xxh3_64, xxh3_64_with_seed};
use zerocopy::little_endian::{U32, U64};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

use super::Sequence;

/// The format of segments. One that is not known is refused.
pub(super) const VERSION: u32 = 1;
/// The prologue stands twice, so that damage to one of them costs nothing.
pub(super) const PROLOGUE_BYTES: usize = 2 * size_of::<Prologue>();
/// Bytes before the body of a frame.
pub(super) const HEADER_BYTES: usize = size_of::<Header>();
/// What a frame begins with: bytes that are no UTF-8, and so are seldom in a log.
pub(super) const FRAME_MAGIC: [u8; 4] = *b"\xf5WF\xf6";
const SEGMENT_MAGIC: [u8; 8] = *b"\xf5WTSEG\n\xf6";

#[derive(FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
struct Prologue {
    magic: [u8; 8],
    version: U32,
    reserved: U32,
    seed: U64,
    check: U64,
}

/// What a segment's prologue says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Opening {
    /// Its frames' checksums have this seed.
    Seed(u64),
    /// It is of another version.
    Version(u32),
    /// Nothing that could be believed.
    Damaged,
}

/// The beginning of a segment.
pub(super) fn prologue(seed: u64) -> [u8; PROLOGUE_BYTES] {
    let mut prologue = Prologue {
        magic: SEGMENT_MAGIC,
        version: VERSION.into(),
        reserved: 0.into(),
        seed: seed.into(),
        check: 0.into(),
    };
    prologue.check = checked(&prologue).into();
    let mut bytes = [0; PROLOGUE_BYTES];
    bytes.chunks_exact_mut(size_of::<Prologue>()).for_each(|copy| {
        copy.copy_from_slice(prologue.as_bytes());
    });
    bytes
}

/// Reads the beginning of a segment: the first copy that is whole.
pub(super) fn opening(bytes: &[u8]) -> Opening {
    let copies = bytes.chunks(size_of::<Prologue>());
    let whole = copies.filter_map(|copy| Prologue::read_from_bytes(copy).ok()).find(|prologue| {
        prologue.magic == SEGMENT_MAGIC && prologue.check.get() == checked(prologue)
    });
    match whole {
        Some(prologue) if prologue.version.get() == VERSION => Opening::Seed(prologue.seed.get()),
        Some(prologue) => Opening::Version(prologue.version.get()),
        None => Opening::Damaged,
    }
}

fn checked(prologue: &Prologue) -> u64 {
    let bytes = prologue.as_bytes();
    xxh3_64(&bytes[..bytes.len() - size_of::<U64>()])
}

/// What stands before a frame's body.
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
pub(super) struct Header {
    magic: [u8; 4],
    body_bytes: U32,
    sequence: U64,
    body_check: U64,
    check: U64,
}

impl Header {
    /// The header that `bytes` begin with, if it is whole.
    pub(super) fn read(bytes: &[u8], seed: u64) -> Option<Self> {
        let (header, _) = Self::read_from_prefix(bytes).ok()?;
        (header.magic == FRAME_MAGIC && header.check.get() == header.checked(seed))
            .then_some(header)
    }

    /// Number of the frame.
    pub(super) const fn sequence(&self) -> Sequence {
        self.sequence.get()
    }

    /// Size of header and body.
    pub(super) const fn frame_bytes(&self) -> u64 {
        HEADER_BYTES as u64 + self.body_bytes.get() as u64
    }

    /// Whether `body` is what the header was made for.
    pub(super) fn is_of(&self, body: &[u8], seed: u64) -> bool {
        self.body_check.get() == xxh3_64_with_seed(body, seed)
    }

    fn checked(&self, seed: u64) -> u64 {
        let bytes = self.as_bytes();
        xxh3_64_with_seed(&bytes[..bytes.len() - size_of::<U64>()], seed)
    }
}

/// Makes a frame of bytes that have [`HEADER_BYTES`] of room before the body. `false` if the body is too long for one.
pub(super) fn seal(frame: &mut [u8], sequence: Sequence, seed: u64) -> bool {
    let Some((room, body)) = frame.split_at_mut_checked(HEADER_BYTES) else { return false };
    let Ok(body_bytes) = u32::try_from(body.len()) else { return false };
    let mut header = Header {
        magic: FRAME_MAGIC,
        body_bytes: body_bytes.into(),
        sequence: sequence.into(),
        body_check: xxh3_64_with_seed(body, seed).into(),
        check: 0.into(),
    };
    header.check = header.checked(seed).into();
    room.copy_from_slice(header.as_bytes());
    true
}
