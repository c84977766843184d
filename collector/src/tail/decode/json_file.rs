//! Docker's `json-file`: `{"log":"…","stream":"…","attrs":{…},"time":"…"}`, one object a line.
//!
//! What Docker writes, fields in this order without spaces, is decoded in place; anything else that is such an object goes
//! through a general parser. `log` is missing for empty bytes, `stream` for an unnamed one (taken for stdout).

use std::borrow::Cow;

use memchr::memchr2;
use serde::Deserialize;

use super::{Decoded, Invalid, time};
use crate::record::Stream;

const BEGIN: &[u8] = br#"{"log":""#;
const STDOUT: &[u8] = br#","stream":"stdout","time":""#;
const STDERR: &[u8] = br#","stream":"stderr","time":""#;
const END: &[u8] = br#""}"#;

/// How far the next escape is looked for byte by byte.
const NEAR_BYTES: usize = 16;

/// Decodes a record with its newline. The content is unescaped where it stands.
pub(super) fn decode(record: &mut [u8]) -> Result<Decoded<'_>, Invalid> {
    if !record.starts_with(BEGIN) {
        return decode_object(record);
    }
    let rest = &mut record[BEGIN.len()..];
    let (length, end) = unescape(rest).ok_or(Invalid::Syntax)?;
    let (content, rest) = rest.split_at_mut(end);
    let (stream, time) = fields(rest.trim_ascii_end()).map_or_else(|| other_fields(rest), Ok)?;
    Ok(Decoded { stream, time, bytes: &content[..length] })
}

/// What follows `log`, in the usual form.
fn fields(rest: &[u8]) -> Option<Fields> {
    let (stream, time) = match rest.strip_prefix(STDOUT) {
        Some(time) => (Stream::Stdout, time),
        None => (Stream::Stderr, rest.strip_prefix(STDERR)?),
    };
    Some((stream, time::parse(time.strip_suffix(END)?)?))
}

type Fields = (Stream, crate::record::Timestamp);

/// What follows `log`, in any form.
fn other_fields(rest: &mut [u8]) -> Result<Fields, Invalid> {
    // With the comma turned into a brace it is an object of its own.
    match rest.first_mut() {
        Some(comma @ b',') => *comma = b'{',
        _ => return Err(Invalid::Syntax),
    }
    let object = serde_json::from_slice(rest).map_err(|_syntax| Invalid::Syntax)?;
    checked(&object)
}

#[derive(Deserialize)]
struct Object<'a> {
    #[serde(borrow)]
    log: Option<Cow<'a, str>>,
    #[serde(borrow)]
    stream: Option<Cow<'a, str>>,
    #[serde(borrow)]
    time: Option<Cow<'a, str>>,
}

fn decode_object(record: &mut [u8]) -> Result<Decoded<'_>, Invalid> {
    let object: Object<'_> = serde_json::from_slice(record).map_err(|_syntax| Invalid::Syntax)?;
    let (stream, time) = checked(&object)?;
    let log = object.log.map(Cow::into_owned).unwrap_or_default();
    // Text is never longer than it is escaped.
    let bytes = record.get_mut(..log.len()).ok_or(Invalid::Syntax)?;
    bytes.copy_from_slice(log.as_bytes());
    Ok(Decoded { stream, time, bytes })
}

fn checked(object: &Object<'_>) -> Result<Fields, Invalid> {
    let stream = match object.stream.as_deref() {
        None | Some("stdout" | "") => Stream::Stdout,
        Some("stderr") => Stream::Stderr,
        Some(_) => return Err(Invalid::Stream),
    };
    let time = object.time.as_deref().and_then(|text| time::parse(text.as_bytes()));
    Ok((stream, time.ok_or(Invalid::Time)?))
}

/// Unescapes the text that ends with the first bare quote, in place. Returns the length of the text and where what
/// follows the quote begins; `None` without that quote, or if an escape is none.
fn unescape(text: &mut [u8]) -> Option<(usize, usize)> {
    let mut read = memchr2(b'"', b'\\', text)?;
    let mut written = read;
    while text[read] == b'\\' {
        let escape = *text.get(read + 1)?;
        read += 2;
        let byte = match escape {
            b'n' => b'\n',
            byte @ (b'"' | b'\\' | b'/') => byte,
            b'r' => b'\r',
            b't' => b'\t',
            b'b' => 0x08,
            b'f' => 0x0c,
            b'u' => {
                let (character, digits) = unicode(&text[read..])?;
                read += digits;
                written += character.encode_utf8(&mut text[written..]).len();
                (read, written) = copy_to_special(text, read, written)?;
                continue;
            }
            _ => return None,
        };
        text[written] = byte;
        (read, written) = copy_to_special(text, read, written + 1)?;
    }
    Some((written, read + 1))
}

/// Moves what is before the next quote or backslash from `read` to `written`. Returns where both are then.
fn copy_to_special(text: &mut [u8], read: usize, written: usize) -> Option<(usize, usize)> {
    // Escapes come in crowds: calls for a few bytes would cost more than the bytes.
    let near = read + NEAR_BYTES;
    let (mut read, mut written) = (read, written);
    while read < near {
        let byte = *text.get(read)?;
        if matches!(byte, b'"' | b'\\') {
            return Some((read, written));
        }
        text[written] = byte;
        (read, written) = (read + 1, written + 1);
    }
    let length = memchr2(b'"', b'\\', &text[read..])?;
    text.copy_within(read..read + length, written);
    Some((read + length, written + length))
}

/// The character that follows `\u`, and the length of its digits: of two escapes for a surrogate pair. A surrogate alone
/// becomes U+FFFD, as Go has it.
fn unicode(text: &[u8]) -> Option<(char, usize)> {
    let first = hex(text)?;
    if let Some(character) = char::from_u32(first) {
        return Some((character, 4));
    }
    let second = text[4..].strip_prefix(br"\u").and_then(hex);
    if let (0xd800..0xdc00, Some(second @ 0xdc00..0xe000)) = (first, second) {
        let character = 0x1_0000 + ((first - 0xd800) << 10) + (second - 0xdc00);
        return Some((char::from_u32(character)?, 10));
    }
    Some((char::REPLACEMENT_CHARACTER, 4))
}

fn hex(text: &[u8]) -> Option<u32> {
    let digit = |value, byte: &u8| Some(value << 4 | char::from(*byte).to_digit(16)?);
    text.get(..4)?.iter().try_fold(0, digit)
}
