//! A record of CRI's log format: any bytes are an entry or none; its content is the end of the record.
#![no_main]

use collector::record::Timestamp;
use collector::tail::Format;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let mut record = bytes.to_vec();
    if let Ok(decoded) = Format::Cri.decode(&mut record, Timestamp::default()) {
        let content = decoded.bytes;
        let without_newline = bytes.strip_suffix(b"\n").unwrap_or(bytes);
        assert!(bytes.ends_with(content) || without_newline.ends_with(content));
    }
});
