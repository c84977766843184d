//! What a disk buffer passes on. Budget: 200 MB/s of bodies through push, disk and pop when the sink comes later, so that
//! every batch is written, made durable and read back. A sink that keeps up acknowledges most of them before they are written.
//!
//! The directory is made in `TMPDIR`: its file system is measured as well.

use std::hint::black_box;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use collector::buffer::disk::{decode, encode};
use collector::buffer::{Buffer, DiskSettings, Metrics, Settings};
use collector::record::{
    Batch, Container, ContainerId, Line, LineKey, Mode, Stream, Timestamp, Writer,
};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};

const LINE_BYTES: usize = 200;
/// As the agent makes them under load.
const BATCH_LINES: u64 = 3600;
const BATCH_BYTES: u64 = BATCH_LINES * LINE_BYTES as u64;
/// Pushed and popped at once.
const BATCHES: u64 = 256;

fn batch() -> Arc<Batch> {
    let id = ContainerId::from_bytes(&[b'a'; ContainerId::LEN]).expect("64 digits");
    let container = Arc::new(Container::unexplained(id));
    let line = Line {
        body: &[b'x'; LINE_BYTES],
        time: Timestamp::from_nanos(1),
        mode: Mode::Ebpf,
        writer: Some(Writer { pid: 1, tid: 1, uid: 0, comm: *b"bench\0\0\0\0\0\0\0\0\0\0\0" }),
        sequence: 0,
        index: 0,
        truncated: false,
    };
    let mut batch = Batch::new(Timestamp::from_nanos(1));
    for number in 0..BATCH_LINES {
        batch.push(&container, Stream::Stdout, (number, LineKey(0)), &line);
    }
    Arc::new(batch)
}

fn settings(directory: &Path) -> Settings {
    let disk = DiskSettings { max_bytes: 4 << 30, ..DiskSettings::new(directory.to_owned()) };
    Settings { disk: Some(disk), ..Settings::default() }
}

/// All batches in, and then out, or both at once.
fn pass(batch: &Arc<Batch>, settings: &Settings, at_once: bool) {
    let (buffer, mut consumer) =
        Buffer::open("bench", settings, &Metrics::default()).expect("a buffer");
    std::thread::scope(|scope| {
        let pushing = scope.spawn(move || {
            for _ in 0..BATCHES {
                buffer.push(batch);
            }
            buffer
        });
        let buffer = if at_once { None } else { Some(pushing.join().expect("no panic")) };
        for _ in 0..BATCHES {
            let delivery = consumer.pop(Duration::from_mins(1)).expect("a batch");
            black_box(&delivery.batch);
            delivery.receipt.acknowledge();
        }
        drop(buffer);
    });
}

fn buffer(criterion: &mut Criterion) {
    let batch = batch();
    let mut group = criterion.benchmark_group("buffer");
    group.throughput(Throughput::Bytes(BATCH_BYTES));
    let mut bytes = Vec::new();
    group.bench_function("encode", |bencher| {
        bencher.iter(|| {
            bytes.clear();
            encode(black_box(&batch), &mut bytes);
        });
    });
    group.bench_function("decode", |bencher| bencher.iter(|| decode(black_box(&bytes))));

    group.throughput(Throughput::Bytes(BATCHES * BATCH_BYTES)).sample_size(10);
    for (name, at_once) in [("sink_keeps_up", true), ("sink_comes_later", false)] {
        group.bench_function(name, |bencher| {
            let directory = tempfile::tempdir().expect("a directory");
            let settings = settings(directory.path());
            bencher.iter(|| pass(&batch, &settings, at_once));
        });
    }
    group.finish();
}

criterion_group!(benches, buffer);
criterion_main!(benches);
