//! Tests of the `writetap` command that need no privileges and no network.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod cli;
mod reference;
