//! What it costs to decode a record of the ring. Budget: 20 ns, whatever its payload.

use std::hint::black_box;

use collector::capture::decode;
use collector::record::Timestamp;
use collector_ebpf::{CHUNK_BYTES, Header, Kind};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use zerocopy::IntoBytes as _;

fn record(payload_bytes: usize) -> Vec<u8> {
    let header = Header {
        kind: Kind::Write as u8,
        captured_bytes: payload_bytes as u32,
        written_bytes: payload_bytes as u32,
        ..Header::default()
    };
    [header.as_bytes(), &vec![b'x'; payload_bytes]].concat()
}

fn decoding(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("decode");
    group.throughput(Throughput::Elements(1));
    for (name, payload_bytes) in [("200_bytes", 200), ("full_chunk", CHUNK_BYTES)] {
        let record = record(payload_bytes);
        group.bench_function(name, |bencher| {
            bencher.iter(|| decode(black_box(&record), Timestamp::from_nanos).is_ok());
        });
    }
    group.finish();
}

criterion_group!(benches, decoding);
criterion_main!(benches);
