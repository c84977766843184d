//! The encoder, with `serde_json` as the oracle.

use std::sync::Arc;

use data_encoding::BASE64;
use proptest::prelude::*;
use serde_json::{Value, json};

use super::Json;
use crate::record::{
    Batch, BatchRecord, Container, ContainerId, Kubernetes, Line, LineKey, Mode, Runtime, Stream,
    Timestamp, Writer,
};

fn id() -> ContainerId {
    "0123456789abcdef".repeat(4).parse().unwrap()
}

fn line(body: &[u8]) -> Line<'_> {
    let time = Timestamp::from_nanos(1_700_000_000_000_000_001);
    Line { body, time, mode: Mode::Ebpf, writer: None, sequence: 0, index: 0, truncated: false }
}

fn encode(container: Container, lines: &[Line<'_>]) -> Vec<String> {
    let mut batch = Batch::new(Timestamp::from_nanos(1_700_000_001_500_000_000));
    let container = Arc::new(container);
    for (number, line) in (7..).zip(lines) {
        assert!(batch.push(&container, Stream::Stderr, (number, LineKey(0)), line));
    }
    let mut json = Json::default();
    let encode = |record| {
        let mut out = Vec::new();
        json.append(&record, &mut out);
        String::from_utf8(out).unwrap()
    };
    batch.iter().map(encode).collect()
}

#[test]
fn leaves_out_what_is_not_known() {
    let [text] = encode(Container::unexplained(id()), &[line(b"hello")]).try_into().unwrap();
    let uid = serde_json::from_str::<Value>(&text).unwrap()["log.record.uid"].clone();
    assert_eq!(uid.as_str().unwrap().len(), 32);
    let id = id();
    let expected = [
        r#"{"timestamp":"2023-11-14T22:13:20.000000001Z","#,
        r#""observed_timestamp":"2023-11-14T22:13:21.500000000Z","#,
        r#""body":"hello","log.iostream":"stderr","log.record.uid":"#,
        &uid.to_string(),
        r#","log.capture.mode":"ebpf","container.id":""#,
        id.as_str(),
        r#""}"#,
    ];
    assert_eq!(text, expected.concat());
}

#[test]
fn carries_every_field_that_is_known() {
    let labels = [
        ("com.docker.compose.project", "shop"),
        ("com.docker.compose.service", ""),
        ("secret", "not to be seen"),
    ];
    let container = Container {
        id: id(),
        name: Some("web\"1\\".into()),
        image: Some("nginx:1.27".into()),
        runtime: Some(Runtime::Docker),
        labels: labels.map(|(key, value)| (key.into(), value.into())).into(),
        kubernetes: Kubernetes {
            namespace: Some("default".into()),
            pod: Some("web-0".into()),
            pod_uid: Some("b1".into()),
            container: Some("app".into()),
        },
    };
    let mut comm = [0; 16];
    comm[..4].copy_from_slice(b"n\xff\"x");
    let writer = Some(Writer { pid: 1, tid: u32::MAX, uid: 0, comm });
    let lines = [Line { writer, truncated: true, ..line(b"\x00\x1b[31m\xe2\x82\xac") }];
    let [text] = encode(container, &lines).try_into().unwrap();
    let mut object: Value = serde_json::from_str(&text).unwrap();
    object["log.record.uid"].take();
    let expected = json!({
        "timestamp": "2023-11-14T22:13:20.000000001Z",
        "observed_timestamp": "2023-11-14T22:13:21.500000000Z",
        "body": "\u{0}\u{1b}[31m\u{20ac}",
        "log.iostream": "stderr",
        "log.record.uid": null,
        "log.capture.mode": "ebpf",
        "log.truncated": true,
        "container.id": id().as_str(),
        "container.name": "web\"1\\",
        "container.image.name": "nginx:1.27",
        "container.runtime.name": "docker",
        "container.label.com.docker.compose.project": "shop",
        "k8s.namespace.name": "default",
        "k8s.pod.name": "web-0",
        "k8s.pod.uid": "b1",
        "k8s.container.name": "app",
        "process.pid": 1,
        "process.user.id": 0,
        "thread.id": u32::MAX,
        "thread.name": "n\u{fffd}\"x",
    });
    assert_eq!(object, expected);
}

#[test]
fn a_writer_without_a_name_has_no_name_field() {
    let writer = Some(Writer { pid: 1, tid: 2, uid: 3, comm: [0; 16] });
    let lines = [Line { writer, ..line(b"") }];
    let [text] = encode(Container::unexplained(id()), &lines).try_into().unwrap();
    assert!(text.ends_with(r#","process.pid":1,"process.user.id":3,"thread.id":2}"#), "{text}");
}

#[test]
fn the_writer_is_of_the_record_and_not_of_the_one_before() {
    let writer = |pid| Writer { pid, tid: pid, uid: 0, comm: [0; 16] };
    let wanted = [Some(1), Some(1), Some(2), None, Some(1)];
    let lines = wanted.map(|pid| Line { writer: pid.map(writer), ..line(b"x") });
    let pids: Vec<_> = encode(Container::unexplained(id()), &lines)
        .iter()
        .map(|text| serde_json::from_str::<Value>(text).unwrap()["process.pid"].as_u64())
        .collect();
    assert_eq!(pids, wanted.map(|pid| pid.map(u64::from)));
}

proptest! {
    #[test]
    fn any_bytes_make_an_object_that_gives_them_back(
        body in prop::collection::vec(any::<u8>(), 0..80),
        comm in any::<[u8; 16]>(),
        name in ".{0,20}",
        nanos in any::<u64>(),
    ) {
        let container = Container { name: Some(name.clone()), ..Container::unexplained(id()) };
        let writer = Writer { pid: 1, tid: 2, uid: 3, comm };
        let time = Timestamp::from_nanos(nanos);
        let lines = [Line { writer: Some(writer), time, ..line(&body) }];
        let [text] = encode(container, &lines).try_into().unwrap();
        prop_assert!(text.bytes().all(|byte| byte >= 0x20));
        let object: Value = serde_json::from_str(&text).unwrap();
        prop_assert_eq!(&object["timestamp"], &json!(time.to_string()));
        prop_assert_eq!(&object["body"], &json!(String::from_utf8_lossy(&body)));
        if std::str::from_utf8(&body).is_ok() {
            prop_assert_eq!(object.get("body.base64"), None);
        } else {
            let exact = object["body.base64"].as_str().unwrap().as_bytes();
            prop_assert_eq!(BASE64.decode(exact).unwrap(), body);
        }
        let text_of = |key| object.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
        prop_assert_eq!(text_of("container.name"), name);
        prop_assert_eq!(text_of("thread.name"), String::from_utf8_lossy(writer.thread_name()));
    }
}

#[test]
fn says_how_much_is_lost() {
    let mut batch = Batch::new(Timestamp::from_nanos(0));
    let container = Arc::new(Container::unexplained(id()));
    assert!(batch.push(&container, Stream::Stdout, (0, LineKey(0)), &line(b"12 bytes lost")));
    let mut out = Vec::new();
    let record = BatchRecord { lost_bytes: Some(12), ..batch.get(0).unwrap() };
    Json::default().append(&record, &mut out);
    let text = String::from_utf8(out).unwrap();
    assert!(text.contains(r#""log.capture.lost_bytes":12,"#), "{text}");
}
