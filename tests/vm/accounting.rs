//! Written = captured + lost, and a loss has its reason.

use anyhow::{Result, ensure};
use collector::capture::{Backend, Settings};
use collector_ebpf::LossReason;

use crate::container::Container;
use crate::observer::{Observer, same};
use crate::stage::{Outcome, Stage};
use crate::workload::body;

/// Bytes of a flood, many times its ring.
const FLOOD_BYTES: u64 = 400_000;
const LINE_BYTES: u64 = 100;

pub(crate) fn a_tiny_ring_loses_and_counts(stage: &mut Stage) -> Result<Outcome> {
    let mut observer = Observer::start(&Settings { ring_bytes: 16 << 10, ..stage.settings() })?;
    let container = Container::new()?;
    container.run(&["flood", &FLOOD_BYTES.to_string()])?;
    let seen = observer.collect(&container)?;
    if let Some(gap) = seen.gap(0, FLOOD_BYTES / LINE_BYTES)? {
        return Ok(gap);
    }
    let counters = &seen.counters[0];
    ensure!(counters.written_bytes == FLOOD_BYTES, "written: {}", counters.written_bytes);
    let captured = [counters.captured_bytes, counters.captured_writes * LINE_BYTES];
    ensure!(captured == [seen.bytes[0].len() as u64; 2], "captured: {captured:?}");
    let lost = LossReason::ALL.map(|reason| counters.lost_bytes[reason as usize]);
    let of_the_ring = lost[LossReason::RingFull as usize] + lost[LossReason::RateLimited as usize];
    ensure!(of_the_ring > 0, "nothing was lost: the test proves nothing");
    ensure!(of_the_ring == counters.lost_total_bytes, "lost for other reasons: {lost:?}");
    // Nobody read while it wrote: what was captured is the beginning.
    let mut expected = Vec::new();
    for number in 1..=counters.captured_writes {
        expected.extend(body::flood_line(number));
        expected.push(b'\n');
    }
    same(&seen.bytes[0], &expected)?;
    Ok(Outcome::Counted(format!(
        "{FLOOD_BYTES} written = {} captured + {of_the_ring} lost",
        counters.captured_bytes
    )))
}

/// The first page of a write is in the pipe, but no more in the writer's memory when the call returns.
pub(crate) fn an_unreadable_page_is_a_fault(stage: &mut Stage) -> Result<Outcome> {
    const BYTES: usize = 100_000;
    let observer = stage.observer()?;
    let container = Container::new()?;
    let output = container.run_until_told(&["vanishing", &BYTES.to_string()])?;
    let seen = observer.collect(&container)?;
    let text = body::text(1, BYTES);
    same(&output.stdout, &text)?;
    if let Some(gap) = seen.gap(0, 1)? {
        return Ok(gap);
    }
    let counters = &seen.counters[0];
    let fault = LossReason::Fault as usize;
    let lost = counters.lost_bytes[fault];
    ensure!(lost > 0, "no byte is a fault: {counters:?}");
    ensure!(counters.written_bytes == BYTES as u64, "written: {}", counters.written_bytes);
    ensure!(lost == counters.lost_total_bytes, "lost for other reasons: {counters:?}");
    ensure!(counters.lost_writes[fault] == 1, "not one call with a fault: {counters:?}");
    // The record with the page is lost as a whole; all after it is there.
    same(&seen.bytes[0], &text[lost as usize..])?;
    Ok(Outcome::Counted(format!("{BYTES} written, {lost} lost")))
}

/// The kernel writes what it can read of a buffer; what it looked at besides is not what was written.
pub(crate) fn an_unmapped_tail(stage: &mut Stage) -> Result<Outcome> {
    let observer = stage.observer()?;
    let container = Container::new()?;
    let output = container.run(&["unmapped"])?;
    let seen = observer.collect(&container)?;
    ensure!(!output.stdout.is_empty(), "nothing was written: the test proves nothing");
    if let Some(gap) = seen.gap(0, 3)? {
        return Ok(gap);
    }
    let counters = &seen.counters[0];
    let written = output.stdout.len() as u64;
    ensure!(counters.written_bytes == written, "{counters:?}, {written} written");
    // A backend may find that it does not know where such a write began: then it must say so, and make nothing up.
    let fault = counters.lost_bytes[LossReason::Fault as usize];
    ensure!(fault == counters.lost_total_bytes, "lost for other reasons: {counters:?}");
    if fault > 0 {
        ensure!(stage.backend == Some(Backend::Fexit), "lost: {counters:?}");
        ensure!(output.stdout.ends_with(&seen.bytes[0]), "other bytes");
        return Ok(Outcome::Counted(format!("{written} written, {fault} lost")));
    }
    same(&seen.bytes[0], &output.stdout)?;
    Ok(Outcome::Passed(format!("{written} bytes")))
}
