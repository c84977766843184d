//! The running whole: builds the stages of a configuration, joins them and owns their tasks. The only code that sees two
//! stages.
//!
//! One thread takes the ring's records all the way to batches (`pipeline`); each sink has its own (`outlets`); the rest
//! (runtimes, HTTP, signals) shares this one.

pub mod admin;
mod backing;
pub mod doctor;
mod hold;
mod lease;
mod life;
mod limits;
mod listing;
mod metrics;
mod names;
mod origin;
mod outgoing;
mod outlets;
mod pipeline;
mod present;
mod roster;
mod snapshot;
mod source;
mod stream;
mod streams;
mod table;

use std::io;
use std::sync::Arc;
use std::thread;
use std::time::Instant;

use admin::{Admin, Pages};
use crossbeam_channel::{Sender, bounded};
use origin::Origin;
use outlets::{Ended, Outlets};
use pipeline::{Command, Pipeline};
use prometheus_client::registry::Registry;
use roster::Roster;
use snapshot::Keeper;
use table::Table;
use tokio::runtime::Runtime;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::{mpsc, oneshot};

pub use hold::Limits;
pub use listing::{Listed, containers};
pub use outlets::Error as OutletError;

use crate::capture;
use crate::config::file::Start;
use crate::config::{self, Config};
use crate::identity::{self, Handle, Identity};
use crate::metrics::Metrics;
use crate::record::{BatchSize, Timestamp};
use crate::{sink, state, tail};

/// Why the agent did not run, or ended before it was asked to.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The probe cannot be had.
    #[error("failed to start capture")]
    Capture(#[source] capture::Error),
    /// Nothing is captured, and log files cannot be read.
    #[error("failed to start reading log files")]
    Tail(#[source] tail::Error),
    /// The state directory cannot be had.
    #[error(transparent)]
    State(#[from] state::Error),
    /// The runtimes cannot be asked.
    #[error("failed to start the identity stage")]
    Identity(#[source] identity::Error),
    /// The node's containers cannot be found.
    #[error("failed to find this node's containers")]
    Scan(#[source] identity::ScanError),
    /// A sink cannot be had.
    #[error(transparent)]
    Outlets(#[from] OutletError),
    /// The HTTP endpoint cannot be had.
    #[error(transparent)]
    Admin(#[from] admin::Error),
    /// The process lacks something.
    #[error("failed to {action}")]
    Process {
        /// What was tried.
        action: &'static str,
        /// Why it failed.
        source: io::Error,
    },
    /// A sink has given up.
    #[error("sink `{name}` ended")]
    Sink {
        /// Its name.
        name: String,
        /// Why.
        source: sink::Error,
    },
    /// The thread that reads the ring has panicked.
    #[error("the capture thread ended unasked: this is a bug of writetap")]
    Pipeline,
    /// The deadline came first.
    #[error(
        "{records} records were not delivered before shutdown.deadline; give the sinks more time, or look at \
         their messages above"
    )]
    Undelivered {
        /// How many.
        records: usize,
    },
}

/// Runs until SIGTERM or SIGINT, then drains. `reload` reads the configuration anew at SIGHUP.
pub fn run(
    config: Config,
    reload: &dyn Fn() -> Result<Config, config::Error>,
) -> Result<(), Error> {
    let runtime = runtime()?;
    let result = runtime.block_on(async { Agent::start(config).await?.run(reload).await });
    // A name that is being looked up, or a hanging sink, does not keep the process.
    runtime.shutdown_background();
    result
}

fn runtime() -> Result<Runtime, Error> {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|source| Error::Process { action: "start the event loop", source })
}

struct Agent {
    config: Config,
    metrics: metrics::Metrics,
    outlets: Outlets,
    ended: mpsc::Receiver<Ended>,
    commands: Sender<Command>,
    pipeline_ended: oneshot::Receiver<Option<Keeper>>,
    probe: Option<capture::Probe>,
}

impl Agent {
    /// Captures first, and waits for another collector's end after that: what is written meanwhile is in the ring.
    async fn start(config: Config) -> Result<Self, Error> {
        let (mut registry, stage_metrics) = Metrics::new();
        let metrics = metrics::Metrics::register(&mut registry);
        limits::raise_open_files();
        let capture = source::capture(&config, &stage_metrics)?;
        let control = capture.as_ref().map(|capture| Arc::clone(&capture.control));
        if let Some(control) = &control {
            let present = present::find(&stage_metrics.identity).map_err(Error::Scan)?;
            let unwatched = present::watch(&present, control);
            metrics.watch_errors.inc_by(unwatched as u64);
        }
        let logs = source::logs(&config, &stage_metrics, capture.is_some())?;
        let state = source::state(&config, &stage_metrics).await?;
        let (ends, ended) = mpsc::channel(64);
        let outlets = Outlets::open(&config.sinks, &stage_metrics, ends)?;
        let (handle, changes) =
            Identity::start(config.identity.stage.clone(), stage_metrics.identity.clone())
                .map_err(Error::Identity)?;

        let roster = Roster::new(control.clone());
        registry.register_collector(Box::new(roster.clone()));
        let backend = capture.as_ref().map_or("none", |capture| capture.backend.as_str());
        tracing::info!(version = env!("CARGO_PKG_VERSION"), backend, "collecting");

        let (state, checkpoint) = state.map_or((None, None), |(state, left)| (Some(state), left));
        let origin =
            Origin::new(checkpoint, config.tail.start == Start::Beginning, &stage_metrics.seam);
        let keeper = state.map(Keeper::start).transpose();
        let keeper = keeper
            .map_err(|source| Error::Process { action: "start the checkpoint thread", source })?;
        let (probe, reader) = capture.map(|capture| (capture.probe, capture.reader)).unzip();
        let discoveries =
            logs.as_ref().filter(|_| reader.is_none()).map(|logs| logs.watcher.discoveries());
        let (commands, received) = bounded(8);
        let (ends, pipeline_ended) = oneshot::channel();
        let identity = handle.clone();
        let settings = table_settings(&config);
        let table = Table::new(settings, (origin, logs), control, handle, roster, metrics.clone());
        let pipeline = Pipeline {
            reader,
            table,
            buffers: outlets.buffers(),
            line: config.line.clone(),
            line_metrics: stage_metrics.line.clone(),
            metrics: metrics.clone(),
            changes,
            commands: received,
            discoveries,
            detached: None,
            keeper,
            reconcile_interval: config.identity.stage.reconcile_interval,
            room: BatchSize::default(),
        };
        let thread = thread::Builder::new().name("capture".to_owned()).spawn(move || {
            // If it panics, its end is dropped, which says so.
            let _gone = ends.send(pipeline.run());
        });
        thread.map_err(|source| Error::Process { action: "start the capture thread", source })?;
        serve(&config, registry, identity).await?;
        Ok(Self { config, metrics, outlets, ended, commands, pipeline_ended, probe })
    }

    async fn run(
        mut self,
        reload: &dyn Fn() -> Result<Config, config::Error>,
    ) -> Result<(), Error> {
        let mut terminate = listen(SignalKind::terminate())?;
        let mut interrupt = listen(SignalKind::interrupt())?;
        let mut hang_up = listen(SignalKind::hangup())?;
        loop {
            tokio::select! {
                _ = terminate.recv() => return self.shut_down().await,
                _ = interrupt.recv() => return self.shut_down().await,
                _ = hang_up.recv() => self.reload(reload).await?,
                _ended = &mut self.pipeline_ended => return Err(Error::Pipeline),
                Some(Ended { sink, result }) = self.ended.recv() => match result {
                    // One of a former configuration has delivered everything.
                    Ok(()) => {}
                    // Like any program whose output nobody reads any more.
                    Err(sink::Error::Closed) => {
                        self.shut_down().await.ok();
                        return Ok(());
                    }
                    Err(source) => return Err(Error::Sink { name: sink, source }),
                },
            }
        }
    }

    /// Takes over what a running agent can change: lines and sinks. A wrong configuration changes nothing.
    async fn reload(
        &mut self,
        reload: &dyn Fn() -> Result<Config, config::Error>,
    ) -> Result<(), Error> {
        let config = match reload() {
            Ok(config) => config,
            Err(error) => {
                self.refuse_reload(&error);
                return Ok(());
            }
        };
        if self.commands.is_full() {
            self.refuse_reload(&"earlier ones are still under way");
            return Ok(());
        }
        let deadline = Instant::now() + self.config.shutdown_deadline;
        let mut is_handed_over = false;
        let hand_over = |buffers| {
            let command = Command::Replace { buffers, line: config.line.clone() };
            is_handed_over = self.commands.try_send(command).is_ok();
        };
        match self.outlets.replace(&config.sinks, deadline, hand_over).await {
            Ok(()) => {}
            Err(error) if is_handed_over => return Err(error.into()),
            Err(error) => {
                self.refuse_reload(&error);
                return Ok(());
            }
        }
        let restart = [
            (
                "capture",
                (&self.config.capture, self.config.attach) != (&config.capture, config.attach),
            ),
            ("tail", self.config.tail != config.tail),
            ("state", self.config.state != config.state),
            ("identity", self.config.identity != config.identity),
            ("admin", self.config.admin != config.admin),
            ("log", self.config.log != config.log),
        ];
        for (section, _) in restart.iter().filter(|(_, changed)| *changed) {
            tracing::warn!(section, "a change of this section takes effect after a restart");
        }
        self.config = config;
        self.metrics.reloads.inc();
        tracing::info!("the configuration is reloaded");
        Ok(())
    }

    fn refuse_reload(&self, error: &dyn std::fmt::Display) {
        self.metrics.refused_reloads.inc();
        tracing::error!("the configuration is not reloaded, the old one stays: {error:#}");
    }

    /// Empties ring, lines and buffers into the sinks, until the deadline.
    async fn shut_down(self) -> Result<(), Error> {
        let Self { config, outlets, mut ended, commands, pipeline_ended, probe, .. } = self;
        tracing::info!("stopping: delivering what is captured");
        let deadline = Instant::now() + config.shutdown_deadline;
        // Without it the end is seen as well.
        let _full = commands.try_send(Command::Detach(Timestamp::now()));
        // Detached: nothing more comes into the ring, so it has an end.
        drop(probe);
        let buffers = outlets.buffers();
        // With the queue of commands full, its end says the same.
        let _full = commands.try_send(Command::Finish);
        drop(commands);
        let drained = tokio::spawn(async move {
            let drained = tokio::time::timeout_at(deadline.into(), pipeline_ended).await;
            if drained.is_err() {
                // It waits for room that nobody makes.
                for buffer in buffers {
                    buffer.close();
                }
            }
            drained.ok()?.ok()?
        });
        let records = outlets.shut_down(deadline).await;
        while let Ok(Ended { sink, result }) = ended.try_recv() {
            if let Err(error) = result {
                tracing::error!(sink, %error, "a sink ended before it had delivered everything");
            }
        }
        if let Ok(Some(keeper)) = drained.await {
            keeper.finish();
        }
        if records == 0 { Ok(()) } else { Err(Error::Undelivered { records }) }
    }
}

fn table_settings(config: &Config) -> table::Settings {
    table::Settings {
        hold_timeout: config.identity.hold_timeout,
        hold: Limits {
            container_bytes: config.identity.hold_bytes_per_container,
            node_bytes: config.identity.hold_bytes,
        },
        grace: config.identity.stage.grace,
    }
}

/// Serves metrics and health for as long as the process lives.
async fn serve(config: &Config, registry: Registry, identity: Handle) -> Result<(), Error> {
    let Some(listen) = config.admin else { return Ok(()) };
    let metrics = move || {
        let mut text = String::new();
        // Writing to a string cannot fail; a collector that fails leaves its families out.
        let _complete = prometheus_client::encoding::text::encode(&mut text, &registry);
        text
    };
    let readiness = move || {
        if identity.ready() {
            Ok(())
        } else {
            Err(vec!["the container runtimes have not listed their containers yet".to_owned()])
        }
    };
    let pages = Pages { metrics: Box::new(metrics), readiness: Box::new(readiness) };
    let admin = Admin::bind(admin::Settings::at(listen), pages).await?;
    tracing::info!(listen = %admin.listen(), "serving /metrics, /healthz and /readyz");
    drop(tokio::spawn(admin.serve(std::future::pending())));
    Ok(())
}

fn listen(kind: SignalKind) -> Result<Signal, Error> {
    signal(kind).map_err(|source| Error::Process { action: "listen for signals", source })
}
