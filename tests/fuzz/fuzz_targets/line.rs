//! Chunks of any shape, by any writers, in any order.
#![no_main]

use std::collections::HashSet;
use std::time::Duration;

use arbitrary::Arbitrary;
use collector::line::{Assembler, Metrics, Partial, Settings};
use collector::record::{Chunk, Line, Mode, Stream, Timestamp, Writer};
use libfuzzer_sys::fuzz_target;
use prometheus_client::encoding::text::encode;
use prometheus_client::registry::Registry;

#[derive(Arbitrary, Debug)]
struct Input<'a> {
    max_bytes: u8,
    max_partial_writers: u8,
    partial: u8,
    steps: Vec<Step<'a>>,
}

#[derive(Arbitrary, Debug)]
enum Step<'a> {
    Chunk {
        /// pid and tid
        writer: Option<(u8, u8)>,
        write_bytes: u32,
        offset_bytes: u32,
        lost: bool,
        payload: &'a [u8],
    },
    FlushIdle,
}

fuzz_target!(|input: Input<'_>| run(&input));

fn run(input: &Input<'_>) {
    let settings = Settings {
        max_bytes: input.max_bytes.into(),
        idle_flush: Duration::from_nanos(3),
        partial: [Partial::Auto, Partial::Shared, Partial::PerWriter][input.partial as usize % 3],
        max_partial_writers: usize::from(input.max_partial_writers % 8),
    };
    let mut registry = Registry::default();
    let metrics = Metrics::register(&mut registry);
    let mut assembler = Assembler::default();
    let mut pushed_bytes = 0;
    let mut emitted_bytes = 0;
    let mut places = HashSet::new();

    for (step, sequence) in input.steps.iter().zip(0..) {
        let mut emit = |line: Line<'_>| {
            assert!(line.body.len() <= settings.max_bytes, "the limit holds");
            assert!(
                !line.body.contains(&b'\n'),
                "a newline is no part of a line"
            );
            assert!(
                line.sequence <= sequence,
                "a line began in a chunk that was pushed"
            );
            assert!(
                places.insert((line.sequence, line.index)),
                "no two lines begin at one place"
            );
            emitted_bytes += line.body.len();
        };
        let time = Timestamp::from_nanos(sequence);
        match *step {
            Step::Chunk {
                writer,
                write_bytes,
                offset_bytes,
                lost,
                payload,
            } => {
                pushed_bytes += payload.iter().filter(|&&byte| byte != b'\n').count();
                let writer = writer.map(|(pid, tid)| Writer {
                    pid: pid.into(),
                    tid: tid.into(),
                    uid: 0,
                    comm: [0; 16],
                });
                let chunk = Chunk {
                    stream: Stream::Stdout,
                    mode: Mode::Ebpf,
                    time,
                    writer,
                    sequence,
                    write_bytes,
                    offset_bytes,
                    lost_before_bytes: lost.into(),
                    payload,
                };
                assembler.push(&chunk, &settings, &metrics, &mut emit);
            }
            Step::FlushIdle => assembler.flush_idle(time, &settings, &metrics, &mut emit),
        }
        let memory_limit = settings.max_bytes * (1 + settings.max_partial_writers);
        assert!(
            assembler.memory_bytes() <= memory_limit,
            "memory is bounded"
        );
    }

    assembler.finish(&metrics, &mut |line| {
        assert!(places.insert((line.sequence, line.index)));
        emitted_bytes += line.body.len();
    });
    assert_eq!(assembler.memory_bytes(), 0);
    assert!(assembler.is_between_lines());
    let discarded_bytes = counter(&registry, "line_discarded_bytes_total");
    assert_eq!(
        emitted_bytes + discarded_bytes,
        pushed_bytes,
        "each byte is emitted or counted"
    );
}

/// The value of a counter without labels.
fn counter(registry: &Registry, name: &str) -> usize {
    let mut text = String::new();
    encode(&mut text, registry).unwrap();
    let value = text
        .lines()
        .find_map(|line| line.strip_prefix(name))
        .unwrap();
    value.trim().parse().unwrap()
}
