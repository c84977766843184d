//! Queues and memory at 0, 1 and the limit.

use super::engine::{Script, inspected, listed};
use super::{FOREVER, Fixture, id, next_known, next_name, pair};
use crate::identity::Refused;

#[tokio::test]
async fn a_full_queue_refuses_and_a_dropped_receiver_ends_the_stage() {
    let mut fixture = Fixture::new();
    fixture.settings.queue = 0;
    let _engine = fixture.engine(Script { silent: vec!["/"], ..Script::default() });
    let (handle, changes) = fixture.start();
    // A queue of 0 is one of 1; the resolver has not run yet on this thread.
    handle.resolve(id('a')).unwrap();
    assert_eq!(handle.resolve(id('b')), Err(Refused::Full));
    fixture.assert_metric("writetap_identity_resolve_refused_total 1");

    drop(changes);
    let ended = async {
        while handle.resolve(id('c')) != Err(Refused::Stopped) {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(FOREVER, ended).await.unwrap();
}

#[tokio::test]
async fn as_many_as_there_is_room_for_are_remembered() {
    for (limit, inspections) in [(0, 2), (1, 1), (2, 0)] {
        let mut fixture = Fixture::new();
        fixture.settings.containers = limit;
        let mut script = Script::default();
        for digit in ['a', 'b'] {
            let id = id(digit).to_string();
            script.list.push(listed(&id, "/web", "bb:1", "running"));
            script.inspect.insert(id.clone(), inspected(&id, "/web", "bb:1", "running"));
        }
        let engine = fixture.engine(script);
        let (handle, mut changes) = fixture.start();
        for _ in 0..2 {
            assert_eq!(next_name(&mut changes).await, pair("web", "bb:1"));
        }
        for digit in ['a', 'b'] {
            handle.resolve(id(digit)).unwrap();
            assert_eq!(next_known(&mut changes).await.id, id(digit));
        }
        let asked = |path: &&String| path.ends_with("/json") && !path.ends_with("containers/json");
        assert_eq!(engine.script().requests.iter().filter(asked).count(), inspections, "{limit}");
    }
}
