//! What the tests that need the whole machine share: an engine, a broker and collectors of their own, kept out of
//! whatever else runs here. Not: assertions.
//!
//! Everything a run starts lives in one folder, [`Site`], and is ended with the test binary, however that ends.

pub(crate) mod agent;
pub(crate) mod broker;
pub(crate) mod engine;
pub(crate) mod image;
pub(crate) mod metrics;
pub(crate) mod need;
pub(crate) mod process;
pub(crate) mod record;
pub(crate) mod site;
pub(crate) mod topic;
pub(crate) mod wait;

use std::sync::OnceLock;

use anyhow::{Result, anyhow};

pub(crate) use agent::{Agent, Config};
pub(crate) use broker::Broker;
pub(crate) use engine::{Engine, Run};
pub(crate) use record::Record;
pub(crate) use site::Site;

/// What could be started once for all tests, or the text of why not.
type Shared<T> = OnceLock<std::result::Result<T, String>>;

/// The engine that all tests share; `None` where this machine cannot run it and the test is skipped.
///
/// A test that kills or restarts its engine starts one of its own ([`Engine::start`]).
pub(crate) fn engine() -> Result<Option<&'static Engine>> {
    static ENGINE: Shared<Engine> = OnceLock::new();
    if !need::met(&need::ENGINE)? {
        return Ok(None);
    }
    once(&ENGINE, || Engine::start("engine")).map(Some)
}

/// The broker that all tests share, and the engine; `None` where this machine cannot run one of them.
pub(crate) fn engine_and_broker() -> Result<Option<(&'static Engine, &'static Broker)>> {
    static BROKER: Shared<Broker> = OnceLock::new();
    if !need::met(&need::BROKER)? {
        return Ok(None);
    }
    let Some(engine) = engine()? else {
        return Ok(None);
    };
    let broker = once(&BROKER, || {
        let broker = Broker::prepare("broker")?;
        broker.start()?;
        Ok(broker)
    })?;
    Ok(Some((engine, broker)))
}

fn once<T>(cell: &'static Shared<T>, start: impl FnOnce() -> Result<T>) -> Result<&'static T> {
    let started = cell.get_or_init(|| start().map_err(|error| format!("{error:#}")));
    started.as_ref().map_err(|error| anyhow!("{error}"))
}
