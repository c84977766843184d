//! [`Seam`]: where a stream's lines come from.

use std::time::{Duration, Instant};

use super::delivered::Delivered;
use super::handed::Handed;
use super::reading::Reading;
use super::trail::Trail;
use super::window::{self, LEAST, WINDOW};
use super::{LINES, Metrics, RESTS, SLEEPS, Settings};
use crate::record::{Cut, Line, LineKey, Timestamp};

/// A place in the log file that is known by the number of the line after it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Anchor {
    /// Number of the line that begins there.
    pub number: u64,
    /// Where it begins: what is before it was delivered.
    pub cut: Cut,
}

/// A line of the log file that was looked at, not read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Seen {
    /// The line.
    pub key: LineKey,
    /// When the runtime wrote it there.
    pub time: Timestamp,
    /// Where it ends.
    pub cut: Cut,
}

/// One stream of a container: gives each of its lines once, numbered.
#[derive(Debug)]
pub struct Seam {
    settings: Settings,
    metrics: Metrics,
    /// Number of the next line.
    number: u64,
    /// The first lines of the log are none of this stream's if they are older.
    began: Timestamp,
    anchor: Option<Anchor>,
    /// The first of the anchors: what follows it is of this stream, whatever the clock says.
    first_anchor: Option<Cut>,
    source: Source,
    /// What another collector delivered of it.
    handed: Option<Handed>,
    /// When a line was captured last, and its time.
    captured: Option<(Instant, Timestamp)>,
    /// Where the log ended when it was looked at last, and since when.
    looked: Option<(Cut, Instant)>,
}

#[derive(Debug)]
enum Source {
    /// With the lines since the anchor, and the number of the first that was ever in it.
    Capture {
        trail: Trail,
        first: u64,
    },
    File(Box<Reading>),
}

impl Seam {
    /// A stream whose lines from `number` on are captured. `began`: no line of it is older.
    pub fn captured_from(
        number: u64,
        began: Timestamp,
        settings: Settings,
        metrics: &Metrics,
    ) -> Self {
        // No more until there is a log.
        let trail = Trail::new(WINDOW.min(settings.trail_lines));
        Self::new(number, began, None, Source::Capture { trail, first: number }, settings, metrics)
    }

    /// Another collector, which ended before `taken_over`, delivered what was captured up to `written`; `recent`: the last
    /// lines of that.
    pub fn hand_over(&mut self, written: Timestamp, taken_over: Timestamp, recent: &[LineKey]) {
        self.handed = Some(Handed::new(written, taken_over, recent));
    }

    /// The keys of the last captured lines, at most 64, and when the last one was written.
    pub fn recent(&self) -> (Vec<LineKey>, Option<Timestamp>) {
        let keys = match &self.source {
            Source::Capture { trail, .. } => {
                trail.since(trail.end().saturating_sub(WINDOW as u64)).collect()
            }
            Source::File(_) => Vec::new(),
        };
        (keys, self.captured.map(|(_, written)| written))
    }

    /// There is a log: as many of the last lines are remembered as it takes to find them there.
    pub fn remember(&mut self) {
        if let Source::Capture { trail, .. } = &mut self.source {
            trail.set_limit(self.settings.trail_lines);
        }
    }

    /// A stream whose lines from `number` on are in its log file, after `from` or from the log's beginning on.
    pub fn read_from(
        number: u64,
        from: Option<Cut>,
        settings: Settings,
        metrics: &Metrics,
    ) -> Self {
        let reading = Reading::new(from, Delivered::default(), &settings);
        let anchor = from.map(|cut| Anchor { number, cut });
        let source = Source::File(Box::new(reading));
        Self::new(number, Timestamp::default(), anchor, source, settings, metrics)
    }

    fn new(
        number: u64,
        began: Timestamp,
        anchor: Option<Anchor>,
        source: Source,
        settings: Settings,
        metrics: &Metrics,
    ) -> Self {
        let metrics = metrics.clone();
        Self {
            settings,
            metrics,
            number,
            began,
            anchor,
            first_anchor: anchor.map(|anchor| anchor.cut),
            source,
            handed: None,
            captured: None,
            looked: None,
        }
    }

    /// Number of the next line.
    pub const fn number(&self) -> u64 {
        self.number
    }

    /// Gives the next number to a record that is no line of the stream.
    pub const fn take_number(&mut self) -> u64 {
        let number = self.number;
        self.number += 1;
        if let Source::Capture { first, .. } = &mut self.source {
            *first += 1;
        }
        number
    }

    /// The newest line whose place in the log is known; what is after it is delivered again after a restart.
    pub const fn anchor(&self) -> Option<Anchor> {
        self.anchor
    }

    /// The file has no line of this stream between the anchor and `cut`.
    ///
    /// For a captured stream that is so if nothing was captured since the anchor, and all that was written before the file
    /// was looked at. For one that is read, if the file was read up to there and no line is open.
    pub fn advance(&mut self, cut: Cut) {
        let is_known = match &self.source {
            Source::Capture { trail, first } => match self.anchor {
                Some(anchor) => anchor.number == self.number,
                None => trail.end() == 0 && *first == self.number,
            },
            Source::File(reading) => reading.delivered.is_over(),
        };
        if is_known && self.anchor.is_none_or(|anchor| anchor.cut < cut) {
            self.anchor = Some(Anchor { number: self.number, cut });
            self.first_anchor.get_or_insert(cut);
        }
    }

    /// Nothing is captured any more, and the log, which ends at `end`, has nothing that was not: what it gets from now on is
    /// read.
    pub fn rest(&mut self, end: Cut) {
        if let Source::Capture { .. } = self.source {
            self.anchor = Some(Anchor { number: self.number, cut: end });
            let reading = Reading::new(Some(end), Delivered::default(), &self.settings);
            self.source = Source::File(Box::new(reading));
        }
    }

    /// Whether lines come from the file.
    pub const fn is_reading(&self) -> bool {
        matches!(self.source, Source::File(_))
    }

    /// Where in the file to read on from; `None`: the log's beginning, if lines come from the file at all.
    pub fn reads_from(&self) -> Option<Cut> {
        match &self.source {
            Source::Capture { .. } => None,
            Source::File(reading) => reading.from,
        }
    }

    /// Whether the file's bytes up to `end` are still to be read for this stream.
    pub fn wants(&self, end: Cut) -> bool {
        match &self.source {
            Source::Capture { .. } => false,
            Source::File(reading) => reading.from.is_none_or(|from| from < end),
        }
    }

    /// Bytes of captured lines that wait.
    pub fn held_bytes(&self) -> usize {
        match &self.source {
            Source::Capture { .. } => 0,
            Source::File(reading) => reading.held.bytes(),
        }
    }

    /// A line was captured.
    pub fn captured(
        &mut self,
        line: &Line<'_>,
        now: Instant,
        emit: &mut impl FnMut(u64, LineKey, &Line<'_>),
    ) {
        self.captured = Some((now, line.time));
        let key = LineKey::of(line.body, line.mode);
        if let Some(handed) = &mut self.handed {
            if handed.has(key, line.time) {
                self.metrics.passed_over.inc();
                return;
            }
            if handed.is_over(line.time) {
                self.handed = None;
            }
        }
        match &mut self.source {
            Source::Capture { trail, .. } => {
                trail.push(key);
                emit(self.number, key, line);
                self.number += 1;
            }
            // It stands otherwise in the file, and those before it are on the far side of a loss, or may be.
            Source::File(reading) if line.truncated => reading.held.clear(),
            Source::File(reading) => reading.held.push(line, key),
        }
    }

    /// Bytes were lost that the file has: it is read from the anchor on. What was captured since the loss waits.
    pub fn gap(&mut self) {
        let (trail, first) = match &mut self.source {
            Source::File(reading) => return reading.held.clear(),
            Source::Capture { trail, first } => (trail, *first),
        };
        let known = self.anchor.map_or(0, |anchor| anchor.number.saturating_sub(first));
        let unknown = trail.passed().saturating_sub(known);
        let delivered = Delivered::new(unknown, trail.since(known));
        let from = self.anchor.map(|anchor| anchor.cut);
        self.source = Source::File(Box::new(Reading::new(from, delivered, &self.settings)));
        self.metrics.gaps.inc();
    }

    /// The place to read from is not there any more: reading begins with what is left of the log.
    pub fn lost_place(&mut self) {
        if let Source::File(reading) = &mut self.source {
            reading.delivered.forget_unknown();
        }
    }

    /// A line of the file, which ends at `end`.
    pub fn read(
        &mut self,
        line: &Line<'_>,
        end: Cut,
        now: Instant,
        emit: &mut impl FnMut(u64, LineKey, &Line<'_>),
    ) {
        let is_old = self.is_old(line.time);
        let Source::File(reading) = &mut self.source else { return };
        if reading.from.is_none() && is_old {
            return;
        }
        let key = LineKey::of(line.body, line.mode);
        if reading.read(key, line.time, end, now) {
            self.metrics.passed_over.inc();
        } else {
            emit(self.number, key, line);
            self.number += 1;
            self.metrics.lines.inc();
            self.metrics.bytes.inc_by(line.body.len() as u64);
        }
        if reading.delivered.is_over() {
            self.anchor = Some(Anchor { number: self.number, cut: end });
        }
    }

    /// The file has been read to its end, for now. `still`: it has not grown since it was read last. Goes over to capture if
    /// the file's last lines are found among the captured ones. What was captured and what was lost until the file was
    /// read has to be told before.
    pub fn caught_up(
        &mut self,
        still: bool,
        now: Instant,
        emit: &mut impl FnMut(u64, LineKey, &Line<'_>),
    ) {
        let still_for = still.then(|| self.quiet_for(now));
        let Source::File(reading) = &mut self.source else { return };
        let Some(end) = reading.seam(still_for, now, &self.settings) else { return };
        let mut trail = Trail::new(self.settings.trail_lines);
        let (mut number, mut before) = (self.number, 0);
        reading.held.drain(|at, key, line| {
            if at >= end {
                emit(number, key, line);
                number += 1;
            } else if at + WINDOW.min(number as usize) as u64 >= end {
                before += 1;
            } else {
                return;
            }
            trail.push(key);
        });
        let first = self.number.saturating_sub(before);
        self.number = number;
        self.source = Source::Capture { trail, first };
        self.metrics.joins.inc();
    }

    /// Nothing more will come, from either side: gives what was captured and is not in the file.
    pub fn finish(&mut self, emit: &mut impl FnMut(u64, LineKey, &Line<'_>)) {
        let Source::File(reading) = &mut self.source else { return };
        let missing = reading.missing(&self.settings);
        let number = &mut self.number;
        reading.held.drain(|at, key, line| {
            if missing.binary_search(&at).is_ok() {
                emit(*number, key, line);
                *number += 1;
            }
        });
    }

    /// Looks for captured lines in the last ones of the file. `still`: it has not grown since it was looked at last. What
    /// was captured and what was lost until the file was looked at has to be told before.
    pub fn observe(&mut self, lines: &[Seen], still: bool, now: Instant) {
        let Some(newest) = lines.last() else { return };
        let looked = self.looked.filter(|(cut, _)| still && *cut == newest.cut);
        let (_, since) = *self.looked.insert(looked.unwrap_or((newest.cut, now)));
        if self.anchor.is_some_and(|anchor| anchor.cut >= newest.cut) {
            return;
        }
        let still_for = now.saturating_duration_since(since).min(self.quiet_for(now));
        let written = self.captured.map_or(Timestamp::default(), |(_, time)| time);
        let is_older = written.saturating_since(newest.time) > self.settings.clock_slack;
        let rests = !is_older && still_for >= RESTS * self.settings.settle;
        // Whatever its lines look like there: workers' blocks stand torn in Docker's log.
        let sleeps = rests && still_for >= SLEEPS * self.settings.settle;
        let is_old = |line: &&Seen| {
            self.is_old(line.time) && self.first_anchor.is_none_or(|first| line.cut <= first)
        };
        let old = lines.iter().take_while(is_old).count();
        let Source::Capture { trail, first } = &mut self.source else { return };
        let lines = &lines[old..];
        let keys: Vec<LineKey> = lines.iter().map(|line| line.key).collect();
        // The file may be behind the oldest lines that are known, but not by so many.
        let anchored = self.anchor.map_or(0, |anchor| anchor.number.saturating_sub(*first));
        let oldest = trail.passed() + if trail.passed() > anchored { LINES as u64 } else { 0 };
        let by_text = || {
            // Lines in another order at the very end: a little before it they are the same.
            (0..LEAST).find_map(|back| {
                let keys = &keys[..keys.len().checked_sub(back)?];
                let window = WINDOW.min(keys.len()).min(trail.len());
                let last = &keys[keys.len() - window..];
                let all = || keys.iter().copied();
                let sure = window >= LEAST && window::find(last, all()) == Some(keys.len());
                let end = sure.then(|| trail.find(last)).flatten()?;
                if end < oldest + window as u64 {
                    return None;
                }
                Some((end, keys.len()))
            })
        };
        let by_rest =
            || (sleeps || rests && trail.ends_with(&keys)).then(|| (trail.end(), keys.len()));
        let Some((end, length)) = by_text().or_else(by_rest) else { return };
        let number = *first + end;
        if self.anchor.is_none_or(|anchor| anchor.number < number) {
            let cut = lines[length - 1].cut;
            self.anchor = Some(Anchor { number, cut });
            self.first_anchor.get_or_insert(cut);
            self.metrics.anchors.inc();
            trail.forget_before(end);
        }
    }

    /// Whether a line of the log is none of this stream's.
    fn is_old(&self, time: Timestamp) -> bool {
        self.began.saturating_since(time) > self.settings.clock_slack
    }

    fn quiet_for(&self, now: Instant) -> Duration {
        let captured = self.captured.map(|(at, _)| now.saturating_duration_since(at));
        captured.unwrap_or(Duration::MAX)
    }
}
