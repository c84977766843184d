//! The last entries of a log, whatever was read of it: the cost does not depend on the log's size.

use std::io;
use std::sync::Arc;

use memchr::memchr;

use super::Log;
use crate::record::Cut;
use crate::tail::Entry;
use crate::tail::file::{OpenFile, read_full_at, written};
use crate::tail::generation::Source;

impl Log {
    pub(super) fn read_last(
        &self,
        limit_bytes: u64,
        take: &mut dyn FnMut(Entry<'_>),
    ) -> io::Result<()> {
        let mut files: Vec<(u64, Arc<OpenFile>)> = Vec::new();
        for generation in self.shared.generations().iter().rev().take(2) {
            if let Source::Open(file) = &generation.source {
                files.push((generation.number, Arc::clone(file)));
            }
        }
        let mut parts = Vec::new();
        let mut left = limit_bytes;
        for (number, file) in files {
            let size = file.metadata()?.len();
            let length = size.min(left);
            left -= length;
            if length > 0 {
                parts.push((number, file, size - length..size));
            }
        }
        for (number, file, range) in parts.into_iter().rev() {
            self.read_range(number, &file, range, take)?;
        }
        Ok(())
    }

    fn read_range(
        &self,
        generation: u64,
        file: &OpenFile,
        range: std::ops::Range<u64>,
        take: &mut dyn FnMut(Entry<'_>),
    ) -> io::Result<()> {
        let time = written(&file.metadata()?);
        // From a byte before: if it is a newline, the first record is whole.
        let mut offset = range.start.saturating_sub(1);
        let mut bytes = vec![0; (range.end - offset) as usize];
        let length = read_full_at(file, &mut bytes, offset)?;
        let mut rest = &mut bytes[..length];
        let mut is_whole = range.start == 0;
        while let Some(newline) = memchr(b'\n', rest) {
            let (record, after) = rest.split_at_mut(newline + 1);
            offset += record.len() as u64;
            if is_whole && let Ok(decoded) = self.shared.file.format.decode(record, time) {
                let end = Cut { generation, offset_bytes: offset };
                take(Entry {
                    stream: decoded.stream,
                    time: decoded.time,
                    bytes: decoded.bytes,
                    end,
                    lost_before_bytes: 0,
                });
            }
            is_whole = true;
            rest = after;
        }
        Ok(())
    }
}
