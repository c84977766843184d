//! What the fuzz targets in `tests/fuzz` call: pure code only, one line per target.

pub use crate::{line, record};
