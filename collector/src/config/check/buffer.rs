//! A sink's `buffer`

use std::time::Duration;

use super::Findings;
use crate::buffer::{DiskSettings, Settings, WhenFull};
use crate::config::file::{self, BufferType, Document, StateDirectory};
use crate::config::units::{Interval, Size};

/// Most that lines may take of memory.
const MAX_MEMORY: Size = Size::mib(16 << 10);
/// What lines may take of memory by default, and of memory before a disk.
const DEFAULT_MEMORY: Size = Size::mib(64);
/// What they may take of a disk by default.
const DEFAULT_DISK: Size = Size::mib(1 << 10);

/// What waits before the sink called `name`: in memory, and on disk if it is to.
pub(super) fn check(
    name: &str,
    buffer: &file::Buffer,
    document: &Document,
    findings: &mut Findings<'_>,
) -> Settings {
    let file::Buffer {
        kind,
        max_bytes,
        when_full,
        directory: _,
        segment_bytes: _,
        sync_interval: _,
    } = buffer;
    let path = ["sinks", name, "buffer", "max_bytes"];
    if max_bytes.is_some_and(|max_bytes| max_bytes < document.line.max_bytes) {
        let message = format!("must be at least `line.max_bytes`, {}", document.line.max_bytes);
        findings.add(&path, message);
    }
    let (memory, disk) = match kind {
        BufferType::Memory => {
            if max_bytes.is_some_and(|max_bytes| max_bytes > MAX_MEMORY) {
                let message =
                    format!("must be at most {MAX_MEMORY} in memory; or set `type: disk`");
                findings.add(&path, message);
            }
            refuse_disk_keys(name, buffer, findings);
            (max_bytes.unwrap_or(DEFAULT_MEMORY), None)
        }
        BufferType::Disk => (DEFAULT_MEMORY, check_disk(name, buffer, document, findings)),
    };
    Settings {
        max_bytes: memory.bytes() as usize,
        when_full: match when_full {
            file::WhenFull::Block => WhenFull::Block,
            file::WhenFull::DropNewest => WhenFull::DropNewest,
        },
        disk,
        ..Settings::default()
    }
}

fn check_disk(
    name: &str,
    buffer: &file::Buffer,
    document: &Document,
    findings: &mut Findings<'_>,
) -> Option<DiskSettings> {
    let file::Buffer { max_bytes, directory, segment_bytes, sync_interval, .. } = buffer;
    let directory = match (directory, &document.state.directory) {
        (Some(directory), _) => {
            findings.require_absolute(&["sinks", name, "buffer", "directory"], directory);
            directory.clone()
        }
        (None, StateDirectory::At(state)) => state.join("buffer").join(name),
        (None, StateDirectory::Off) => {
            let message = "needs `directory` beside it, since `state.directory` is `off`";
            findings.add(&["sinks", name, "buffer", "type"], message);
            return None;
        }
    };
    Some(DiskSettings {
        directory,
        max_bytes: max_bytes.unwrap_or(DEFAULT_DISK).bytes(),
        segment_bytes: segment_bytes.map_or(64 << 20, Size::bytes),
        sync_interval: sync_interval.map_or(Duration::from_millis(100), Interval::duration),
    })
}

/// Says which keys mean nothing in memory.
fn refuse_disk_keys(name: &str, buffer: &file::Buffer, findings: &mut Findings<'_>) {
    let file::Buffer { directory, segment_bytes, sync_interval, .. } = buffer;
    let keys = [
        ("directory", directory.is_some()),
        ("segment_bytes", segment_bytes.is_some()),
        ("sync_interval", sync_interval.is_some()),
    ];
    for (key, _) in keys.iter().filter(|(_, is_set)| *is_set) {
        findings.add(&["sinks", name, "buffer", key], "needs `type: disk` beside it");
    }
}
