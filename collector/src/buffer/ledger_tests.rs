//! The ledger against a model that works all out anew each time.

use std::collections::BTreeSet;

use proptest::prelude::*;

use super::Ledger;

#[test]
fn a_batch_is_passed_after_all_before_it() {
    let mut ledger = Ledger::new(10);
    assert_eq!((ledger.opened(2), ledger.opened(3)), (Some(0), Some(1)));
    // Twice is once, and what was never booked is nothing.
    for (batch, passed, open, records) in
        [(1, 0, 2, 2), (1, 0, 2, 2), (7, 0, 2, 2), (0, 2, 0, 0), (0, 2, 0, 0)]
    {
        ledger.acknowledge(batch);
        assert_eq!((ledger.handed(), ledger.passed()), (2, passed));
        assert_eq!((ledger.open_batches(), ledger.unacknowledged_records()), (open, records));
    }
}

#[test]
fn opens_no_more_than_its_limit() {
    for (limit, open) in [(0, 1), (1, 1), (2, 2)] {
        let mut ledger = Ledger::new(limit);
        for id in 0..open {
            assert_eq!(ledger.opened(1), Some(id));
        }
        assert_eq!(ledger.opened(1), None);
        assert_eq!(ledger.handed(), open);
        ledger.acknowledge(0);
        assert_eq!(ledger.opened(1), Some(open));
    }
}

#[derive(Clone, Debug)]
enum Action {
    Open(usize),
    Acknowledge(usize),
}

fn action() -> impl Strategy<Value = Action> {
    prop_oneof![(1..5_usize).prop_map(Action::Open), (0..20_usize).prop_map(Action::Acknowledge)]
}

proptest! {
    #[test]
    fn agrees_with_the_model(actions in prop::collection::vec(action(), 0..60)) {
        const MAX_OPEN: usize = 6;
        let mut ledger = Ledger::new(MAX_OPEN);
        let mut batches = Vec::new();
        let mut acknowledged = BTreeSet::new();
        let mut passed = 0;
        for action in actions {
            match action {
                Action::Open(records) => {
                    let fits = batches.len() - passed < MAX_OPEN;
                    let id = ledger.opened(records);
                    prop_assert_eq!(id, fits.then_some(batches.len() as u64));
                    batches.extend(fits.then_some(records));
                }
                Action::Acknowledge(batch) => {
                    ledger.acknowledge(batch as u64);
                    acknowledged.extend((batch < batches.len()).then_some(batch));
                }
            }
            passed = (0..batches.len()).take_while(|id| acknowledged.contains(id)).count();
            prop_assert_eq!((ledger.handed(), ledger.passed()), (batches.len() as u64, passed as u64));
            prop_assert_eq!(ledger.open_batches(), batches.len() - passed);
            let waiting = (0..batches.len()).filter(|id| !acknowledged.contains(id));
            let records: usize = waiting.map(|id| batches[id]).sum();
            prop_assert_eq!(ledger.unacknowledged_records(), records);
        }
    }
}
