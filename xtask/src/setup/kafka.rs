//! The test broker: Apache Kafka's jars, by Maven, in the user's cache.

use std::{fs, path::PathBuf, process::Command};

use anyhow::{Context as _, Result};

use crate::{command, workspace::Workspace};

/// The environment variable by which the tests learn the folder of the jars.
pub(crate) const LIBRARY: &str = "WRITETAP_KAFKA_LIB";
/// What is fetched, relative to the clone.
const POM: &str = "tests/harness/kafka/pom.xml";
const COPY: &str = "org.apache.maven.plugins:maven-dependency-plugin:3.6.1:copy-dependencies";
const REMEDY: &str =
    "Maven must reach Maven Central; behind a proxy or mirror see `~/.m2/settings.xml`";

/// The folder of the jars, if they are those that the clone's POM asks for.
pub(crate) fn jars(workspace: &Workspace) -> Result<Option<PathBuf>> {
    let (pom, dir) = wanted(workspace)?;
    // The copy of the POM came last, so jars beside it are complete.
    let fetched = fs::read_to_string(dir.join("pom.xml")).is_ok_and(|copy| copy == pom);
    Ok(fetched.then_some(dir))
}

/// Fetches the jars.
pub(super) fn fetch(workspace: &Workspace) -> Result<()> {
    let (pom, dir) = wanted(workspace)?;
    if dir.try_exists()? {
        fs::remove_dir_all(&dir)
            .with_context(|| format!("failed to remove `{}`", dir.display()))?;
    }
    let mut maven = Command::new("mvn");
    maven
        .args(["--quiet", "--batch-mode", COPY, "-DincludeScope=runtime", "--file"])
        .arg(workspace.root().join(POM))
        .arg(format!("-DoutputDirectory={}", dir.display()));
    let log = workspace.cache("log")?.join("maven.log");
    command::quiet("fetch Apache Kafka", &mut maven, &log, REMEDY)?;
    fs::write(dir.join("pom.xml"), pom)
        .with_context(|| format!("failed to write into `{}`", dir.display()))
}

/// The POM's text, and the folder for its version of Kafka.
fn wanted(workspace: &Workspace) -> Result<(String, PathBuf)> {
    let path = workspace.root().join(POM);
    let pom = fs::read_to_string(&path)
        .with_context(|| format!("failed to read `{}`", path.display()))?;
    let version =
        version(&pom).with_context(|| format!("no `<kafka.version>` in `{}`", path.display()))?;
    let dir = workspace.cache("kafka")?.join(version);
    Ok((pom, dir))
}

fn version(pom: &str) -> Option<&str> {
    let (_, rest) = pom.split_once("<kafka.version>")?;
    let (version, _) = rest.split_once("</kafka.version>")?;
    Some(version)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn version_is_the_property() {
        let pom = "<properties><kafka.version>4.1.2</kafka.version></properties>";
        assert_eq!(version(pom), Some("4.1.2"));
        assert_eq!(version("<kafka.version>4.1.2"), None);
    }
}
