//! The probe against a real kernel and nothing else: no engine, no network, cgroups made by the tests.
//!
//! One program for all of it. As process 1 it is the whole user space of a virtual machine and powers it off at the end;
//! on a host it runs as root. It is the containers' program too. Each test reports one line of JSON; `cargo xtask vm`
//! judges them.

#[path = "../workload/mod.rs"]
mod workload;

mod accounting;
mod agent;
mod baseline;
mod container;
mod guest;
mod names;
mod observer;
mod probe;
mod processes;
mod program;
mod report;
mod skipped;
mod stage;
mod unseen;
mod writes;

use std::io::{Write as _, stdout};
use std::process::ExitCode;
use std::time::Instant;

use anyhow::Result;

use self::report::Report;
use self::stage::{Outcome, Stage};

/// One test.
type Test = fn(&mut Stage) -> Result<Outcome>;

/// Every test, in the order in which they run.
const TESTS: &[(&str, Test)] = &[
    ("probe::loads_and_sees_its_own_write", probe::loads_and_sees_its_own_write),
    (
        "probe::costs_the_verifier_no_more_than_before",
        probe::costs_the_verifier_no_more_than_before,
    ),
    ("names::of_every_runtime", names::of_every_runtime),
    ("names::of_others_are_left_alone", names::of_others_are_left_alone),
    ("writes::write", writes::write),
    ("writes::writev", writes::writev),
    ("writes::pwritev2", writes::pwritev2),
    ("writes::a_mebibyte_at_once", writes::a_mebibyte_at_once),
    ("writes::short_writes", writes::short_writes),
    ("writes::any_bytes", writes::any_bytes),
    ("writes::terminal", writes::terminal),
    ("processes::dies_at_once", processes::dies_at_once),
    ("processes::forked", processes::forked),
    ("processes::daemon", processes::daemon),
    ("processes::copied_descriptor", processes::copied_descriptor),
    ("processes::passed_descriptor", processes::passed_descriptor),
    ("processes::nested_cgroup", processes::nested_cgroup),
    ("processes::threads_at_once", processes::threads_at_once),
    (
        "processes::pipes_between_them_are_not_captured",
        processes::pipes_between_them_are_not_captured,
    ),
    ("accounting::a_tiny_ring_loses_and_counts", accounting::a_tiny_ring_loses_and_counts),
    ("accounting::an_unreadable_page_is_a_fault", accounting::an_unreadable_page_is_a_fault),
    ("unseen::sendfile", unseen::sendfile),
    ("unseen::splice", unseen::splice),
    ("unseen::vmsplice", unseen::vmsplice),
    ("unseen::tee", unseen::tee),
    ("agent::prints_every_line", agent::prints_every_line),
    ("skipped::rivals_on_one_cpu", skipped::rivals_on_one_cpu),
];

fn main() -> ExitCode {
    if std::process::id() == 1 {
        guest::run(tests);
    }
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if arguments.first().is_some_and(|verb| verb == "writetap") {
        let environment = |name: &str| std::env::var(name).ok();
        return collector::cli::main(std::env::args_os().skip(1), &environment);
    }
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let done = match arguments[..] {
        ["--list", ref filter @ ..] => list(filter),
        ["enter", cgroup, ref command @ ..] => program::enter(cgroup, command),
        ["nest", cgroup, ref command @ ..] => program::nest(cgroup, command),
        ["workload", ref command @ ..] => workload::run(command).map_err(Into::into),
        ref filter => return tests(filter),
    };
    report::exit_code(done)
}

/// The tests whose name contains the filter, if there is one.
fn chosen(filter: &[&str]) -> impl Iterator<Item = &'static (&'static str, Test)> {
    TESTS.iter().filter(|(name, _)| filter.iter().all(|filter| name.contains(filter)))
}

fn list(filter: &[&str]) -> Result<()> {
    chosen(filter).try_for_each(|(name, _)| Ok(writeln!(stdout(), "{name}")?))
}

/// Runs the tests, one after the other: what one makes, the next would see.
fn tests(filter: &[&str]) -> ExitCode {
    let (mut stage, mut report) = (Stage::default(), Report::default());
    for (name, test) in chosen(filter) {
        let start = Instant::now();
        let outcome = test(&mut stage);
        report.add(name, outcome, start.elapsed());
    }
    if report.end() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
