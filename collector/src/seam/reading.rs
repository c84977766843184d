//! A stream whose lines come from its log file, while what is captured waits.

use std::collections::{HashMap, VecDeque};
use std::time::{Duration, Instant};

use super::delivered::Delivered;
use super::held::Held;
use super::window::{self, LEAST, WINDOW};
use super::{LINES, RESTS, Settings};
use crate::record::{Cut, LineKey, Timestamp};

#[derive(Debug)]
pub(super) struct Reading {
    /// What stands before it was read, or is known; `None`: nothing of the log.
    pub(super) from: Option<Cut>,
    pub(super) delivered: Delivered,
    pub(super) held: Held,
    /// The last lines of the file, oldest first.
    recent: VecDeque<ReadLine>,
    /// When the last of them was read.
    read: Option<Instant>,
}

#[derive(Clone, Copy, Debug)]
struct ReadLine {
    key: LineKey,
    time: Timestamp,
    was_delivered: bool,
}

impl Reading {
    pub(super) fn new(from: Option<Cut>, delivered: Delivered, settings: &Settings) -> Self {
        let (held, recent) = (Held::new(settings.held_bytes), VecDeque::new());
        Self { from, delivered, held, recent, read: None }
    }

    /// A line of the file, which ends at `end`. Returns whether it was delivered before.
    pub(super) fn read(&mut self, key: LineKey, time: Timestamp, end: Cut, now: Instant) -> bool {
        self.from = Some(end);
        if self.recent.len() == LINES {
            self.recent.pop_front();
        }
        let was_delivered = self.delivered.take(key);
        self.recent.push_back(ReadLine { key, time, was_delivered });
        self.read = Some(now);
        was_delivered
    }

    /// How many of the captured lines stand in the file, which has been read to its end. `still_for`: how long nothing was
    /// captured and the file has not grown.
    pub(super) fn seam(
        &self,
        still_for: Option<Duration>,
        now: Instant,
        settings: &Settings,
    ) -> Option<u64> {
        let read_for = self.read.map_or(Duration::MAX, |read| now.saturating_duration_since(read));
        let still_for = still_for.map(|still| still.min(read_for));
        let is_still = |rests: u32| still_for.is_some_and(|still| still >= rests * settings.settle);
        let captured = self.held.trail();
        let window = WINDOW.min(self.recent.len()).min(captured.len());
        // What was delivered and is not in the file when that is still stands there otherwise.
        if window == 0 || !(self.delivered.is_over() || is_still(1)) {
            return None;
        }
        let is_proven = self.held.text_bytes(captured.end()) >= settings.lag_bytes;
        if !is_proven && !is_still(1) {
            return None;
        }
        let recent: Vec<LineKey> = self.recent.iter().map(|line| line.key).collect();
        let last = &recent[recent.len() - window..];
        let by_text = || {
            let all = || recent.iter().copied();
            let sure = window >= LEAST && window::find(last, all()) == Some(recent.len());
            let end = sure.then(|| captured.find(last)).flatten()?;
            // A file that is farther behind may show the same lines from before the first that was captured.
            let before = self.held.text_bytes(end - window as u64);
            let rests = end == captured.end() && is_still(1);
            (rests || before >= settings.lag_bytes).then_some(end)
        };
        let by_rest = || (is_still(RESTS) && captured.ends_with(last)).then(|| captured.end());
        by_text().or_else(by_rest).filter(|end| self.is_not_older(*end, settings))
    }

    /// Whether the file's last line is not older than the captured one that it is taken for.
    fn is_not_older(&self, end: u64, settings: &Settings) -> bool {
        let Some(read) = self.recent.back() else { return false };
        let written = self.held.time_before(end);
        written.is_some_and(|written| written.saturating_since(read.time) <= settings.clock_slack)
    }

    /// Gives the captured lines that are not among the last ones of the file. The file has the first of them as a rule: as
    /// many as it has most in common with.
    pub(super) fn missing(&self, settings: &Settings) -> Vec<u64> {
        let Some(oldest) = self.held.oldest() else { return Vec::new() };
        // Of the first ones: what follows may look older if the clock was set back.
        let is_older = |line: &&ReadLine| oldest.saturating_since(line.time) > settings.clock_slack;
        let file = self.recent.iter().skip_while(is_older).filter(|line| !line.was_delivered);
        let file: Vec<LineKey> = file.map(|line| line.key).collect();
        let trail = self.held.trail();
        let captured: Vec<LineKey> = trail.since(trail.passed()).collect();
        let length = overlap(&file, &captured);
        let (before, common) = file.split_at(file.len() - length);
        let mut before = counts(&before[before.len().saturating_sub(LEAST)..]);
        let mut common = counts(common);
        // Lines at both ends of what is common may be exchanged with others that are not.
        let is_missing = |(at, key): &(usize, LineKey)| {
            let near = *at < length + LEAST && take(&mut common, *key);
            !(near || *at < length && take(&mut before, *key))
        };
        let missing = captured.into_iter().enumerate().filter(is_missing);
        missing.map(|(at, _)| trail.passed() + at as u64).collect()
    }
}

/// How often each line is there.
fn counts(lines: &[LineKey]) -> HashMap<LineKey, u32> {
    let mut counts = HashMap::new();
    for key in lines {
        *counts.entry(*key).or_default() += 1;
    }
    counts
}

/// Takes a line away, if it is there.
fn take(counts: &mut HashMap<LineKey, u32>, key: LineKey) -> bool {
    let count = counts.get_mut(&key).filter(|count| **count > 0);
    count.map(|count| *count -= 1).is_some()
}

/// How many of the last of `file` are the first of `captured`, in any order: as many as have most in common.
fn overlap(file: &[LineKey], captured: &[LineKey]) -> usize {
    // How much more often a line is in the file.
    let mut more: HashMap<LineKey, isize> = HashMap::new();
    let (mut common, mut best, mut length) = (0_usize, 0, 0);
    for (at, (read, written)) in (1..).zip(file.iter().rev().zip(captured)) {
        let count = more.entry(*read).or_default();
        common += usize::from(*count < 0);
        *count += 1;
        let count = more.entry(*written).or_default();
        common += usize::from(*count > 0);
        *count -= 1;
        if 2 * common > at + best {
            (best, length) = (2 * common - at, at);
        }
    }
    length
}
