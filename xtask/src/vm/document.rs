//! The files that keep what the kernel tests found of each kernel.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result};

use super::{cost::Costs, matrix::Matrix};

/// Where they are.
const FOLDER: &str = "deploy/reference";

/// `coverage.md`, which is checked, and `cost.md`, which is not.
pub(super) struct Document {
    coverage: PathBuf,
    cost: PathBuf,
}

impl Document {
    /// Those of the clone at `root`.
    pub(super) fn at(root: &Path) -> Self {
        let folder = root.join(FOLDER);
        Self { coverage: folder.join("coverage.md"), cost: folder.join("cost.md") }
    }

    /// The name of this machine's kernel in it: `host 6.18`.
    pub(super) fn host() -> Result<String> {
        let release = fs::read_to_string("/proc/sys/kernel/osrelease")?;
        let version: Vec<&str> = release.splitn(3, '.').take(2).collect();
        Ok(format!("host {}", version.join(".")))
    }

    /// Takes over what a kernel's whole run printed.
    pub(super) fn update(&self, kernel: &str, console: &str) -> Result<()> {
        let mut matrix = Matrix::parse(&read(&self.coverage)?);
        matrix.update(kernel, console);
        write(&self.coverage, &matrix.to_string())?;
        let mut costs = Costs::parse(&read(&self.cost)?);
        costs.update(kernel, console);
        write(&self.cost, &costs.to_string())
    }

    /// Where a kernel's run printed something else than is known of it.
    pub(super) fn differences(&self, kernel: &str, console: &str) -> Result<Vec<String>> {
        Ok(Matrix::parse(&read(&self.coverage)?).differences(kernel, console))
    }
}

fn read(path: &Path) -> Result<String> {
    fs::read_to_string(path).with_context(|| format!("failed to read `{}`", path.display()))
}

fn write(path: &Path, text: &str) -> Result<()> {
    fs::write(path, text).with_context(|| format!("failed to write `{}`", path.display()))
}
