//! A stream whose lines come from its log file, while what is captured waits.

use std::collections::{HashMap, VecDeque};
use std::time::Instant;

use super::Settings;
use super::delivered::Delivered;
use super::held::Held;
use super::trail::{LEAST, WINDOW, is_distinct};
use crate::record::{Cut, LineKey, Timestamp};

/// Lines of the file that are remembered.
const RECENT: usize = 4096;

#[derive(Debug)]
pub(super) struct Reading {
    /// What stands before it is known; `None`: the log's beginning.
    pub(super) from: Option<Cut>,
    pub(super) delivered: Delivered,
    pub(super) held: Held,
    /// The last lines of the file, oldest first.
    recent: VecDeque<(LineKey, Timestamp)>,
    /// When the last of them was read.
    read: Option<Instant>,
}

impl Reading {
    pub(super) fn new(from: Option<Cut>, delivered: Delivered, settings: &Settings) -> Self {
        let (held, recent) = (Held::new(settings.held_bytes), VecDeque::new());
        Self { from, delivered, held, recent, read: None }
    }

    /// A line of the file. Returns whether it was delivered before.
    pub(super) fn read(&mut self, key: LineKey, time: Timestamp, now: Instant) -> bool {
        if self.recent.len() == RECENT {
            self.recent.pop_front();
        }
        self.recent.push_back((key, time));
        self.read = Some(now);
        self.delivered.take(key)
    }

    /// How many of the captured lines stand in the file, which has been read to its end. `still`: nothing was captured for
    /// a while, and the file has not grown.
    pub(super) fn seam(&mut self, still: bool, now: Instant, settings: &Settings) -> Option<u64> {
        let still = still && self.read.is_none_or(|read| now - read >= settings.settle);
        if still {
            // What was delivered and is not in the file by now stands there otherwise.
            self.delivered = Delivered::default();
        }
        let captured = self.held.trail();
        let window = WINDOW.min(self.recent.len()).min(captured.len());
        if window == 0 || !self.delivered.is_over() {
            return None;
        }
        let recent = self.recent.iter().skip(self.recent.len().saturating_sub(2 * WINDOW));
        let recent: Vec<LineKey> = recent.map(|(key, _)| *key).collect();
        let last = &recent[recent.len() - window..];
        let by_text = || {
            let sure = window >= LEAST && is_distinct(&recent, window);
            sure.then(|| captured.find(last)).flatten()
        };
        let by_rest = || (still && captured.ends_with(last)).then(|| captured.end());
        by_text().or_else(by_rest).filter(|end| self.is_not_older(*end, settings))
    }

    /// Whether the file's last line is not older than the captured one that it is taken for.
    fn is_not_older(&self, end: u64, settings: &Settings) -> bool {
        let Some((_, read)) = self.recent.back() else { return false };
        let written = self.held.time_before(end);
        written.is_some_and(|written| written.saturating_since(*read) <= settings.clock_slack)
    }

    /// Gives the captured lines that are not among the last ones of the file, each as often as it is missing there.
    pub(super) fn missing(&mut self, settings: &Settings) -> Vec<u64> {
        let Some(oldest) = self.held.oldest() else { return Vec::new() };
        let mut in_file: HashMap<LineKey, u32> = HashMap::new();
        let is_old = |time: Timestamp| oldest.saturating_since(time) > settings.clock_slack;
        for (key, _) in self.recent.iter().filter(|(_, time)| !is_old(*time)) {
            *in_file.entry(*key).or_default() += 1;
        }
        let trail = self.held.trail();
        let captured = (trail.passed()..).zip(trail.since(trail.passed()));
        let is_missing = |key: LineKey| match in_file.get_mut(&key) {
            Some(count) if *count > 0 => {
                *count -= 1;
                false
            }
            _ => true,
        };
        let mut is_missing = is_missing;
        captured.filter(|(_, key)| is_missing(*key)).map(|(at, _)| at).collect()
    }
}
