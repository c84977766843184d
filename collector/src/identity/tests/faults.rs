//! An engine that answers badly, late or not at all.

use std::time::{Duration, Instant};

use serde_json::json;

use super::engine::{Script, event, listed};
use super::{Fixture, id, next, next_name, pair};
use crate::identity::{Change, Identity, Metrics, Settings};

#[tokio::test]
async fn a_restarted_engine_is_reconciled() {
    let mut fixture = Fixture::new();
    fixture.settings.settle = Duration::ZERO;
    let (a, b) = (id('a'), id('b'));
    let list = vec![listed(a.as_str(), "/first", "bb:1", "running")];
    let engine = fixture.engine(Script { list, ..Script::default() });
    let (handle, mut changes) = fixture.start();
    assert_eq!(next_name(&mut changes).await, pair("first", "bb:1"));
    engine.stop().await;

    let list = vec![listed(b.as_str(), "/second", "bb:2", "running")];
    let _engine = fixture.engine(Script { list, ..Script::default() });
    assert_eq!(next(&mut changes).await, Change::Gone(a));
    assert_eq!(next_name(&mut changes).await, pair("second", "bb:2"));
    handle.resolve(a).unwrap();
    assert_eq!(next_name(&mut changes).await, pair("first", "bb:1"));
    assert!(handle.ready());
}

#[tokio::test]
async fn a_broken_event_stream_goes_on_where_it_ended() {
    let mut fixture = Fixture::new();
    let mut engine = fixture.engine(Script::default());
    let (_handle, mut changes) = fixture.start();
    let attributes = json!({ "name": "web", "image": "bb:1" });
    engine.send(event("create", id('a').as_str(), &attributes)).await;
    assert_eq!(next_name(&mut changes).await, pair("web", "bb:1"));
    engine.send("]garbage".to_owned()).await;
    engine.followed(2).await;
    engine.send(event("destroy", id('a').as_str(), &attributes)).await;
    assert_eq!(next(&mut changes).await, Change::Gone(id('a')));
    let queries = engine.script().follow_queries.clone();
    assert!(queries[1].starts_with("since=1700000000.000000000&"), "{queries:?}");
}

#[tokio::test]
async fn garbage_is_counted_and_asked_for_again() {
    let mut fixture = Fixture::new();
    let a = id('a');
    let list = vec![
        json!({ "Id": "../../etc", "State": "running" }),
        listed(a.as_str(), "/web", "bb:1", "running"),
    ];
    let list_text = Some("{\"never".to_owned());
    let mut engine = fixture.engine(Script { list, list_text, ..Script::default() });
    let (handle, mut changes) = fixture.start();
    engine.asked("/containers/json").await;
    assert!(!handle.ready());
    engine.script().list_text = None;
    assert_eq!(next_name(&mut changes).await, pair("web", "bb:1"));
    fixture.assert_metric(
        "writetap_identity_request_errors_total{runtime=\"docker\",operation=\"list\",\
         reason=\"malformed\"} 2",
    );

    // An event without an id says nothing, one that is no JSON breaks the stream; both are counted.
    engine.send(event("start", "short", &json!({}))).await;
    engine.send("]garbage".to_owned()).await;
    engine.script().list.push(listed(id('b').as_str(), "/more", "bb:2", "running"));
    assert_eq!(next_name(&mut changes).await, pair("more", "bb:2"));
    fixture.assert_metric(
        "writetap_identity_request_errors_total{runtime=\"docker\",operation=\"follow\",\
         reason=\"malformed\"} 2",
    );
}

#[tokio::test]
async fn an_engine_that_never_answers_is_timed_out() {
    let mut fixture = Fixture::new();
    fixture.settings.request_timeout = Duration::from_millis(20);
    fixture.settings.resolve_timeout = Duration::from_millis(100);
    let mut engine = fixture.engine(Script { silent: vec!["/containers/"], ..Script::default() });
    let (handle, mut changes) = fixture.start();
    engine.asked("/containers/json").await;
    handle.resolve(id('a')).unwrap();
    assert_eq!(next(&mut changes).await, Change::Unexplained(id('a')));
    assert!(!handle.ready());
    assert!(fixture.metrics().contains("operation=\"list\",reason=\"timeout\""));

    let list = vec![listed(id('a').as_str(), "/late", "bb:1", "running")];
    *engine.script() = Script { list, ..Script::default() };
    assert_eq!(next_name(&mut changes).await, pair("late", "bb:1"));
}

#[tokio::test]
async fn what_the_engine_does_not_have_is_unexplained() {
    let mut fixture = Fixture::new();
    fixture.settings.settle = Duration::ZERO;
    let _engine = fixture.engine(Script::default());
    let (handle, mut changes) = fixture.start();
    handle.resolve(id('a')).unwrap();
    assert_eq!(next(&mut changes).await, Change::Unexplained(id('a')));
    fixture.assert_metric("writetap_identity_unexplained_total 1");
}

#[tokio::test]
async fn nobody_to_ask_leaves_it_unexplained_at_once() {
    for docker in [None, Some("unix:///nowhere/docker.sock".to_owned())] {
        let mut fixture = Fixture::new();
        fixture.settings.docker = docker;
        let (handle, mut changes) = fixture.start();
        handle.resolve(id('a')).unwrap();
        assert_eq!(next(&mut changes).await, Change::Unexplained(id('a')));
        assert!(handle.ready());
    }
}

#[tokio::test]
async fn nobody_to_ask_is_a_fault_where_somebody_is_required() {
    let mut fixture = Fixture::new();
    fixture.settings.docker = Some("unix:///nowhere/docker.sock".to_owned());
    fixture.settings.is_docker_required = true;
    fixture.settings.resolve_timeout = Duration::from_millis(500);
    let (handle, mut changes) = fixture.start();
    let asked = Instant::now();
    handle.resolve(id('a')).unwrap();
    assert_eq!(next(&mut changes).await, Change::Unexplained(id('a')));
    assert!(asked.elapsed() >= Duration::from_millis(500), "it may come up: it is waited for");
    assert!(!handle.ready());
}

#[tokio::test]
async fn an_address_of_another_form_is_refused() {
    let mut fixture = Fixture::new();
    let settings = Settings { docker: Some("ssh://host".into()), ..Settings::default() };
    let metrics = Metrics::register(&mut fixture.registry);
    assert!(Identity::start(settings, metrics).is_err());
}
