//! Containers that wait for each other, so that all write at the same time, however long it takes to start them.

use anyhow::Result;
use tempfile::TempDir;

/// Closed until it is opened.
#[derive(Debug)]
pub(crate) struct Gate {
    folder: TempDir,
    mount: String,
}

impl Gate {
    /// A closed one.
    pub(crate) fn closed() -> Result<Self> {
        let folder = tempfile::tempdir()?;
        let mount = format!("--volume={}:/gate:ro", folder.path().display());
        Ok(Self { folder, mount })
    }

    /// The option of `docker run` that lets a container see it.
    pub(crate) fn mount(&self) -> &str {
        &self.mount
    }

    /// A shell script that runs `command` when the gate is open.
    pub(crate) fn before(command: &str) -> String {
        format!("until [ -e /gate/open ]; do sleep 0.02; done; exec {command}")
    }

    /// Lets all containers on.
    pub(crate) fn open(&self) -> Result<()> {
        Ok(std::fs::write(self.folder.path().join("open"), "")?)
    }
}
