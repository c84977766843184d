//! A batch as bytes, and back: all that a record has, and each container once. Pure; integers are little-endian.
//!
//! ```text
//! batch     = observed:u64 count:u32 container* count:u32 record*
//! container = id:[64] runtime:u8 name image namespace pod pod_uid container count:u32 (key value)*
//! record    = flags:u8 [container:u32] [pid:u32 tid:u32 uid:u32 comm:[16]] [lost:u64] number:u64 uid:u128 time:u64
//!             size:u32 body
//! text      = size:u32 bytes, or ABSENT:u32
//! ```
//!
//! The container stands in a record where it is another than that of the record before; so does the writer.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use crate::record::{
    Batch, BatchRecord, Container, ContainerId, Kubernetes, Mode, RecordUid, Runtime, Stream,
    Timestamp, Writer,
};

/// In place of the size of a text that is not there.
const ABSENT: u32 = u32::MAX;

/// What the bits of a record's first byte mean.
mod flag {
    pub(super) const STDERR: u8 = 1;
    pub(super) const TAIL: u8 = 1 << 1;
    pub(super) const TRUNCATED: u8 = 1 << 2;
    pub(super) const CONTAINER: u8 = 1 << 3;
    pub(super) const WRITER: u8 = 1 << 4;
    /// The writer of the record before.
    pub(super) const SAME_WRITER: u8 = 1 << 5;
    pub(super) const LOST: u8 = 1 << 6;
    pub(super) const DAEMON: u8 = 1 << 7;
}

/// Appends `batch` to `bytes`.
pub fn encode(batch: &Batch, bytes: &mut Vec<u8>) {
    // By address: a batch has a container's entry anew each time that its lines come after another's.
    let mut indexes = HashMap::new();
    let mut containers = Vec::new();
    let mut last = None;
    for BatchRecord { container, .. } in batch.iter() {
        let address = Arc::as_ptr(container).addr();
        if last.replace(address) != Some(address) {
            indexes.entry(address).or_insert_with(|| {
                containers.push(container);
                containers.len() as u32 - 1
            });
        }
    }
    bytes.extend(batch.observed().as_nanos().to_le_bytes());
    bytes.extend((containers.len() as u32).to_le_bytes());
    for container in containers {
        encode_container(container, bytes);
    }
    bytes.extend((batch.len() as u32).to_le_bytes());
    let mut before: Option<BatchRecord<'_>> = None;
    for record in batch.iter() {
        encode_record(&record, before.as_ref(), &indexes, bytes);
        before = Some(record);
    }
}

fn encode_record(
    record: &BatchRecord<'_>,
    before: Option<&BatchRecord<'_>>,
    indexes: &HashMap<usize, u32>,
    bytes: &mut Vec<u8>,
) {
    let BatchRecord { container, stream, mode, time, observed: _, .. } = record;
    let BatchRecord { uid, writer, number, truncated, lost_bytes, body, .. } = record;
    let container = match before {
        Some(before) if Arc::ptr_eq(before.container, container) => None,
        _ => indexes.get(&Arc::as_ptr(container).addr()),
    };
    let is_same_writer = before.is_some_and(|before| before.writer == *writer);
    let mut flags = 0;
    for (is_set, flag) in [
        (*stream == Stream::Stderr, flag::STDERR),
        (*stream == Stream::Daemon, flag::DAEMON),
        (*mode == Mode::Tail, flag::TAIL),
        (*truncated, flag::TRUNCATED),
        (container.is_some(), flag::CONTAINER),
        (writer.is_some() && !is_same_writer, flag::WRITER),
        (writer.is_some() && is_same_writer, flag::SAME_WRITER),
        (lost_bytes.is_some(), flag::LOST),
    ] {
        flags |= if is_set { flag } else { 0 };
    }
    bytes.push(flags);
    if let Some(index) = container {
        bytes.extend(index.to_le_bytes());
    }
    if let &Some(Writer { pid, tid, uid, comm }) = &writer.filter(|_| !is_same_writer) {
        bytes.extend([pid, tid, uid].map(u32::to_le_bytes).as_flattened());
        bytes.extend(comm);
    }
    if let Some(lost_bytes) = lost_bytes {
        bytes.extend(lost_bytes.to_le_bytes());
    }
    bytes.extend(number.to_le_bytes());
    bytes.extend(uid.as_u128().to_le_bytes());
    bytes.extend(time.as_nanos().to_le_bytes());
    bytes.extend((body.len() as u32).to_le_bytes());
    bytes.extend_from_slice(body);
}

fn encode_container(container: &Container, bytes: &mut Vec<u8>) {
    let Container { id, name, image, runtime, labels, kubernetes } = container;
    let Kubernetes { namespace, pod, pod_uid, container } = kubernetes;
    bytes.extend(id.as_bytes());
    bytes.push(match runtime {
        None => 0,
        Some(Runtime::Docker) => 1,
        Some(Runtime::Containerd) => 2,
        Some(Runtime::CriO) => 3,
        Some(Runtime::Podman) => 4,
    });
    for text in [name, image, namespace, pod, pod_uid, container] {
        encode_text(text.as_deref(), bytes);
    }
    bytes.extend((labels.len() as u32).to_le_bytes());
    for text in labels.iter().flat_map(|(key, value)| [key, value]) {
        encode_text(Some(text), bytes);
    }
}

fn encode_text(text: Option<&str>, bytes: &mut Vec<u8>) {
    let size = text.map_or(ABSENT, |text| text.len() as u32);
    bytes.extend(size.to_le_bytes());
    bytes.extend_from_slice(text.unwrap_or_default().as_bytes());
}

/// The batch that `bytes` are, no more and no less. Nothing if they are none.
pub fn decode(bytes: &[u8]) -> Option<Batch> {
    let mut input = Input(bytes);
    let mut batch = Batch::new(Timestamp::from_nanos(input.u64()?));
    let containers = (0..input.u32()?).map(|_| input.container().map(Arc::new));
    let containers: Vec<_> = containers.collect::<Option<_>>()?;
    let (mut container, mut writer) = (None, None);
    for _ in 0..input.u32()? {
        let [flags] = input.array()?;
        let has = |flag| flags & flag != 0;
        if has(flag::CONTAINER) {
            container = Some(containers.get(input.u32()? as usize)?);
        }
        writer = match (has(flag::WRITER), has(flag::SAME_WRITER)) {
            (true, false) => Some(input.writer()?),
            (false, true) => Some(writer?),
            (false, false) => None,
            (true, true) => return None,
        };
        let pushed = batch.push_record(&BatchRecord {
            container: container?,
            stream: match (has(flag::STDERR), has(flag::DAEMON)) {
                (false, false) => Stream::Stdout,
                (true, false) => Stream::Stderr,
                (false, true) => Stream::Daemon,
                (true, true) => return None,
            },
            mode: if has(flag::TAIL) { Mode::Tail } else { Mode::Ebpf },
            writer,
            observed: batch.observed(),
            lost_bytes: if has(flag::LOST) { Some(input.u64()?) } else { None },
            number: input.u64()?,
            uid: RecordUid::from_u128(input.array().map(u128::from_le_bytes)?),
            time: Timestamp::from_nanos(input.u64()?),
            truncated: has(flag::TRUNCATED),
            body: input.sized()?,
        });
        pushed.then_some(())?;
    }
    input.0.is_empty().then_some(batch)
}

/// What is left to decode.
struct Input<'a>(&'a [u8]);

impl<'a> Input<'a> {
    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (array, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(*array)
    }

    fn u32(&mut self) -> Option<u32> {
        self.array().map(u32::from_le_bytes)
    }

    fn u64(&mut self) -> Option<u64> {
        self.array().map(u64::from_le_bytes)
    }

    fn sized(&mut self) -> Option<&'a [u8]> {
        let size = self.u32()?;
        let (bytes, rest) = self.0.split_at_checked(size as usize)?;
        self.0 = rest;
        Some(bytes)
    }

    fn text(&mut self) -> Option<String> {
        Some(str::from_utf8(self.sized()?).ok()?.to_owned())
    }

    /// Texts, each of which may be absent.
    fn texts<const N: usize>(&mut self) -> Option<[Option<String>; N]> {
        let mut texts = [const { None }; N];
        for text in &mut texts {
            match self.0.strip_prefix(&ABSENT.to_le_bytes()) {
                Some(rest) => self.0 = rest,
                None => *text = Some(self.text()?),
            }
        }
        Some(texts)
    }

    fn writer(&mut self) -> Option<Writer> {
        Some(Writer { pid: self.u32()?, tid: self.u32()?, uid: self.u32()?, comm: self.array()? })
    }

    fn container(&mut self) -> Option<Container> {
        let id = ContainerId::from_bytes(&self.array::<{ ContainerId::LEN }>()?).ok()?;
        let runtime = match self.array()? {
            [0] => None,
            [1] => Some(Runtime::Docker),
            [2] => Some(Runtime::Containerd),
            [3] => Some(Runtime::CriO),
            [4] => Some(Runtime::Podman),
            _ => return None,
        };
        let [name, image, namespace, pod, pod_uid, container] = self.texts()?;
        let kubernetes = Kubernetes { namespace, pod, pod_uid, container };
        let labels = (0..self.u32()?).map(|_| Some((self.text()?, self.text()?)));
        let labels: BTreeMap<_, _> = labels.collect::<Option<_>>()?;
        Some(Container { id, name, image, runtime, labels, kubernetes })
    }
}

#[cfg(test)]
#[path = "codec_tests.rs"]
mod tests;
