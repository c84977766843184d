//! The log file behind a container's streams.

use std::time::{Duration, Instant};

use crate::line::{self, Assembler};
use crate::record::{ContainerId, Cut, LineKey, Place};
use crate::seam::Seen;
use crate::tail::{self, Located, Log, Sought, Watcher};

/// How often a log that is not there is looked for.
const LOOK_AGAIN: Duration = Duration::from_secs(5);

/// Bytes of a log's end that are looked at to find captured lines in it.
const GLANCE_BYTES: usize = 16 << 10;

/// The same where the lines are so long that those are too few.
const LONG_GLANCE_BYTES: usize = 256 << 10;

/// Fewer lines are too few.
const FEW_LINES: usize = 16;

/// Finds and opens logs.
#[derive(Debug)]
pub(super) struct Logs {
    pub(super) settings: tail::Settings,
    pub(super) watcher: Watcher,
    /// Counts what is made into lines only to be looked at.
    pub(super) uncounted: line::Metrics,
}

/// A container's log file, if it has one.
#[derive(Debug, Default)]
pub(super) struct Backing {
    log: Option<Log>,
    looked: Option<Instant>,
    /// Why there is none.
    lacks: &'static str,
    /// Its end when it was looked at.
    glanced: Option<Place>,
    /// It was read to its end.
    pub(super) at_end: bool,
}

impl Backing {
    /// Looks for the log of `container`, unless it is open or was looked for just now. Whether it is open.
    pub(super) fn open(&mut self, container: &ContainerId, logs: &Logs, now: Instant) -> bool {
        let is_due = self.looked.is_none_or(|at| now.saturating_duration_since(at) >= LOOK_AGAIN);
        if self.log.is_some() || !is_due {
            return self.log.is_some();
        }
        self.looked = Some(now);
        match tail::locate(&logs.settings, container) {
            Located::Log(file) => match Log::open(&logs.watcher, file) {
                Ok(log) => self.log = Some(log),
                Err(error) => {
                    if self.lacks.is_empty() {
                        tracing::warn!(container = container.short(), %error, "failed to open a log");
                    }
                    self.lacks = "its log file cannot be opened";
                }
            },
            Located::Unsupported(driver) => self.lacks = driver,
            Located::Absent => self.lacks = "it has no log file",
        }
        self.log.is_some()
    }

    /// If it is not open, it is looked for at the next occasion.
    pub(super) const fn make_due(&mut self) {
        self.looked = None;
    }

    /// Whether there is a log that is open.
    pub(super) const fn is_open(&self) -> bool {
        self.log.is_some()
    }

    /// The log, if it is open.
    pub(super) const fn log(&mut self) -> Option<&mut Log> {
        self.log.as_mut()
    }

    /// Reading goes on at `cut`, or at the log's beginning. Whether that is still there.
    pub(super) fn seek(&mut self, cut: Option<Cut>) -> bool {
        self.at_end = false;
        let Some(log) = &mut self.log else { return false };
        log.want_modifications(true);
        let place = match cut {
            None => Some(log.beginning()),
            Some(cut) => log.place_of(cut),
        };
        place.is_some_and(|place| log.seek(&place) == Sought::Found)
    }

    /// The log's end now.
    pub(super) fn end(&self) -> Option<Cut> {
        let log = self.log.as_ref()?;
        log.cut_of(&log.end().ok()?)
    }

    /// The log's end, if it was there as well when it was asked for before.
    pub(super) fn still_end(&mut self) -> Option<Cut> {
        let end = self.log.as_ref()?.end().ok()?;
        let is_still = self.glanced.replace(end) == Some(end);
        self.end().filter(|_| is_still)
    }

    /// The position that was `place` for another process; none if its file is gone.
    pub(super) fn cut_of(&mut self, place: &Place) -> Option<Cut> {
        self.log.as_ref()?.cut_of(place)
    }

    /// Whether there was a log, and it is removed.
    pub(super) fn is_removed(&self, container: &ContainerId, logs: &Logs) -> bool {
        self.log.is_some() && tail::is_gone(&logs.settings, container)
    }

    /// Up to where it was read.
    pub(super) fn position(&mut self) -> Option<Cut> {
        self.log.as_ref().map(Log::cut)
    }

    /// Nobody reads it for now.
    pub(super) fn rest(&mut self) {
        if let Some(log) = &mut self.log {
            log.want_modifications(false);
        }
    }

    /// Nobody goes back to what is before `cut`.
    pub(super) fn release_before(&mut self, cut: Cut) {
        if let Some(log) = &mut self.log
            && let Some(place) = log.place_of(cut)
        {
            log.release_before(&place);
        }
    }

    /// Where a position is, for another process.
    pub(super) fn place_of(&self, cut: Cut) -> Option<Place> {
        self.log.as_ref()?.place_of(cut)
    }

    /// The last lines of the log, by stream.
    ///
    /// `still`: it has not grown since they were looked at before.
    pub(super) fn glance(
        &mut self,
        logs: &Logs,
        settings: &line::Settings,
    ) -> ([Vec<Seen>; 2], bool) {
        let Some(log) = &mut self.log else { return ([const { Vec::new() }; 2], false) };
        let end = log.end().ok();
        let mut lines = last_lines(log, GLANCE_BYTES, logs, settings);
        if lines.iter().all(|lines| lines.len() < FEW_LINES) {
            lines = last_lines(log, LONG_GLANCE_BYTES, logs, settings);
        }
        let is_still = end.is_some() && std::mem::replace(&mut self.glanced, end) == end;
        (lines, is_still)
    }
}

/// The lines in the last bytes of a log, by stream; none if it cannot be read.
fn last_lines(
    log: &mut Log,
    limit_bytes: usize,
    logs: &Logs,
    settings: &line::Settings,
) -> [Vec<Seen>; 2] {
    let mut lines = [const { Vec::new() }; 2];
    let mut assemblers = [Assembler::default(), Assembler::default()];
    // The first one's beginning may be out of sight.
    assemblers.iter_mut().for_each(Assembler::abandon);
    let looked = log.last_entries(limit_bytes, &mut |entry| {
        let at = entry.stream.index();
        let (end, lines) = (entry.end, &mut lines[at]);
        let chunk = super::stream::chunk(&entry);
        assemblers[at].push(&chunk, settings, &logs.uncounted, &mut |line| {
            if !line.truncated {
                let key = LineKey::of(line.body, line.mode);
                lines.push(Seen { key, time: line.time, cut: end });
            }
        });
    });
    if looked.is_ok() { lines } else { [const { Vec::new() }; 2] }
}
