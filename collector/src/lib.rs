//! Writetap collects container logs at the write system call.
//!
//! # How data flows
//!
//! ```text
//!  node    │ capture thread                                     │ a thread per sink
//!          │                                                    │
//!  ring  ──┼→ capture ─→ line ─┐                                │
//!          │     ↑             ├→ seam ──→ batch ──→ buffer ────┼→ sink ──→ destination
//!  files ──┼→ tail ────→ line ─┘    ↑                  │        │    │
//!          │     ↑                  │                  └────────┼────┘ acknowledged
//!          │  state: where to   identity                        │
//!          │  read on           (id → name, by the runtime)     │
//! ```
//!
//! One thread takes a record from the ring all the way into a batch ([`agent`] joins the stages by function calls there),
//! so a line costs no hand-over but its batch's. It reads log files as well: a stream's lines come from one or the other,
//! and [`seam`] says from which. A thread watches log files for rotation, another stores checkpoints; runtimes, HTTP and
//! signals share the main thread.
//!
//! # Who may import whom
//!
//! | rank | modules | import |
//! | --- | --- | --- |
//! | 0 | [`record`] | nothing of ours |
//! | 1 | [`capture`] [`tail`] [`identity`] [`mod@line`] [`seam`] [`buffer`] [`state`] [`sink`] | `record`, never each other |
//! | 2 | [`config`] [`metrics`] | the stages' `Settings` and `Metrics` |
//! | 3 | [`agent`] | all of these: the only code that sees two stages |
//! | 4 | [`logging`] [`cli`] | everything |
//!
//! `cargo xtask lint` checks it. Each stage shows the same names: `Settings`, `Metrics`, `Error`, and the stage's type.
//!
//! # What always holds
//!
//! 1. The probe never blocks, fails or alters the write it watches. What it cannot record it counts, by
//!    [`collector_ebpf::LossReason`]; for each container and stream written = captured + lost.
//! 2. A payload is bytes until a sink encodes it; nothing before that assumes UTF-8. Only `line` looks for newlines.
//! 3. Bytes of a container wait until it has a name, within bounds, and go out in order. Nothing is guessed.
//! 4. Every queue has a bound in its `Settings`, and the place that fills it says what happens when it is full.
//! 5. A batch is safe when it and all before it are acknowledged by the sink or, with a disk buffer, durable there.
//!    Nothing else moves a checkpoint.
//! 6. No global state: no lazy statics, no ambient clock in pure code, no environment outside `main`.

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
pub mod seam;
pub mod sink;
pub mod state;
pub mod tail;
