//! What a process sends from a file to its stdout without having it in memory, as `cat` of busybox and Go's `io.Copy` do.

use anyhow::Result;

use crate::body;
use crate::harness::image::WORKLOAD;
use crate::harness::record::bodies;
use crate::harness::{self, Agent, Config, Run};
use crate::lines::assert_same;

/// More than a pipe holds.
const BYTES: usize = 1_000_000;

fn lines(text: &[u8]) -> Vec<Vec<u8>> {
    let text = text.strip_suffix(b"\n").unwrap_or(text);
    text.split(|&byte| byte == b'\n').map(<[u8]>::to_vec).collect()
}

/// Of a container of which there is no log: who has the file open still, loses nothing.
fn is_read_back(name: &str, call: &str) -> Result<()> {
    let Some(engine) = harness::engine()? else {
        return Ok(());
    };
    let mut agent = Agent::start(&Config::new(&engine))?;
    let bytes = BYTES.to_string();
    let command = [WORKLOAD, "held", call, &bytes];
    let options = ["-i"];
    engine.detach(Run { driver: "none", options: &options, ..Run::host(name, &command) })?;
    let expected = lines(&body::text(1, BYTES));
    let records = agent.until_records(name, expected.len());
    engine.docker(&["kill", name])?;
    let records = records?;
    assert_same(name, &bodies(&records, "stdout")?, &expected);
    assert!(records.iter().all(|record| record.mode == "readback" && !record.truncated));
    assert!(records.iter().all(|record| record.comm.as_deref() == Some("workload")));
    let metrics = agent.metrics()?;
    let count = |what: &str| metrics.of_container(&format!("writetap_{what}_total"), name);
    let counts = ["written_bytes", "captured_bytes", "lost_bytes", "lost_writes"].map(count);
    assert_eq!(counts, [BYTES as u64, BYTES as u64, 0, 0]);
    agent.stop([])?;
    Ok(())
}

#[test]
fn a_file_that_is_sent() -> Result<()> {
    is_read_back("sent", "sendfile")
}

#[test]
fn a_file_that_is_spliced_from_a_place_in_it() -> Result<()> {
    is_read_back("spliced", "splice_from")
}

/// Its `cat` may be gone before anybody looks: what is missing then comes from the log, in its place.
#[test]
fn a_script_of_many_short_ones() -> Result<()> {
    const TIMES: u32 = 50;
    let Some(engine) = harness::engine()? else {
        return Ok(());
    };
    let mut agent = Agent::start(&Config::new(&engine))?;
    let script = format!(
        "printf 'a\\nb\\n' > /f; i=0; while [ $i -lt {TIMES} ]; do echo $i; cat /f; i=$((i+1)); done"
    );
    engine.run(Run::busybox("cats", &["sh", "-c", &script]))?;
    let number = |number: u32| [number.to_string().into_bytes(), b"a".to_vec(), b"b".to_vec()];
    let expected: Vec<_> = (0..TIMES).flat_map(number).collect();
    let records = agent.until_records("cats", expected.len())?;
    assert_same("cats", &bodies(&records, "stdout")?, &expected);
    let metrics = agent.metrics()?;
    let count = |what: &str| metrics.of_container(&format!("writetap_{what}_total"), "cats");
    let [written, captured, lost] = ["written_bytes", "captured_bytes", "lost_bytes"].map(count);
    let bytes: usize = expected.iter().map(|line| line.len() + 1).sum();
    assert_eq!([written, captured + lost], [bytes as u64; 2]);
    let read_back = records.iter().filter(|record| record.mode == "readback").count();
    eprintln!("{read_back} lines were read back, {lost} bytes were not");
    agent.stop([])?;
    Ok(())
}
