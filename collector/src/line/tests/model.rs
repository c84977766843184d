//! The assembler against a model that goes byte by byte, keeps everything, and knows the rules as plain conditions.

use std::time::Duration;

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;

use super::*;
use crate::line::BLOCK_BYTES;

/// One step of a stream's life. Chunk number n is of second n.
#[derive(Clone, Debug)]
enum Step {
    Chunk(Owned),
    /// Idle flush so many seconds after the last chunk.
    Idle(u64),
}

/// A chunk with a payload of its own.
#[derive(Clone, Debug)]
struct Owned {
    /// pid and tid
    writer: Option<(u32, u32)>,
    write_bytes: u32,
    offset_bytes: u32,
    lost_before_bytes: u64,
    payload: Vec<u8>,
}

impl Owned {
    fn borrow(&self) -> Chunk<'_> {
        let writer = self.writer.map(|(pid, tid)| Writer { pid, tid, uid: 0, comm: [0; 16] });
        let Self { write_bytes, offset_bytes, lost_before_bytes, ref payload, .. } = *self;
        Chunk { writer, write_bytes, offset_bytes, lost_before_bytes, ..chunk(0, payload) }
    }

    fn pid(&self) -> Option<u32> {
        self.writer.map(|(pid, _)| pid)
    }

    fn is_last_of_write(&self) -> bool {
        self.offset_bytes as usize + self.payload.len() >= self.write_bytes as usize
    }
}

/// Whom an open line of the model waits for.
#[derive(Clone, Copy, Debug, PartialEq)]
enum For {
    All,
    Process,
    Write,
}

#[derive(Clone, Debug)]
struct ModelLine {
    seen: Seen,
    bytes: usize,
    waits: For,
    last_writer: Option<(u32, u32)>,
    touched: u64,
}

#[derive(Default)]
struct Model {
    open: Vec<ModelLine>,
    after_loss: bool,
    sequence: u64,
    out: Vec<Seen>,
    discarded: u64,
}

impl Model {
    fn emit(&mut self, line: ModelLine, max_bytes: usize) {
        if line.bytes <= max_bytes {
            self.out.push(line.seen);
        }
    }

    fn chunk(&mut self, chunk: &Owned, settings: &Settings) {
        let now = self.sequence;
        self.sequence += 1;
        let starts_write = chunk.offset_bytes == 0;
        let in_write =
            |line: &ModelLine| line.waits == For::Write && line.last_writer == chunk.writer;
        let same_process = |line: &ModelLine| line.last_writer.map(|(pid, _)| pid) == chunk.pid();

        if chunk.lost_before_bytes > 0 || starts_write && self.open.iter().any(in_write) {
            self.after_loss = true;
            for mut line in std::mem::take(&mut self.open) {
                line.seen.truncated = true;
                if line.waits == For::All || same_process(&line) {
                    self.emit(line, settings.max_bytes);
                } else {
                    self.open.push(line);
                }
            }
        }

        let mut at = if starts_write {
            let own = |line: &ModelLine| line.waits == For::Process && same_process(line);
            let shared = |line: &ModelLine| line.waits == For::All;
            self.open.iter().position(own).or_else(|| self.open.iter().position(shared))
        } else {
            self.open.iter().position(in_write)
        };
        let mut index = 0;
        for &byte in &chunk.payload {
            let place = at.unwrap_or_else(|| {
                let seen = Seen {
                    body: Vec::new(),
                    pid: chunk.pid(),
                    sequence: now,
                    index,
                    truncated: false,
                };
                index += 1;
                let (waits, last_writer) = (For::Process, chunk.writer);
                self.open.push(ModelLine { seen, bytes: 0, waits, last_writer, touched: now });
                self.open.len() - 1
            });
            let line = &mut self.open[place];
            line.seen.truncated |= std::mem::take(&mut self.after_loss);
            if byte == b'\n' {
                let line = self.open.remove(place);
                self.emit(line, settings.max_bytes);
                at = None;
                continue;
            }
            at = Some(place);
            line.bytes += 1;
            if line.bytes <= settings.max_bytes {
                line.seen.body.push(byte);
                continue;
            }
            self.discarded += 1;
            if line.bytes == settings.max_bytes + 1 {
                self.out.push(Seen { truncated: true, ..line.seen.clone() });
            }
        }
        if let (Some(place), false) = (at, chunk.payload.is_empty()) {
            self.leave_open(place, chunk, now, settings);
        }
    }

    fn leave_open(&mut self, place: usize, chunk: &Owned, now: u64, settings: &Settings) {
        let taken = (0..self.open.len()).any(|i| i != place && self.open[i].waits == For::All);
        let short = chunk.write_bytes < BLOCK_BYTES;
        let line = &mut self.open[place];
        line.touched = now;
        line.last_writer = chunk.writer;
        line.waits = match settings.partial {
            _ if !chunk.is_last_of_write() => For::Write,
            Partial::PerWriter => For::Process,
            Partial::Auto if !short => For::Process,
            _ if taken => For::Process,
            _ => For::All,
        };
        let mut waiting: Vec<_> = self.open.iter().filter(|line| line.waits != For::All).collect();
        if waiting.len() > settings.max_partial_writers {
            waiting.sort_by_key(|line| line.touched);
            let (sequence, index) = (waiting[0].seen.sequence, waiting[0].seen.index);
            let is_it =
                |line: &ModelLine| (line.seen.sequence, line.seen.index) == (sequence, index);
            let evicted = self.open.remove(self.open.iter().position(is_it).unwrap());
            self.emit(evicted, settings.max_bytes);
        }
    }

    fn idle(&mut self, now: u64, settings: &Settings) {
        for mut line in std::mem::take(&mut self.open) {
            if now >= line.touched + settings.idle_flush.as_secs() {
                line.seen.truncated |= line.waits == For::Write;
                self.emit(line, settings.max_bytes);
            } else {
                self.open.push(line);
            }
        }
    }
}

/// A few bytes, and more newlines than text has.
fn payload() -> impl Strategy<Value = Vec<u8>> {
    vec(select(&b"\naab\r\xff"[..]), 0..8)
}

fn any_chunk() -> impl Strategy<Value = Owned> {
    let writer = prop_oneof![1 => Just(None), 9 => (1..4u32, 1..3u32).prop_map(Some)];
    let lost = prop_oneof![9 => Just(0u64), 1 => Just(1u64)];
    // A short write, a block, and the first, a middle and the last chunk of a write of several.
    (writer, lost, payload(), 0..6u8).prop_map(|(writer, lost_before_bytes, end, kind)| {
        let payload =
            if kind == 0 { [vec![b'.'; BLOCK_BYTES as usize], end].concat() } else { end };
        let len = payload.len() as u32;
        let (offset_bytes, write_bytes) = match kind {
            1 => (0, len + 1),
            2 => (BLOCK_BYTES, BLOCK_BYTES + len + 1),
            3 => (BLOCK_BYTES, BLOCK_BYTES + len),
            _ => (0, len),
        };
        Owned { writer, write_bytes, offset_bytes, lost_before_bytes, payload }
    })
}

fn any_settings() -> impl Strategy<Value = Settings> {
    let max_bytes = prop_oneof![0..8usize, Just(1 << 20)];
    let partial = select(&[Partial::Auto, Partial::Shared, Partial::PerWriter][..]);
    (max_bytes, 0..4u64, partial, 0..4usize).prop_map(
        |(max_bytes, idle_seconds, partial, max_partial_writers)| Settings {
            max_bytes,
            idle_flush: Duration::from_secs(idle_seconds),
            partial,
            max_partial_writers,
        },
    )
}

proptest! {
    #[test]
    fn lines_of_one_writer_are_its_bytes_split_at_newlines(
        bytes in vec(select(&b"\nabc"[..]), 0..64),
        cuts in vec(1..9usize, 64),
        max_bytes in 0..12usize,
    ) {
        let mut bench = Bench::with(|settings| settings.max_bytes = max_bytes);
        let mut rest = &bytes[..];
        for cut in cuts {
            let (payload, after) = rest.split_at(cut.min(rest.len()));
            bench.write(1, payload);
            rest = after;
        }
        bench.finish();
        let mut lines: Vec<_> = bytes.split(|&byte| byte == b'\n').collect();
        lines.pop_if(|last| last.is_empty());
        let expected: Vec<_> = lines
            .iter()
            .map(|line| (&line[..line.len().min(max_bytes)], line.len() > max_bytes))
            .collect();
        let seen: Vec<_> =
            bench.seen.iter().map(|line| (&line.body[..], line.truncated)).collect();
        prop_assert_eq!(seen, expected);
    }

    #[test]
    fn agrees_with_the_model(
        steps in vec(
            prop_oneof![9 => any_chunk().prop_map(Step::Chunk), 1 => (0..4u64).prop_map(Step::Idle)],
            0..24,
        ),
        settings in any_settings(),
    ) {
        let mut model = Model::default();
        let mut bench = Bench::new(settings.clone());
        for step in &steps {
            match step {
                Step::Chunk(chunk) => {
                    model.chunk(chunk, &settings);
                    bench.push(chunk.borrow());
                }
                Step::Idle(after) => {
                    let now = model.sequence + after;
                    model.idle(now, &settings);
                    bench.flush_idle(now);
                }
            }
            prop_assert_eq!(&bench.seen, &model.out, "after {:?}", step);
            let held = model.open.iter().filter(|line| line.bytes <= settings.max_bytes).count();
            prop_assert!(bench.assembler.memory_bytes() <= held * settings.max_bytes);
            prop_assert!(model.open.len() <= 1 + settings.max_partial_writers);
        }
        model.idle(u64::MAX, &settings);
        bench.finish();
        prop_assert_eq!(&bench.seen, &model.out);
        prop_assert_eq!(bench.metrics.discarded_bytes.get(), model.discarded);
        let truncated = model.out.iter().filter(|line| line.truncated).count() as u64;
        let Metrics { truncated_too_long, truncated_lost, .. } = &bench.metrics;
        prop_assert_eq!(truncated_too_long.get() + truncated_lost.get(), truncated);
        prop_assert_eq!(bench.assembler.memory_bytes(), 0);
    }
}
