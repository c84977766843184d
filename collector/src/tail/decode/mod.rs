//! A record of a log file → content, stream and time. Pure; the newlines of the file's framing are found by the reader.

mod cri;
mod json_file;
#[cfg(test)]
mod tests;
mod time;

use crate::record::{Stream, Timestamp};

/// How a log file is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Format {
    /// Docker's `json-file` driver.
    JsonFile,
    /// containerd, CRI-O and the kubelet.
    Cri,
    /// Lines as the program wrote them, all of them stdout.
    Plain,
}

/// What a record holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Decoded<'a> {
    /// Which stream.
    pub stream: Stream,
    /// When the runtime took the bytes.
    pub time: Timestamp,
    /// Bytes of the stream; with a newline at their end if and only if the line ends there.
    pub bytes: &'a [u8],
}

/// Why a record is skipped; the value of `reason`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Invalid {
    /// It is not of the file's format.
    Syntax,
    /// Its stream is none.
    Stream,
    /// Its time is missing or none.
    Time,
    /// It is longer than [`Settings::max_entry_bytes`](super::Settings::max_entry_bytes).
    TooLong,
    /// Its file was rotated or truncated before it was whole.
    Cut,
}

impl Invalid {
    pub(super) const ALL: [Self; 5] =
        [Self::Syntax, Self::Stream, Self::Time, Self::TooLong, Self::Cut];

    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Syntax => "syntax",
            Self::Stream => "stream",
            Self::Time => "time",
            Self::TooLong => "too_long",
            Self::Cut => "cut",
        }
    }
}

impl Format {
    /// Decodes one record with its newline, which may be missing. It is overwritten, to save a copy.
    ///
    /// `written` is the time of what carries none.
    pub fn decode(self, record: &mut [u8], written: Timestamp) -> Result<Decoded<'_>, Invalid> {
        match self {
            Self::JsonFile => json_file::decode(record),
            Self::Cri => cri::decode(record),
            Self::Plain => Ok(Decoded { stream: Stream::Stdout, time: written, bytes: record }),
        }
    }
}
