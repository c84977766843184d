//! `tail`

use super::Findings;
use crate::config::file::{self, Start};
use crate::tail;

/// Reading log files.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tail {
    /// Whether they are read at all.
    pub enabled: bool,
    /// From where a log is read that was there before the very first start.
    pub start: Start,
    /// The stage's settings.
    pub settings: tail::Settings,
}

pub(super) fn check(file: &file::Tail, findings: &mut Findings<'_>) -> Tail {
    let file::Tail {
        enabled,
        start,
        docker_root,
        cri_links,
        max_deleted_files,
        max_open_files,
        rescan_interval,
    } = file;
    findings.require_absolute(&["tail", "docker_root"], docker_root);
    findings.require_absolute(&["tail", "cri_links"], cri_links);
    Tail {
        enabled: *enabled,
        start: *start,
        settings: tail::Settings {
            docker_root: docker_root.clone(),
            cri_links: cri_links.clone(),
            max_deleted_files: *max_deleted_files as usize,
            max_open_files: *max_open_files as usize,
            rescan_interval: rescan_interval.duration(),
            ..tail::Settings::default()
        },
    }
}
