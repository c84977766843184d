//! Whose bytes continue a line here, bounds and losses in `limits`, everything against a naive model in `model`.

mod limits;
mod model;

use prometheus_client::registry::Registry;

use super::{Assembler, Metrics, Partial, Settings};
use crate::record::{Chunk, Line, Mode, Stream, Timestamp, Writer};

/// What the tests look at of a line.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Seen {
    body: Vec<u8>,
    pid: Option<u32>,
    sequence: u64,
    index: u32,
    truncated: bool,
}

impl From<Line<'_>> for Seen {
    fn from(line: Line<'_>) -> Self {
        Self {
            body: line.body.to_vec(),
            pid: line.writer.map(|writer| writer.pid),
            sequence: line.sequence,
            index: line.index,
            truncated: line.truncated,
        }
    }
}

/// A stream under test. Chunk number n is of second n.
struct Bench {
    assembler: Assembler,
    settings: Settings,
    metrics: Metrics,
    sequence: u64,
    seen: Vec<Seen>,
}

impl Bench {
    fn new(settings: Settings) -> Self {
        Self {
            assembler: Assembler::default(),
            settings,
            metrics: Metrics::register(&mut Registry::default()),
            sequence: 0,
            seen: Vec::new(),
        }
    }

    fn with(change: impl FnOnce(&mut Settings)) -> Self {
        let mut settings = Settings::default();
        change(&mut settings);
        Self::new(settings)
    }

    /// Pushes `chunk` with the next sequence number.
    fn push(&mut self, chunk: Chunk<'_>) {
        let chunk = Chunk {
            sequence: self.sequence,
            time: Timestamp::from_nanos(self.sequence * 1_000_000_000),
            ..chunk
        };
        self.sequence += 1;
        let Self { assembler, settings, metrics, seen, .. } = self;
        assembler.push(&chunk, settings, metrics, &mut |line| {
            seen.push(line.into());
        });
    }

    /// A whole write of process `pid`.
    fn write(&mut self, pid: u32, payload: &[u8]) {
        self.push(chunk(pid, payload));
    }

    fn flush_idle(&mut self, now_seconds: u64) {
        let now = Timestamp::from_nanos(now_seconds * 1_000_000_000);
        let Self { assembler, settings, metrics, seen, .. } = self;
        assembler.flush_idle(now, settings, metrics, &mut |line| seen.push(line.into()));
    }

    fn finish(&mut self) {
        let Self { assembler, metrics, seen, .. } = self;
        assembler.finish(metrics, &mut |line| seen.push(line.into()));
    }

    /// Bodies of the lines since the last call, as text; `…` marks a truncated one.
    fn bodies(&mut self) -> Vec<String> {
        let text = |line: Seen| {
            let mark = if line.truncated { "…" } else { "" };
            format!("{}{mark}", String::from_utf8_lossy(&line.body))
        };
        self.seen.drain(..).map(text).collect()
    }
}

/// A whole write of the first thread of process `pid`.
fn chunk(pid: u32, payload: &[u8]) -> Chunk<'_> {
    Chunk {
        stream: Stream::Stdout,
        mode: Mode::Ebpf,
        time: Timestamp::default(),
        writer: Some(Writer { pid, tid: pid, uid: 0, comm: [0; 16] }),
        sequence: 0,
        write_bytes: payload.len() as u32,
        offset_bytes: 0,
        lost_before_bytes: 0,
        payload,
    }
}

/// A block of `BLOCK_BYTES` in which `end` follows one line of filling.
fn block(end: &str) -> Vec<u8> {
    let mut block = vec![b'.'; super::BLOCK_BYTES as usize - end.len()];
    block.extend_from_slice(end.as_bytes());
    if let Some(last) = block.len().checked_sub(end.len() + 1) {
        block[last] = b'\n';
    }
    block
}

/// The part from `offset` of a write of 9 bytes by thread `tid` of process 1.
fn part(tid: u32, offset: u32, payload: &[u8]) -> Chunk<'_> {
    let writer = Some(Writer { pid: 1, tid, uid: 0, comm: [0; 16] });
    Chunk { writer, write_bytes: 9, offset_bytes: offset, ..chunk(1, payload) }
}

#[test]
fn processes_that_put_out_to_nobody_do_not_continue_each_other() {
    let mut bench = Bench::with(|_| ());
    for chunk in [chunk(1, b"one "), chunk(2, b"two\n"), chunk(1, b"line\n")] {
        bench.push(Chunk { stream: Stream::Daemon, ..chunk });
    }
    assert_eq!(bench.bodies(), ["two", "one line"]);
}

#[test]
fn whole_lines_carry_their_place_and_every_byte_but_the_newline() {
    let mut bench = Bench::with(|_| ());
    bench.write(7, b"a\r\n\n\0\xff\n");
    let line = |body: &[u8], index| Seen {
        body: body.to_vec(),
        pid: Some(7),
        sequence: 0,
        index,
        truncated: false,
    };
    assert_eq!(bench.seen, [line(b"a\r", 0), line(b"", 1), line(b"\0\xff", 2)]);
    assert!(bench.assembler.is_between_lines());
}

#[test]
fn a_line_is_of_the_chunk_with_its_first_byte() {
    let mut bench = Bench::with(|_| ());
    bench.write(1, b"x\na ");
    bench.write(2, b"b\ny\n");
    let places: Vec<_> = bench
        .seen
        .iter()
        .map(|line| (&line.body[..], line.pid, line.sequence, line.index))
        .collect();
    assert_eq!(
        places,
        [(&b"x"[..], Some(1), 0, 0), (b"a b", Some(1), 0, 1), (b"y", Some(2), 1, 0)]
    );
}

#[test]
fn empty_writes_change_nothing() {
    let mut bench = Bench::with(|_| ());
    bench.write(1, b"");
    bench.write(1, b"a");
    bench.write(2, b"");
    bench.write(1, b"b\n");
    assert_eq!(bench.bodies(), ["ab"]);
}

#[test]
fn whoever_writes_next_continues_a_short_write() {
    let mut bench = Bench::with(|_| ());
    bench.write(1, b"a ");
    bench.write(2, b"b");
    bench.write(3, b"\n");
    assert_eq!(bench.bodies(), ["a b"]);
}

#[test]
fn workers_with_block_buffers_do_not_shred_each_other() {
    let mut bench = Bench::with(|_| ());
    for pid in 1..=4 {
        bench.write(pid, &block(&format!("begin {pid},")));
    }
    bench.write(9, b"whole\n");
    for pid in [3, 1, 4, 2] {
        bench.write(pid, format!(" end {pid}\n").as_bytes());
    }
    let lines: Vec<_> = bench.bodies().into_iter().filter(|line| !line.starts_with('.')).collect();
    assert_eq!(
        lines,
        ["whole", "begin 3, end 3", "begin 1, end 1", "begin 4, end 4", "begin 2, end 2"]
    );
}

#[test]
fn the_block_limit_is_exact() {
    for (missing, expected) in [(0, ["other", "end"]), (1, ["endother", ""])] {
        let mut bench = Bench::with(|_| ());
        bench.write(1, &block("end")[missing..]);
        bench.write(2, b"other\n");
        bench.finish();
        let mut lines = bench.bodies();
        lines.remove(0);
        lines.resize(2, String::new());
        assert_eq!(lines, expected, "{missing} bytes short of a block");
    }
}

#[test]
fn a_second_short_line_waits_for_its_process() {
    let mut bench = Bench::with(|_| ());
    bench.write(1, &block("a"));
    bench.write(2, b"b");
    bench.write(1, b"a\nc");
    bench.write(1, b"c\n");
    bench.write(3, b"b\n");
    assert_eq!(bench.bodies()[1..], ["aa", "cc", "bb"]);
}

#[test]
fn the_setting_forces_either_rule() {
    let mut shared = Bench::with(|settings| settings.partial = Partial::Shared);
    shared.write(1, &block("a"));
    shared.write(2, b"b\n");
    assert_eq!(shared.bodies()[1..], ["ab"]);

    let mut own = Bench::with(|settings| settings.partial = Partial::PerWriter);
    own.write(1, b"a");
    own.write(2, b"b\n");
    own.write(1, b"c\n");
    assert_eq!(own.bodies(), ["b", "ac"]);
}

#[test]
fn a_source_without_writers_has_one() {
    let mut bench = Bench::with(|settings| settings.partial = Partial::PerWriter);
    bench.push(Chunk { writer: None, ..chunk(0, b"a") });
    bench.write(1, b"x\n");
    bench.push(Chunk { writer: None, ..chunk(0, b"b\n") });
    assert_eq!(bench.bodies(), ["x", "ab"]);
}

#[test]
fn chunks_of_one_write_find_each_other_under_every_rule() {
    for partial in [Partial::Auto, Partial::Shared, Partial::PerWriter] {
        let mut bench = Bench::with(|settings| settings.partial = partial);
        bench.push(part(1, 0, b"abc"));
        bench.push(part(2, 0, b"ABC"));
        bench.push(Chunk { write_bytes: 6, ..part(3, 0, b"whole\n") });
        bench.write(9, b"other\n");
        bench.push(part(2, 3, b"DEF"));
        bench.push(part(1, 3, b"def\n1\n"));
        bench.push(part(2, 6, b"G\n2"));
        bench.finish();
        assert_eq!(
            bench.bodies(),
            ["whole", "other", "abcdef", "1", "ABCDEFG", "2"],
            "{partial:?}"
        );
    }
}

#[test]
fn a_later_chunk_of_a_write_takes_no_other_line() {
    let mut bench = Bench::with(|_| ());
    bench.push(part(1, 0, b"ab\n"));
    bench.write(2, b"open ");
    bench.push(part(1, 3, b"cdefg\n"));
    bench.write(3, b"closed\n");
    assert_eq!(bench.bodies(), ["ab", "cdefg", "open closed"]);
}
