//! A record of Docker's json-file: any bytes are an entry or none, and what the general parser takes is taken alike.
#![no_main]

use collector::record::{Stream, Timestamp};
use collector::tail::{Decoded, Format};
use libfuzzer_sys::fuzz_target;
use serde::Deserialize;

#[derive(Deserialize)]
struct Record {
    log: Option<String>,
    stream: Option<String>,
    time: Option<String>,
}

fuzz_target!(|bytes: &[u8]| {
    let reference = serde_json::from_slice::<Record>(bytes).ok();
    let mut record = bytes.to_vec();
    let decoded = Format::JsonFile.decode(&mut record, Timestamp::default());
    let Ok(Decoded { stream, bytes: content, .. }) = decoded else {
        return;
    };
    assert!(content.len() <= bytes.len(), "no content is longer than its record");
    if let Some(reference) = reference {
        assert_eq!(content, reference.log.unwrap_or_default().as_bytes());
        let is_stderr = reference.stream.as_deref() == Some("stderr");
        assert_eq!(stream == Stream::Stderr, is_stderr);
        assert!(reference.time.is_some(), "an entry has a time");
    }
});
