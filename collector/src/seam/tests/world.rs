//! Writers, a pipe, a runtime and its log file, in simulated time.

use std::collections::VecDeque;

use crate::record::{Cut, LineKey, Mode, Timestamp};

/// What the lines say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Content {
    /// Each line once.
    Unique,
    /// As many of ten lines are one of two.
    Mixed(u8),
    /// The same lines after so many.
    Periodic(u16),
    /// As many unique lines, then a block of as many lines that is always the same.
    Banner(u8, u8),
}

/// How the runtime and the writers behave.
#[derive(Clone, Copy, Debug)]
pub(super) struct Nature {
    pub(super) content: Content,
    pub(super) seed: u64,
    /// Pairs of lines that the ring has the other way round.
    pub(super) swap_percent: u8,
    /// Lines that the pipe holds.
    pub(super) pipe_lines: u16,
    /// How long the runtime leaves a line in the pipe, at most, as a rule.
    pub(super) delay_us: u32,
    /// How much the log's clock is behind.
    pub(super) behind_us: u16,
}

impl Nature {
    /// A number below `below`, always the same for line `index`.
    pub(super) fn dice(&self, salt: u64, index: usize, below: u64) -> u64 {
        let mut z = self.seed ^ salt.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ (index as u64) << 20;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % below.max(1)
    }

    /// What line `index` says: not UTF-8 here and there, or with a carriage return.
    pub(super) fn body(&self, index: usize) -> Vec<u8> {
        let unique = format!("line {index}").into_bytes();
        let mut body = match self.content {
            Content::Mixed(tenths) if self.dice(1, index, 10) < u64::from(tenths) => {
                format!("again {}", self.dice(2, index, 2)).into_bytes()
            }
            Content::Unique | Content::Mixed(_) => unique,
            Content::Periodic(period) => format!("turn {}", index % usize::from(period)).into(),
            Content::Banner(lines, banner) => {
                let at = index % (usize::from(lines) + usize::from(banner));
                if at < usize::from(lines) { unique } else { format!("banner {at}").into() }
            }
        };
        match xxhash_rust::xxh3::xxh3_64(&body) % 8 {
            0 => body.extend(b"\xff."),
            1 => body.push(b'\r'),
            _ => {}
        }
        body
    }
}

/// A line in the log file.
#[derive(Clone, Debug)]
pub(super) struct Logged {
    pub(super) body: String,
    pub(super) time: Timestamp,
    pub(super) end: Cut,
}

/// The container's side, and the runtime's.
#[derive(Debug)]
pub(super) struct World {
    pub(super) nature: Nature,
    pub(super) now_us: u64,
    /// How much the wall clock was set, so far.
    set_ms: i32,
    /// The keys of all lines, in the order of the pipe.
    pub(super) written: Vec<LineKey>,
    pipe: VecDeque<(Vec<u8>, u64)>,
    /// All lines that ever were in the log.
    pub(super) file: Vec<Logged>,
    /// Those before it are gone with the files that they were in.
    pub(super) gone: usize,
    end: Cut,
    taken_us: u64,
    stalled_until_us: u64,
}

impl World {
    pub(super) fn new(nature: Nature) -> Self {
        Self {
            nature,
            now_us: 1_000_000,
            set_ms: 0,
            written: Vec::new(),
            pipe: VecDeque::new(),
            file: Vec::new(),
            gone: 0,
            end: Cut::default(),
            taken_us: 0,
            stalled_until_us: 0,
        }
    }

    /// What the wall clock says then, as it is set now.
    pub(super) fn time(&self, us: u64) -> Timestamp {
        let set_nanos = i64::from(self.set_ms) * 1_000_000;
        let nanos = 1_700_000_000_000_000_000 + us * 1000;
        Timestamp::from_nanos(nanos.saturating_add_signed(set_nanos))
    }

    /// The wall clock is set.
    pub(super) fn set_clock(&mut self, ms: i32) {
        self.advance(0);
        self.set_ms = self.set_ms.saturating_add(ms);
    }

    /// Whether lines are on their way to the log.
    pub(super) fn is_under_way(&self) -> bool {
        !self.pipe.is_empty()
    }

    /// Whether it ever was.
    pub(super) const fn was_set(&self) -> bool {
        self.set_ms != 0
    }

    /// Writes a line; waits for room in the pipe.
    pub(super) fn write(&mut self) -> Vec<u8> {
        while self.pipe.len() >= usize::from(self.nature.pipe_lines) {
            self.now_us = self.next_taken().unwrap_or(self.now_us);
            self.advance(0);
        }
        let index = self.written.len();
        let body = self.nature.body(index);
        self.written.push(LineKey::of(&body, Mode::Ebpf));
        let slow = self.nature.dice(3, index, 50) == 0;
        let most = if slow { 200_000 } else { u64::from(self.nature.delay_us) };
        let ready_us = self.now_us + self.nature.dice(4, index, most);
        self.pipe.push_back((body.clone(), ready_us));
        body
    }

    pub(super) fn advance(&mut self, us: u64) {
        self.now_us += us;
        while let Some(at_us) = self.next_taken().filter(|at_us| *at_us <= self.now_us) {
            let Some((body, _)) = self.pipe.pop_front() else { break };
            self.taken_us = at_us;
            let body =
                String::from_utf8_lossy(body.strip_suffix(b"\r").unwrap_or(&body)).into_owned();
            self.end.offset_bytes += body.len() as u64 + 60;
            let time = self.time(at_us - u64::from(self.nature.behind_us));
            self.file.push(Logged { body, time, end: self.end });
        }
    }

    /// The runtime does nothing for a while.
    pub(super) fn stall(&mut self, us: u64) {
        self.stalled_until_us = self.now_us + us;
    }

    /// A new file is begun; at most `keep` older ones stay.
    pub(super) fn rotate(&mut self, keep: u64) {
        self.end = Cut { generation: self.end.generation + 1, offset_bytes: 0 };
        let oldest = self.end.generation.saturating_sub(keep);
        let kept = self.file.iter().position(|line| line.end.generation >= oldest);
        self.gone = kept.unwrap_or(self.file.len());
    }

    /// How many lines of the log end at `cut` or before.
    pub(super) fn before(&self, cut: Option<Cut>) -> usize {
        cut.map_or(0, |cut| self.file.partition_point(|line| line.end <= cut))
    }

    fn next_taken(&self) -> Option<u64> {
        let (_, ready_us) = self.pipe.front()?;
        Some(self.taken_us.max(*ready_us).max(self.stalled_until_us))
    }
}
