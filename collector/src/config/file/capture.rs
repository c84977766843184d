//! `capture`: the probe.

use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::super::units::{Interval, Size};

/// How the probe watches writes, and what it may take of the machine.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Capture {
    /// Which kernel hooks watch writes. Where none can be had, log files are read instead.
    pub attach: Attach,
    /// Whether the agent refuses to start where the probe cannot be had.
    pub required: bool,
    /// The kernel's type information, for kernels that keep it elsewhere.
    #[schemars(length(min = 1, max = 4095))]
    pub btf: PathBuf,
    /// Size of the buffer between kernel and agent, in bytes; locked memory. A power of two.
    #[schemars(extend("x-minimum" = "64KiB", "x-maximum" = "1GiB"))]
    pub ring_bytes: Size,
    /// How long a captured write may wait in the buffer before the agent wakes up. Shorter is sooner and costs more.
    #[schemars(extend("x-minimum" = "1ms", "x-maximum" = "1s"))]
    pub wake_interval: Interval,
    /// Containers watched at the same time; one that ended counts for `identity.grace`. More are not captured, and counted.
    #[schemars(range(min = 1, max = 65_536))]
    pub max_containers: u32,
    /// Bytes a second that one container may add while the buffer is more than half full. Below that nobody is limited: so
    /// a container that floods the buffer leaves the other half to the rest.
    #[schemars(extend("x-minimum" = "4KiB", "x-maximum" = "1GiB"))]
    pub share_bytes_per_second: Size,
    /// Bytes that one container may add at once in that case, at most `ring_bytes`. Less than a full record, about 16 KiB,
    /// counts as one.
    /// Default: a 64th of `ring_bytes`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-minimum" = "1KiB", "x-maximum" = "1GiB"), example = "256KiB")]
    pub share_burst_bytes: Option<Size>,
    /// What processes put out where nobody reads, as the stream `daemon`.
    pub daemon: Daemon,
}

/// What processes put out where nobody reads, as the stream `daemon`: their fd 1 or 2 is `/dev/null`, a pipe without a
/// reader, or a terminal that is not the container's own. No log file has it, so what exceeds the limits is lost, and
/// counted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Daemon {
    /// Whether it is captured.
    pub enabled: bool,
    /// Bytes a second that one container may add to the buffer so, with 96 for each write.
    #[schemars(extend("x-minimum" = "1KiB", "x-maximum" = "1GiB"))]
    pub bytes_per_second: Size,
    /// Bytes that one container may add at once so. Less than a full record, about 16 KiB, counts as one.
    #[schemars(extend("x-minimum" = "1KiB", "x-maximum" = "1GiB"))]
    pub burst_bytes: Size,
}

impl Default for Daemon {
    fn default() -> Self {
        Self { enabled: false, bytes_per_second: Size::kib(64), burst_bytes: Size::kib(256) }
    }
}

impl Default for Capture {
    fn default() -> Self {
        Self {
            attach: Attach::Auto,
            required: false,
            btf: PathBuf::from("/sys/kernel/btf/vmlinux"),
            ring_bytes: Size::mib(16),
            wake_interval: Interval::millis(10),
            max_containers: 4096,
            share_bytes_per_second: Size::mib(1),
            share_burst_bytes: None,
            daemon: Daemon::default(),
        }
    }
}

/// Which kernel hooks watch writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Attach {
    /// The best that this kernel allows, of those below from the top.
    Auto,
    /// Entry and return of the functions that write to pipes and terminals: no write is missed. Linux 6.14 or later.
    Multi,
    /// Return of the same functions, which costs less. The kernel skips some writes on Linux 7.0 and later; before, where it is
    /// preemptible, only such as `io_uring` and AIO make. Skips are counted.
    Fexit,
    /// Return of the write system calls: for kernels that allow nothing else. Does not see `io_uring` and AIO. On Linux
    /// 7.2 and later the kernel skips some; these are counted.
    Syscall,
    /// None: all lines come from log files.
    Off,
}
