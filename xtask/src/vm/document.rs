//! The file that keeps what the kernel tests found of each kernel.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result};

use super::matrix::Matrix;

/// Where it is.
const PATH: &str = "deploy/reference/coverage.md";

/// `deploy/reference/coverage.md`.
pub(super) struct Document {
    path: PathBuf,
}

impl Document {
    /// That of the clone at `root`.
    pub(super) fn at(root: &Path) -> Self {
        Self { path: root.join(PATH) }
    }

    /// The name of this machine's kernel in it: `host 6.18`.
    pub(super) fn host() -> Result<String> {
        let release = fs::read_to_string("/proc/sys/kernel/osrelease")?;
        let version: Vec<&str> = release.splitn(3, '.').take(2).collect();
        Ok(format!("host {}", version.join(".")))
    }

    /// Takes over what a kernel's whole run printed.
    pub(super) fn update(&self, kernel: &str, console: &str) -> Result<()> {
        let mut matrix = if self.path.try_exists()? { self.read()? } else { Matrix::default() };
        matrix.update(kernel, console);
        fs::write(&self.path, matrix.to_string())
            .with_context(|| format!("failed to write `{}`", self.path.display()))
    }

    /// Where a kernel's run printed something else than is known of it.
    pub(super) fn differences(&self, kernel: &str, console: &str) -> Result<Vec<String>> {
        Ok(self.read()?.differences(kernel, console))
    }

    fn read(&self) -> Result<Matrix> {
        let text = fs::read_to_string(&self.path)
            .with_context(|| format!("failed to read `{}`", self.path.display()))?;
        Ok(Matrix::parse(&text))
    }
}
