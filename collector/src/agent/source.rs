//! Opens what lines come from: the probe, the log files, and what the last agent left.

use std::time::Duration;

use super::Error;
use super::backing::Logs;
use prometheus_client::registry::Registry;
use rustix::process::{Pid, Signal, kill_process};

use crate::capture::Capture;
use crate::config::Config;
use crate::config::file::Attach;
use crate::line;
use crate::metrics::Metrics;
use crate::state::{self, Checkpoint, State};
use crate::tail::Watcher;

/// Attaches the probe. None if the configuration says so, or if it cannot be had and is not required: everything is read
/// from log files then.
pub(super) fn capture(config: &Config, metrics: &Metrics) -> Result<Option<Capture>, Error> {
    if config.attach == Attach::Off {
        tracing::info!("capture.attach is off: everything is read from log files");
        return Ok(None);
    }
    match Capture::start(&config.capture, &metrics.capture) {
        Ok(capture) => Ok(Some(capture)),
        Err(error) if config.is_capture_required || !config.tail.enabled => {
            Err(Error::Capture(error))
        }
        Err(error) => {
            let error = anyhow::Error::from(error);
            tracing::error!(
                "nothing is captured, everything is read from log files: {error:#}; see `writetap doctor`"
            );
            Ok(None)
        }
    }
}

/// Begins to watch log files. Without them a gap in what is captured stays one.
pub(super) fn logs(
    config: &Config,
    metrics: &Metrics,
    is_capturing: bool,
) -> Result<Option<Logs>, Error> {
    if !config.tail.enabled {
        return Ok(None);
    }
    let settings = config.tail.settings.clone();
    match Watcher::start(&settings, &metrics.tail) {
        Ok(watcher) => {
            let uncounted = line::Metrics::register(&mut Registry::default());
            Ok(Some(Logs { settings, watcher, uncounted }))
        }
        Err(error) if is_capturing => {
            tracing::error!(%error, "log files are not read: gaps in what is captured stay");
            Ok(None)
        }
        Err(error) => Err(Error::Tail(error)),
    }
}

/// Tells the collector that has the state directory to deliver what it has, and to end.
fn tell_to_end(error: &state::Error) -> Result<(), Error> {
    let state::Error::InUse { holder, .. } = error else { return Ok(()) };
    let holder = holder.and_then(|pid| Pid::from_raw(pid.cast_signed()));
    let Some(holder) = holder else { return Ok(()) };
    kill_process(holder, Signal::TERM).map_err(|errno| Error::Process {
        action: "tell the other collector to end",
        source: errno.into(),
    })
}

/// Takes the state directory, and reads what the last agent left: nothing at the very first start.
pub(super) async fn state(
    config: &Config,
    metrics: &Metrics,
) -> Result<Option<(State, Option<Checkpoint>)>, Error> {
    let Some(settings) = config.state.clone() else { return Ok(None) };
    let (metrics, patience) = (metrics.state.clone(), config.hand_over_timeout);
    let state = match State::try_lock(&settings, metrics.clone()) {
        Ok(state) => state,
        Err(error) if patience == Duration::ZERO => return Err(error.into()),
        Err(error) => {
            tracing::info!(
                "capturing already, and waiting for the other collector to end: {error}"
            );
            if config.is_taking_over {
                tell_to_end(&error)?;
            }
            let lock =
                tokio::task::spawn_blocking(move || State::lock(&settings, patience, metrics));
            lock.await.map_err(|_panic| Error::Pipeline)??
        }
    };
    let loaded = state.load();
    let is_damaged = loaded.problem.is_some();
    if let Some(problem) = loaded.problem {
        tracing::error!("{problem}");
    }
    // Better all lines again than some of them never.
    let checkpoint = loaded.checkpoint.or_else(|| is_damaged.then(Checkpoint::default));
    Ok(Some((state, checkpoint)))
}
