//! Files inside a container, which it may have laid out to lead elsewhere.

use std::fs::File;
use std::io;
use std::os::fd::BorrowedFd;
use std::path::Path;

use rustix::fs::{Mode, OFlags, ResolveFlags, openat2};

/// Opens the regular file that a process whose root is `root` would see at `path`, to be read.
///
/// The kernel resolves it (`openat2` with `RESOLVE_IN_ROOT`, Linux 5.6): links and `..` cannot lead out of `root`, and
/// magic links of `/proc` are refused. Never waits; what is no regular file is refused.
pub fn open_in_root(root: BorrowedFd<'_>, path: &Path) -> io::Result<File> {
    // First without opening: to open a device may already do something.
    let resolve = ResolveFlags::IN_ROOT | ResolveFlags::NO_MAGICLINKS;
    let found =
        File::from(openat2(root, path, OFlags::PATH | OFlags::CLOEXEC, Mode::empty(), resolve)?);
    let refused = || io::Error::new(io::ErrorKind::InvalidInput, "not a regular file");
    if !found.metadata()?.is_file() {
        return Err(refused());
    }
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
    let file = File::from(openat2(root, path, flags, Mode::empty(), resolve)?);
    if file.metadata()?.is_file() { Ok(file) } else { Err(refused()) }
}

#[cfg(test)]
mod tests {
    use std::fs::{self, File};
    use std::io::{self, Read as _};
    use std::os::fd::AsFd as _;
    use std::os::unix::fs::symlink;
    use std::path::Path;

    use super::open_in_root;

    fn read(root: &Path, path: &str) -> io::Result<String> {
        let root = File::open(root).unwrap();
        let mut text = String::new();
        open_in_root(root.as_fd(), Path::new(path))?.read_to_string(&mut text)?;
        Ok(text)
    }

    #[test]
    fn nothing_in_a_container_leads_out_of_it() {
        let outside = tempfile::tempdir().unwrap();
        fs::write(outside.path().join("secret"), "secret").unwrap();
        let root = outside.path().join("root");
        fs::create_dir_all(root.join("var/log")).unwrap();
        let log = root.join("var/log/app.log");
        fs::write(&log, "line").unwrap();

        symlink("app.log", root.join("var/log/relative")).unwrap();
        symlink("/var/log/app.log", root.join("absolute")).unwrap();
        symlink("../../../../../../var/log/app.log", root.join("var/up")).unwrap();
        for path in [
            "var/log/app.log",
            "/var/log/app.log",
            "var/log/relative",
            "absolute",
            "var/up",
            "../../absolute",
        ] {
            assert_eq!(read(&root, path).unwrap(), "line", "{path}");
        }

        symlink(outside.path().join("secret"), root.join("host")).unwrap();
        symlink("../secret", root.join("parent")).unwrap();
        symlink("/..", root.join("slash")).unwrap();
        symlink("loop", root.join("loop")).unwrap();
        for path in ["host", "parent", "slash/secret", "../secret", "loop", "missing"] {
            assert!(read(&root, path).is_err(), "{path}");
        }
    }

    #[test]
    fn magic_links_and_what_is_no_file_are_refused() {
        // With the host's root as root, so that /proc is there.
        let path = format!("proc/self/fd/{}", 0);
        assert!(read(Path::new("/"), &path).is_err());
        assert!(read(Path::new("/"), "proc/self/root/etc/passwd").is_err());
        assert!(read(Path::new("/"), "dev/null").is_err());
        let root = tempfile::tempdir().unwrap();
        let (fifo, mode) = (root.path().join("fifo"), rustix::fs::Mode::RUSR);
        rustix::fs::mknodat(rustix::fs::CWD, &fifo, rustix::fs::FileType::Fifo, mode, 0).unwrap();
        assert_eq!(read(root.path(), "fifo").unwrap_err().kind(), io::ErrorKind::InvalidInput);
        assert!(read(root.path(), "/").is_err());
    }
}
