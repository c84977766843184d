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
mod calls;
mod container;
mod cost;
mod daemon;
mod guest;
mod names;
mod object;
mod observer;
mod probe;
mod processes;
mod program;
mod read_back;
mod report;
mod skipped;
mod stage;
mod writes;

use std::io::{Write as _, stdout};
use std::process::ExitCode;
use std::time::Instant;

use anyhow::Result;
use collector::capture::Backend;

use self::report::Report;
use self::stage::{Outcome, Stage};

/// One test.
type Test = fn(&mut Stage) -> Result<Outcome>;

/// The tests that choose the backend as the collector does, in the order in which they run.
const ONCE: &[(&str, Test)] = &[
    ("cost::without_a_probe", cost::without_a_probe),
    ("names::of_every_runtime", names::of_every_runtime),
    ("names::of_others_are_left_alone", names::of_others_are_left_alone),
    ("agent::reads_logs_beside_version_1_alone", agent::reads_logs_beside_version_1_alone),
];

/// The tests of each backend, in the order in which they run; after the first two come [`calls`].
const TESTS: &[(&str, Test)] = &[
    ("probe::loads_and_sees_its_own_write", probe::loads_and_sees_its_own_write),
    (
        "probe::costs_the_verifier_no_more_than_before",
        probe::costs_the_verifier_no_more_than_before,
    ),
    ("writes::both_streams_by_turns", writes::both_streams_by_turns),
    ("writes::many_segments", writes::many_segments),
    ("writes::a_mebibyte_at_once", writes::a_mebibyte_at_once),
    ("writes::any_bytes", writes::any_bytes),
    ("writes::short_writes", writes::short_writes),
    ("writes::refused_by_a_full_pipe", writes::refused_by_a_full_pipe),
    ("writes::interrupted_by_a_signal", writes::interrupted_by_a_signal),
    ("writes::of_nothing", writes::of_nothing),
    ("writes::of_absent_pages", writes::of_absent_pages),
    ("writes::packets", writes::packets),
    ("processes::dies_at_once", processes::dies_at_once),
    ("processes::forked", processes::forked),
    ("processes::vfork", processes::vfork),
    ("processes::clone3", processes::clone3),
    ("processes::exec", processes::exec),
    ("processes::daemon", processes::daemon),
    ("processes::threads_at_once", processes::threads_at_once),
    ("processes::copied_descriptor", processes::copied_descriptor),
    ("processes::copied_descriptors", processes::copied_descriptors),
    ("processes::passed_descriptor", processes::passed_descriptor),
    ("processes::fetched_descriptor", processes::fetched_descriptor),
    ("processes::reused_descriptor", processes::reused_descriptor),
    ("processes::closed_while_writing", processes::closed_while_writing),
    ("processes::replaced_while_writing", processes::replaced_while_writing),
    ("processes::other_namespaces", processes::other_namespaces),
    ("processes::pid_namespace", processes::pid_namespace),
    ("processes::nested_cgroup", processes::nested_cgroup),
    ("processes::moved_into_the_container", processes::moved_into_the_container),
    ("processes::moved_to_another_container", processes::moved_to_another_container),
    (
        "processes::pipes_between_them_are_not_captured",
        processes::pipes_between_them_are_not_captured,
    ),
    ("accounting::a_tiny_ring_loses_and_counts", accounting::a_tiny_ring_loses_and_counts),
    ("accounting::an_unreadable_page_is_a_fault", accounting::an_unreadable_page_is_a_fault),
    ("accounting::an_unmapped_tail", accounting::an_unmapped_tail),
    ("read_back::sendfile", read_back::sendfile),
    ("read_back::sendfile_from", read_back::sendfile_from),
    ("read_back::splice", read_back::splice),
    ("read_back::splice_from", read_back::splice_from),
    ("agent::prints_every_line", agent::prints_every_line),
    ("cost::of_the_probe", cost::of_the_probe),
    ("daemon::is_not_captured_unasked", daemon::is_not_captured_unasked),
    ("skipped::rivals_on_one_cpu", skipped::rivals_on_one_cpu),
    ("skipped::a_crowd_on_one_cpu", skipped::a_crowd_on_one_cpu),
    ("skipped::beside_blocked_writers", skipped::beside_blocked_writers),
    // These have the probe loaded anew.
    ("daemon::dev_null", daemon::dev_null),
    ("daemon::pipe_without_a_reader", daemon::pipe_without_a_reader),
    ("daemon::pipe_that_kills", daemon::pipe_that_kills),
    ("daemon::terminal_of_its_own", daemon::terminal_of_its_own),
    ("daemon::queued_to_dev_null", daemon::queued_to_dev_null),
    ("daemon::a_page_that_is_not_there", daemon::a_page_that_is_not_there),
    ("daemon::elsewhere_is_not_captured", daemon::elsewhere_is_not_captured),
    ("daemon::has_its_price", daemon::has_its_price),
    ("daemon::a_flood_is_limited", daemon::a_flood_is_limited),
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
        ["without-version-2", ref command @ ..] => program::without_version_2(command),
        ["workload", ref command @ ..] => workload::run(command).map_err(Into::into),
        ref filter => return tests(filter),
    };
    report::exit_code(done)
}

/// A test of some backend.
struct Case {
    name: String,
    test: Box<Run>,
}

/// What a test does.
type Run = dyn Fn(&mut Stage) -> Result<Outcome>;

impl Case {
    fn new(name: &str, test: impl Fn(&mut Stage) -> Result<Outcome> + 'static) -> Self {
        Self { name: name.to_owned(), test: Box::new(test) }
    }
}

/// The tests of a backend, or those of none, whose name contains the filter, if there is one.
fn chosen(backend: Option<Backend>, filter: &[&str]) -> Vec<Case> {
    let plain = |&(name, test): &(&str, Test)| Case::new(name, test);
    let mut cases: Vec<Case> = match backend {
        None => ONCE.iter().map(plain).collect(),
        Some(_) => TESTS.iter().map(plain).collect(),
    };
    if let Some(backend) = backend {
        let calls = calls::all().into_iter();
        cases
            .splice(2..2, calls.map(|call| Case::new(&call.name(), move |stage| call.test(stage))));
        for case in &mut cases {
            case.name = format!("{}::{}", backend.as_str(), case.name);
        }
    }
    cases.retain(|case| filter.iter().all(|filter| case.name.contains(filter)));
    cases
}

/// First the choice, then each backend.
fn stages() -> impl Iterator<Item = Option<Backend>> {
    [None].into_iter().chain(Backend::ALL.map(Some))
}

fn list(filter: &[&str]) -> Result<()> {
    let cases = stages().flat_map(|backend| chosen(backend, filter));
    cases.into_iter().try_for_each(|case| Ok(writeln!(stdout(), "{}", case.name)?))
}

/// Runs the tests, one after the other: what one makes, the next would see.
fn tests(filter: &[&str]) -> ExitCode {
    let mut report = Report::default();
    for backend in stages() {
        let cases = chosen(backend, filter);
        if cases.is_empty() {
            continue;
        }
        let mut stage = Stage::of(backend);
        let absence = stage.absence();
        for (number, Case { name, test }) in cases.into_iter().enumerate() {
            let start = Instant::now();
            let outcome = match &absence {
                Ok(None) => test(&mut stage),
                // Once is enough.
                Ok(Some(reason)) if number == 0 => Ok(Outcome::Skipped(reason.clone())),
                Ok(Some(_)) => Ok(Outcome::Skipped(String::new())),
                Err(error) => Err(anyhow::anyhow!("{error:#}")),
            };
            report.add(&name, outcome, skipped::is_known(backend), start.elapsed());
        }
    }
    if report.end() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
