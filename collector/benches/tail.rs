//! What it costs to read a log file. Budget: 300 MB/s of json-file, of lines of 200 bytes.

use std::fs::File;
use std::hint::black_box;
use std::io::Write as _;

use collector::tail::{Entry, Format, Log, LogFile, Metrics, Settings, Watcher};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use prometheus_client::registry::Registry;

const TIME: &str = "2026-11-23T10:14:53.123456789Z";
const FILE_BYTES: usize = 64 << 20;
/// With its newline.
const LINE_BYTES: usize = 200;
/// What the agent reads at once.
const READ_BYTES: usize = 1 << 20;

/// Reads a file of `record`s from its beginning to its end once per iteration.
fn measure(criterion: &mut Criterion, name: &str, format: Format, record: &str) {
    let directory = tempfile::tempdir().unwrap_or_else(|error| panic!("no directory: {error}"));
    let path = directory.path().join("c.log");
    let content = record.repeat(FILE_BYTES / record.len());
    let written = File::create(&path).and_then(|mut file| file.write_all(content.as_bytes()));
    written.unwrap_or_else(|error| panic!("no log: {error}"));

    let metrics = Metrics::register(&mut Registry::default());
    let watcher = Watcher::start(&Settings::default(), &metrics);
    let watcher = watcher.unwrap_or_else(|error| panic!("{error}"));
    let log = Log::open(&watcher, LogFile { path, format });
    let mut log = log.unwrap_or_else(|error| panic!("{error}"));
    let beginning = log.beginning();

    let mut group = criterion.benchmark_group("tail");
    group.throughput(Throughput::Bytes(content.len() as u64));
    group.sample_size(10);
    group.bench_function(name, |bencher| {
        bencher.iter(|| {
            log.seek(&beginning);
            let mut take = |entry: Entry<'_>| {
                black_box(entry);
            };
            while log.read(READ_BYTES, &mut take).is_ok_and(|read| !read.at_end) {}
        });
    });
    group.finish();
}

fn tail(criterion: &mut Criterion) {
    let line = "x".repeat(LINE_BYTES - 1);
    let json =
        |log: &str| format!("{{\"log\":\"{log}\\n\",\"stream\":\"stdout\",\"time\":\"{TIME}\"}}\n");
    measure(criterion, "json_file", Format::JsonFile, &json(&line));

    // A program that logs JSON itself: an escape every six bytes.
    let quoted = "\\\"key\\\":12,".repeat(LINE_BYTES / 9);
    measure(criterion, "json_file_of_json", Format::JsonFile, &json(&quoted));

    let attributes = json(&line).replace(",\"time\"", ",\"attrs\":{\"tag\":\"web\"},\"time\"");
    measure(criterion, "json_file_with_attributes", Format::JsonFile, &attributes);

    let cri = format!("{TIME} stdout F {line}\n");
    measure(criterion, "cri", Format::Cri, &cri);
}

criterion_group!(benches, tail);
criterion_main!(benches);
