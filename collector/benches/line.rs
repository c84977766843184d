//! What a line costs between a chunk and its consumer. Budget: 60 ns for a line of 200 bytes in a chunk of its own.

use std::hint::black_box;

use collector::line::{Assembler, Metrics, Settings};
use collector::record::{Chunk, Mode, Stream, Timestamp, Writer};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use prometheus_client::registry::Registry;

/// With its newline.
const LINE_BYTES: usize = 200;
/// What the probe copies at once.
const CHUNK_BYTES: usize = 16 << 10;

/// Lines of `LINE_BYTES`, the last one cut off at the end.
fn lines(bytes: usize) -> Vec<u8> {
    let byte = |at| {
        if at % LINE_BYTES == LINE_BYTES - 1 { b'\n' } else { b'x' }
    };
    (0..bytes).map(byte).collect()
}

/// A whole write of process `pid`.
fn write(pid: u32, payload: &[u8]) -> Chunk<'_> {
    Chunk {
        stream: Stream::Stdout,
        mode: Mode::Ebpf,
        time: Timestamp::from_nanos(1),
        writer: Some(Writer { pid, tid: pid, uid: 0, comm: *b"bench\0\0\0\0\0\0\0\0\0\0\0" }),
        sequence: 0,
        write_bytes: payload.len() as u32,
        offset_bytes: 0,
        lost_before_bytes: 0,
        payload,
    }
}

/// Pushes all chunks once per iteration; throughput is in lines.
fn measure(criterion: &mut Criterion, name: &str, chunks: &[Chunk<'_>]) {
    let settings = Settings::default();
    let metrics = Metrics::register(&mut Registry::default());
    let newlines = |chunk: &Chunk<'_>| memchr::memchr_iter(b'\n', chunk.payload).count();
    let mut group = criterion.benchmark_group("line");
    group.throughput(Throughput::Elements(chunks.iter().map(newlines).sum::<usize>() as u64));
    group.bench_function(name, |bencher| {
        let mut assembler = Assembler::default();
        bencher.iter(|| {
            for chunk in black_box(chunks) {
                assembler.push(chunk, &settings, &metrics, &mut |line| {
                    black_box(line);
                });
            }
        });
    });
    group.finish();
}

fn line(criterion: &mut Criterion) {
    let line = lines(LINE_BYTES);
    measure(criterion, "one_per_chunk", &vec![write(1, &line); 1000]);

    let full = lines(CHUNK_BYTES / LINE_BYTES * LINE_BYTES);
    measure(criterion, "full_chunks", &vec![write(1, &full); 100]);

    // A line in two short writes of two processes, as a shell and its command make it.
    let (begin, end) = line.split_at(40);
    measure(criterion, "two_writes", &[write(1, begin), write(2, end)].repeat(1000));

    // Four workers flush stdio buffers of 4 KiB in turn, each in mid-line; after 25 blocks every worker is at a line's end.
    let stream = lines(25 * 4096);
    let blocks = stream.chunks_exact(4096).flat_map(|block| (1..=4).map(|pid| write(pid, block)));
    measure(criterion, "four_block_buffers", &blocks.collect::<Vec<_>>());
}

criterion_group!(benches, line);
criterion_main!(benches);
