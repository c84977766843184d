//! The ledger against a model that works all out anew each time.

use std::collections::{BTreeSet, HashMap};

use proptest::prelude::*;

use super::{Ledger, Positions};
use crate::buffer::samples::{batch, batch_of, container};
use crate::record::{Acknowledgement, Stream};

fn position(positions: &Positions, number: u64, stream: Stream) -> Option<u64> {
    positions.get(&(container(number).id, stream)).copied()
}

#[test]
fn a_position_waits_for_earlier_batches_and_for_all_sinks() {
    let mut ledger = Ledger::new(2, 10);
    let first = batch_of(&[(1, Stream::Stdout, 5), (1, Stream::Stderr, 6)]);
    let second = batch_of(&[(1, Stream::Stdout, 9), (1, Stream::Stdout, 7)]);
    assert_eq!((ledger.opened(&first), ledger.opened(&second)), (Some(0), Some(1)));
    let stdout = |ledger: &Ledger| position(ledger.positions(), 1, Stream::Stdout);
    for (batch, sink, expected, open, records) in
        [(1, 0, None, 2, 4), (1, 1, None, 2, 2), (0, 1, None, 2, 2), (0, 0, Some(9), 0, 0)]
    {
        ledger.acknowledge(Acknowledgement { batch, sink });
        assert_eq!(stdout(&ledger), expected);
        assert_eq!((ledger.open_batches(), ledger.unacknowledged_records()), (open, records));
    }
    assert_eq!(position(ledger.positions(), 1, Stream::Stderr), Some(6));
    ledger.forget(&container(1).id);
    assert_eq!(ledger.positions(), &HashMap::new());
}

#[test]
fn opens_no_more_than_its_limit() {
    let mut ledger = Ledger::new(1, 2);
    assert_eq!(ledger.opened(&batch(1)), Some(0));
    assert_eq!(ledger.opened(&batch(1)), Some(1));
    assert_eq!(ledger.opened(&batch(1)), None);
    ledger.acknowledge(Acknowledgement { batch: 0, sink: 0 });
    assert_eq!(ledger.opened(&batch(1)), Some(2));
}

#[test]
fn without_sinks_everything_is_done() {
    let mut ledger = Ledger::new(0, 1);
    for id in 0..3 {
        assert_eq!(ledger.opened(&batch_of(&[(1, Stream::Stdout, id)])), Some(id));
        assert_eq!(position(ledger.positions(), 1, Stream::Stdout), Some(id));
    }
}

#[test]
fn sixty_four_sinks_are_told_apart() {
    let mut ledger = Ledger::new(64, 1);
    ledger.opened(&batch(1)).unwrap();
    for sink in 0..64 {
        assert_eq!(ledger.open_batches(), 1);
        ledger.acknowledge(Acknowledgement { batch: 0, sink });
    }
    assert_eq!(ledger.open_batches(), 0);
}

#[derive(Clone, Debug)]
enum Action {
    Open(Vec<(u64, bool, u64)>),
    Acknowledge(u64, usize),
}

fn action() -> impl Strategy<Value = Action> {
    prop_oneof![
        prop::collection::vec((0..3_u64, any::<bool>(), 0..50_u64), 1..5).prop_map(Action::Open),
        (0..20_u64, 0..4_usize).prop_map(|(batch, sink)| Action::Acknowledge(batch, sink)),
    ]
}

proptest! {
    #[test]
    fn agrees_with_the_model(
        sinks in 1..4_usize,
        actions in prop::collection::vec(action(), 0..60),
    ) {
        const MAX_OPEN: usize = 6;
        let mut ledger = Ledger::new(sinks, MAX_OPEN);
        let mut batches = Vec::new();
        let mut acknowledged = BTreeSet::new();
        for action in actions {
            let done = |id: usize, acknowledged: &BTreeSet<_>| {
                (0..sinks).all(|sink| acknowledged.contains(&(id, sink)))
            };
            let passed = (0..batches.len()).take_while(|&id| done(id, &acknowledged)).count();
            match action {
                Action::Open(records) => {
                    let stream = |is_stderr| if is_stderr { Stream::Stderr } else { Stream::Stdout };
                    let records: Vec<_> =
                        records.into_iter().map(|(c, s, n)| (c, stream(s), n)).collect();
                    let fits = batches.len() - passed < MAX_OPEN;
                    let id = ledger.opened(&batch_of(&records));
                    prop_assert_eq!(id, fits.then_some(batches.len() as u64));
                    if fits {
                        batches.push(records);
                    }
                }
                Action::Acknowledge(batch, sink) => {
                    ledger.acknowledge(Acknowledgement { batch, sink });
                    if (batch as usize) < batches.len() && sink < sinks {
                        acknowledged.insert((batch as usize, sink));
                    }
                }
            }
            let passed = (0..batches.len()).take_while(|&id| done(id, &acknowledged)).count();
            let mut positions = Positions::new();
            for (number, stream, sequence) in batches[..passed].iter().flatten() {
                let position = positions.entry((container(*number).id, *stream)).or_default();
                *position = (*position).max(*sequence);
            }
            prop_assert_eq!(ledger.positions(), &positions);
            prop_assert_eq!(ledger.open_batches(), batches.len() - passed);
            let waiting = (0..batches.len()).filter(|&id| !done(id, &acknowledged));
            let records: usize = waiting.map(|id| batches[id].len()).sum();
            prop_assert_eq!(ledger.unacknowledged_records(), records);
        }
    }
}
