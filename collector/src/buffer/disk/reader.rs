//! Reads batches back from the segments of a directory, in order.

use std::io;
use std::sync::Arc;

use tracing::warn;

use super::Sequence;
use super::codec;
use super::files::FileSource;
use super::segment::{Segment, Step};
use super::state::Shared;
use crate::buffer::metrics::DiskOperation;
use crate::record::Batch;

/// How often in a row a segment may fail to be read before the rest of it is passed over.
const ATTEMPTS: u32 = 5;

#[derive(Debug)]
pub(super) struct Reader {
    shared: Arc<Shared>,
    current: Option<(Sequence, Segment<FileSource>)>,
    body: Vec<u8>,
    failures: u32,
    has_warned: bool,
}

impl Reader {
    pub(super) fn new(shared: Arc<Shared>) -> Self {
        Self { shared, current: None, body: Vec::new(), failures: 0, has_warned: false }
    }

    /// The first batch from number `wanted` on that is whole. Nothing: there is none. An error is counted, and may pass.
    pub(super) fn next(&mut self, wanted: Sequence) -> io::Result<Option<(Sequence, Arc<Batch>)>> {
        let mut from = wanted;
        while let Some(first) = self.segment_with(from) {
            match self.read(first, wanted) {
                Ok(Some((sequence, batch))) => {
                    self.failures = 0;
                    if sequence < self.shared.progress(|state| state.base) {
                        self.shared.metrics.replayed(batch.len());
                    }
                    return Ok(Some((sequence, Arc::new(batch))));
                }
                Ok(None) => {}
                Err(error) => {
                    self.shared.metrics.disk_error(DiskOperation::Read);
                    self.failures += 1;
                    self.warn(&error.to_string());
                    if self.failures < ATTEMPTS {
                        return Err(error);
                    }
                    self.give_up(first);
                }
            }
            let following = self.shared.progress(|state| {
                state.segments.iter().map(|segment| segment.first).find(|next| *next > first)
            });
            let Some(following) = following else { break };
            from = following;
        }
        Ok(None)
    }

    /// What is asked for next may be before what was read last.
    pub(super) fn rewind(&mut self) {
        self.current = None;
    }

    /// The newest segment that begins at or before `wanted`, or else the oldest.
    fn segment_with(&self, wanted: Sequence) -> Option<Sequence> {
        self.shared.progress(|state| {
            let before = state.segments.iter().rev().find(|segment| segment.first <= wanted);
            before.or_else(|| state.segments.front()).map(|segment| segment.first)
        })
    }

    /// The next whole batch of the segment that begins with `first`.
    fn read(&mut self, first: Sequence, wanted: Sequence) -> io::Result<Option<(Sequence, Batch)>> {
        if self.current.as_ref().is_none_or(|(current, _)| *current != first) {
            self.current = Some((first, self.open(first)?));
        }
        let Some((_, segment)) = &mut self.current else { return Ok(None) };
        loop {
            let corrupt = match segment.next(wanted, &mut self.body)? {
                Step::Frame(sequence) => match codec::decode(&self.body) {
                    Some(batch) => return Ok(Some((sequence, batch))),
                    None => self.body.len() as u64,
                },
                Step::Corrupt(bytes) => bytes,
                Step::End => return Ok(None),
            };
            self.shared.metrics.corrupt(corrupt);
            if !std::mem::replace(&mut self.has_warned, true) {
                let segment = self.shared.path_of(first);
                warn!(segment = %segment.display(), bytes = corrupt, "a damaged part of the disk buffer is lost");
            }
        }
    }

    fn open(&self, first: Sequence) -> io::Result<Segment<FileSource>> {
        let files = Arc::clone(&self.shared.files);
        let file = files.open_to_read(&self.shared.path_of(first))?;
        Segment::open(FileSource { files, file })?
            .map_err(|_version| io::Error::from(io::ErrorKind::InvalidData))
    }

    fn give_up(&mut self, first: Sequence) {
        self.failures = 0;
        let bytes = self.shared.progress(|state| {
            let segment = state.segments.iter().find(|segment| segment.first == first);
            segment.map_or(0, |segment| segment.bytes)
        });
        let read = self.current.take().map_or(0, |(_, segment)| segment.offset());
        self.shared.metrics.corrupt(bytes.saturating_sub(read));
    }

    fn warn(&mut self, error: &str) {
        if !std::mem::replace(&mut self.has_warned, true) {
            let directory = self.shared.disk.directory.display();
            warn!(%directory, error, "failed to read from the disk buffer; it is tried again");
        }
    }
}
