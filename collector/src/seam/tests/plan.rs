//! What happens in a simulation.

use proptest::collection::vec;
use proptest::prelude::*;

use super::super::Settings;
use super::world::{Content, Nature};

/// What happens next.
#[derive(Clone, Copy, Debug)]
pub(super) enum Step {
    Write {
        lines: u16,
        every_us: u32,
    },
    /// As many lines are lost by the ring; whether the next is cut.
    Lose {
        lines: u16,
        every_us: u32,
        cut: bool,
    },
    Wait {
        ms: u16,
    },
    Stall {
        ms: u16,
    },
    /// Reads so many lines of the file, if it is to be read.
    Read {
        lines: u16,
    },
    /// Looks at so many of the file's last lines.
    Look {
        lines: u8,
    },
    /// Reads so many lines again, for another stream of the log.
    Rewind {
        lines: u16,
    },
    Checkpoint,
    /// The collector is killed, and starts again after so many lines.
    Restart {
        lines: u16,
        every_us: u32,
    },
    Rotate,
    /// The wall clock is set, by an operator or by the time service.
    Set {
        ms: i32,
    },
}

/// How it ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    /// After a quiet time.
    Quiet,
    /// At once; the file is read to its end.
    Sudden,
    /// At once, with what the file has by now.
    Lagging,
}

/// A simulation.
#[derive(Clone, Debug)]
pub(super) struct Plan {
    pub(super) nature: Nature,
    /// Lines before the collector starts; none: it sees the container begin.
    pub(super) before: u16,
    pub(super) settings: Settings,
    pub(super) steps: Vec<Step>,
    pub(super) end: End,
}

fn step() -> impl Strategy<Value = Step> {
    let every = prop_oneof![Just(3_u32), Just(50), Just(2_000), Just(30_000), Just(400_000)];
    let lines = prop_oneof![1_u16..4, 1_u16..40, 60_u16..200];
    prop_oneof![
        6 => (lines.clone(), every.clone()).prop_map(|(lines, every_us)| Step::Write { lines, every_us }),
        2 => (lines.clone(), every.clone(), any::<bool>())
            .prop_map(|(lines, every_us, cut)| Step::Lose { lines, every_us, cut }),
        3 => prop_oneof![0_u16..30, 100_u16..900].prop_map(|ms| Step::Wait { ms }),
        1 => (200_u16..3_000).prop_map(|ms| Step::Stall { ms }),
        6 => prop_oneof![1_u16..30, Just(5_000_u16)].prop_map(|lines| Step::Read { lines }),
        4 => (1_u8..128).prop_map(|lines| Step::Look { lines }),
        1 => (1_u16..100).prop_map(|lines| Step::Rewind { lines }),
        2 => Just(Step::Checkpoint),
        1 => (prop_oneof![Just(0_u16), lines], every)
            .prop_map(|(lines, every_us)| Step::Restart { lines, every_us }),
        1 => Just(Step::Rotate),
        1 => prop::sample::select(vec![-3_600_000, -1000, -30, 30, 1000, 3_600_000])
            .prop_map(|ms| Step::Set { ms }),
    ]
}

fn content() -> impl Strategy<Value = Content> {
    prop_oneof![
        Just(Content::Unique),
        (1_u8..10).prop_map(Content::Mixed),
        (1_u16..200).prop_map(Content::Periodic),
        (1_u8..200, 1_u8..150).prop_map(|(lines, banner)| Content::Banner(lines, banner)),
    ]
}

pub(super) fn plan() -> impl Strategy<Value = Plan> {
    let nature = (
        content(),
        any::<u64>(),
        prop_oneof![Just(0_u8), Just(5), Just(20)],
        prop_oneof![Just(2000_u16), 1_u16..300],
        prop_oneof![Just(0_u32), Just(200), Just(5_000), Just(100_000)],
        prop_oneof![Just(0_u16), 0_u16..15_000],
    );
    let nature =
        nature.prop_map(|(content, seed, swap_percent, pipe_lines, delay_us, behind_us)| Nature {
            content,
            seed,
            swap_percent,
            pipe_lines,
            delay_us,
            behind_us,
        });
    let settings = (
        prop_oneof![4 => Just(2_usize << 20), 1 => 0_usize..20_000],
        prop_oneof![4 => Just(65_536_usize), 1 => 0_usize..200],
    );
    let settings = settings.prop_map(|(held_bytes, trail_lines)| Settings {
        lag_bytes: 64 << 10,
        held_bytes,
        trail_lines,
        ..Settings::default()
    });
    let before = prop_oneof![Just(0_u16), 1_u16..300];
    let end = prop_oneof![3 => Just(End::Quiet), 1 => Just(End::Sudden), 1 => Just(End::Lagging)];
    (nature, before, settings, vec(step(), 1..40), end).prop_map(
        |(mut nature, before, settings, steps, end)| {
            // Without keys, lines are passed over by number alone.
            if settings.trail_lines < 16 {
                nature.swap_percent = 0;
            }
            Plan { nature, before, settings, steps, end }
        },
    )
}
