//! What tells two lines apart, whichever way they were read.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::xxh3_64;

use super::Mode;

/// Docker cuts a line that is longer into pieces of this many bytes before it makes them valid UTF-8 (moby
/// `daemon/logger/copier.go`).
const PIECE_BYTES: usize = 16 << 10;

/// A 64-bit hash of a line as a log file shows it, so that a line has one key whether it was captured or read back.
///
/// Two things a file changes: json-file replaces each byte that is not UTF-8 by U+FFFD, for itself in each piece of 16 KiB;
/// CRI drops a carriage return before the newline, where a terminal adds one: those at the end do not count.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
pub struct LineKey(pub u64);

impl LineKey {
    /// The key of a line without its newline, from its bytes as `mode` had them.
    pub fn of(body: &[u8], mode: Mode) -> Self {
        let end = body.iter().rposition(|&byte| byte != b'\r').map_or(0, |last| last + 1);
        let body = &body[..end];
        // What was read back is cut already.
        if body.is_ascii() || (mode == Mode::Tail && std::str::from_utf8(body).is_ok()) {
            return Self(xxh3_64(body));
        }
        let pieces: Vec<Cow<'_, str>> = body.chunks(PIECE_BYTES).map(as_go_shows).collect();
        match pieces.as_slice() {
            [piece] => Self(xxh3_64(piece.as_bytes())),
            pieces => Self(xxh3_64(pieces.concat().as_bytes())),
        }
    }
}

/// Text with each byte that is not UTF-8 replaced by U+FFFD for itself; Rust's own conversion replaces a cut sequence of
/// several bytes once (Go: `utf8.DecodeRune` returns width 1 for what is invalid).
fn as_go_shows(bytes: &[u8]) -> Cow<'_, str> {
    if let Ok(text) = std::str::from_utf8(bytes) {
        return Cow::Borrowed(text);
    }
    let mut text = String::with_capacity(bytes.len() + bytes.len() / 2);
    for chunk in bytes.utf8_chunks() {
        text.push_str(chunk.valid());
        text.extend(chunk.invalid().iter().map(|_| char::REPLACEMENT_CHARACTER));
    }
    Cow::Owned(text)
}

#[cfg(test)]
mod tests {
    use super::{LineKey, PIECE_BYTES};
    use crate::record::Mode;

    fn written(body: &[u8]) -> LineKey {
        LineKey::of(body, Mode::Ebpf)
    }

    #[test]
    fn a_line_read_back_has_the_key_of_the_line_that_was_written() {
        let same = |bytes: &[u8], read: &str| {
            assert_eq!(written(bytes), LineKey::of(read.as_bytes(), Mode::Tail), "{read:?}");
        };
        same(b"plain", "plain");
        same(b"caf\xc3\xa9", "café");
        same(b"\xff\xfe.", "\u{fffd}\u{fffd}.");
        // A sequence of three bytes that ends after two.
        same(b"\xe2\x82|", "\u{fffd}\u{fffd}|");
        same(b"windows\r", "windows");
        same(b"twice\r\r", "twice\r");
        same(b"\r", "");
        let long = [&vec![b'a'; PIECE_BYTES - 1][..], "é".as_bytes()].concat();
        same(&long, &format!("{}\u{fffd}\u{fffd}", "a".repeat(PIECE_BYTES - 1)));
    }

    #[test]
    fn lines_that_differ_have_other_keys() {
        assert_ne!(written(b""), written(b"\n"));
        assert_ne!(written("é".as_bytes()), written("è".as_bytes()));
        assert_ne!(written(b"a\rb"), written(b"ab"));
    }
}
