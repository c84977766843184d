//! The log format of CRI: `<time> <stream> <tags> <content>`, one piece of a line each.
//!
//! The first of the tags, `:` between them, is `F` for the last piece of a line and `P` for one that goes on. Where there is
//! no tag, what follows the stream is a whole line.

use memchr::memchr;

use super::{Decoded, Invalid, time};
use crate::record::Stream;

/// Decodes a record with its newline, which becomes the content's where a line ends.
pub(super) fn decode(record: &[u8]) -> Result<Decoded<'_>, Invalid> {
    let (time, rest) = word(record).ok_or(Invalid::Syntax)?;
    let time = time::parse(time).ok_or(Invalid::Time)?;
    let (stream, rest) = word(rest).ok_or(Invalid::Stream)?;
    let stream = match stream {
        b"stdout" => Stream::Stdout,
        b"stderr" => Stream::Stderr,
        _ => return Err(Invalid::Stream),
    };
    let (tags, content) = word(rest).unwrap_or((rest, &[]));
    let bytes = match tags.split(|&byte| byte == b':').next() {
        Some(b"F") => content,
        Some(b"P") => content.strip_suffix(b"\n").unwrap_or(content),
        _ => rest,
    };
    Ok(Decoded { stream, time, bytes })
}

/// The text before the next space, or before the newline, which stays; and what follows.
fn word(text: &[u8]) -> Option<(&[u8], &[u8])> {
    match memchr(b' ', text) {
        Some(end) => Some((&text[..end], &text[end + 1..])),
        None => text.strip_suffix(b"\n").map(|word| (word, &text[word.len()..])),
    }
}
