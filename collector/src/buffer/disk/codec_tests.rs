//! Any batch comes back as it was; any other bytes are no batch.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::sync::Arc;

use proptest::collection::{btree_map, vec};
use proptest::option;
use proptest::prelude::*;

use super::{decode, encode};
use crate::record::{
    Batch, BatchRecord, Container, ContainerId, Kubernetes, Mode, RecordUid, Runtime, Stream,
    Timestamp, Writer,
};

fn bytes_of(batch: &Batch) -> Vec<u8> {
    let mut bytes = Vec::new();
    encode(batch, &mut bytes);
    bytes
}

/// All of a record, to be compared.
fn fields(record: &BatchRecord<'_>) -> impl PartialEq + Debug + use<> {
    let BatchRecord { container, stream, mode, time, observed, .. } = *record;
    let BatchRecord { uid, writer, number, truncated, lost_bytes, body, .. } = *record;
    let container = Container::clone(container);
    (
        (container, stream, mode, time, observed),
        (uid, writer, number, truncated, lost_bytes, body.to_vec()),
    )
}

fn container() -> impl Strategy<Value = Arc<Container>> {
    let text = || option::of(".{0,8}");
    let runtime = prop_oneof![
        Just(None),
        Just(Some(Runtime::Docker)),
        Just(Some(Runtime::Containerd)),
        Just(Some(Runtime::CriO)),
        Just(Some(Runtime::Podman)),
    ];
    let kubernetes =
        (text(), text(), text(), text()).prop_map(|(namespace, pod, pod_uid, container)| {
            Kubernetes { namespace, pod, pod_uid, container }
        });
    let labels = btree_map(".{0,5}", ".{0,5}", 0..3);
    ("[0-9a-f]{64}", text(), text(), runtime, labels, kubernetes).prop_map(
        |(id, name, image, runtime, labels, kubernetes)| {
            let id = id.parse().unwrap();
            Arc::new(Container { id, name, image, runtime, labels, kubernetes })
        },
    )
}

prop_compose! {
    fn writer()(pid: u32, tid: u32, uid: u32, comm: [u8; 16]) -> Writer {
        Writer { pid, tid, uid, comm }
    }
}

fn batch() -> impl Strategy<Value = Batch> {
    let record = (
        any::<prop::sample::Index>(),
        (prop::sample::select(&Stream::ALL), any::<bool>(), any::<bool>()),
        (any::<u64>(), any::<u64>(), any::<u128>(), option::of(any::<u64>())),
        any::<prop::sample::Index>(),
        vec(any::<u8>(), 0..20),
    );
    let writers = vec(option::of(writer()), 1..3);
    (any::<u64>(), vec(container(), 1..4), writers, vec(record, 0..12)).prop_map(
        |(observed, containers, writers, records)| {
            let observed = Timestamp::from_nanos(observed);
            let mut batch = Batch::new(observed);
            for (
                container,
                (stream, is_tail, truncated),
                (number, time, uid, lost),
                writer,
                body,
            ) in records
            {
                assert!(batch.push_record(&BatchRecord {
                    container: container.get(&containers),
                    stream,
                    mode: if is_tail { Mode::Tail } else { Mode::Ebpf },
                    time: Timestamp::from_nanos(time),
                    observed,
                    uid: RecordUid::from_u128(uid),
                    writer: *writer.get(&writers),
                    number,
                    truncated,
                    lost_bytes: lost,
                    body: &body,
                }));
            }
            batch
        },
    )
}

proptest! {
    #[test]
    fn a_batch_comes_back_as_it_was(batch in batch()) {
        let decoded = decode(&bytes_of(&batch)).unwrap();
        prop_assert_eq!(decoded.observed(), batch.observed());
        let fields = |batch: &Batch| -> Vec<_> { batch.iter().map(|record| fields(&record)).collect() };
        prop_assert_eq!(fields(&decoded), fields(&batch));
    }

    #[test]
    fn a_part_of_a_batch_is_none(batch in batch(), part: prop::sample::Index, more: Vec<u8>) {
        let bytes = bytes_of(&batch);
        prop_assert!(decode(&bytes[..part.index(bytes.len())]).is_none());
        prop_assert_eq!(decode(&[&bytes[..], &more].concat()).is_some(), more.is_empty());
    }

    #[test]
    fn any_bytes_are_a_batch_or_none(bytes: Vec<u8>) {
        let _any = decode(&bytes);
    }

    /// Damage that no checksum has caught: what comes of it is a batch or none.
    #[test]
    fn a_damaged_batch_is_a_batch_or_none(batch in batch(), at: prop::sample::Index, byte: u8) {
        let mut bytes = bytes_of(&batch);
        let at = at.index(bytes.len());
        bytes[at] = byte;
        let _any = decode(&bytes);
    }
}

#[test]
fn a_container_stands_once_whatever_the_order_of_lines() {
    let id = ContainerId::from_bytes(&[b'a'; ContainerId::LEN]).unwrap();
    let mut container = Container::unexplained(id);
    container.labels = BTreeMap::from([("key".to_owned(), "v".repeat(1000))]);
    let containers = [Arc::new(container.clone()), Arc::new(container)];
    let mut batch = Batch::default();
    for container in containers.iter().cycle().take(100) {
        assert!(batch.push_record(&BatchRecord {
            container,
            stream: Stream::Stdout,
            mode: Mode::Ebpf,
            time: Timestamp::default(),
            observed: Timestamp::default(),
            uid: RecordUid::from_u128(0),
            writer: None,
            number: 0,
            lost_bytes: None,
            truncated: false,
            body: b"",
        }));
    }
    let bytes = bytes_of(&batch).len();
    // The id, a runtime, six texts, the number of labels, a label.
    let container = 64 + 1 + 6 * 4 + 4 + (4 + 3) + (4 + 1000);
    // Flags, which container, number, uid, time, size.
    let record = 1 + 4 + 8 + 16 + 8 + 4;
    assert_eq!(bytes, 8 + 4 + 2 * container + 4 + 100 * record);
}
