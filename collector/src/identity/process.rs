//! A process as procfs shows it: which one, and since when. Not: what it does.

use std::path::Path;
use std::{fs, io};

/// A process that cannot be mistaken for a later one with the same pid.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Process {
    /// Process id in the pid namespace of the procfs it was read from.
    pub pid: u32,
    /// When it started: clock ticks since boot, field 22 of `/proc/PID/stat`.
    pub start_ticks: u64,
}

impl Process {
    /// The process that has `pid` now; `None` if there is none.
    pub fn read(procfs: &Path, pid: u32) -> io::Result<Option<Self>> {
        match fs::read(procfs.join(pid.to_string()).join("stat")) {
            Ok(stat) => Ok(start_ticks(&stat).map(|start_ticks| Self { pid, start_ticks })),
            Err(error) if is_gone(&error) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Whether the process still runs, or waits to be reaped.
    pub fn is_there(self, procfs: &Path) -> io::Result<bool> {
        Ok(Self::read(procfs, self.pid)? == Some(self))
    }
}

/// Whether the error only says that the process or cgroup ended meanwhile.
pub(super) fn is_gone(error: &io::Error) -> bool {
    // `NotFound` before an open, ESRCH and ENODEV on what was opened in time.
    error.kind() == io::ErrorKind::NotFound
        || matches!(error.raw_os_error(), Some(libc::ESRCH | libc::ENODEV))
}

/// Field 22 of a stat line. Field 2, the name, is whatever the process likes, parentheses and newlines included; it
/// ends at the last parenthesis.
fn start_ticks(stat: &[u8]) -> Option<u64> {
    let after_name = stat.iter().rposition(|&byte| byte == b')')? + 1;
    let fields = std::str::from_utf8(&stat[after_name..]).ok()?;
    fields.split_ascii_whitespace().nth(22 - 3)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use proptest::prelude::*;

    use super::{Process, start_ticks};

    #[test]
    fn reads_past_a_hostile_name() {
        let rest = "S 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 4242 20";
        for name in ["sh", "a b", ") S 1 2", "((", "x)\n1 (y)"] {
            assert_eq!(start_ticks(format!("7 ({name}) {rest}").as_bytes()), Some(4242), "{name}");
        }
        assert_eq!(start_ticks(b"7 (sh) S 1 2"), None);
        assert_eq!(start_ticks(b""), None);
    }

    #[test]
    fn tells_this_process_from_none() {
        let procfs = Path::new("/proc");
        let this = Process::read(procfs, std::process::id()).unwrap().unwrap();
        assert!(this.is_there(procfs).unwrap());
        let later = Process { start_ticks: this.start_ticks + 1, ..this };
        assert!(!later.is_there(procfs).unwrap());
        assert_eq!(Process::read(procfs, u32::MAX).unwrap(), None);
    }

    proptest! {
        #[test]
        fn any_bytes_are_judged(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            let _any = start_ticks(&bytes);
        }
    }
}
