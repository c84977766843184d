//! Where the unified hierarchy is mounted.

use std::ffi::OsString;
use std::fs;
use std::os::unix::ffi::OsStringExt as _;
use std::path::{Path, PathBuf};

use super::ScanError;

/// Where the unified hierarchy is mounted, by `self/mountinfo` of the procfs at `procfs`.
pub fn find_hierarchy(procfs: &Path) -> Result<PathBuf, ScanError> {
    let path = procfs.join("self/mountinfo");
    match fs::read(&path) {
        Ok(mounts) => hierarchy(&mounts).ok_or(ScanError::NoHierarchy { mountinfo: path }),
        Err(source) => Err(ScanError::Read { path, source }),
    }
}

/// The mount point of the first cgroup2 file system in a mountinfo file: field 5 of the line with that type after the
/// dash.
fn hierarchy(mounts: &[u8]) -> Option<PathBuf> {
    mounts.split(|&byte| byte == b'\n').find_map(|line| {
        let mut fields = line.split(|&byte| byte == b' ');
        let mount_point = fields.nth(4)?;
        fields.find(|&field| field == b"-")?;
        (fields.next()? == b"cgroup2").then(|| unescape(mount_point))
    })
}

/// Undoes the kernel's `\040` for blanks, tabs, newlines and backslashes.
fn unescape(field: &[u8]) -> PathBuf {
    let mut bytes = Vec::with_capacity(field.len());
    let mut rest = field;
    while let Some((&byte, after)) = rest.split_first() {
        let octal = after.get(..3).and_then(|digits| std::str::from_utf8(digits).ok());
        let code = octal.and_then(|digits| u8::from_str_radix(digits, 8).ok());
        if let (b'\\', Some(code)) = (byte, code) {
            bytes.push(code);
            rest = &after[3..];
        } else {
            bytes.push(byte);
            rest = after;
        }
    }
    PathBuf::from(OsString::from_vec(bytes))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use proptest::prelude::*;

    use super::{ScanError, find_hierarchy, hierarchy};

    #[test]
    fn a_missing_hierarchy_is_an_error() {
        let procfs = tempfile::tempdir().unwrap();
        assert!(matches!(find_hierarchy(procfs.path()), Err(ScanError::Read { .. })));
        fs::create_dir(procfs.path().join("self")).unwrap();
        let mountinfo = procfs.path().join("self/mountinfo");
        fs::write(&mountinfo, "22 27 0:21 / /proc rw - proc proc rw\n").unwrap();
        let error = find_hierarchy(procfs.path()).unwrap_err();
        assert_eq!(
            error.to_string(),
            format!(
                "no cgroup2 file system in `{}`: boot with `systemd.unified_cgroup_hierarchy=1`, or mount it \
                 before the runtime starts, e.g. `mount -t cgroup2 none /sys/fs/cgroup/unified`",
                mountinfo.display()
            )
        );
    }

    #[test]
    fn the_hierarchy_is_where_cgroup2_is_mounted() {
        let mounts = b"40 31 0:37 / /sys/fs/cgroup/systemd rw - cgroup cgroup rw,name=systemd\n\
            41 31 0:38 / /sys/fs/c\\040group\\134 rw shared:3 master:1 - cgroup2 cgroup2 rw\n";
        assert_eq!(hierarchy(mounts), Some("/sys/fs/c group\\".into()));
        assert_eq!(hierarchy(b"cgroup2\n1 2 3 / /x rw - tmpfs cgroup2 rw\n"), None);
    }

    proptest! {
        #[test]
        fn any_mounts_are_judged(mounts in "[ -~\n]{0,200}( - cgroup2 )?[ -~]{0,20}") {
            let _any = hierarchy(mounts.as_bytes());
        }
    }
}
