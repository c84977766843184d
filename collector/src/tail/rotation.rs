//! How runtimes name the older files of a log, and which of them are there.
//!
//! Docker numbers them, `<log>.1` the youngest; the kubelet adds the local time, `<log>.20261123-101453`. Both add `.gz` to
//! what they have packed. A packed file beside its unpacked one is not finished and is left out.

use std::ffi::OsStr;
use std::io;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

/// The most files of a log that are looked at, the youngest.
const MAX_FILES: usize = 1024;

/// A file of a log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Found {
    age: Age,
    /// Whether it is compressed by gzip.
    pub(super) is_packed: bool,
    pub(super) path: PathBuf,
    /// `st_dev` and `st_ino` at the time of the look.
    pub(super) inode: (u64, u64),
}

/// Where a file stands among the others, by its name. The oldest is the least.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Age {
    Numbered(std::cmp::Reverse<u64>),
    Stamped(u64),
    Current,
}

/// The regular files of the log at `path`, the oldest first.
pub(super) fn list(path: &Path) -> io::Result<Vec<Found>> {
    let (Some(directory), Some(log)) = (path.parent(), path.file_name()) else {
        return Err(io::ErrorKind::InvalidInput.into());
    };
    let mut found = Vec::new();
    for entry in directory.read_dir()? {
        let entry = entry?;
        let Some((age, is_packed)) = parse(log, &entry.file_name()) else {
            continue;
        };
        // What is gone again was renamed or unlinked: the next look tells.
        let Ok(metadata) = entry.path().symlink_metadata() else {
            continue;
        };
        if metadata.is_file() {
            let inode = (metadata.dev(), metadata.ino());
            found.push(Found { age, is_packed, path: entry.path(), inode });
        }
    }
    found.sort_by_key(|file| (file.age, file.is_packed));
    found.dedup_by(|packed, plain| packed.age == plain.age);
    found.drain(..found.len().saturating_sub(MAX_FILES));
    Ok(found)
}

/// What `name` says of a file of `log`: its age, and whether it is packed. `None` for files of other logs.
fn parse(log: &OsStr, name: &OsStr) -> Option<(Age, bool)> {
    let suffix = name.as_bytes().strip_prefix(log.as_bytes())?;
    let (suffix, is_packed) = match suffix.strip_suffix(b".gz") {
        Some(suffix) => (suffix, true),
        None => (suffix, false),
    };
    if suffix.is_empty() {
        return (!is_packed).then_some((Age::Current, false));
    }
    let suffix = suffix.strip_prefix(b".")?;
    let age = match suffix.split_at_checked(8) {
        Some((day, [b'-', time @ ..])) if time.len() == 6 => {
            Age::Stamped(number(day)? * 1_000_000 + number(time)?)
        }
        _ => Age::Numbered(std::cmp::Reverse(number(suffix)?)),
    };
    Some((age, is_packed))
}

fn number(digits: &[u8]) -> Option<u64> {
    let all = digits.iter().all(u8::is_ascii_digit);
    std::str::from_utf8(digits).ok().filter(|_| all)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use std::ffi::OsStr;
    use std::fs;

    use super::{list, parse};

    #[test]
    fn lists_the_oldest_first_and_no_other_logs() {
        let directory = tempfile::tempdir().unwrap();
        let log = directory.path().join("a.log");
        for name in [
            "a.log",
            "a.log.1",
            "a.log.2",
            "a.log.2.gz",
            "a.log.10.gz",
            "a.log.3.tmp",
            "a.log.gz",
            "a.log.x",
            "b.log",
            "a.log.20261123-101453",
            "a.log.20261123-101453.tmp",
            "a.log.20261122-235959.gz",
            "a.log.-1",
            "a.log.",
        ] {
            fs::write(directory.path().join(name), name).unwrap();
        }
        fs::create_dir(directory.path().join("a.log.4")).unwrap();
        std::os::unix::fs::symlink(&log, directory.path().join("a.log.5")).unwrap();
        let found = list(&log).unwrap();
        let names: Vec<_> = found
            .iter()
            .map(|file| (file.path.file_name().unwrap().to_str().unwrap(), file.is_packed))
            .collect();
        assert_eq!(
            names,
            [
                ("a.log.10.gz", true),
                ("a.log.2", false),
                ("a.log.1", false),
                ("a.log.20261122-235959.gz", true),
                ("a.log.20261123-101453", false),
                ("a.log", false),
            ]
        );
    }

    #[test]
    fn a_log_without_a_directory_is_an_error() {
        assert!(list(std::path::Path::new("/")).is_err());
        assert_eq!(parse(OsStr::new("a"), OsStr::new("a.99999999999999999999999")), None);
    }
}
