//! The JSON record, as the project promises it to consumers.

use std::collections::BTreeMap;

use anyhow::{Context as _, Result, ensure};
use serde::Deserialize;

/// One record. Keys that are neither here nor a label or a Kubernetes name are an error.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Record {
    /// When the write returned.
    pub(crate) timestamp: String,
    /// When the collector had the line.
    pub(crate) observed_timestamp: String,
    #[serde(rename = "body")]
    text: String,
    #[serde(rename = "body.base64")]
    base64: Option<String>,
    /// `stdout` or `stderr`
    #[serde(rename = "log.iostream")]
    pub(crate) stream: String,
    /// By which duplicates are known.
    #[serde(rename = "log.record.uid")]
    pub(crate) uid: String,
    /// `ebpf`, `readback` or `tail`
    #[serde(rename = "log.capture.mode")]
    pub(crate) mode: String,
    /// Bytes of the line are missing.
    #[serde(rename = "log.truncated", default)]
    pub(crate) truncated: bool,
    /// Bytes of the stream that the record stands for, since nobody has them.
    #[serde(rename = "log.capture.lost_bytes", default)]
    pub(crate) lost_bytes: u64,
    /// 64 digits
    #[serde(rename = "container.id")]
    pub(crate) container_id: String,
    /// Without a slash.
    #[serde(rename = "container.name")]
    pub(crate) container_name: Option<String>,
    /// As it was asked for.
    #[serde(rename = "container.image.name")]
    pub(crate) image: Option<String>,
    /// `docker`
    #[serde(rename = "container.runtime.name")]
    pub(crate) runtime: Option<String>,
    /// Of the initial namespace.
    #[serde(rename = "process.pid")]
    pub(crate) pid: Option<u32>,
    /// Of the initial namespace.
    #[serde(rename = "process.user.id")]
    pub(crate) user: Option<u32>,
    /// Of the initial namespace.
    #[serde(rename = "thread.id")]
    pub(crate) tid: Option<u32>,
    /// The kernel's comm.
    #[serde(rename = "thread.name")]
    pub(crate) comm: Option<String>,
    #[serde(flatten)]
    others: BTreeMap<String, serde_json::Value>,
}

impl Record {
    /// A record of its text, checked against what holds for every record.
    pub(crate) fn parse(text: &[u8]) -> Result<Self> {
        let record: Self = serde_json::from_slice(text)
            .with_context(|| format!("no record: {}", String::from_utf8_lossy(text)))?;
        let others = record.others.keys();
        let known = |key: &&String| key.starts_with("container.label.") || key.starts_with("k8s.");
        let unknown: Vec<_> = others.filter(|key| !known(key)).collect();
        ensure!(unknown.is_empty(), "keys that no one promised: {unknown:?}");
        let id = record.container_id.as_bytes();
        ensure!(id.len() == 64 && id.iter().all(u8::is_ascii_hexdigit), "container id {record:?}");
        for time in [&record.timestamp, &record.observed_timestamp] {
            ensure!(
                time.len() == "2026-01-01T00:00:00.000000000Z".len() && time.ends_with('Z'),
                "{time}"
            );
        }
        // Of one form and length, they sort as text.
        ensure!(record.timestamp <= record.observed_timestamp, "observed before: {record:?}");
        if record.base64.is_some() {
            ensure!(std::str::from_utf8(&record.body()?).is_err(), "base64 of UTF-8: {record:?}");
        }
        Ok(record)
    }

    /// The line as it was written.
    pub(crate) fn body(&self) -> Result<Vec<u8>> {
        match &self.base64 {
            Some(text) => Ok(data_encoding::BASE64.decode(text.as_bytes())?),
            None => Ok(self.text.clone().into_bytes()),
        }
    }
}

/// The records of one container, by its name or its full id, among lines of JSON, in order. What follows the last
/// newline is not looked at: it may still be in the making.
pub(crate) fn of_container(lines: &[u8], container: &str) -> Result<Vec<Record>> {
    let whole = lines.rsplitn(2, |&byte| byte == b'\n').nth(1).unwrap_or_default();
    // Most lines are of other containers: told apart before they are decoded.
    let mark = format!("\"{container}\"");
    let lines = whole.split(|&byte| byte == b'\n');
    let lines = lines.filter(|line| memchr::memmem::find(line, mark.as_bytes()).is_some());
    let records: Result<Vec<_>> = lines.map(Record::parse).collect();
    let mut records = records?;
    let name = Some(container);
    records.retain(|r| r.container_name.as_deref() == name || r.container_id == container);
    Ok(records)
}

/// Bodies of one stream, in order.
pub(crate) fn bodies(records: &[Record], stream: &str) -> Result<Vec<Vec<u8>>> {
    records.iter().filter(|record| record.stream == stream).map(Record::body).collect()
}
