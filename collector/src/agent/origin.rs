//! Where the lines of a container begin: after a checkpoint, at its log's beginning, at its log's end, or now.

use std::collections::HashMap;
use std::time::Instant;

use super::backing::{Backing, Logs};
use super::life::Life;
use super::streams::Streams;
use crate::record::{ContainerId, Cut, Stream, Timestamp};
use crate::seam::{self, Seam};
use crate::state::{Checkpoint, StreamCheckpoint};

/// What is known of the time before.
#[derive(Debug)]
pub(super) struct Origin {
    /// What the last agent left, by container, until the container is met.
    left: HashMap<ContainerId, Vec<StreamCheckpoint>>,
    /// Whether a log of which nothing is known is read from its beginning.
    reads_unknown: bool,
    /// Whether all that was there at the start was met.
    is_opened: bool,
    /// When what the last agent left was read: it had ended by then.
    taken_over: Timestamp,
    settings: seam::Settings,
    metrics: seam::Metrics,
}

impl Origin {
    /// `checkpoint`: what the last agent left, if there was one. `from_beginning`: logs that were there before the very
    /// first agent are read as a whole.
    pub(super) fn new(
        checkpoint: Option<Checkpoint>,
        from_beginning: bool,
        metrics: &seam::Metrics,
    ) -> Self {
        let reads_unknown = from_beginning || checkpoint.is_some();
        let mut left: HashMap<ContainerId, Vec<StreamCheckpoint>> = HashMap::new();
        for stream in checkpoint.unwrap_or_default().streams {
            left.entry(stream.container).or_default().push(stream);
        }
        let (settings, metrics) = (seam::Settings::default(), metrics.clone());
        let taken_over = Timestamp::now();
        Self { left, reads_unknown, is_opened: false, taken_over, settings, metrics }
    }

    /// The containers of which the last agent left something, and that were not met.
    pub(super) fn left(&self) -> Vec<ContainerId> {
        self.left.keys().copied().collect()
    }

    /// What the last agent left of them.
    pub(super) fn checkpoint(&self) -> impl Iterator<Item = StreamCheckpoint> {
        self.left.values().flatten().cloned()
    }

    /// A container is gone, and its log with it.
    pub(super) fn forget(&mut self, id: &ContainerId) {
        self.left.remove(id);
    }

    /// All that was there at the start was met: what comes from now on is new.
    pub(super) const fn opened(&mut self) {
        self.is_opened = true;
    }

    /// A container that is captured from now on.
    pub(super) fn captured(&mut self, id: ContainerId, logs: Option<&Logs>, now: Instant) -> Life {
        let mut backing = Backing::default();
        let is_backed = logs.is_some_and(|logs| backing.open(&id, logs, now));
        let is_old = !self.is_opened;
        if is_backed && (self.left.contains_key(&id) || (is_old && self.reads_unknown)) {
            return self.resumed(id, backing);
        }
        let wall = Timestamp::now();
        // Without a log, numbers have to differ from those of another life: no line is as short as a nanosecond.
        let number = if is_backed && !is_old { 0 } else { wall.as_nanos() };
        // All that is in the log of a container that was not there before is its own.
        let began = if is_old { wall } else { Timestamp::default() };
        let end = backing.end().filter(|_| is_old);
        let left = self.left.remove(&id).unwrap_or_default();
        let seams = Stream::LOGGED.map(|stream| {
            let left = left.iter().find(|left| left.stream == stream);
            let number = left.map_or(number, |left| left.number);
            let mut seam = Seam::captured_from(number, began, self.settings, &self.metrics);
            if is_backed {
                seam.remember();
            }
            if let Some(end) = end {
                seam.advance(end);
            }
            self.hand_over(&mut seam, left);
            seam
        });
        Life::new(id, Streams::new(seams, self.unlogged(&left)), backing)
    }

    /// A container of which there is a log, and nothing is captured. None if the log cannot be read.
    pub(super) fn logged(&mut self, id: ContainerId, logs: &Logs, now: Instant) -> Option<Life> {
        let mut backing = Backing::default();
        if !backing.open(&id, logs, now) {
            return None;
        }
        if self.is_opened || self.reads_unknown || self.left.contains_key(&id) {
            return Some(self.resumed(id, backing));
        }
        let number = Timestamp::now().as_nanos();
        let end = backing.end();
        let seams = Stream::LOGGED.map(|_| self.read_from(number, end));
        Some(Life::new(id, Streams::new(seams, self.unlogged(&[])), backing))
    }

    /// Goes on where the last agent left off, or begins at the log's beginning.
    fn resumed(&mut self, id: ContainerId, mut backing: Backing) -> Life {
        let left = self.left.remove(&id).unwrap_or_default();
        let mut is_lost = [false; 2];
        let seams = Stream::LOGGED.map(|stream| {
            let Some(left) = left.iter().find(|left| left.stream == stream) else {
                return self.read_from(0, None);
            };
            let cut = left.place.and_then(|place| backing.cut_of(&place));
            if cut.is_none() && left.place.is_some() {
                is_lost[stream.index()] = true;
                self.metrics.place_lost();
                tracing::warn!(
                    container = id.short(),
                    stream = stream.as_str(),
                    "the log's file that was read last is gone: what is left of the log is read"
                );
            }
            self.read_from(left.number, cut)
        });
        let mut life = Life::new(id, Streams::new(seams, self.unlogged(&left)), backing);
        for (stream, _) in
            life.streams.logged.iter_mut().zip(is_lost).filter(|(_, is_lost)| *is_lost)
        {
            stream.lose_place();
        }
        life
    }

    /// The stream that no log has: its lines are captured, or lost.
    fn unlogged(&self, left: &[StreamCheckpoint]) -> Seam {
        let left = left.iter().find(|left| left.stream == Stream::Daemon);
        // As above: numbers have to differ from those of another life.
        let number = left.map_or_else(|| Timestamp::now().as_nanos(), |left| left.number);
        let began = Timestamp::default();
        let mut seam = Seam::captured_from(number, began, self.settings, &self.metrics);
        self.hand_over(&mut seam, left);
        seam
    }

    /// Another collector delivered what is `left` of the stream, if it says up to when.
    fn hand_over(&self, seam: &mut Seam, left: Option<&StreamCheckpoint>) {
        if let Some((left, written)) = left.and_then(|left| Some((left, left.written?))) {
            seam.hand_over(written, self.taken_over, &left.recent);
        }
    }

    fn read_from(&self, number: u64, cut: Option<Cut>) -> Seam {
        Seam::read_from(number, cut, self.settings, &self.metrics)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use prometheus_client::registry::Registry;

    use super::Origin;
    use crate::record::{ContainerId, Stream, Timestamp};
    use crate::seam;
    use crate::state::{Checkpoint, StreamCheckpoint};

    /// The first number of a captured container's stream that no log has, where the last agent left `streams`.
    fn number(streams: Vec<StreamCheckpoint>) -> u64 {
        let metrics = seam::Metrics::register(&mut Registry::default());
        let mut origin = Origin::new(Some(Checkpoint { streams }), true, &metrics);
        let mut life = origin.captured(container(), None, Instant::now());
        assert!(!life.is_reading());
        life.streams.of(Stream::Daemon).seam.number()
    }

    fn container() -> ContainerId {
        ContainerId::from_bytes(&[b'0'; ContainerId::LEN]).unwrap()
    }

    fn left(stream: Stream, number: u64) -> StreamCheckpoint {
        let (container, recent) = (container(), Vec::new());
        StreamCheckpoint { container, stream, number, place: None, recent, written: None }
    }

    #[test]
    fn what_no_log_has_is_numbered_on_or_by_the_time() {
        let now = Timestamp::now().as_nanos();
        assert!(number(Vec::new()) >= now);
        assert!(number(vec![left(Stream::Stdout, 7)]) >= now, "it goes on with another stream");
        assert_eq!(number(vec![left(Stream::Stdout, 7), left(Stream::Daemon, 9)]), 9);
    }
}
