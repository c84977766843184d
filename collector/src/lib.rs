//! Writetap collects container logs at the write system call.
//!
//! Data flows one way; each arrow is a function call or a bounded channel:
//!
//! ```text
//! capture → line → buffer → sink
//!             ↑        ↓
//!         identity   acknowledged positions
//! ```
//!
//! A module may import from its own rank's `record` side only: `record` < stages (`capture`, `identity`, `line`,
//! `buffer`, `sink`) < `config`, `metrics` < `agent` < `cli`, `logging`. Stages never import each other; `agent` is the
//! only code that sees two of them. `cargo xtask lint` checks it.

pub mod agent;
pub mod buffer;
pub mod capture;
pub mod cli;
pub mod config;
pub mod identity;
pub mod line;
pub mod logging;
pub mod metrics;
pub mod record;
pub mod sink;
