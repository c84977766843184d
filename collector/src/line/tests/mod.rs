//! The rules by example here, and held against a naive model in `model`.

mod model;

use std::time::Duration;

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
        let Self {
            assembler,
            settings,
            metrics,
            seen,
            ..
        } = self;
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
        let Self {
            assembler,
            settings,
            metrics,
            seen,
            ..
        } = self;
        assembler.flush_idle(now, settings, metrics, &mut |line| seen.push(line.into()));
    }

    fn finish(&mut self) {
        let Self {
            assembler,
            metrics,
            seen,
            ..
        } = self;
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
        writer: Some(Writer {
            pid,
            tid: pid,
            uid: 0,
            comm: [0; 16],
        }),
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
    assert_eq!(
        bench.seen,
        [line(b"a\r", 0), line(b"", 1), line(b"\0\xff", 2)]
    );
    assert_eq!(bench.assembler.next_flush(&bench.settings), None);
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
        [
            (&b"x"[..], Some(1), 0, 0),
            (b"a b", Some(1), 0, 1),
            (b"y", Some(2), 1, 0)
        ]
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
    let lines: Vec<_> = bench
        .bodies()
        .into_iter()
        .filter(|line| !line.starts_with('.'))
        .collect();
    assert_eq!(
        lines,
        [
            "whole",
            "begin 3, end 3",
            "begin 1, end 1",
            "begin 4, end 4",
            "begin 2, end 2"
        ]
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
    bench.push(Chunk {
        writer: None,
        ..chunk(0, b"a")
    });
    bench.write(1, b"x\n");
    bench.push(Chunk {
        writer: None,
        ..chunk(0, b"b\n")
    });
    assert_eq!(bench.bodies(), ["x", "ab"]);
}

/// The part from `offset` of a write of 9 bytes by thread `tid` of process 1.
fn part(tid: u32, offset: u32, payload: &[u8]) -> Chunk<'_> {
    let writer = Some(Writer {
        pid: 1,
        tid,
        uid: 0,
        comm: [0; 16],
    });
    Chunk {
        writer,
        write_bytes: 9,
        offset_bytes: offset,
        ..chunk(1, payload)
    }
}

#[test]
fn chunks_of_one_write_find_each_other_under_every_rule() {
    for partial in [Partial::Auto, Partial::Shared, Partial::PerWriter] {
        let mut bench = Bench::with(|settings| settings.partial = partial);
        bench.push(part(1, 0, b"abc"));
        bench.push(part(2, 0, b"ABC"));
        bench.push(Chunk {
            write_bytes: 6,
            ..part(3, 0, b"whole\n")
        });
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

#[test]
fn length_limit_at_its_edges() {
    for (max_bytes, expected, discarded) in [
        (0, ["", "…", "…", "…"], 6),
        (1, ["", "a", "b…", "d…"], 3),
        (2, ["", "a", "bc", "de…"], 1),
        (3, ["", "a", "bc", "def"], 0),
    ] {
        // Whole in a chunk, and byte by byte.
        for step in [100, 1] {
            let mut bench = Bench::with(|settings| settings.max_bytes = max_bytes);
            for payload in b"\na\nbc\ndef\n".chunks(step) {
                bench.write(1, payload);
            }
            assert_eq!(bench.bodies(), expected, "{max_bytes}, by {step}");
            assert_eq!(bench.metrics.discarded_bytes.get(), discarded);
            let truncated = expected.iter().filter(|line| line.ends_with('…')).count();
            assert_eq!(bench.metrics.truncated_too_long.get(), truncated as u64);
        }
    }
}

#[test]
fn a_too_long_line_is_emitted_at_once_and_once() {
    let mut bench = Bench::with(|settings| settings.max_bytes = 3);
    bench.write(1, b"abc");
    assert!(bench.seen.is_empty());
    bench.write(1, b"d");
    assert_eq!(bench.bodies(), ["abc…"]);
    bench.write(2, b"efg");
    bench.flush_idle(100);
    assert!(bench.seen.is_empty());
    assert_eq!(bench.metrics.flushed_idle.get(), 0);
    bench.write(1, b"new\n");
    assert_eq!(bench.bodies(), ["new"]);
    assert_eq!(bench.metrics.discarded_bytes.get(), 4);
}

#[test]
fn a_loss_ends_what_it_may_have_hit_and_marks_the_rest() {
    let mut bench = Bench::with(|_| ());
    bench.write(1, &block("own"));
    bench.write(2, &block("other's"));
    bench.write(3, b"shared");
    bench.bodies();
    bench.push(Chunk {
        lost_before_bytes: 1,
        ..chunk(1, b"x\ny\n")
    });
    assert_eq!(bench.bodies(), ["own…", "shared…", "x…", "y"]);
    bench.write(2, b" goes on\nz\n");
    assert_eq!(bench.bodies(), ["other's goes on…", "z"]);
    assert_eq!(bench.metrics.truncated_lost.get(), 4);
}

#[test]
fn a_loss_before_an_empty_chunk_marks_what_comes_next() {
    let mut bench = Bench::with(|_| ());
    bench.push(Chunk {
        lost_before_bytes: 5,
        ..chunk(1, b"")
    });
    bench.write(2, b"a");
    bench.write(2, b"b\nc\n");
    assert_eq!(bench.bodies(), ["ab…", "c"]);
}

#[test]
fn a_write_that_never_ended_counts_as_a_loss() {
    let mut bench = Bench::with(|_| ());
    bench.push(part(1, 0, b"abc"));
    bench.push(part(1, 0, b"def\nghi\nj"));
    assert_eq!(bench.bodies(), ["abc…", "def…", "ghi"]);

    let mut bench = Bench::with(|_| ());
    bench.push(part(1, 0, b"abc"));
    bench.finish();
    assert_eq!(bench.bodies(), ["abc…"]);
    assert_eq!(
        (
            bench.metrics.truncated_lost.get(),
            bench.metrics.flushed_ended.get()
        ),
        (1, 1)
    );
}

#[test]
fn open_lines_are_flushed_when_idle_and_not_before() {
    let mut bench = Bench::with(|settings| settings.idle_flush = Duration::from_secs(10));
    bench.write(1, &block("old"));
    bench.write(2, b"young");
    bench.bodies();
    let due = bench.assembler.next_flush(&bench.settings);
    assert_eq!(due, Some(Timestamp::from_nanos(10_000_000_000)));
    bench.flush_idle(9);
    assert_eq!(bench.bodies(), [""; 0]);
    bench.flush_idle(10);
    assert_eq!(bench.bodies(), ["old"]);
    bench.write(3, b" again");
    bench.flush_idle(11);
    assert_eq!(bench.bodies(), [""; 0]);
    bench.flush_idle(12);
    assert_eq!(bench.bodies(), ["young again"]);
    assert_eq!(bench.assembler.next_flush(&bench.settings), None);
    assert_eq!(bench.metrics.flushed_idle.get(), 2);
}

#[test]
fn idle_flush_at_its_limits() {
    let mut never = Bench::with(|settings| settings.idle_flush = Duration::MAX);
    never.write(1, b"a");
    assert_eq!(
        never.assembler.next_flush(&never.settings),
        Some(Timestamp::from_nanos(u64::MAX))
    );
    never.flush_idle(1 << 30);
    assert_eq!(never.bodies(), [""; 0]);

    let mut at_once = Bench::with(|settings| settings.idle_flush = Duration::ZERO);
    at_once.write(1, b"a");
    at_once.flush_idle(0);
    assert_eq!(at_once.bodies(), ["a"]);
}

#[test]
fn the_one_that_waited_longest_makes_room() {
    for (limit, expected) in [
        (0, ["1", "2", "1", "3"]),
        (1, ["1", "2", "1", ""]),
        (2, ["2", "", "", ""]),
    ] {
        let mut bench = Bench::with(|settings| {
            settings.partial = Partial::PerWriter;
            settings.max_partial_writers = limit;
        });
        for body in ["1", "2", "1", "3"] {
            bench.write(body.parse().unwrap(), body.as_bytes());
        }
        let mut lines = bench.bodies();
        assert_eq!(bench.metrics.flushed_crowded.get(), lines.len() as u64);
        lines.resize(4, String::new());
        assert_eq!(lines, expected, "limit {limit}");
    }
}

#[test]
fn the_end_emits_open_lines_in_the_order_they_began() {
    let mut bench = Bench::with(|_| ());
    bench.write(1, &block("first"));
    bench.write(2, &block("second"));
    bench.write(3, b"third");
    bench.bodies();
    bench.write(1, b" goes on");
    bench.finish();
    assert_eq!(bench.bodies(), ["first goes on", "second", "third"]);
    assert_eq!(bench.metrics.flushed_ended.get(), 3);
    bench.finish();
    assert_eq!(bench.bodies(), [""; 0]);
}
