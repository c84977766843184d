//! The stage against an engine that answers well, badly, late or not at all.

use std::time::Duration;

use prometheus_client::encoding::text::encode;
use prometheus_client::registry::Registry;
use tempfile::TempDir;
use tokio::sync::mpsc::Receiver;

use self::engine::{Engine, Script};
use super::{Change, Handle, Identity, Metrics, Settings};
use crate::record::{Container, ContainerId};

mod engine;
mod events;
mod faults;
mod limits;

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
        Self { directory, registry: Registry::with_prefix("writetap"), settings }
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
        assert!(text.lines().any(|found| found == line), "no `{line}` in:\n{text}");
    }
}

fn id(digit: char) -> ContainerId {
    digit.to_string().repeat(64).parse().unwrap()
}

async fn next(changes: &mut Receiver<Change>) -> Change {
    tokio::time::timeout(FOREVER, changes.recv()).await.expect("no change came").unwrap()
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
