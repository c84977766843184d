//! What the tests that need the whole machine share: an engine, a broker and collectors of their own, kept out of
//! whatever else runs here. Not: assertions.
//!
//! Everything a run starts lives in one folder, [`Site`], and is ended with the test binary, however that ends.

pub(crate) mod agent;
pub(crate) mod arrivals;
pub(crate) mod broker;
mod config;
pub(crate) mod cri;
pub(crate) mod docker_log;
pub(crate) mod engine;
pub(crate) mod files;
pub(crate) mod gate;
pub(crate) mod generations;
pub(crate) mod image;
pub(crate) mod metrics;
pub(crate) mod mount;
pub(crate) mod need;
pub(crate) mod process;
pub(crate) mod record;
pub(crate) mod shim;
pub(crate) mod site;
pub(crate) mod topic;
pub(crate) mod wait;

use std::ops::Deref;
use std::sync::{OnceLock, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use anyhow::{Result, anyhow};

pub(crate) use agent::Agent;
pub(crate) use broker::Broker;
pub(crate) use config::Config;
pub(crate) use engine::{Engine, Run};
pub(crate) use record::Record;
pub(crate) use site::Site;

/// What could be started once for all tests, or the text of why not.
type Shared<T> = OnceLock<std::result::Result<T, String>>;

/// Tests run beside each other, or alone: each collector captures the containers of all tests.
static TURN: RwLock<()> = RwLock::new(());

/// The right to use the engine that all tests share. A test that kills or restarts its engine starts one of its own
/// ([`Engine::start`]) while it holds this.
#[derive(Debug)]
pub(crate) struct Turn {
    engine: &'static Engine,
    held: Held,
}

#[derive(Debug)]
enum Held {
    Beside(#[expect(dead_code, reason = "held")] RwLockReadGuard<'static, ()>),
    Alone(#[expect(dead_code, reason = "held")] RwLockWriteGuard<'static, ()>),
}

impl Drop for Turn {
    /// Who writes so much leaves nothing to those who read all logs from their beginning.
    fn drop(&mut self) {
        if matches!(self.held, Held::Alone(_)) {
            self.engine.clear();
        }
    }
}

impl Deref for Turn {
    type Target = Engine;

    fn deref(&self) -> &Engine {
        self.engine
    }
}

/// A turn beside other tests; `None` where this machine lacks something, and the test is skipped.
pub(crate) fn engine() -> Result<Option<Turn>> {
    let held = || Held::Beside(TURN.read().unwrap_or_else(PoisonError::into_inner));
    turn(held)
}

/// The same for a test that writes so much that it needs the machine for itself.
pub(crate) fn engine_alone() -> Result<Option<Turn>> {
    let held = || Held::Alone(TURN.write().unwrap_or_else(PoisonError::into_inner));
    turn(held)
}

/// The broker that all tests share; `None` where this machine cannot run one.
pub(crate) fn broker() -> Result<Option<&'static Broker>> {
    static BROKER: Shared<Broker> = OnceLock::new();
    if !need::met(&need::BROKER)? {
        return Ok(None);
    }
    let start = || {
        let broker = Broker::prepare("broker")?;
        broker.start()?;
        Ok(broker)
    };
    once(&BROKER, start).map(Some)
}

/// A broker of the test's own, formatted and not yet started.
pub(crate) fn broker_to_start(name: &str) -> Result<Option<Broker>> {
    if need::met(&need::BROKER)? { Broker::prepare(name).map(Some) } else { Ok(None) }
}

fn turn(held: impl FnOnce() -> Held) -> Result<Option<Turn>> {
    static ENGINE: Shared<Engine> = OnceLock::new();
    if !need::met(&need::ENGINE)? {
        return Ok(None);
    }
    let engine = once(&ENGINE, || Engine::start("engine"))?;
    Ok(Some(Turn { engine, held: held() }))
}

fn once<T>(cell: &'static Shared<T>, start: impl FnOnce() -> Result<T>) -> Result<&'static T> {
    let started = cell.get_or_init(|| start().map_err(|error| format!("{error:#}")));
    started.as_ref().map_err(|error| anyhow!("{error}"))
}
