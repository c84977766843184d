//! How long a line takes from its write to the console sink's reader.

use std::fs::File;
use std::io::{BufRead as _, BufReader, PipeReader, pipe};
use std::os::fd::OwnedFd;
use std::thread;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Context as _, Result, anyhow};

use crate::alone;
use crate::harness::Agent;
use crate::report::{Budget, Report};
use crate::source::{Stream, Writers};

const SOURCES: [usize; 2] = [1, 20];
/// Lines a second of each.
const RATE: u64 = 500;
const WARM_UP: Duration = Duration::from_secs(1);
const WINDOW: Duration = Duration::from_secs(10);
/// What a line begins with in the record, and how many digits the time after it has.
const BODY: &[u8] = b"\"body\":\"";
const STAMP_DIGITS: usize = 20;

pub(crate) fn measure(report: &mut Report) -> Result<()> {
    for sources in SOURCES {
        let (output, input) = pipe()?;
        let reader = thread::spawn(move || delays(output));
        let config = alone().sinks("out: { type: console, format: json }");
        let agent = Agent::start_into(&config, File::from(OwnedFd::from(input)))?;
        let mut writers = Writers::start(sources, Stream::paced(RATE))?;
        writers.go()?;
        thread::sleep(WARM_UP + WINDOW);
        drop(writers);
        agent.stop([])?;
        let delays = reader.join().map_err(|_panic| anyhow!("the reader panicked"))??;
        let mut delays = delays.get(sources * RATE as usize * WARM_UP.as_secs() as usize..);
        let mut delays = delays.take().context("too few lines")?.to_vec();
        delays.sort_unstable();
        let quantile = |share: f64| {
            delays[((delays.len() - 1) as f64 * share) as usize].as_secs_f64() * 1000.0
        };
        let what = |name| format!("write → sink, {sources} × {RATE} lines/s, {name}");
        report.note(what("p50"), quantile(0.5), "ms");
        report.check(what("p99"), quantile(0.99), "ms", Budget::AtMost(20.0));
    }
    Ok(())
}

/// Of every line, in the order in which they came.
fn delays(output: PipeReader) -> Result<Vec<Duration>> {
    let mut lines = BufReader::new(output);
    let (mut line, mut delays) = (Vec::new(), Vec::new());
    while lines.read_until(b'\n', &mut line)? > 0 {
        let now = SystemTime::now().duration_since(UNIX_EPOCH)?;
        let at = memchr::memmem::find(&line, BODY).context("no body")? + BODY.len();
        let stamp = std::str::from_utf8(&line[at..at + STAMP_DIGITS])?.parse()?;
        delays.push(now.saturating_sub(Duration::from_nanos(stamp)));
        line.clear();
    }
    Ok(delays)
}
