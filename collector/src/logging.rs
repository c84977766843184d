//! Sets the agent's own log up: to stderr, in UTC. Logs nothing itself.

use std::io;

use tracing::Subscriber;
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::{Layer as _, SubscriberExt as _};
use tracing_subscriber::registry::Registry;

use crate::config::file::{Level, Log, LogFormat};

/// Why logging could not be set up: something did so before.
pub use tracing::subscriber::SetGlobalDefaultError as Error;

/// Sends the messages of the whole process to stderr; `colored` says whether text may be in colour.
pub fn install(log: &Log, colored: bool) -> Result<(), Error> {
    tracing::subscriber::set_global_default(subscriber(log, colored, io::stderr))
}

fn subscriber<W>(log: &Log, colored: bool, writer: W) -> Box<dyn Subscriber + Send + Sync>
where
    W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    let layer = tracing_subscriber::fmt::layer().with_writer(writer);
    let filter = filter(log.level);
    match log.format {
        LogFormat::Text => {
            let layer = layer.with_ansi(colored).with_target(false);
            Box::new(Registry::default().with(layer.with_filter(filter)))
        }
        LogFormat::Json => {
            let layer = layer.json().flatten_event(true).with_current_span(false);
            Box::new(Registry::default().with(layer.with_filter(filter)))
        }
    }
}

/// The libraries below us speak only of what is wrong, unless everything is asked for.
fn filter(level: Level) -> Targets {
    let (ours, theirs) = match level {
        Level::Error => (LevelFilter::ERROR, LevelFilter::ERROR),
        Level::Warn => (LevelFilter::WARN, LevelFilter::WARN),
        Level::Info => (LevelFilter::INFO, LevelFilter::WARN),
        Level::Debug => (LevelFilter::DEBUG, LevelFilter::WARN),
        Level::Trace => (LevelFilter::TRACE, LevelFilter::TRACE),
    };
    Targets::new().with_target(env!("CARGO_CRATE_NAME"), ours).with_default(theirs)
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;

    /// What is logged at a level, in a format.
    fn logged(level: Level, format: LogFormat) -> String {
        #[derive(Clone, Default)]
        struct Lines(Arc<Mutex<Vec<u8>>>);
        impl io::Write for Lines {
            fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
                self.0.lock().unwrap().extend_from_slice(bytes);
                Ok(bytes.len())
            }
            fn flush(&mut self) -> io::Result<()> {
                Ok(())
            }
        }
        let lines = Lines::default();
        let writer = lines.clone();
        let subscriber = subscriber(&Log { level, format }, false, move || writer.clone());
        tracing::subscriber::with_default(subscriber, || {
            tracing::warn!(sink = "out", "late");
            tracing::debug!("detail");
            tracing::info!(target: "hyper", "chatter");
        });
        let bytes = lines.0.lock().unwrap().clone();
        String::from_utf8(bytes).unwrap()
    }

    #[test]
    fn text_has_time_level_message_and_fields() {
        let text = logged(Level::Info, LogFormat::Text);
        let (time, rest) = text.split_once(' ').unwrap();
        assert!(time.parse::<jiff::Timestamp>().is_ok() && time.ends_with('Z'), "{time}");
        assert_eq!(rest, " WARN late sink=\"out\"\n");
    }

    #[test]
    fn json_is_one_flat_object_a_line() {
        let text = logged(Level::Warn, LogFormat::Json);
        let value: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!(value["level"], "WARN");
        assert_eq!(value["message"], "late");
        assert_eq!(value["sink"], "out");
    }

    #[test]
    fn the_level_is_ours_and_libraries_are_quiet_until_trace() {
        assert_eq!(logged(Level::Error, LogFormat::Text), "");
        assert_eq!(logged(Level::Debug, LogFormat::Text).lines().count(), 2);
        assert_eq!(logged(Level::Trace, LogFormat::Text).lines().count(), 3);
    }
}
