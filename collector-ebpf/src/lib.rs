//! The record format and map values that the probe and the collector share.
//!
//! Both halves compile these types, so there is nothing to keep in step by hand. Rules for a change here: fixed-width
//! integers and byte arrays only, no padding, sizes asserted in a `const`, and every field says its unit. The object is
//! embedded in the collector binary, so the two halves are always of one version and old records need not be read.
#![no_std]

mod container;
mod header;
mod loss;
mod node;
mod settings;

pub use container::{
    Bucket, CONTAINER_ID_BYTES, Container, Counters, FileId, MAX_NESTED, STREAMS, State,
};
pub use header::{CHUNK_BYTES, Header, Kind, RECORD_BYTES, StreamTag};
pub use loss::LossReason;
pub use node::{NodeCounter, Reader};
pub use settings::{Offsets, Settings};
