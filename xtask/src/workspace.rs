//! Where things are: this clone, and the cache that outlives it.

use std::{
    env, fs,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result};

/// The clone that the task runner was started in.
pub(crate) struct Workspace {
    root: PathBuf,
    cache: PathBuf,
}

impl Workspace {
    /// Asks Cargo's environment, not the path at compile time: clones may share a target directory.
    pub(crate) fn find() -> Result<Self> {
        let member = env::var_os("CARGO_MANIFEST_DIR")
            .context("start the task runner as `cargo xtask`: `CARGO_MANIFEST_DIR` is not set")?;
        let member = PathBuf::from(member);
        let root = member.parent().context("the task runner lies outside a workspace")?;
        let cache = env::var_os("XDG_CACHE_HOME")
            .map(PathBuf::from)
            .filter(|path| path.is_absolute())
            .or_else(|| Some(env::home_dir()?.join(".cache")))
            .context("set `HOME` or `XDG_CACHE_HOME`: there is no place for the cache")?;
        Ok(Self { root: root.to_owned(), cache: cache.join("writetap") })
    }

    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    /// A directory in the user's cache, made if need be.
    pub(crate) fn cache(&self, name: &str) -> Result<PathBuf> {
        let dir = self.cache.join(name);
        fs::create_dir_all(&dir)
            .with_context(|| format!("failed to create `{}`", dir.display()))?;
        Ok(dir)
    }
}
