//! The ledger against a model that works all out anew each time.

use std::collections::{BTreeSet, HashMap};

use proptest::prelude::*;

use super::{Ledger, Positions};
use crate::buffer::samples::{batch, batch_of, container};
use crate::record::Stream;

fn position(positions: &Positions, number: u64, stream: Stream) -> Option<u64> {
    positions.get(&(container(number).id, stream)).copied()
}

#[test]
fn a_position_waits_for_earlier_batches() {
    let mut ledger = Ledger::new(10);
    let first = batch_of(&[(1, Stream::Stdout, 5), (1, Stream::Stderr, 6)]);
    let second = batch_of(&[(1, Stream::Stdout, 9), (1, Stream::Stdout, 7)]);
    assert_eq!((ledger.opened(&first), ledger.opened(&second)), (Some(0), Some(1)));
    let stdout = |ledger: &Ledger| position(ledger.positions(), 1, Stream::Stdout);
    // Twice is once.
    for (batch, expected, open, records) in [(1, None, 2, 2), (1, None, 2, 2), (0, Some(9), 0, 0)] {
        ledger.acknowledge(batch);
        assert_eq!(stdout(&ledger), expected);
        assert_eq!((ledger.open_batches(), ledger.unacknowledged_records()), (open, records));
    }
    assert_eq!(position(ledger.positions(), 1, Stream::Stderr), Some(6));
    ledger.forget(&container(1).id);
    assert_eq!(ledger.positions(), &HashMap::new());
}

#[test]
fn opens_no_more_than_its_limit() {
    let mut ledger = Ledger::new(2);
    assert_eq!(ledger.opened(&batch(1)), Some(0));
    assert_eq!(ledger.opened(&batch(1)), Some(1));
    assert_eq!(ledger.opened(&batch(1)), None);
    ledger.acknowledge(0);
    assert_eq!(ledger.opened(&batch(1)), Some(2));
}

#[derive(Clone, Debug)]
enum Action {
    Open(Vec<(u64, bool, u64)>),
    Acknowledge(u64),
}

fn action() -> impl Strategy<Value = Action> {
    prop_oneof![
        prop::collection::vec((0..3_u64, any::<bool>(), 0..50_u64), 1..5).prop_map(Action::Open),
        (0..20_u64).prop_map(Action::Acknowledge),
    ]
}

proptest! {
    #[test]
    fn agrees_with_the_model(actions in prop::collection::vec(action(), 0..60)) {
        const MAX_OPEN: usize = 6;
        let mut ledger = Ledger::new(MAX_OPEN);
        let mut batches = Vec::new();
        let mut acknowledged = BTreeSet::new();
        for action in actions {
            let passed = (0..batches.len()).take_while(|id| acknowledged.contains(id)).count();
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
                Action::Acknowledge(batch) => {
                    ledger.acknowledge(batch);
                    if (batch as usize) < batches.len() {
                        acknowledged.insert(batch as usize);
                    }
                }
            }
            let passed = (0..batches.len()).take_while(|id| acknowledged.contains(id)).count();
            let mut positions = Positions::new();
            for (number, stream, sequence) in batches[..passed].iter().flatten() {
                let position = positions.entry((container(*number).id, *stream)).or_default();
                *position = (*position).max(*sequence);
            }
            prop_assert_eq!(ledger.positions(), &positions);
            prop_assert_eq!(ledger.open_batches(), batches.len() - passed);
            let waiting = (0..batches.len()).filter(|id| !acknowledged.contains(id));
            let records: usize = waiting.map(|id| batches[id].len()).sum();
            prop_assert_eq!(ledger.unacknowledged_records(), records);
        }
    }
}
