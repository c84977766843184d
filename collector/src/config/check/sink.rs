//! `sinks`

use std::collections::HashMap;
use std::path::Path;

use super::Findings;
use crate::config::file::{self, Acks, Document, Kafka, Tls, WhenFull};

/// A destination and what waits before it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sink {
    /// Its name; the label `sink` of its metrics.
    pub name: String,
    /// What kind it is, with the settings of that kind.
    pub kind: file::Sink,
    /// What waits before it.
    pub buffer: Buffer,
}

/// What waits before a sink.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Buffer {
    /// Bytes of lines that may wait; at least one line of the greatest length.
    pub max_bytes: usize,
    /// What happens to the next line then.
    pub when_full: WhenFull,
}

pub(super) fn check(document: &Document, findings: &mut Findings<'_>) -> Vec<Sink> {
    let mut files: HashMap<&Path, &str> = HashMap::new();
    for (name, sink) in &document.sinks {
        if !is_name(name) {
            let message = "a sink's name begins with a letter, and has at most 63 letters, digits, `_` and `-`";
            findings.add(&["sinks", name], message);
        }
        if sink.buffer().max_bytes < document.line.max_bytes {
            let message = format!(
                "must be at least `line.max_bytes`, {}",
                document.line.max_bytes
            );
            findings.add(&["sinks", name, "buffer", "max_bytes"], message);
        }
        match sink {
            file::Sink::File(file) => check_file(name, file, &mut files, findings),
            file::Sink::Kafka(kafka) => check_kafka(name, kafka, findings),
            file::Sink::Console(_) | file::Sink::Discard(_) => {}
        }
    }
    document
        .sinks
        .iter()
        .map(|(name, sink)| settings(name, sink))
        .collect()
}

fn settings(name: &str, sink: &file::Sink) -> Sink {
    let file::Buffer {
        max_bytes,
        when_full,
    } = sink.buffer();
    let buffer = Buffer {
        max_bytes: max_bytes.bytes() as usize,
        when_full: *when_full,
    };
    Sink {
        name: name.to_owned(),
        kind: sink.clone(),
        buffer,
    }
}

fn is_name(name: &str) -> bool {
    let is_inner = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-');
    name.len() <= 63
        && name.starts_with(|first: char| first.is_ascii_alphabetic())
        && name.bytes().all(is_inner)
}

fn check_file<'a>(
    name: &'a str,
    file: &'a file::File,
    files: &mut HashMap<&'a Path, &'a str>,
    findings: &mut Findings<'_>,
) {
    let path = ["sinks", name, "path"];
    if !file.path.is_absolute() {
        findings.add(&path, "must be absolute: begin with `/`");
    }
    if let Some(other) = files.insert(&file.path, name) {
        findings.add(&path, format!("sink `{other}` writes to this file already"));
    }
}

fn check_kafka(name: &str, kafka: &Kafka, findings: &mut Findings<'_>) {
    for (index, broker) in kafka.brokers.iter().enumerate() {
        if !is_broker(broker) {
            findings.add(
                &["sinks", name, "brokers", &index.to_string()],
                "expected `host:port`",
            );
        }
    }
    if kafka.idempotence == Some(true) && kafka.acks != Acks::All {
        findings.add(&["sinks", name, "idempotence"], "needs `acks: all`");
    }
    let Tls {
        enabled,
        ca_file,
        certificate_file,
        key_file,
        verify: _,
    } = &kafka.tls;
    let files = [
        ("ca_file", ca_file),
        ("certificate_file", certificate_file),
        ("key_file", key_file),
    ];
    for (key, _) in files.iter().filter(|(_, file)| file.is_some() && !enabled) {
        findings.add(
            &["sinks", name, "tls", key],
            "needs `enabled: true` beside it",
        );
    }
    match (certificate_file, key_file) {
        (Some(_), None) => findings.add(
            &["sinks", name, "tls", "certificate_file"],
            "needs `key_file` beside it",
        ),
        (None, Some(_)) => findings.add(
            &["sinks", name, "tls", "key_file"],
            "needs `certificate_file` beside it",
        ),
        _ => {}
    }
}

/// Whether a text is `host:port`; an IPv6 address stands in brackets.
fn is_broker(text: &str) -> bool {
    text.rsplit_once(':').is_some_and(|(host, port)| {
        let is_bracketed = host.starts_with('[') && host.ends_with(']');
        !host.is_empty()
            && (is_bracketed || !host.contains([':', '/']))
            && port.parse::<u16>().is_ok()
    })
}
