//! What the file sink leaves behind.

use std::io::Read as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};

/// The files put aside, in the order of their names, which is that of their age; then the file itself.
pub(crate) fn by_age(path: &Path) -> Result<Vec<PathBuf>> {
    let name = path.file_name().context("no name")?.to_string_lossy();
    let prefix = format!("{name}.");
    let mut files = Vec::new();
    for entry in std::fs::read_dir(path.parent().context("no folder")?)? {
        let file = entry?.path();
        if file.file_name().is_some_and(|it| it.to_string_lossy().starts_with(&prefix)) {
            files.push(file);
        }
    }
    files.sort();
    if path.try_exists()? {
        files.push(path.to_owned());
    }
    Ok(files)
}

/// The text of a file, unpacked as its extension says.
pub(crate) fn text(file: &Path) -> Result<Vec<u8>> {
    let bytes = std::fs::read(file)?;
    Ok(match file.extension().and_then(|extension| extension.to_str()) {
        Some("zst") => zstd::decode_all(&bytes[..])?,
        Some("gz") => {
            let mut text = Vec::new();
            flate2::read::GzDecoder::new(&bytes[..]).read_to_end(&mut text)?;
            text
        }
        _ => bytes,
    })
}
