//! The worker with sinks that fail on command.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, RecvTimeoutError, bounded};

use super::Worker;
use crate::record::Delivery;
use crate::sink::samples::Deliveries;
use crate::sink::{ConsoleError, Error, Metrics, Sink};

/// Fails `failures` times, then takes all.
#[derive(Default)]
struct Moody {
    failures: usize,
    closes: bool,
    held: Vec<Delivery>,
    calls: Arc<Mutex<Vec<&'static str>>>,
}

impl Moody {
    fn attempt(&mut self) -> Result<(), Error> {
        if self.failures > 0 {
            self.failures -= 1;
            return Err(if self.closes { Error::Closed } else { ConsoleError::Stalled.into() });
        }
        self.held.drain(..).for_each(|delivery| delivery.receipt.acknowledge());
        Ok(())
    }
}

impl Sink for Moody {
    fn deliver(&mut self, delivery: Delivery) -> Result<(), Error> {
        self.calls.lock().unwrap().push("deliver");
        assert!(self.held.is_empty(), "a delivery before the last one succeeded");
        self.held.push(delivery);
        self.attempt()
    }

    fn tick(&mut self) -> Result<(), Error> {
        self.calls.lock().unwrap().push("tick");
        self.attempt()
    }

    fn close(&mut self, _deadline: Instant) -> Result<(), Error> {
        self.calls.lock().unwrap().push("close");
        if self.held.is_empty() { Ok(()) } else { Err(ConsoleError::Stalled.into()) }
    }
}

struct Running {
    worker: Worker,
    ended: Receiver<Result<(), Error>>,
    retries: String,
    metrics: prometheus_client::registry::Registry,
}

impl Running {
    fn start(sink: Moody, deliveries: Receiver<Delivery>) -> Self {
        let mut registry = prometheus_client::registry::Registry::default();
        let metrics = Metrics::register(&mut registry).sink("main");
        let (tell, ended) = bounded(1);
        let source = move |timeout| deliveries.recv_timeout(timeout);
        let worker = Worker::spawn(Box::new(sink), metrics, source, move |result| {
            tell.send(result).unwrap();
        });
        let retries = r#"sink_retries_total{sink="main"} "#.to_owned();
        Self { worker: worker.unwrap(), ended, retries, metrics: registry }
    }

    fn end(self) -> (Result<(), Error>, usize) {
        let result = self.ended.recv().unwrap();
        assert!(self.worker.join());
        let mut text = String::new();
        prometheus_client::encoding::text::encode(&mut text, &self.metrics).unwrap();
        let retries = text.lines().find_map(|line| line.strip_prefix(&self.retries)).unwrap();
        (result, retries.parse().unwrap())
    }
}

#[test]
fn delivers_all_and_closes() {
    let mut deliveries = Deliveries::of("web");
    let (sender, receiver) = bounded(3);
    for _ in 0..3 {
        sender.send(deliveries.next(&["x"])).unwrap();
    }
    drop(sender);
    let sink = Moody::default();
    let calls = Arc::clone(&sink.calls);
    let (result, retries) = Running::start(sink, receiver).end();
    assert!(result.is_ok());
    assert_eq!(retries, 0);
    assert_eq!(deliveries.acknowledged(), [0, 1, 2]);
    assert_eq!(*calls.lock().unwrap(), ["deliver", "deliver", "deliver", "close"]);
}

#[test]
fn repeats_what_failed_before_it_takes_more() {
    let mut deliveries = Deliveries::of("web");
    let (sender, receiver) = bounded(2);
    sender.send(deliveries.next(&["x"])).unwrap();
    sender.send(deliveries.next(&["y"])).unwrap();
    drop(sender);
    let sink = Moody { failures: 3, ..Moody::default() };
    let calls = Arc::clone(&sink.calls);
    let (result, retries) = Running::start(sink, receiver).end();
    assert!(result.is_ok());
    assert_eq!(retries, 3);
    assert_eq!(deliveries.acknowledged(), [0, 1]);
    assert_eq!(*calls.lock().unwrap(), ["deliver", "tick", "tick", "tick", "deliver", "close"]);
}

#[test]
fn a_closed_destination_ends_it() {
    let mut deliveries = Deliveries::of("web");
    let (sender, receiver) = bounded(2);
    sender.send(deliveries.next(&["x"])).unwrap();
    let sink = Moody { failures: 1, closes: true, ..Moody::default() };
    let (result, retries) = Running::start(sink, receiver).end();
    assert!(matches!(result, Err(Error::Closed)));
    assert_eq!(retries, 0);
    assert!(deliveries.acknowledged().is_empty());
    assert!(sender.send(deliveries.next(&["y"])).is_err());
}

#[test]
fn the_deadline_ends_an_outage() {
    let mut deliveries = Deliveries::of("web");
    let (sender, receiver) = bounded(2);
    sender.send(deliveries.next(&["x"])).unwrap();
    sender.send(deliveries.next(&["y"])).unwrap();
    let sink = Moody { failures: usize::MAX, ..Moody::default() };
    let running = Running::start(sink, receiver);
    running.worker.stop(Instant::now() + Duration::from_millis(30));
    let (result, retries) = running.end();
    assert!(matches!(result, Err(Error::Console(ConsoleError::Stalled))));
    assert!(retries > 0);
    assert!(deliveries.acknowledged().is_empty());
}

#[test]
fn without_work_it_ticks() {
    let sink = Moody::default();
    let calls = Arc::clone(&sink.calls);
    let mut outcomes = vec![RecvTimeoutError::Disconnected, RecvTimeoutError::Timeout];
    let (tell, ended) = bounded(1);
    let source = move |_timeout| Err(outcomes.pop().unwrap());
    let metrics = Metrics::default().sink("main");
    let worker = Worker::spawn(Box::new(sink), metrics, source, move |result| {
        tell.send(result).unwrap();
    })
    .unwrap();
    assert!(ended.recv().unwrap().is_ok());
    assert!(worker.join());
    assert_eq!(*calls.lock().unwrap(), ["tick", "close"]);
}
