//! Text as the inside of a JSON string (RFC 8259 §7). The quotes around it are the caller's.

/// Appends `text`, escaped. Only what must be is escaped: `"`, `\` and the characters below U+0020.
pub(in crate::sink) fn append_escaped(out: &mut Vec<u8>, text: &str) {
    let mut rest = text.as_bytes();
    while let Some(at) = find_special(rest) {
        out.extend_from_slice(&rest[..at]);
        append_special(out, rest[at]);
        rest = &rest[at + 1..];
    }
    out.extend_from_slice(rest);
}

/// Appends `bytes` as text, with U+FFFD for what is not UTF-8. Returns whether all of it was UTF-8.
pub(super) fn append_lossy(out: &mut Vec<u8>, bytes: &[u8]) -> bool {
    if let Ok(text) = std::str::from_utf8(bytes) {
        append_escaped(out, text);
        return true;
    }
    for chunk in bytes.utf8_chunks() {
        append_escaped(out, chunk.valid());
        if !chunk.invalid().is_empty() {
            out.extend_from_slice("\u{fffd}".as_bytes());
        }
    }
    false
}

/// Where the first byte stands that has to be escaped. Eight bytes at a time: each test leaves the high bit set in a byte
/// that meets it; a borrow can set it wrongly only above such a byte, so that the lowest is right.
fn find_special(bytes: &[u8]) -> Option<usize> {
    const ONES: u64 = u64::from_ne_bytes([1; 8]);
    const HIGH_BITS: u64 = u64::from_ne_bytes([0x80; 8]);
    const fn below(word: u64, limit: u8) -> u64 {
        word.wrapping_sub(ONES * limit as u64) & !word & HIGH_BITS
    }
    const fn equal(word: u64, byte: u8) -> u64 {
        below(word ^ (ONES * byte as u64), 1)
    }
    let (words, tail) = bytes.as_chunks::<8>();
    for (index, word) in words.iter().enumerate() {
        let word = u64::from_le_bytes(*word);
        let found = below(word, 0x20) | equal(word, b'"') | equal(word, b'\\');
        if found != 0 {
            return Some(index * 8 + found.trailing_zeros() as usize / 8);
        }
    }
    let is_special = |&byte: &u8| byte < 0x20 || byte == b'"' || byte == b'\\';
    tail.iter().position(is_special).map(|at| words.len() * 8 + at)
}

fn append_special(out: &mut Vec<u8>, byte: u8) {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let short = match byte {
        b'"' | b'\\' => byte,
        b'\n' => b'n',
        b'\t' => b't',
        b'\r' => b'r',
        0x08 => b'b',
        0x0c => b'f',
        _ => {
            let (high, low) = (DIGITS[usize::from(byte >> 4)], DIGITS[usize::from(byte & 15)]);
            return out.extend_from_slice(&[b'\\', b'u', b'0', b'0', high, low]);
        }
    };
    out.extend_from_slice(&[b'\\', short]);
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{append_escaped, append_lossy};

    proptest! {
        #[test]
        fn escapes_as_serde_json_does(text in "[\u{0}-\u{7f}\u{20ac}\u{1f600}]{0,40}") {
            let mut out = vec![b'"'];
            append_escaped(&mut out, &text);
            out.push(b'"');
            prop_assert_eq!(String::from_utf8(out).unwrap(), serde_json::to_string(&text).unwrap());
        }

        #[test]
        fn replaces_as_the_standard_library_does(bytes in prop::collection::vec(any::<u8>(), 0..40)) {
            let mut out = vec![b'"'];
            let whole = append_lossy(&mut out, &bytes);
            out.push(b'"');
            let text: String = serde_json::from_slice(&out).unwrap();
            prop_assert_eq!(text, String::from_utf8_lossy(&bytes));
            prop_assert_eq!(whole, std::str::from_utf8(&bytes).is_ok());
        }
    }

    #[test]
    fn finds_every_special_byte_at_every_place() {
        for special in (0..0x20).chain(*b"\"\\") {
            for at in 0..20 {
                let mut text = vec![b'x'; 20];
                text[at] = special;
                let text = String::from_utf8(text).unwrap();
                let mut out = Vec::new();
                append_escaped(&mut out, &text);
                let quoted = format!("\"{}\"", String::from_utf8(out).unwrap());
                assert_eq!(quoted, serde_json::to_string(&text).unwrap());
            }
        }
    }
}
