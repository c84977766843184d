//! Ring records: any bytes are an event or an error, and an event's payload is the record's tail.
#![no_main]

use collector::capture::{Event, decode};
use collector::record::Timestamp;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|record: &[u8]| {
    if let Ok(Event::Chunk { chunk, .. }) = decode(record, Timestamp::from_nanos) {
        assert!(record.ends_with(chunk.payload));
    }
});
