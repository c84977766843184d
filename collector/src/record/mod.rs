//! The values that cross a stage boundary. No I/O, no metrics, no configuration.

mod batch;
mod chunk;
mod container;
mod delivery;
mod key;
mod place;
mod time;
mod uid;

pub use batch::{Batch, BatchRecord, BatchSize, MAX_BATCH_BYTES};
pub use chunk::{CgroupId, Chunk, Line, Mode, Stream, Writer};
pub use container::{Container, ContainerId, InvalidContainerId, Kubernetes, Runtime};
pub use delivery::{BatchId, Delivery, Receipt};
pub use key::LineKey;
pub use place::{Cut, FileIdentity, Fingerprint, Place};
pub use time::Timestamp;
pub use uid::RecordUid;
