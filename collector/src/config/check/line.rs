//! `line`

use std::time::Duration;

use crate::config::file::{self, Partial};

/// The settings of the line stage.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// Bytes of the longest line.
    pub max_bytes: usize,
    /// How long a line may wait for its newline.
    pub idle_flush: Duration,
    /// Who may finish a line that another process began.
    pub partial: Partial,
}

pub(super) fn check(file: &file::Line) -> Line {
    let file::Line {
        max_bytes,
        idle_flush,
        partial,
    } = file;
    Line {
        max_bytes: max_bytes.bytes() as usize,
        idle_flush: idle_flush.duration(),
        partial: *partial,
    }
}
