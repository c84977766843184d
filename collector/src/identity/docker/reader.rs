//! Requests to an engine, and its answers as reports.

use std::collections::HashMap;
use std::future::Future;

use bollard::Docker as Client;
use bollard::errors::Error as ClientError;
use bollard::models::{
    ContainerInspectResponse, ContainerStateStatusEnum, ContainerSummary,
    ContainerSummaryStateEnum, EventMessage,
};
use bollard::query_parameters::{
    EventsOptionsBuilder, InspectContainerOptions, ListContainersOptionsBuilder,
};
use futures_util::Stream;
use tokio::time::{Instant, timeout, timeout_at};

use super::{Address, Failure, Operation, RUNTIME, Reason};
use crate::identity::description::Description;
use crate::identity::report::{Action, Described, Report};
use crate::identity::{Metrics, Settings};
use crate::record::{Container, ContainerId, Runtime};

/// The client of one connection; clones share it.
#[derive(Clone, Debug)]
pub(super) struct Reader {
    client: Client,
    settings: Settings,
    metrics: Metrics,
}

/// The outcome of a request that ran beside the event stream: its report; none, if it was in vain and was counted; a
/// failure, if the connection is not worth keeping.
pub(super) type Answer = Result<Option<Report>, Failure>;

impl Reader {
    /// A client for the engine at `address`.
    pub(super) fn connect(
        address: &Address,
        settings: &Settings,
        metrics: &Metrics,
    ) -> Result<Self, Failure> {
        // The client's own limit is for the head of an answer, and the only one there is for that of the event stream.
        let client = address.client(settings.request_timeout.as_secs().max(1));
        match client {
            Ok(client) => Ok(Self { client, settings: settings.clone(), metrics: metrics.clone() }),
            Err(error) => Err(Failure::of(metrics, Operation::Greet, &error)),
        }
    }

    /// Asks for the engine's version, to see that it answers.
    pub(super) async fn greet(&self) -> Result<(), Failure> {
        let negotiated = self.ask(Operation::Greet, self.client.clone().negotiate_version()).await;
        negotiated.map(drop)
    }

    /// The events of containers from `since` on, in ns since the epoch, those that the engine still remembers first.
    pub(super) fn events(
        &self,
        since: i64,
    ) -> impl Stream<Item = Result<EventMessage, ClientError>> + use<> {
        let seconds = since.div_euclid(1_000_000_000);
        let nanos = since.rem_euclid(1_000_000_000);
        let filters = HashMap::from([
            ("type", vec!["container"]),
            ("event", Action::ALL.map(Action::as_str).to_vec()),
        ]);
        let options = EventsOptionsBuilder::new()
            .since(&format!("{seconds}.{nanos:09}"))
            .filters(&filters)
            .build();
        self.metrics.request(RUNTIME, Operation::Follow.as_str());
        self.client.events(Some(options))
    }

    /// What an event says; `None`, counted, if that is nothing.
    pub(super) fn event(&self, message: EventMessage) -> Option<Report> {
        let report = self.read_event(message);
        if report.is_none() {
            self.count(Operation::Follow, Reason::Malformed);
        }
        report
    }

    fn read_event(&self, message: EventMessage) -> Option<Report> {
        let name = message.action?;
        let action = Action::ALL.into_iter().find(|action| action.as_str() == name)?;
        let actor = message.actor?;
        let id = actor.id?.parse().ok()?;
        // The labels, and beside them what belongs to the event.
        let mut labels = actor.attributes.unwrap_or_default();
        let (name, image) = (labels.remove("name"), labels.remove("image"));
        if action == Action::Rename {
            labels.remove("oldName");
        }
        Some(Report::Event(action, self.describe(id, name, image, labels)))
    }

    /// All containers, stopped ones too.
    pub(super) async fn list(self) -> Answer {
        let asked = Instant::now();
        let options = ListContainersOptionsBuilder::new().all(true).build();
        let list = self.ask(Operation::List, self.client.list_containers(Some(options))).await?;
        let mut described = Vec::with_capacity(list.len());
        let deadline = Instant::now() + self.settings.request_timeout;
        for summary in list {
            match self.summary(summary) {
                None => self.count(Operation::List, Reason::Malformed),
                Some(one) if one.live && one.container.image.is_none() => {
                    described.push(self.complete(one, deadline).await);
                }
                Some(one) => described.push(one),
            }
        }
        Ok(Some(Report::Listed { list: described, asked: asked.into_std() }))
    }

    /// A container of a list. A list shows the id of an image whose name means another image by now; the name that was
    /// asked for is then left open.
    fn summary(&self, summary: ContainerSummary) -> Option<Described> {
        use ContainerSummaryStateEnum::{DEAD, EXITED, REMOVING};
        let id = summary.id?.parse().ok()?;
        // Names by way of links have a second slash.
        let is_own = |name: &String| name.rfind('/').is_none_or(|slash| slash == 0);
        let name = summary.names.unwrap_or_default().into_iter().find(is_own);
        let image = summary.image.filter(|image| Some(image) != summary.image_id.as_ref());
        let live = !matches!(summary.state?, EXITED | DEAD | REMOVING);
        let container = self.describe(id, name, image, summary.labels.unwrap_or_default());
        Some(Described { container, live })
    }

    /// The same container with the image that was asked for, if that can be learned until `deadline`.
    async fn complete(&self, one: Described, deadline: Instant) -> Described {
        let id = one.container.id;
        match timeout_at(deadline, self.look_up(id)).await {
            Ok(Ok(inspected)) => Described { live: one.live, ..inspected },
            Ok(Err(_counted)) => one,
            Err(_elapsed) => {
                self.count(Operation::Inspect, Reason::Timeout);
                one
            }
        }
    }

    /// One container.
    pub(super) async fn inspect(self, id: ContainerId) -> Answer {
        Ok(match self.look_up(id).await {
            Ok(described) => Some(Report::Inspected(described)),
            Err(failure) if failure.reason == Reason::NotFound => Some(Report::Missing(id)),
            // The resolver's deadline stands for an answer.
            Err(_counted) => None,
        })
    }

    async fn look_up(&self, id: ContainerId) -> Result<Described, Failure> {
        let request = self.client.inspect_container(id.as_str(), None::<InspectContainerOptions>);
        let inspected = self.ask(Operation::Inspect, request).await?;
        self.inspected(id, inspected)
            .ok_or_else(|| Failure::new(&self.metrics, Operation::Inspect, Reason::Malformed))
    }

    fn inspected(
        &self,
        asked: ContainerId,
        inspected: ContainerInspectResponse,
    ) -> Option<Described> {
        use ContainerStateStatusEnum::{DEAD, EXITED, REMOVING};
        let id = inspected.id?.parse().ok().filter(|&id| id == asked)?;
        let config = inspected.config?;
        let live = !matches!(inspected.state?.status?, EXITED | DEAD | REMOVING);
        let labels = config.labels.unwrap_or_default();
        Some(Described { container: self.describe(id, inspected.name, config.image, labels), live })
    }

    fn describe(
        &self,
        id: ContainerId,
        name: Option<String>,
        image: Option<String>,
        labels: HashMap<String, String>,
    ) -> Container {
        let description = Description { id, name, image, runtime: Runtime::Docker, labels };
        let (container, left_out) = description.within(self.settings.description_bytes);
        self.metrics.left_out(left_out);
        container
    }

    /// Sends a request and waits for the whole answer, for no longer than is set.
    async fn ask<T>(
        &self,
        operation: Operation,
        request: impl Future<Output = Result<T, ClientError>>,
    ) -> Result<T, Failure> {
        self.metrics.request(RUNTIME, operation.as_str());
        let answer = timeout(self.settings.request_timeout, request).await;
        let answer = answer.unwrap_or(Err(ClientError::RequestTimeoutError));
        answer.map_err(|error| Failure::of(&self.metrics, operation, &error))
    }

    fn count(&self, operation: Operation, reason: Reason) {
        self.metrics.request_error(RUNTIME, operation.as_str(), reason.as_str());
    }
}
