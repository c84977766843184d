//! Every call that can write, into every kind of object: what becomes of the bytes.

use anyhow::{Context as _, Result, ensure};
use collector::capture::Backend;
use collector_ebpf::{LossReason, NodeCounter};

use crate::container::Container;
use crate::object::Object;
use crate::observer::{Seen, same};
use crate::stage::{Outcome, Stage};
use crate::workload::body;

/// Lines, where each is a call.
const LINES: u64 = 50;
/// At most what a pipe holds.
const BYTES: usize = 10_000;

/// What the bytes come from, and who sees them.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// A buffer: copied.
    Buffer,
    /// A buffer; the backend `syscall` sees nothing, for no call of the writer's returns that says how much it wrote.
    Queued,
    /// A buffer; the backend `syscall` counts the calls.
    Compat,
    /// None: counted.
    Moved,
    /// None, and the backend `syscall` sees nothing.
    Registered,
    /// The kernel refuses the call.
    Refused,
    /// Stores into memory: no call at all.
    Stored,
}

use Kind::{Buffer, Compat, Moved, Queued, Refused, Registered, Stored};

/// A call onto an object.
pub(crate) struct Call {
    object: Object,
    name: &'static str,
    kind: Kind,
}

/// What pipes take, with a name or without.
const PIPES: [(&str, Kind); 20] = [
    ("write", Buffer),
    ("writev", Buffer),
    ("pwritev2", Buffer),
    ("pwrite64", Refused),
    ("pwritev", Refused),
    ("compat_write", Compat),
    ("compat_writev", Compat),
    ("aio_write", Queued),
    ("aio_writev", Queued),
    ("io_uring_write", Queued),
    ("io_uring_writev", Queued),
    ("io_uring_async", Queued),
    ("io_uring_sqpoll", Queued),
    ("io_uring_fixed", Registered),
    ("sendfile", Moved),
    ("splice", Moved),
    ("splice_pipe", Moved),
    ("vmsplice", Moved),
    ("tee", Moved),
    ("copy_file_range", Refused),
];

/// What is different of terminals: only what a pipe holds can be spliced into one.
const TERMINALS: [(&str, Option<Kind>); 3] =
    [("splice", None), ("vmsplice", Some(Refused)), ("tee", Some(Refused))];

const FILES: [(&str, Kind); 14] = [
    ("write", Buffer),
    ("writev", Buffer),
    ("pwrite64", Buffer),
    ("pwritev", Buffer),
    ("pwritev2", Buffer),
    ("compat_write", Compat),
    ("aio_write", Queued),
    ("io_uring_write", Queued),
    ("io_uring_fixed", Registered),
    ("sendfile", Moved),
    ("splice_pipe", Moved),
    ("copy_file_range", Moved),
    ("tee", Refused),
    ("mmap", Stored),
];

const APPENDED: [(&str, Kind); 6] = [
    ("write", Buffer),
    ("pwrite64", Buffer),
    ("io_uring_write", Queued),
    ("sendfile", Refused),
    ("splice_pipe", Refused),
    ("copy_file_range", Refused),
];

/// All of them.
pub(crate) fn all() -> Vec<Call> {
    let terminals = PIPES.iter().filter_map(|&(name, kind)| {
        let special = TERMINALS.iter().find(|(special, _)| *special == name);
        Some((name, special.map_or(Some(kind), |(_, kind)| *kind)?))
    });
    let onto = |object| move |(name, kind)| Call { object, name, kind };
    let mut calls: Vec<Call> = PIPES.into_iter().map(onto(Object::Pipe)).collect();
    calls.extend(PIPES.into_iter().map(onto(Object::Fifo)));
    calls.extend(terminals.map(onto(Object::Terminal)));
    calls.extend(FILES.into_iter().map(onto(Object::File)));
    calls.extend(APPENDED.into_iter().map(onto(Object::Append)));
    calls
}

impl Call {
    /// The name of its test.
    pub(crate) fn name(&self) -> String {
        format!("{}::{}", self.object.name(), self.name)
    }

    /// Makes it, and looks at what was seen of it.
    pub(crate) fn test(&self, stage: &mut Stage) -> Result<Outcome> {
        let (lines, bytes) = (LINES.to_string(), BYTES.to_string());
        let (command, text) = match self.kind {
            Refused => (vec!["refused", self.name], b"end\n".to_vec()),
            Moved | Stored => (vec!["moved", self.name, &bytes], body::text(1, BYTES)),
            _ => (vec!["by", self.name, &lines], body::lines(1, LINES)),
        };
        let observer = stage.observer()?;
        let backend = observer.backend();
        let compat_calls = observer.node(NodeCounter::Compat);
        let container = Container::new()?;
        let shown = self.object.run(&container, &command)?;
        let seen = observer.collect(&container)?;
        let compat_calls = observer.node(NodeCounter::Compat) - compat_calls;
        same(&shown, &self.object.shown(&text)).context("what was written")?;
        let is_compat = self.kind == Compat && backend == Backend::Syscall;
        let expected = if is_compat { LINES } else { 0 };
        ensure!(compat_calls == expected, "{compat_calls} 32-bit calls, expected {expected}");
        if !self.object.is_stream() {
            return self.of_file(backend, &seen);
        }
        ensure!(seen.discovered == 0, "a stream is no file");
        match self.kind {
            Refused => Ok(seen.exactly(0, &text, 1)?.or_refused()),
            Queued | Registered | Compat if backend == Backend::Syscall => seen.nothing(is_compat),
            Buffer | Queued | Compat => seen.exactly(0, &text, LINES),
            Moved | Registered | Stored => counted(&seen, text.len() as u64),
        }
    }

    /// Files are announced at their first write.
    fn of_file(&self, backend: Backend, seen: &Seen) -> Result<Outcome> {
        let is_seen = backend == Backend::Syscall && matches!(self.kind, Buffer | Moved | Refused);
        let expected = usize::from(is_seen);
        if seen.may_have_skipped() && seen.discovered < expected {
            return Ok(Outcome::Gap("skipped programs: a file was not discovered".into()));
        }
        ensure!(seen.discovered == expected, "discovered {} times", seen.discovered);
        let outcome = seen.nothing(self.kind == Compat && backend == Backend::Syscall)?;
        Ok(match self.kind {
            Refused => Outcome::Refused(String::new()),
            _ if is_seen => Outcome::Discovered(String::new()),
            _ => outcome,
        })
    }
}

/// The bytes are counted, and told of.
pub(crate) fn counted(seen: &Seen, bytes: u64) -> Result<Outcome> {
    let counters = &seen.counters[0];
    // Of some kernels the function that writes is called for each page.
    let writes = counters.written_writes.max(1);
    if let Some(gap) = seen.gap(0, writes)? {
        return Ok(gap);
    }
    let unseen = LossReason::Unseen as usize;
    // Where the place in the file was told, the process is gone when it is looked at.
    let lost = [counters.lost_bytes[unseen], counters.written_bytes];
    ensure!(lost == [bytes; 2], "unseen, written: {lost:?}, expected {bytes}");
    ensure!(counters.lost_writes[unseen] == writes, "not all calls: {counters:?}");
    ensure!(seen.unseen[0].iter().sum::<u64>() == bytes, "told: {:?}", seen.unseen[0]);
    Ok(Outcome::Counted(format!("{bytes} bytes")))
}
