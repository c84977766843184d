//! `line`

use crate::config::file;
use crate::line::{Partial, Settings};

pub(super) fn check(file: &file::Line) -> Settings {
    let file::Line { max_bytes, idle_flush, partial } = file;
    Settings {
        max_bytes: max_bytes.bytes() as usize,
        idle_flush: idle_flush.duration(),
        partial: match partial {
            file::Partial::Auto => Partial::Auto,
            file::Partial::Shared => Partial::Shared,
            file::Partial::PerWriter => Partial::PerWriter,
        },
        ..Settings::default()
    }
}
