//! One stream of a container: how lines are made of what is captured and of what is read, and the seam between the two.

use std::sync::Arc;
use std::time::Instant;

use super::outgoing::Outgoing;
use crate::line::{self, Assembler};
use crate::record::{
    BatchRecord, Chunk, Container, Cut, Line, LineKey, Mode, RecordUid, Stream, Timestamp,
};
use crate::seam::Seam;
use crate::tail::{Entry, Lost};

/// Where lines go, and how they are made.
pub(super) struct Output<'a> {
    pub(super) outgoing: Outgoing<'a>,
    pub(super) settings: &'a line::Settings,
    pub(super) metrics: &'a line::Metrics,
    /// The time of this round of work.
    pub(super) now: Instant,
}

/// A stream that is collected.
#[derive(Debug)]
pub(super) struct StreamState {
    stream: Stream,
    pub(super) seam: Seam,
    captured: Assembler,
    read: Assembler,
    /// How much of the log was read for this stream; `None`: nothing.
    pub(super) read_to: Option<Cut>,
    /// The probe's count of lost bytes, as far as it is acted on.
    lost_bytes: u64,
    /// Chunks came that were written before a loss that is acted on.
    is_overtaken: bool,
    /// What was to be read on is gone, and nobody was told yet.
    has_lost_place: bool,
}

impl StreamState {
    pub(super) fn new(stream: Stream, seam: Seam) -> Self {
        let read_to = seam.reads_from();
        let (captured, read) = (Assembler::default(), Assembler::default());
        Self {
            stream,
            seam,
            captured,
            read,
            read_to,
            lost_bytes: 0,
            is_overtaken: false,
            has_lost_place: false,
        }
    }

    /// A new life of the container begins: the probe counts from 0.
    pub(super) const fn begin(&mut self) {
        self.lost_bytes = 0;
        self.is_overtaken = false;
    }

    /// Takes the probe's count of lost bytes that came with a chunk. Returns how many were lost just before it.
    ///
    /// Records of two CPUs may overtake each other between counting and the ring, and the count is looked at without a chunk
    /// as well: a chunk may come that was written before.
    pub(super) fn lost_before(&mut self, lost_bytes: u64) -> u64 {
        let lost = lost_bytes.saturating_sub(self.lost_bytes);
        let is_early = lost_bytes < self.lost_bytes;
        if is_early {
            self.is_overtaken = true;
        } else if std::mem::take(&mut self.is_overtaken) && self.seam.is_reading() {
            self.captured.abandon();
            self.seam.gap();
        }
        self.lost_bytes = self.lost_bytes.max(lost_bytes);
        lost
    }

    /// Bytes were lost that the log has.
    pub(super) fn read_again(&mut self) {
        self.captured.abandon();
        let was_reading = self.seam.is_reading();
        self.seam.gap();
        if !was_reading {
            self.read = Assembler::default();
            self.read_to = self.seam.reads_from();
        }
    }

    /// Nothing is captured any more, and all up to `end` of the log was.
    pub(super) fn rest(&mut self, end: Cut) {
        self.seam.rest(end);
        self.read_to = self.seam.reads_from();
    }

    /// Takes captured bytes.
    pub(super) fn push(
        &mut self,
        chunk: &Chunk<'_>,
        container: &Arc<Container>,
        output: &mut Output<'_>,
    ) {
        let Self { stream, seam, captured, .. } = self;
        let Output { outgoing, settings, metrics, now } = output;
        let emit = &mut into(outgoing, container, *stream);
        captured.push(chunk, settings, metrics, &mut |line| seam.captured(&line, *now, emit));
    }

    /// Takes a piece of the log, unless it was taken before.
    pub(super) fn read(
        &mut self,
        entry: &Entry<'_>,
        container: &Arc<Container>,
        output: &mut Output<'_>,
    ) {
        let Self { stream, seam, read, read_to, .. } = self;
        if !seam.is_reading() || read_to.is_some_and(|read_to| entry.end <= read_to) {
            return;
        }
        *read_to = Some(entry.end);
        let Output { outgoing, settings, metrics, now } = output;
        let emit = &mut into(outgoing, container, *stream);
        let end = entry.end;
        let take = &mut |line: Line<'_>| seam.read(&line, end, *now, emit);
        read.push(&chunk(entry), settings, metrics, take);
    }

    /// The log has been read up to `cut`, for now to its end. `still`: it has not grown since it was read before.
    pub(super) fn caught_up(
        &mut self,
        cut: Cut,
        still: bool,
        container: &Arc<Container>,
        output: &mut Output<'_>,
    ) {
        if !self.seam.is_reading() || !self.read.is_between_lines() {
            return;
        }
        self.seam.advance(cut);
        let Output { outgoing, now, .. } = output;
        let emit = &mut into(outgoing, container, self.stream);
        self.seam.caught_up(still, *now, emit);
    }

    /// The log's file that was to be read on is gone.
    pub(super) const fn lose_place(&mut self) {
        self.has_lost_place = true;
    }

    /// Gives a record that stands for what was not read of a file that is gone.
    pub(super) fn report_lost_place(
        &mut self,
        container: &Arc<Container>,
        output: &mut Output<'_>,
    ) {
        if std::mem::take(&mut self.has_lost_place) {
            let text =
                "a log file was gone before it was read to its end: how much of it is not known";
            self.push_loss(text, 0, Mode::Tail, Timestamp::now(), container, output);
        }
    }

    /// Gives a record that stands for lost bytes.
    pub(super) fn lost(
        &mut self,
        lost_bytes: u64,
        time: Timestamp,
        container: &Arc<Container>,
        output: &mut Output<'_>,
    ) {
        let text = format!("{lost_bytes} bytes of this stream were lost before they were captured");
        self.push_loss(&text, lost_bytes, Mode::Ebpf, time, container, output);
    }

    /// Gives a record that stands for what was lost of the log before it was read.
    pub(super) fn lost_unread(
        &mut self,
        lost: Lost,
        container: &Arc<Container>,
        output: &mut Output<'_>,
    ) {
        let Lost { bytes, files } = lost;
        let text = format!("{bytes} bytes of {files} log files were lost before they were read");
        self.push_loss(&text, bytes, Mode::Tail, Timestamp::now(), container, output);
    }

    fn push_loss(
        &mut self,
        text: &str,
        lost_bytes: u64,
        mode: Mode,
        time: Timestamp,
        container: &Arc<Container>,
        output: &mut Output<'_>,
    ) {
        let number = self.seam.take_number();
        let body = text.as_bytes();
        let uid = RecordUid::new(&container.id, self.stream, number, LineKey::of(body, mode));
        output.outgoing.push_record(&BatchRecord {
            container,
            stream: self.stream,
            mode,
            time,
            observed: time,
            uid,
            writer: None,
            number,
            truncated: false,
            lost_bytes: Some(lost_bytes),
            body,
        });
    }

    /// Ends lines that nobody has continued for long. `drained`: everything written before it has been pushed.
    pub(super) fn flush_idle(
        &mut self,
        drained: Timestamp,
        container: &Arc<Container>,
        output: &mut Output<'_>,
    ) {
        let Self { stream, seam, captured, .. } = self;
        let Output { outgoing, settings, metrics, now } = output;
        if !captured.is_between_lines() {
            let emit = &mut into(outgoing, container, *stream);
            let take = &mut |line: Line<'_>| seam.captured(&line, *now, emit);
            captured.flush_idle(drained, settings, metrics, take);
        }
    }

    /// Nothing more is captured: open lines end as they are.
    pub(super) fn end_capture(&mut self, container: &Arc<Container>, output: &mut Output<'_>) {
        let Self { stream, seam, captured, .. } = self;
        let Output { outgoing, metrics, now, .. } = output;
        let emit = &mut into(outgoing, container, *stream);
        captured.finish(metrics, &mut |line| seam.captured(&line, *now, emit));
    }

    /// Nothing more comes from either side: what waits goes out.
    pub(super) fn finish(&mut self, container: &Arc<Container>, output: &mut Output<'_>) {
        let Self { stream, seam, read, read_to, .. } = self;
        let Output { outgoing, metrics, now, .. } = output;
        let emit = &mut into(outgoing, container, *stream);
        if let Some(end) = *read_to {
            read.finish(metrics, &mut |line| seam.read(&line, end, *now, emit));
        }
        seam.finish(emit);
    }

    /// Whether a line of captured bytes is open.
    pub(super) fn has_open_line(&self) -> bool {
        !self.captured.is_between_lines()
    }
}

/// Hands the lines of a stream on.
fn into<'a>(
    outgoing: &'a mut Outgoing<'_>,
    container: &'a Arc<Container>,
    stream: Stream,
) -> impl FnMut(u64, LineKey, &Line<'_>) {
    move |number, key, line| outgoing.push(container, stream, (number, key), line)
}

/// A piece of a log as the line stage takes it.
pub(super) fn chunk<'a>(entry: &Entry<'a>) -> Chunk<'a> {
    Chunk {
        stream: entry.stream,
        mode: Mode::Tail,
        time: entry.time,
        writer: None,
        sequence: 0,
        write_bytes: u32::try_from(entry.bytes.len()).unwrap_or(u32::MAX),
        offset_bytes: 0,
        lost_before_bytes: entry.lost_before_bytes,
        payload: entry.bytes,
    }
}
