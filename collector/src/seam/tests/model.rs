//! The collector's side of the simulation, and what has to be true of it.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use super::super::{Anchor, Metrics, Seam, Seen, Settings};
use super::plan::{End, Plan, Step};
use super::world::{Content, World};
use crate::record::{Line, LineKey, Mode};

/// A collector, and all that it gave.
struct Model {
    world: World,
    settings: Settings,
    metrics: Metrics,
    epoch: Instant,
    seam: Seam,
    /// Lines of the log that were read.
    reader: usize,
    /// The length of the log when it was looked at last.
    looked: usize,
    /// The ring lost something, and nobody knows yet; whether a line was cut by it.
    lost: Option<bool>,
    checkpoint: Option<Anchor>,
    /// Number and key of each line given in this life, and how many lines there were before its first.
    given: Vec<(u64, LineKey)>,
    start: usize,
    /// How many of them have a number that says where they stand.
    sure: usize,
    /// Two lines that are exchanged where a file ends that is behind may be given twice.
    may_repeat: bool,
    /// What was given in all lives.
    ever: HashMap<LineKey, usize>,
    /// Lines before it may be nowhere but in the pipe: they were lost by the ring, or waited when it lost others.
    lost_before: usize,
}

impl Model {
    fn new(plan: &Plan) -> Self {
        let mut world = World::new(plan.nature);
        for _ in 0..plan.before {
            world.write();
            world.advance(20);
        }
        let (settings, metrics) = (plan.settings, Metrics::default());
        let seam = if plan.before == 0 {
            let began = world.time(world.now_us);
            let mut seam = Seam::captured_from(0, began, settings, &metrics);
            seam.remember();
            seam
        } else {
            Seam::read_from(0, None, settings, &metrics)
        };
        Self {
            world,
            settings,
            metrics,
            epoch: Instant::now(),
            seam,
            reader: 0,
            looked: 0,
            lost: None,
            checkpoint: None,
            given: Vec::new(),
            start: 0,
            sure: 0,
            // What made room for other captured lines is missing at the end as well.
            may_repeat: plan.end != End::Quiet && plan.nature.swap_percent > 0,
            ever: HashMap::new(),
            lost_before: usize::from(plan.before),
        }
    }

    fn now(&self) -> Instant {
        self.epoch + Duration::from_micros(self.world.now_us)
    }

    fn take(&mut self, given: Vec<(u64, LineKey)>) {
        for (number, key) in given {
            let expected = (self.start + self.given.len()) as u64;
            assert_eq!(number, expected, "numbers ascend by one");
            *self.ever.entry(key).or_default() += 1;
            self.given.push((number, key));
        }
        assert_eq!(self.seam.number(), (self.start + self.given.len()) as u64);
        self.check_anchor();
    }

    /// The ring's reader learns of a loss.
    fn notice(&mut self) {
        let Some(cut) = self.lost.take() else { return };
        let was_reading = self.seam.is_reading();
        self.seam.gap();
        if !was_reading {
            self.reader = self.world.before(self.seam.reads_from());
        }
        if cut {
            self.hear(b"of a li", true);
        }
    }

    fn hear(&mut self, body: &[u8], truncated: bool) {
        let line = Line {
            body,
            time: self.world.time(self.world.now_us),
            mode: Mode::Ebpf,
            writer: None,
            sequence: 0,
            index: 0,
            truncated,
        };
        let mut given = Vec::new();
        self.seam.captured(&line, self.now(), &mut |number, key, _| given.push((number, key)));
        self.take(given);
    }

    fn write(&mut self, lines: u16, every_us: u32) {
        let mut left = lines;
        while left > 0 {
            let swap = self.world.nature.dice(5, self.world.written.len(), 100)
                < u64::from(self.world.nature.swap_percent);
            if swap && left > 1 {
                let first = self.world.write();
                self.world.advance(2);
                let second = self.world.write();
                self.notice();
                self.hear(&second, false);
                self.hear(&first, false);
                left -= 2;
            } else {
                let body = self.world.write();
                self.notice();
                self.hear(&body, false);
                left -= 1;
            }
            self.world.advance(u64::from(every_us));
        }
    }

    fn lose(&mut self, lines: u16, every_us: u32, cut: bool) {
        for _ in 0..lines {
            self.world.write();
            self.world.advance(u64::from(every_us));
        }
        self.lost_before = self.world.written.len();
        self.lost = Some(cut || self.lost == Some(true));
    }

    fn read(&mut self, lines: usize) {
        self.notice();
        if !self.seam.is_reading() {
            return;
        }
        let still = self.reader == self.world.file.len();
        let end = self.world.file.len().min(self.reader + lines);
        let mut given = Vec::new();
        for index in self.reader..end {
            let logged = &self.world.file[index];
            if !self.seam.wants(logged.end) {
                continue;
            }
            let line = Line {
                body: logged.body.as_bytes(),
                time: logged.time,
                mode: Mode::Tail,
                writer: None,
                sequence: 0,
                index: 0,
                truncated: false,
            };
            let (end, now) = (logged.end, self.now());
            self.seam.read(&line, end, now, &mut |number, key, _| given.push((number, key)));
        }
        self.reader = end;
        if end == self.world.file.len() {
            let now = self.now();
            self.seam.caught_up(still, now, &mut |number, key, _| given.push((number, key)));
        }
        self.take(given);
    }

    fn look(&mut self, lines: usize) {
        self.notice();
        let file = &self.world.file;
        let still = self.looked == file.len();
        self.looked = file.len();
        let generation = file.last().map(|line| line.end.generation);
        let lines = &file[file.len().saturating_sub(lines)..];
        let lines = lines.iter().filter(|line| Some(line.end.generation) == generation);
        let seen = lines.map(|line| Seen {
            key: LineKey::of(line.body.as_bytes(), Mode::Tail),
            time: line.time,
            cut: line.end,
        });
        let seen: Vec<Seen> = seen.collect();
        self.seam.observe(&seen, still, self.now());
        self.check_anchor();
    }

    fn restart(&mut self, lines: u16, every_us: u32) {
        self.sure = self.given.len();
        self.check_life(false);
        for _ in 0..lines {
            self.world.write();
            self.world.advance(u64::from(every_us));
        }
        let number = self.checkpoint.map_or(0, |anchor| anchor.number);
        let cut = self.checkpoint.map(|anchor| anchor.cut);
        self.seam = Seam::read_from(number, cut, self.settings, &self.metrics);
        self.start = number as usize;
        self.given.clear();
        self.lost = None;
        self.lost_before = self.world.written.len();
        self.reader = self.world.before(self.seam.reads_from());
    }

    fn step(&mut self, step: Step) {
        match step {
            Step::Write { lines, every_us } => self.write(lines, every_us),
            Step::Lose { lines, every_us, cut } => self.lose(lines, every_us, cut),
            Step::Wait { ms } => self.world.advance(u64::from(ms) * 1000),
            // Lines that repeat themselves do not tell a stall from quiet.
            Step::Stall { ms } if self.world.nature.content == Content::Unique => {
                self.world.stall(u64::from(ms) * 1000);
            }
            Step::Stall { ms } => self.world.stall(u64::from(ms) * 50),
            Step::Read { lines } => self.read(usize::from(lines)),
            Step::Look { lines } => self.look(usize::from(lines)),
            Step::Rewind { lines } => self.reader = self.reader.saturating_sub(usize::from(lines)),
            Step::Checkpoint => self.checkpoint = self.seam.anchor(),
            Step::Restart { lines, every_us } => self.restart(lines, every_us),
            Step::Rotate => self.world.rotate(u64::MAX),
            // Before anything is known of its log, lines of a stream are told from older ones by time alone.
            Step::Set { ms } if ms < 0 && self.seam.anchor().is_none() => {}
            Step::Set { ms } => {
                self.world.set_clock(ms);
                self.may_repeat |= ms < 0 && self.world.is_under_way();
            }
        }
    }

    fn end(&mut self, end: End) {
        if end != End::Lagging {
            self.world.advance(20_000_000);
            self.notice();
        }
        if end == End::Quiet {
            for _ in 0..5 {
                self.world.advance(700_000);
                self.look(100);
                self.read(100_000);
            }
            // The last line may have been captured before the clock was set back, and logged after.
            let is_back = !self.seam.is_reading() || self.seam.held_bytes() == 0;
            assert!(is_back || self.world.was_set(), "back in capture");
        }
        self.notice();
        if self.seam.is_reading() {
            self.read(100_000);
        }
        self.sure = self.given.len();
        let mut given = Vec::new();
        self.seam.finish(&mut |number, key, _| given.push((number, key)));
        self.take(given);
    }

    /// A line's number says where in the file it begins.
    fn check_anchor(&self) {
        let Some(anchor) = self.seam.anchor() else { return };
        let index = self.world.before(Some(anchor.cut)) as u64;
        assert_eq!(anchor.number, index, "the line with the anchor's number begins there");
    }

    /// Each line once, in order but for swaps.
    fn check_life(&self, is_over: bool) {
        let written = &self.world.written;
        for (number, key) in &self.given[..self.sure] {
            let at = *number as usize;
            let near =
                &written[at.saturating_sub(2).min(written.len())..(at + 3).min(written.len())];
            assert!(near.contains(key), "line {number} of {} is another", written.len());
        }
        let mut left: HashMap<LineKey, isize> = HashMap::new();
        for key in &written[self.start.min(written.len())..] {
            *left.entry(*key).or_default() += 1;
        }
        for (_, key) in &self.given {
            *left.entry(*key).or_default() -= 1;
        }
        let may_repeat = self.may_repeat && self.sure < self.given.len();
        assert!(may_repeat || left.values().all(|count| *count >= 0), "a line twice in a life");
        assert!(!is_over || left.values().all(|count| *count <= 0), "a line missing in a life");
    }
}

/// Runs a plan to its end.
pub(super) fn check(plan: &Plan) {
    let mut model = Model::new(plan);
    for step in &plan.steps {
        model.step(*step);
    }
    model.end(plan.end);
    model.check_life(plan.end != End::Lagging);
    // What waits and makes room is in the file, and so are lines that look like those there.
    if plan.nature.content != Content::Unique
        || plan.settings.held_bytes < Settings::default().held_bytes
    {
        model.lost_before = model.world.written.len();
    }
    let mut missing: HashMap<LineKey, usize> = HashMap::new();
    let in_file = model.world.file.len();
    for (index, key) in model.world.written.iter().enumerate() {
        if index < in_file || index >= model.lost_before {
            *missing.entry(*key).or_default() += 1;
        }
    }
    for (key, count) in missing {
        let given = model.ever.get(&key).copied().unwrap_or_default();
        assert!(given >= count, "a line is missing");
    }
}
