//! The log files of Docker's `json-file` driver.

use anyhow::{Context as _, Result};
use serde::Deserialize;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    #[serde(default)]
    log: String,
    #[serde(default)]
    stream: String,
    #[serde(rename = "time")]
    _time: String,
}

/// The text of each entry, and the bytes that the entry takes in the file.
pub(crate) fn entries(file: &str) -> Result<Vec<(Vec<u8>, u64)>> {
    let entry = |line: &str| {
        let entry: Entry = serde_json::from_str(line).with_context(|| format!("entry {line}"))?;
        Ok((entry.log.into_bytes(), line.len() as u64 + 1))
    };
    file.lines().map(entry).collect()
}

/// The lines of one stream. An entry whose text has no newline is a part of a line (of more than 16 KiB, or at the end):
/// the next entry of the same stream goes on with it.
pub(crate) fn lines(file: &str, stream: &str) -> Result<Vec<Vec<u8>>> {
    let mut text = Vec::new();
    for line in file.lines() {
        let entry: Entry = serde_json::from_str(line).with_context(|| format!("entry {line}"))?;
        if entry.stream == stream {
            text.extend(entry.log.into_bytes());
        }
    }
    Ok(split(&text))
}

/// Lines without their newlines. What follows the last newline is a line if there is any.
pub(crate) fn split(text: &[u8]) -> Vec<Vec<u8>> {
    let mut lines: Vec<_> = text.split(|&byte| byte == b'\n').map(<[u8]>::to_vec).collect();
    if lines.last().is_some_and(Vec::is_empty) {
        lines.pop();
    }
    lines
}
