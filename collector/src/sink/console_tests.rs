//! The console sink on pipes.

use std::fs::File;
use std::io::Read as _;
use std::time::Instant;

use rustix::fs::{OFlags, fcntl_setfl};

use super::{Console, Error, Format, Settings};
use crate::sink::samples::Deliveries;
use crate::sink::{Metrics, Sink as _};

fn console(format: Format) -> (Console, std::io::PipeReader) {
    let (reader, writer) = std::io::pipe().unwrap();
    let output = File::from(std::os::fd::OwnedFd::from(writer));
    let metrics = Metrics::default().sink("console");
    (Console::new(output, &Settings { format }, metrics), reader)
}

#[test]
fn writes_lines_and_acknowledges() {
    let (mut console, mut reader) = console(Format::Raw);
    let mut deliveries = Deliveries::of("web");
    console.deliver(deliveries.next(&["one", "", "three"])).unwrap();
    console.deliver(deliveries.next(&["four"])).unwrap();
    console.close(Instant::now()).unwrap();
    drop(console);
    let mut text = String::new();
    reader.read_to_string(&mut text).unwrap();
    assert_eq!(text, "one\n\nthree\nfour\n");
    assert_eq!(deliveries.acknowledged(), [0, 1]);
}

#[test]
fn a_pipe_gets_json() {
    let (mut console, mut reader) = console(Format::Auto);
    console.deliver(Deliveries::of("web").next(&["one"])).unwrap();
    drop(console);
    let mut text = String::new();
    reader.read_to_string(&mut text).unwrap();
    let object: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!(object["body"], "one");
    assert_eq!(object["container.name"], "web");
}

#[test]
fn a_reader_that_left_closes_it() {
    let (mut console, reader) = console(Format::Raw);
    drop(reader);
    let mut deliveries = Deliveries::of("web");
    let result = console.deliver(deliveries.next(&["one"]));
    assert!(matches!(result, Err(crate::sink::Error::Closed)));
    assert!(deliveries.acknowledged().is_empty());
}

#[test]
fn a_slow_reader_of_a_non_blocking_pipe_gets_every_byte() {
    let (mut console, mut reader) = console(Format::Raw);
    fcntl_setfl(&console.output, OFlags::NONBLOCK).unwrap();
    let body = "x".repeat(1 << 20);
    let mut deliveries = Deliveries::of("web");
    let delivery = deliveries.next(&[&body]);
    let writer = std::thread::spawn(move || console.deliver(delivery).unwrap());
    let mut text = String::new();
    reader.read_to_string(&mut text).unwrap();
    writer.join().unwrap();
    assert_eq!(text, body + "\n");
    assert_eq!(deliveries.acknowledged(), [0]);
}

#[test]
fn goes_on_where_a_stalled_reader_stopped() {
    let (mut console, mut reader) = console(Format::Raw);
    fcntl_setfl(&console.output, OFlags::NONBLOCK).unwrap();
    let body = "0123456789".repeat(20_000);
    let mut deliveries = Deliveries::of("web");
    let stalled = console.deliver(deliveries.next(&[&body]));
    assert!(matches!(stalled, Err(crate::sink::Error::Console(Error::Stalled))));
    assert!(deliveries.acknowledged().is_empty());
    let reader = std::thread::spawn(move || {
        let mut text = String::new();
        reader.read_to_string(&mut text).unwrap();
        text
    });
    console.tick().unwrap();
    assert_eq!(deliveries.acknowledged(), [0]);
    drop(console);
    assert_eq!(reader.join().unwrap(), body + "\n");
}
