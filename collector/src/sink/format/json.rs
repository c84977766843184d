//! The JSON record: one flat object, whose names and rules are a public contract.
//!
//! Text that the record before had too is kept: the container's part, the writer's, the second of both times. What is left
//! to do for a record is little more than to copy it.

use data_encoding::{BASE64, HEXLOWER};

use super::ContainerCache;
use super::escape::{append_escaped, append_lossy};
use super::timestamp::TimestampText;
use crate::record::{BatchRecord, Container, RecordUid, Runtime, Writer};

/// Labels that the record carries, as `container.label.<key>`.
const LABELS: [&str; 2] = ["com.docker.compose.project", "com.docker.compose.service"];

/// Room to ask for beside the body and the container's part, in bytes.
const FIXED_LEN: usize = 512;

/// Writes records as JSON.
#[derive(Debug, Default)]
pub(in crate::sink) struct Json {
    time: TimestampText,
    observed: TimestampText,
    containers: ContainerCache<Vec<u8>>,
    writer: Option<(Writer, Vec<u8>)>,
}

impl Json {
    /// Appends the object of `record` to `out`, without a newline.
    pub(super) fn append(&mut self, record: &BatchRecord<'_>, out: &mut Vec<u8>) {
        let Self { time, observed, containers, writer } = self;
        let container = containers.get_or_insert_with(record.container, container_fields);
        out.reserve(record.body.len() + container.len() + FIXED_LEN);

        out.extend_from_slice(br#"{"timestamp":""#);
        out.extend_from_slice(time.format(record.time));
        out.extend_from_slice(br#"","observed_timestamp":""#);
        out.extend_from_slice(observed.format(record.observed));
        out.extend_from_slice(br#"","body":""#);
        if !append_lossy(out, record.body) {
            out.extend_from_slice(br#"","body.base64":""#);
            append_base64(out, record.body);
        }
        out.extend_from_slice(br#"","log.iostream":""#);
        out.extend_from_slice(record.stream.as_str().as_bytes());
        out.extend_from_slice(br#"","log.record.uid":""#);
        append_uid(out, record.uid);
        out.extend_from_slice(br#"","log.capture.mode":""#);
        out.extend_from_slice(record.mode.as_str().as_bytes());
        out.push(b'"');
        if record.truncated {
            out.extend_from_slice(br#","log.truncated":true"#);
        }
        if let Some(lost_bytes) = record.lost_bytes {
            out.extend_from_slice(br#","log.capture.lost_bytes":"#);
            out.extend_from_slice(lost_bytes.to_string().as_bytes());
        }
        out.extend_from_slice(container);
        if let Some(wanted) = record.writer {
            if writer.as_ref().is_none_or(|(held, _)| *held != wanted) {
                *writer = Some((wanted, writer_fields(&wanted)));
            }
            if let Some((_, fields)) = writer {
                out.extend_from_slice(fields);
            }
        }
        out.push(b'}');
    }
}

fn append_base64(out: &mut Vec<u8>, bytes: &[u8]) {
    let start = out.len();
    out.resize(start + BASE64.encode_len(bytes.len()), 0);
    BASE64.encode_mut(bytes, &mut out[start..]);
}

fn append_uid(out: &mut Vec<u8>, uid: RecordUid) {
    let mut digits = [0; 32];
    HEXLOWER.encode_mut(&uid.as_u128().to_be_bytes(), &mut digits);
    out.extend_from_slice(&digits);
}

/// `,"key":"text"`; nothing for an empty text.
fn append_field(out: &mut Vec<u8>, key: &str, text: Option<&str>) {
    if let Some(text) = text.filter(|text| !text.is_empty()) {
        out.extend_from_slice(b",\"");
        append_escaped(out, key);
        out.extend_from_slice(b"\":\"");
        append_escaped(out, text);
        out.push(b'"');
    }
}

fn container_fields(container: &Container) -> Vec<u8> {
    let Container { id, name, image, runtime, labels, kubernetes } = container;
    let mut fields = Vec::new();
    append_field(&mut fields, "container.id", Some(id.as_str()));
    append_field(&mut fields, "container.name", name.as_deref());
    append_field(&mut fields, "container.image.name", image.as_deref());
    append_field(&mut fields, "container.runtime.name", runtime.map(Runtime::as_str));
    for label in LABELS {
        let value = labels.get(label).map(String::as_str);
        append_field(&mut fields, &format!("container.label.{label}"), value);
    }
    append_field(&mut fields, "k8s.namespace.name", kubernetes.namespace.as_deref());
    append_field(&mut fields, "k8s.pod.name", kubernetes.pod.as_deref());
    append_field(&mut fields, "k8s.pod.uid", kubernetes.pod_uid.as_deref());
    append_field(&mut fields, "k8s.container.name", kubernetes.container.as_deref());
    fields
}

fn writer_fields(writer: &Writer) -> Vec<u8> {
    let Writer { pid, tid, uid, comm: _ } = writer;
    let mut fields =
        format!(r#","process.pid":{pid},"process.user.id":{uid},"thread.id":{tid}"#).into_bytes();
    let name = String::from_utf8_lossy(writer.thread_name());
    append_field(&mut fields, "thread.name", Some(&name));
    fields
}

#[cfg(test)]
#[path = "json_tests.rs"]
mod tests;
