//! What a well-behaved engine tells.

use serde_json::json;

use super::engine::{Script, event, inspected, listed};
use super::{Fixture, id, next, next_known, next_name, pair};
use crate::identity::Change;
use crate::record::Container;

#[tokio::test]
async fn the_create_event_names_a_container_that_inspection_does_not_find() {
    let mut fixture = Fixture::new();
    let mut engine = fixture.engine(Script::default());
    let (handle, mut changes) = fixture.start();
    let id = id('a');
    handle.resolve(id).unwrap();
    engine.asked(&format!("/containers/{id}/json")).await;
    let attributes = json!({ "name": "quick", "image": "bb:1", "tier": "x" });
    engine.send(event("create", id.as_str(), &attributes)).await;

    let container = next_known(&mut changes).await;
    assert_eq!(container.name.as_deref(), Some("quick"));
    assert_eq!(container.image.as_deref(), Some("bb:1"));
    assert_eq!(container.labels.into_iter().collect::<Vec<_>>(), [("tier".into(), "x".into())]);

    // It is remembered when it is gone.
    engine.send(event("die", id.as_str(), &json!({ "exitCode": "0", "name": "quick" }))).await;
    assert_eq!(next(&mut changes).await, Change::Gone(id));
    engine.send(event("destroy", id.as_str(), &json!({ "name": "quick" }))).await;
    handle.resolve(id).unwrap();
    assert_eq!(next_name(&mut changes).await, pair("quick", "bb:1"));
}

#[tokio::test]
async fn lists_what_runs_and_answers_for_what_stopped() {
    let mut fixture = Fixture::new();
    let (a, b) = (id('a'), id('b'));
    let list = vec![
        listed(a.as_str(), "/runs", "bb:1", "running"),
        listed(b.as_str(), "/stopped", "bb:2", "exited"),
    ];
    let _engine = fixture.engine(Script { list, ..Script::default() });
    let (handle, mut changes) = fixture.start();
    assert_eq!(next_name(&mut changes).await, pair("runs", "bb:1"));
    assert!(handle.ready());
    handle.resolve(b).unwrap();
    assert_eq!(next_name(&mut changes).await, pair("stopped", "bb:2"));
    fixture.assert_metric("writetap_identity_containers{state=\"live\"} 1");
    fixture.assert_metric("writetap_identity_containers{state=\"stopped\"} 1");
    fixture.assert_metric("writetap_identity_runtime_up{runtime=\"docker\"} 1");
}

#[tokio::test]
async fn an_image_whose_name_moved_on_is_shown_as_asked_for() {
    let mut fixture = Fixture::new();
    let a = id('a');
    let inspect = [(a.to_string(), inspected(a.as_str(), "/web", "bb:1", "running"))];
    let list = vec![listed(a.as_str(), "/web", "sha256:0", "running")];
    let _engine = fixture.engine(Script { list, inspect: inspect.into(), ..Script::default() });
    let (_handle, mut changes) = fixture.start();
    assert_eq!(next_name(&mut changes).await, pair("web", "bb:1"));
}

#[tokio::test]
async fn who_asked_before_the_list_is_answered_once() {
    let mut fixture = Fixture::new();
    let list = vec![listed(id('a').as_str(), "/web", "bb:1", "running")];
    let mut engine = fixture.engine(Script { list, ..Script::default() });
    let (handle, mut changes) = fixture.start();
    handle.resolve(id('a')).unwrap();
    handle.resolve(id('a')).unwrap();
    assert_eq!(next_name(&mut changes).await, pair("web", "bb:1"));
    engine.send(event("create", id('b').as_str(), &json!({ "name": "b", "image": "bb:1" }))).await;
    assert_eq!(next_name(&mut changes).await, pair("b", "bb:1"));
}

#[tokio::test]
async fn a_renamed_and_a_restarted_container_are_known_again() {
    let mut fixture = Fixture::new();
    let a = id('a');
    let list = vec![listed(a.as_str(), "/old", "bb:1", "running")];
    let mut engine = fixture.engine(Script { list, ..Script::default() });
    let (_handle, mut changes) = fixture.start();
    let before = next_known(&mut changes).await;
    let attributes = json!({ "name": "new", "image": "bb:1", "oldName": "/old" });
    engine.send(event("rename", a.as_str(), &attributes)).await;
    let after = next_known(&mut changes).await;
    assert_eq!(after, Container { name: Some("new".into()), ..before });

    engine.send(event("die", a.as_str(), &json!({ "name": "new" }))).await;
    assert_eq!(next(&mut changes).await, Change::Gone(a));
    engine.send(event("start", a.as_str(), &json!({ "name": "new" }))).await;
    assert_eq!(next_known(&mut changes).await, after);

    // One that is not remembered is known by its new name, and the old one is no label.
    let attributes = json!({ "name": "b", "image": "bb:1", "oldName": "/old", "tier": "x" });
    engine.send(event("rename", id('b').as_str(), &attributes)).await;
    let labels = next_known(&mut changes).await.labels;
    assert_eq!(labels.into_iter().collect::<Vec<_>>(), [("tier".into(), "x".into())]);
}
