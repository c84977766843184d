//! The guest's whole file system: one program as `/init` and the libraries that it is linked with.
//!
//! They are this machine's, so that the guest runs the same file as the host does, and the same kind of binary as a
//! release is. A static one would be a second build of everything, librdkafka and OpenSSL included.
//!
//! Format: Documentation/driver-api/early-userspace/buffer-format.rst. Not compressed: an emulated CPU takes longer to
//! unpack it than to copy it.

use std::{
    collections::BTreeSet,
    ffi::OsStr,
    fs::{self, File},
    io::{BufWriter, Write},
    os::unix::ffi::OsStrExt as _,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, Result};

use crate::command;

const DIRECTORY: u32 = 0o040_755;
const PROGRAM: u32 = 0o100_755;
const CHARACTER_DEVICE: u32 = 0o020_600;

/// Where the guest mounts things.
const MOUNT_POINTS: [&str; 4] = ["/dev", "/proc", "/sys", "/tmp"];

/// Writes the archive `out` with `program` as `/init`.
pub(super) fn write(program: &Path, out: &Path) -> Result<()> {
    let stripped = out.with_extension("init");
    let mut strip = Command::new("strip");
    strip.args(["--strip-debug", "-o"]).arg(&stripped).arg(program);
    command::read(&mut strip)?;
    let file =
        File::create(out).with_context(|| format!("failed to create `{}`", out.display()))?;
    let mut archive = Archive::new(BufWriter::new(file));
    let libraries = libraries(program)?;
    let mut directories: BTreeSet<&Path> = MOUNT_POINTS.iter().map(Path::new).collect();
    directories.extend(libraries.iter().flat_map(|library| library.ancestors().skip(1)));
    for directory in directories {
        archive.add(directory, DIRECTORY, (0, 0), &[])?;
    }
    // The kernel opens it for `/init` before anything is mounted.
    archive.add(Path::new("/dev/console"), CHARACTER_DEVICE, (5, 1), &[])?;
    archive.add(Path::new("/init"), PROGRAM, (0, 0), &read(&stripped)?)?;
    for library in &libraries {
        archive.add(library, PROGRAM, (0, 0), &read(library)?)?;
    }
    archive.end()?;
    Ok(())
}

/// The shared libraries of `program`, its loader among them.
fn libraries(program: &Path) -> Result<Vec<PathBuf>> {
    let listed = command::read(Command::new("ldd").arg(program))?;
    Ok(listed.lines().filter_map(library).map(PathBuf::from).collect())
}

/// The path in a line of `ldd`: `libc.so.6 => /lib/libc.so.6 (0x…)` or `/lib64/ld.so (0x…)`. The kernel's own library
/// has none.
fn library(line: &str) -> Option<&str> {
    let named = line.split_once(" => ").map_or(line, |(_, path)| path);
    named.split_whitespace().next().filter(|path| path.starts_with('/'))
}

fn read(path: &Path) -> Result<Vec<u8>> {
    fs::read(path).with_context(|| format!("failed to read `{}`", path.display()))
}

/// A `newc` archive.
struct Archive<W> {
    out: W,
    files: u32,
}

impl<W: Write> Archive<W> {
    fn new(out: W) -> Self {
        Self { out, files: 0 }
    }

    /// Adds a file; `device` are the numbers of a device node.
    fn add(&mut self, path: &Path, mode: u32, device: (u32, u32), data: &[u8]) -> Result<()> {
        self.files += 1;
        let name = path.strip_prefix("/").unwrap_or(path).as_os_str();
        self.entry(name, mode, device, data)
    }

    fn end(mut self) -> Result<W> {
        self.entry(OsStr::new("TRAILER!!!"), 0, (0, 0), &[])?;
        self.out.flush()?;
        Ok(self.out)
    }

    fn entry(&mut self, name: &OsStr, mode: u32, device: (u32, u32), data: &[u8]) -> Result<()> {
        let (size, name_size) = (u32::try_from(data.len())?, name.len() as u32 + 1);
        // Inode, mode, uid, gid, links, mtime, size, device, device node, size of the name, checksum.
        let fields = [self.files, mode, 0, 0, 1, 0, size, 0, 0, device.0, device.1, name_size, 0];
        write!(self.out, "070701")?;
        for field in fields {
            write!(self.out, "{field:08X}")?;
        }
        self.out.write_all(name.as_bytes())?;
        self.out.write_all(b"\0")?;
        self.pad(6 + 8 * fields.len() + name.len() + 1)?;
        self.out.write_all(data)?;
        self.pad(data.len())
    }

    /// Every part begins at a multiple of four.
    fn pad(&mut self, length: usize) -> Result<()> {
        Ok(self.out.write_all(&[0; 3][..length.next_multiple_of(4) - length])?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ldd_names_libraries_in_two_ways() {
        assert_eq!(library("\tlibm.so.6 => /lib/libm.so.6 (0x00007f)"), Some("/lib/libm.so.6"));
        assert_eq!(
            library("\t/lib64/ld-linux-x86-64.so.2 (0x00007f)"),
            Some("/lib64/ld-linux-x86-64.so.2")
        );
        assert_eq!(library("\tlinux-vdso.so.1 (0x00007f)"), None);
        assert_eq!(library("\tstatically linked"), None);
    }

    #[test]
    fn entries_are_aligned() {
        let mut archive = Archive::new(Vec::new());
        archive.add(Path::new("/a"), PROGRAM, (0, 0), b"12345").unwrap();
        let bytes = archive.end().unwrap();
        let header = "070701000000010000\
                      81ED00000000000000000000000100000000000000050000000000000000000000000000000000000002\
                      00000000a\0";
        assert_eq!(String::from_utf8_lossy(&bytes[..112]), header);
        assert_eq!(&bytes[112..126], b"12345\0\0\x00070701");
        assert!(bytes.windows(11).any(|window| window == b"TRAILER!!!\0"));
        assert_eq!(bytes.len() % 4, 0);
    }
}
