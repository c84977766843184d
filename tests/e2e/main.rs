//! The collector against a real kernel, a real Docker engine and a real Kafka broker: one file for each promise.
//!
//! Needs root; a machine that lacks something skips tests, loudly, unless `CI` or `WRITETAP_REQUIRE_ALL=1` is set.

#[path = "../workload/body.rs"]
mod body;
#[path = "../harness/mod.rs"]
mod harness;

mod accounting;
mod backfill;
mod bad_input;
mod commands;
mod counterparts;
mod cri;
mod daemon;
mod delivery;
mod differential;
mod disk;
mod engines;
mod hand_over;
mod kafka;
mod lifecycle;
mod lines;
mod logs;
mod metrics;
mod outage;
mod read_back;
mod reload;
mod restart;
mod rotation;
mod state_directory;
mod tail_only;
mod writers;
