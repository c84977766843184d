//! Replaces a file by its compressed form, by way of a temporary file: there is always one whole of them.

use std::ffi::OsString;
use std::fs::{File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use rustix::fs::OFlags;

use super::Compression;
use super::append::MODE;

/// Extension of a compressed file that is being written.
pub(super) const TEMPORARY: &str = ".tmp";

/// Extensions of compressed files.
pub(super) const COMPRESSED: [&str; 2] = [".gz", ".zst"];

/// Extension of a compressed file.
pub(super) const fn extension(compression: Compression) -> Option<&'static str> {
    match compression {
        Compression::None => None,
        Compression::Gzip => Some(COMPRESSED[0]),
        Compression::Zstd => Some(COMPRESSED[1]),
    }
}

/// Compresses the file at `path` and removes it.
pub(super) fn compress(path: &Path, compression: Compression) -> io::Result<()> {
    let Some(extension) = extension(compression) else {
        return Ok(());
    };
    let temporary = with_extension(path, TEMPORARY);
    let source = OpenOptions::new().read(true).custom_flags(flags()).open(path)?;
    let target = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(MODE)
        .custom_flags(flags())
        .open(&temporary)?;
    let result = copy_compressed(source, &target, compression)
        .and_then(|()| target.sync_data())
        .and_then(|()| std::fs::rename(&temporary, with_extension(path, extension)));
    if let Err(error) = result {
        // Whether or not it can be removed, the first error says what is wrong.
        return std::fs::remove_file(&temporary).or(Ok(())).and(Err(error));
    }
    std::fs::remove_file(path)
}

const fn flags() -> i32 {
    OFlags::NOFOLLOW.bits() as i32
}

pub(super) fn with_extension(path: &Path, extension: &str) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(extension);
    name.into()
}

fn copy_compressed(mut from: File, to: &File, compression: Compression) -> io::Result<()> {
    let mut to = io::BufWriter::new(to);
    match compression {
        Compression::None => {
            io::copy(&mut from, &mut to)?;
        }
        Compression::Gzip => {
            let mut encoder =
                flate2::write::GzEncoder::new(&mut to, flate2::Compression::default());
            io::copy(&mut from, &mut encoder)?;
            encoder.finish()?;
        }
        Compression::Zstd => {
            zstd::stream::copy_encode(from, &mut to, zstd::DEFAULT_COMPRESSION_LEVEL)?;
        }
    }
    to.flush()
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;
    use std::os::unix::fs::PermissionsExt as _;

    use super::compress;
    use crate::sink::file::Compression;

    #[test]
    fn gives_back_what_it_was_given() {
        for compression in [Compression::Gzip, Compression::Zstd] {
            let directory = tempfile::tempdir().unwrap();
            let path = directory.path().join("rotated");
            let text = "line\n".repeat(10_000);
            std::fs::write(&path, &text).unwrap();
            compress(&path, compression).unwrap();
            let found: Vec<_> = std::fs::read_dir(directory.path()).unwrap().collect();
            assert_eq!(found.len(), 1);
            let found = found[0].as_ref().unwrap().path();
            assert_eq!(std::fs::metadata(&found).unwrap().permissions().mode() & 0o7137, 0);
            let bytes = std::fs::read(&found).unwrap();
            assert!(bytes.len() < 1000);
            let mut back = String::new();
            match compression {
                Compression::Gzip => {
                    flate2::read::GzDecoder::new(&*bytes).read_to_string(&mut back).unwrap();
                }
                _ => back = String::from_utf8(zstd::decode_all(&*bytes).unwrap()).unwrap(),
            }
            assert_eq!(back, text);
        }
    }

    #[test]
    fn follows_no_symbolic_link() {
        let directory = tempfile::tempdir().unwrap();
        let (path, target) = (directory.path().join("rotated"), directory.path().join("target"));
        std::fs::write(&target, "secret").unwrap();
        std::os::unix::fs::symlink(&target, &path).unwrap();
        assert!(compress(&path, Compression::Gzip).is_err());
        std::fs::remove_file(&path).unwrap();
        std::fs::write(&path, "line\n").unwrap();
        std::os::unix::fs::symlink(&target, directory.path().join("rotated.tmp")).unwrap();
        assert!(compress(&path, Compression::Gzip).is_err());
        assert_eq!(std::fs::read_to_string(&target).unwrap(), "secret");
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "line\n");
    }
}
