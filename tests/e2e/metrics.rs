//! `/metrics` as a contract: its names, and what holds at every scrape.

use anyhow::Result;

use crate::harness::image::WORKLOAD;
use crate::harness::metrics::Metrics;
use crate::harness::{self, Agent, Config, Run};

/// Name, type and labels of every family that is there from the start.
const FAMILIES: [&str; 69] = [
    "writetap_backfilled_bytes counter",
    "writetap_backfilled_lines counter",
    "writetap_buffer_blocked_seconds counter sink",
    "writetap_buffer_held_bytes gauge sink",
    "writetap_buffer_held_records gauge sink",
    "writetap_build_info gauge version",
    "writetap_captured_bytes counter container_id container_name log_iostream",
    "writetap_captured_writes counter container_id container_name log_iostream",
    "writetap_checkpoint_errors counter",
    "writetap_checkpoint_loads counter result",
    "writetap_checkpoints counter",
    "writetap_config_refused_reloads counter",
    "writetap_config_reloads counter",
    "writetap_discovered_files counter",
    "writetap_held_bytes gauge",
    "writetap_held_dropped_bytes counter",
    "writetap_identity_containers gauge state",
    "writetap_identity_description_left_out counter",
    "writetap_identity_not_asked counter",
    "writetap_identity_requests counter operation runtime",
    "writetap_identity_resolve_refused counter",
    "writetap_identity_runtime_up gauge runtime",
    "writetap_identity_unexplained counter",
    "writetap_line_discarded_bytes counter",
    "writetap_line_flushed counter reason",
    "writetap_line_truncated counter reason",
    "writetap_lines counter",
    "writetap_log_list_errors counter",
    "writetap_lost_bytes counter container_id container_name log_iostream reason",
    "writetap_lost_writes counter container_id container_name log_iostream reason",
    "writetap_node_captured_bytes counter",
    "writetap_node_captured_writes counter",
    "writetap_node_lost_bytes counter reason",
    "writetap_node_lost_writes counter reason",
    "writetap_node_written_bytes counter",
    "writetap_node_written_writes counter",
    "writetap_probe_misses counter reason",
    "writetap_probe_skipped counter program",
    "writetap_ring_bytes counter",
    "writetap_ring_invalid_records counter",
    "writetap_ring_records counter",
    "writetap_ring_wakeups counter",
    "writetap_seam_anchors counter",
    "writetap_seam_gaps counter",
    "writetap_seam_joins counter",
    "writetap_seam_lost_places counter",
    "writetap_seam_passed_over_lines counter",
    "writetap_sink_batches counter sink",
    "writetap_sink_bytes counter sink",
    "writetap_sink_dropped_records counter reason sink",
    "writetap_sink_last_success_timestamp_seconds gauge sink",
    "writetap_sink_records counter sink",
    "writetap_sink_retries counter sink",
    "writetap_sink_rotation_errors counter sink",
    "writetap_tail_entries counter",
    "writetap_tail_invalid_entries counter reason",
    "writetap_tail_lost_bytes counter reason",
    "writetap_tail_lost_files counter",
    "writetap_tail_open_files gauge",
    "writetap_tail_read_bytes counter",
    "writetap_tail_rotations counter",
    "writetap_tail_skipped_nul_bytes counter",
    "writetap_tail_truncations counter",
    "writetap_tail_watch_errors counter reason",
    "writetap_unattributed_bytes counter",
    "writetap_unexplained_containers counter",
    "writetap_watch_errors counter",
    "writetap_written_bytes counter container_id container_name log_iostream",
    "writetap_written_writes counter container_id container_name log_iostream",
];

/// Of those that come with what they count.
const SELDOM: [&str; 5] = [
    "writetap_buffer_dropped_records counter reason sink",
    "writetap_identity_forgotten counter reason",
    "writetap_identity_reconnects counter runtime",
    "writetap_identity_request_errors counter operation reason runtime",
    "writetap_identity_scan_left_out counter reason",
];

#[test]
fn the_families_are_those_of_the_contract() -> Result<()> {
    let Some(engine) = harness::engine()? else {
        return Ok(());
    };
    let mut agent = Agent::start(&Config::new(&engine))?;
    engine.run(Run::host("families", &[WORKLOAD, "lines", "10", "1"]))?;
    agent.until_records("families", 10)?;
    let mut families = agent.metrics()?.families();
    families.retain(|family| !SELDOM.contains(&family.as_str()));
    assert_eq!(families, FAMILIES);
    Ok(())
}

/// Written, captured and lost; for the node, or for a stream of a container.
fn totals(metrics: &Metrics, scope: &str, unit: &str, labels: &[(&str, &str)]) -> [u64; 3] {
    ["written", "captured", "lost"]
        .map(|what| metrics.sum(&format!("writetap_{scope}{what}_{unit}_total"), labels))
}

/// Under a flood that overruns a small ring, while containers come, go and are forgotten.
#[test]
fn written_is_captured_and_lost_at_every_scrape() -> Result<()> {
    let Some(engine) = harness::engine_alone()? else {
        return Ok(());
    };
    let config = Config::new(&engine).capture("ring_bytes: 256KiB, share_bytes_per_second: 1MiB");
    let identity = format!("{}, grace: 1s", config.identity);
    let mut agent = Agent::start(&config.identity(identity).sinks("d: { type: discard }"))?;
    let flood = ["1", "2", "3"].map(|number| format!("scraped-{number}"));
    for name in &flood {
        let command = [WORKLOAD, "flood", "60000000"];
        engine.detach(Run { driver: "none", ..Run::host(name, &command) })?;
    }
    let mut node = [[0; 3]; 2];
    let mut scrape = |agent: &mut Agent| -> Result<Metrics> {
        let metrics = agent.metrics()?;
        for (unit, before) in ["bytes", "writes"].into_iter().zip(&mut node) {
            let now = totals(&metrics, "node_", unit, &[]);
            assert_eq!(now[0], now[1] + now[2], "node, {unit}");
            assert!(
                now.iter().zip(*before).all(|(now, before)| *now >= before),
                "{before:?} {now:?}"
            );
            *before = now;
            for container in metrics.values("writetap_written_bytes_total", "container_id") {
                for stream in ["stdout", "stderr"] {
                    let labels = [("container_id", container), ("log_iostream", stream)];
                    let [written, captured, lost] = totals(&metrics, "", unit, &labels);
                    assert_eq!(written, captured + lost, "{container}, {stream}, {unit}");
                }
            }
        }
        Ok(metrics)
    };
    let mut scrapes = 0;
    while scrapes < 50 {
        if scrapes % 10 == 0 {
            engine.run_and_remove(Run::busybox("scraped-short", &["echo", "short"]))?;
        }
        scrape(&mut agent)?;
        scrapes += 1;
    }
    for name in &flood {
        engine.wait(name)?;
    }
    let name = "writetap_written_bytes_total";
    agent.until("the end of all series", |agent| {
        Ok(scrape(agent)?.values(name, "container_id").is_empty().then_some(()))
    })?;
    agent.stop([])?;
    let [[written, _, lost], [written_writes, ..]] = node;
    let short = "short\n".len() as u64;
    assert_eq!((written, written_writes), (3 * 60_000_000 + 5 * short, 3 * 600_000 + 5));
    assert!(lost > 0, "nothing was lost: the test proves less than it should");
    Ok(())
}
