//! Segments of a disk buffer, and the batches in them: damage of any kind is passed over, and no byte is taken twice.
#![no_main]

use collector::buffer::disk::{Segment, Step, decode, encode};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    read(bytes);
    // A batch that is read is written as one that reads the same.
    if let Some(batch) = decode(bytes) {
        let mut encoded = Vec::new();
        encode(&batch, &mut encoded);
        let again = decode(&encoded).expect("what was encoded is decoded");
        assert_eq!(again.len(), batch.len(), "no record is lost");
        assert!(again.iter().zip(batch.iter()).all(|(again, first)| {
            (again.uid, again.number, again.body) == (first.uid, first.number, first.body)
        }));
    }
});

fn read(bytes: &[u8]) {
    let Ok(mut segment) = Segment::open(bytes).expect("memory is read") else { return };
    let mut body = Vec::new();
    let mut offset = segment.offset();
    loop {
        let step = segment.next(0, &mut body).expect("memory is read");
        let taken = match step {
            Step::Frame(_) => body.len() as u64,
            Step::Corrupt(bytes) => bytes,
            Step::End => break,
        };
        offset += taken;
        assert!(offset <= segment.offset(), "no byte is taken twice");
        offset = segment.offset();
    }
    assert!(offset >= bytes.len() as u64, "every byte is read or passed over");
}
