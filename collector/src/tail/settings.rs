//! What the stage is told.

use std::path::PathBuf;
use std::time::Duration;

/// Where logs are, and how much of them is held.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Docker's data root; logs are in its `containers`.
    pub docker_root: PathBuf,
    /// Where the kubelet links the logs of all containers.
    pub cri_links: PathBuf,
    /// Files of one log held open, its newest not counted: rotated, and unlinked perhaps. Past it the oldest is closed,
    /// and what was not read of it is lost if it is unlinked.
    pub max_deleted_files: usize,
    /// The same for all logs together; the log that holds the most gives way.
    pub max_open_files: usize,
    /// The most bytes read at once. At least 4 KiB are.
    pub block_bytes: usize,
    /// The longest entry, its newline counted, in bytes of the file. A longer one is skipped and counted.
    pub max_entry_bytes: usize,
    /// How long the last file of a log in the form of CRI is read on after the next one was begun: containerd may have
    /// lines in hand that it writes there.
    pub linger: Duration,
    /// Time between two looks at every log, for what no event told.
    pub rescan_interval: Duration,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            docker_root: "/var/lib/docker".into(),
            cri_links: "/var/log/containers".into(),
            max_deleted_files: 16,
            max_open_files: 1024,
            block_bytes: 256 << 10,
            max_entry_bytes: 1 << 20,
            linger: Duration::from_millis(500),
            rescan_interval: Duration::from_secs(5),
        }
    }
}
