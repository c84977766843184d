//! Length, loss, idle time, the number of waiting lines, and the end.

use std::time::Duration;

use super::*;

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
    bench.push(Chunk { lost_before_bytes: 1, ..chunk(1, b"x\ny\n") });
    assert_eq!(bench.bodies(), ["own…", "shared…", "x…", "y"]);
    bench.write(2, b" goes on\nz\n");
    assert_eq!(bench.bodies(), ["other's goes on…", "z"]);
    assert_eq!(bench.metrics.truncated_lost.get(), 4);
}

#[test]
fn a_loss_before_an_empty_chunk_marks_what_comes_next() {
    let mut bench = Bench::with(|_| ());
    bench.push(Chunk { lost_before_bytes: 5, ..chunk(1, b"") });
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
    assert_eq!((bench.metrics.truncated_lost.get(), bench.metrics.flushed_ended.get()), (1, 1));
}

#[test]
fn open_lines_are_flushed_when_idle_and_not_before() {
    let mut bench = Bench::with(|settings| settings.idle_flush = Duration::from_secs(10));
    bench.write(1, &block("old"));
    bench.write(2, b"young");
    bench.bodies();
    bench.flush_idle(9);
    assert_eq!(bench.bodies(), [""; 0]);
    bench.flush_idle(10);
    assert_eq!(bench.bodies(), ["old"]);
    bench.write(3, b" again");
    bench.flush_idle(11);
    assert_eq!(bench.bodies(), [""; 0]);
    bench.flush_idle(12);
    assert_eq!(bench.bodies(), ["young again"]);
    assert!(bench.assembler.is_between_lines());
    assert_eq!(bench.metrics.flushed_idle.get(), 2);
}

#[test]
fn a_clock_that_is_set_back_does_not_keep_a_line_open() {
    let mut bench = Bench::with(|settings| settings.idle_flush = Duration::from_secs(2));
    bench.sequence = 3600;
    bench.write(1, b"open");
    bench.flush_idle(10);
    bench.flush_idle(11);
    assert_eq!(bench.bodies(), [""; 0]);
    bench.flush_idle(12);
    assert_eq!(bench.bodies(), ["open"]);
}

#[test]
fn idle_flush_at_its_limits() {
    let mut never = Bench::with(|settings| settings.idle_flush = Duration::MAX);
    never.write(1, b"a");
    never.flush_idle(1 << 30);
    assert_eq!(never.bodies(), [""; 0]);

    let mut at_once = Bench::with(|settings| settings.idle_flush = Duration::ZERO);
    at_once.write(1, b"a");
    at_once.flush_idle(0);
    assert_eq!(at_once.bodies(), ["a"]);
}

#[test]
fn the_one_that_waited_longest_makes_room() {
    for (limit, expected) in
        [(0, ["1", "2", "1", "3"]), (1, ["1", "2", "1", ""]), (2, ["2", "", "", ""])]
    {
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
