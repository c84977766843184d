//! The content of a checkpoint's file, as it is and with the checksum that fits: a checkpoint, or what is wrong with it.
#![no_main]

use collector::state::Checkpoint;
use libfuzzer_sys::fuzz_target;
use xxhash_rust::xxh3::xxh3_64;

fuzz_target!(|content: &[u8]| {
    let end = format!("{{\"xxh3\":\"{:016x}\"}}\n", xxh3_64(content));
    for bytes in [content, &[content, end.as_bytes()].concat()] {
        if let Ok(checkpoint) = Checkpoint::from_bytes(bytes) {
            let again = Checkpoint::from_bytes(&checkpoint.to_bytes()).expect("it reads back");
            assert_eq!(again.streams.len(), checkpoint.streams.len(), "no stream is lost");
        }
    }
});
