//! Comparing lines, with a message that a person can read.

use anyhow::Result;

use crate::body;
use crate::harness::Record;
use crate::harness::record::bodies;

/// Most characters of a line that a message shows.
const SHOWN: usize = 200;

/// Asserts that two lists of lines are the same; says where they part.
#[track_caller]
pub(crate) fn assert_same(what: &str, lines: &[Vec<u8>], expected: &[Vec<u8>]) {
    let parted = (0..lines.len().max(expected.len())).find(|&at| lines.get(at) != expected.get(at));
    let Some(at) = parted else { return };
    panic!(
        "{what}: {} lines, expected {}; they part at index {at}:\n     got: {}\nexpected: {}",
        lines.len(),
        expected.len(),
        show(lines.get(at)),
        show(expected.get(at)),
    );
}

/// Asserts the lines of both streams, in order.
#[track_caller]
pub(crate) fn assert_streams(
    records: &[Record],
    stdout: &[Vec<u8>],
    stderr: &[Vec<u8>],
) -> Result<()> {
    assert_same("stdout", &bodies(records, "stdout")?, stdout);
    assert_same("stderr", &bodies(records, "stderr")?, stderr);
    Ok(())
}

/// Asserts that the records are what `workload lines COUNT SEED` writes.
#[track_caller]
pub(crate) fn assert_numbered(records: &[Record], count: u64, seed: u64) -> Result<()> {
    let every_second = |first: u64| -> Vec<Vec<u8>> {
        (first..=count).step_by(2).map(|number| body::line(seed, number)).collect()
    };
    assert_streams(records, &every_second(1), &every_second(2))
}

fn show(line: Option<&Vec<u8>>) -> String {
    line.map_or("no line".into(), |line| {
        let text: String = line.escape_ascii().to_string().chars().take(SHOWN).collect();
        format!("{} bytes \"{text}\"", line.len())
    })
}
