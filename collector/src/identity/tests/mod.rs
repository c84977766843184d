//! The stage against an engine that answers well, badly, late or not at all.

use std::time::Duration;

use prometheus_client::encoding::text::encode;
use prometheus_client::registry::Registry;
use serde_json::json;
use tempfile::TempDir;
use tokio::sync::mpsc::Receiver;

use self::engine::{Engine, Script, event, inspected, listed};
use super::{Change, Handle, Identity, Metrics, Refused, Settings};
use crate::record::{Container, ContainerId};

mod engine;

/// A wait that only a broken stage makes use of.
const FOREVER: Duration = Duration::from_secs(30);

struct Fixture {
    directory: TempDir,
    registry: Registry,
    settings: Settings,
}

impl Fixture {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let settings = Settings {
            docker: Some(format!("unix://{}/docker.sock", directory.path().display())),
            retry_min: Duration::from_millis(1),
            retry_max: Duration::from_millis(20),
            settle: FOREVER,
            resolve_timeout: FOREVER,
            ..Settings::default()
        };
        Self {
            directory,
            registry: Registry::with_prefix("writetap"),
            settings,
        }
    }

    fn engine(&self, script: Script) -> Engine {
        Engine::start(self.directory.path().join("docker.sock"), script)
    }

    fn start(&mut self) -> (Handle, Receiver<Change>) {
        let metrics = Metrics::register(&mut self.registry);
        Identity::start(self.settings.clone(), metrics).unwrap()
    }

    fn metrics(&self) -> String {
        let mut text = String::new();
        encode(&mut text, &self.registry).unwrap();
        text
    }

    fn assert_metric(&self, line: &str) {
        let text = self.metrics();
        assert!(
            text.lines().any(|found| found == line),
            "no `{line}` in:\n{text}"
        );
    }
}

fn id(digit: char) -> ContainerId {
    digit.to_string().repeat(64).parse().unwrap()
}

async fn next(changes: &mut Receiver<Change>) -> Change {
    tokio::time::timeout(FOREVER, changes.recv())
        .await
        .expect("no change came")
        .unwrap()
}

async fn next_known(changes: &mut Receiver<Change>) -> Container {
    match next(changes).await {
        Change::Known(container) => Container::clone(&container),
        other => panic!("{other:?}"),
    }
}

/// The name and the image of the next container that is known.
async fn next_name(changes: &mut Receiver<Change>) -> (String, String) {
    let Container { name, image, .. } = next_known(changes).await;
    (name.unwrap(), image.unwrap())
}

fn pair(name: &str, image: &str) -> (String, String) {
    (name.to_owned(), image.to_owned())
}

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
    assert_eq!(
        container.labels.into_iter().collect::<Vec<_>>(),
        [("tier".into(), "x".into())]
    );

    // It is remembered when it is gone.
    engine
        .send(event(
            "die",
            id.as_str(),
            &json!({ "exitCode": "0", "name": "quick" }),
        ))
        .await;
    assert_eq!(next(&mut changes).await, Change::Gone(id));
    engine
        .send(event("destroy", id.as_str(), &json!({ "name": "quick" })))
        .await;
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
    let _engine = fixture.engine(Script {
        list,
        ..Script::default()
    });
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
    let inspect = [(
        a.to_string(),
        inspected(a.as_str(), "/web", "bb:1", "running"),
    )];
    let list = vec![listed(a.as_str(), "/web", "sha256:0", "running")];
    let _engine = fixture.engine(Script {
        list,
        inspect: inspect.into(),
        ..Script::default()
    });
    let (_handle, mut changes) = fixture.start();
    assert_eq!(next_name(&mut changes).await, pair("web", "bb:1"));
}

#[tokio::test]
async fn a_restarted_engine_is_reconciled() {
    let mut fixture = Fixture::new();
    let (a, b) = (id('a'), id('b'));
    let list = vec![listed(a.as_str(), "/first", "bb:1", "running")];
    let engine = fixture.engine(Script {
        list,
        ..Script::default()
    });
    let (handle, mut changes) = fixture.start();
    assert_eq!(next_name(&mut changes).await, pair("first", "bb:1"));
    engine.stop().await;

    let list = vec![listed(b.as_str(), "/second", "bb:2", "running")];
    let _engine = fixture.engine(Script {
        list,
        ..Script::default()
    });
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
    engine
        .send(event("create", id('a').as_str(), &attributes))
        .await;
    assert_eq!(next_name(&mut changes).await, pair("web", "bb:1"));
    engine.send("]garbage".to_owned()).await;
    engine
        .send(event("destroy", id('a').as_str(), &attributes))
        .await;
    assert_eq!(next(&mut changes).await, Change::Gone(id('a')));
    let queries = engine.script().follow_queries.clone();
    assert!(
        queries[1].starts_with("since=1700000000.000000000&"),
        "{queries:?}"
    );
}

#[tokio::test]
async fn who_asked_before_the_list_is_answered_once() {
    let mut fixture = Fixture::new();
    let list = vec![listed(id('a').as_str(), "/web", "bb:1", "running")];
    let mut engine = fixture.engine(Script {
        list,
        ..Script::default()
    });
    let (handle, mut changes) = fixture.start();
    handle.resolve(id('a')).unwrap();
    handle.resolve(id('a')).unwrap();
    assert_eq!(next_name(&mut changes).await, pair("web", "bb:1"));
    engine
        .send(event(
            "create",
            id('b').as_str(),
            &json!({ "name": "b", "image": "bb:1" }),
        ))
        .await;
    assert_eq!(next_name(&mut changes).await, pair("b", "bb:1"));
}

#[tokio::test]
async fn a_renamed_and_a_restarted_container_are_known_again() {
    let mut fixture = Fixture::new();
    let a = id('a');
    let list = vec![listed(a.as_str(), "/old", "bb:1", "running")];
    let mut engine = fixture.engine(Script {
        list,
        ..Script::default()
    });
    let (_handle, mut changes) = fixture.start();
    let before = next_known(&mut changes).await;
    let attributes = json!({ "name": "new", "image": "bb:1", "oldName": "/old" });
    engine.send(event("rename", a.as_str(), &attributes)).await;
    let after = next_known(&mut changes).await;
    assert_eq!(
        after,
        Container {
            name: Some("new".into()),
            ..before
        }
    );

    engine
        .send(event("die", a.as_str(), &json!({ "name": "new" })))
        .await;
    assert_eq!(next(&mut changes).await, Change::Gone(a));
    engine
        .send(event("start", a.as_str(), &json!({ "name": "new" })))
        .await;
    assert_eq!(next_known(&mut changes).await, after);
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
    let mut engine = fixture.engine(Script {
        list,
        list_text,
        ..Script::default()
    });
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
    engine
        .script()
        .list
        .push(listed(id('b').as_str(), "/more", "bb:2", "running"));
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
    let mut engine = fixture.engine(Script {
        silent: vec!["/containers/"],
        ..Script::default()
    });
    let (handle, mut changes) = fixture.start();
    engine.asked("/containers/json").await;
    handle.resolve(id('a')).unwrap();
    assert_eq!(next(&mut changes).await, Change::Unexplained(id('a')));
    assert!(!handle.ready());
    assert!(
        fixture
            .metrics()
            .contains("operation=\"list\",reason=\"timeout\"")
    );

    let list = vec![listed(id('a').as_str(), "/late", "bb:1", "running")];
    *engine.script() = Script {
        list,
        ..Script::default()
    };
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
async fn an_address_of_another_form_is_refused() {
    let mut fixture = Fixture::new();
    let settings = Settings {
        docker: Some("ssh://host".into()),
        ..Settings::default()
    };
    let metrics = Metrics::register(&mut fixture.registry);
    assert!(Identity::start(settings, metrics).is_err());
}

#[tokio::test]
async fn a_full_queue_refuses_and_a_dropped_receiver_ends_the_stage() {
    let mut fixture = Fixture::new();
    fixture.settings.queue = 0;
    let _engine = fixture.engine(Script {
        silent: vec!["/"],
        ..Script::default()
    });
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
            script
                .inspect
                .insert(id.clone(), inspected(&id, "/web", "bb:1", "running"));
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
        assert_eq!(
            engine.script().requests.iter().filter(asked).count(),
            inspections,
            "{limit}"
        );
    }
}
