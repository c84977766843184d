//! Where a line ends. The only place that looks for a newline of the payload.

/// The bytes before the first newline and those after it; `None` if there is no newline.
pub(super) fn split_line(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let newline = memchr::memchr(b'\n', bytes)?;
    Some((&bytes[..newline], &bytes[newline + 1..]))
}

#[cfg(test)]
mod tests {
    use super::split_line;

    #[test]
    fn splits_at_the_first_newline_and_keeps_every_other_byte() {
        assert_eq!(split_line(b""), None);
        assert_eq!(split_line(b"a"), None);
        assert_eq!(split_line(b"\n"), Some((&b""[..], &b""[..])));
        assert_eq!(split_line(b"a\r\n\0\xff\n"), Some((&b"a\r"[..], &b"\0\xff\n"[..])));
    }
}
