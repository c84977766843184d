//! The probe at work, and what it saw of one container.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use collector::capture::{Backend, Capture, Control, Event, Metrics, Settings};
use collector::record::{CgroupId, Stream};
use collector_ebpf::{Counters, NodeCounter, STREAMS};

use crate::container::Container;
use crate::skipped;
use crate::stage::Outcome;

/// How long the last record of a container may take.
const PATIENCE: Duration = Duration::from_secs(30);
/// Records taken at once.
const BATCH: usize = 4096;

/// A loaded probe.
pub(crate) struct Observer {
    capture: Capture,
    /// How often the kernel had left out its program when a container was last collected.
    skipped: u64,
}

/// All that the probe saw of a container.
#[derive(Default)]
pub(crate) struct Seen {
    /// The bytes, by stream.
    pub(crate) bytes: [Vec<u8>; Stream::ALL.len()],
    /// Bytes that went by without a buffer, by stream: those that were told of, one by one.
    pub(crate) unseen: [Vec<u64>; Stream::ALL.len()],
    /// How many of those were said to come from a file.
    pub(crate) ranged_bytes: [u64; Stream::ALL.len()],
    /// How many of those were read there, and are in `bytes`.
    pub(crate) read_back_bytes: [u64; Stream::ALL.len()],
    /// The kernel's counts, by stream.
    pub(crate) counters: [Counters; STREAMS],
    /// The container's id, as the probe read it from the cgroup's name.
    pub(crate) id: String,
    /// How often the kernel has left out a program meanwhile.
    pub(crate) skipped: u64,
    /// By which backend it was seen.
    backend: Option<Backend>,
    /// How many regular files were announced that are fd 1.
    pub(crate) discovered: usize,
    /// The processes that wrote.
    pub(crate) writers: BTreeSet<u32>,
    /// Whether the cgroup's beginning and end were told.
    pub(crate) told: [bool; 2],
}

impl Observer {
    /// Loads and attaches it.
    pub(crate) fn start(settings: &Settings) -> Result<Self> {
        Ok(Self { capture: Capture::start(settings, &Metrics::default())?, skipped: 0 })
    }

    /// Removes the container, which has no process any more, and gives what was seen of it.
    pub(crate) fn collect(&mut self, container: &Container) -> Result<Seen> {
        self.collect_on(container, Seen::default())
    }

    /// What is seen of a container until it wrote something without a buffer, or time is up.
    pub(crate) fn watch(&mut self, container: &Container) -> Seen {
        let mut seen = Seen::default();
        let end = Instant::now() + PATIENCE;
        while seen.unseen.iter().all(Vec::is_empty) && Instant::now() < end {
            self.drain(container.cgroup(), &mut seen);
        }
        seen
    }

    /// As [`Self::collect`], for a container of which something was seen already.
    pub(crate) fn collect_on(&mut self, container: &Container, mut seen: Seen) -> Result<Seen> {
        container.remove()?;
        let cgroup = container.cgroup();
        let end = Instant::now() + PATIENCE;
        // Where the ring was full, the end was not told: it is in the map, and the ring holds nothing more.
        while !seen.told[1] {
            let drained = self.drain(cgroup, &mut seen);
            if drained == 0 && (self.is_gone(cgroup) || Instant::now() > end) {
                break;
            }
        }
        let watched = self.capture.control.watched(cgroup).context("the probe does not know it")?;
        ensure!(watched.gone, "the probe missed the removal of its cgroup");
        seen.counters = watched.streams;
        seen.id = watched.id.map(|id| id.as_str().to_owned()).unwrap_or_default();
        self.capture.control.forget(cgroup);
        let skipped = skipped::count(std::process::id())?;
        seen.skipped = skipped - self.skipped;
        seen.backend = Some(self.capture.backend);
        self.skipped = skipped;
        Ok(seen)
    }

    /// By which backend it sees writes.
    pub(crate) fn backend(&self) -> Backend {
        self.capture.backend
    }

    /// What that should see and does not.
    pub(crate) fn gaps(&self) -> &[&'static str] {
        &self.capture.gaps
    }

    /// Whether the probe watches this cgroup as a container's.
    pub(crate) fn knows(&self, cgroup: CgroupId) -> bool {
        self.capture.control.watched(cgroup).is_some()
    }

    fn drain(&mut self, cgroup: CgroupId, seen: &mut Seen) -> usize {
        let Capture { reader, control, .. } = &mut self.capture;
        reader.drain(BATCH, |event| seen.take(cgroup, &event, control))
    }

    /// What the probe counted for the whole node.
    pub(crate) fn node(&self, counter: NodeCounter) -> u64 {
        self.capture.control.node_counter(counter)
    }

    fn is_gone(&self, cgroup: CgroupId) -> bool {
        self.capture.control.watched(cgroup).is_none_or(|watched| watched.gone)
    }
}

impl Seen {
    fn take(&mut self, wanted: CgroupId, event: &Event<'_>, control: &Control) {
        match *event {
            Event::Chunk { cgroup, chunk, .. } if cgroup == wanted => {
                self.bytes[chunk.stream.index()].extend(chunk.payload);
                self.writers.extend(chunk.writer.map(|writer| writer.pid));
            }
            Event::Unseen { cgroup, chunk, range, .. } if cgroup == wanted => {
                let at = chunk.stream.index();
                let unseen_bytes = u64::from(chunk.write_bytes);
                self.unseen[at].push(unseen_bytes);
                if let Some(range) = range {
                    let bytes = range.read(unseen_bytes, |piece| self.bytes[at].extend(piece));
                    control.count_referred(cgroup, chunk.stream, bytes, unseen_bytes - bytes);
                    self.ranged_bytes[at] += unseen_bytes;
                    self.read_back_bytes[at] += bytes;
                }
            }
            // Who joins the cgroup writes to a file as well, by another descriptor.
            Event::Discovery { cgroup, fd: 1, .. } if cgroup == wanted => self.discovered += 1,
            Event::Created(cgroup) if cgroup == wanted => self.told[0] = true,
            Event::Gone(cgroup) if cgroup == wanted => self.told[1] = true,
            _ => {}
        }
    }

    /// Checks that a stream was captured to the byte, in `writes` calls; or finds a known gap.
    pub(crate) fn exactly(&self, stream: usize, bytes: &[u8], writes: u64) -> Result<Outcome> {
        if let Some(gap) = self.gap(stream, writes)? {
            return Ok(gap);
        }
        same(&self.bytes[stream], bytes)?;
        let counters = &self.counters[stream];
        let counted = [counters.captured_bytes, counters.lost_total_bytes];
        let expected = [bytes.len() as u64, 0];
        ensure!(counted == expected, "captured, lost: {counted:?}, expected {expected:?}");
        Ok(Outcome::Passed(format!("{} bytes in {writes} writes", bytes.len())))
    }

    /// Checks that all of `writes` calls were counted; or finds that some were not, which is known of some kernels.
    pub(crate) fn gap(&self, stream: usize, writes: u64) -> Result<Option<Outcome>> {
        self.adds_up()?;
        skipped::gap(self.backend, writes, self.counters[stream].written_writes, self.skipped)
    }

    /// Whether the kernel has left out a program meanwhile, as it is known to.
    pub(crate) fn may_have_skipped(&self) -> bool {
        self.skipped > 0 && skipped::is_known(self.backend)
    }

    /// Checks that nothing was seen; `is_noted`: but that there was something.
    pub(crate) fn nothing(&self, is_noted: bool) -> Result<Outcome> {
        let is_counted = self.counters.iter().any(|counters| counters.written_writes > 0);
        ensure!(!is_counted, "seen after all: {:?}", self.counters);
        let records = self.bytes.iter().map(Vec::len).sum::<usize>();
        ensure!(records == 0, "{records} bytes that were not counted");
        let outcome = if is_noted { Outcome::Noted } else { Outcome::NotSeen };
        Ok(outcome(String::new()))
    }

    /// Checks that written = captured + lost, in bytes and in writes.
    pub(crate) fn adds_up(&self) -> Result<()> {
        for counters in &self.counters {
            let lost: u64 = counters.lost_bytes.iter().sum();
            let lost_writes: u64 = counters.lost_writes.iter().sum();
            ensure!(
                counters.written_bytes == counters.captured_bytes + lost
                    && counters.written_writes == counters.captured_writes + lost_writes
                    && lost >= counters.lost_total_bytes,
                "the counters do not add up: {counters:?}"
            );
        }
        Ok(())
    }
}

/// Checks that two texts are the same; says where they part.
pub(crate) fn same(found: &[u8], expected: &[u8]) -> Result<()> {
    if found == expected {
        return Ok(());
    }
    let parted = found.iter().zip(expected).take_while(|(found, expected)| found == expected);
    let at = parted.count();
    let show = |text: &[u8]| text[at..text.len().min(at + 60)].escape_ascii().to_string();
    bail!(
        "{} bytes, expected {}; they part at {at}: \"{}\", expected \"{}\"",
        found.len(),
        expected.len(),
        show(found),
        show(expected)
    )
}
