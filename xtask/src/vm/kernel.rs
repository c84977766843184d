//! Kernel images of Debian's, fetched without installing anything, and kept in the user's cache.
//!
//! Apt checks the packages by Debian's signatures. Its lists, state and sources are in the cache as well: the machine's
//! own are neither read nor changed.

use std::{
    fs::{self, File},
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use anyhow::{Context as _, Result, bail};

use crate::{
    command::{self, Step},
    setup::DEBIAN_KEYS,
    workspace::Workspace,
};

const MIRROR: &str = "http://deb.debian.org";
const REMEDY: &str =
    "Debian's mirror must be reached; `--kernel-image PATH` boots any other kernel without it";

/// A kernel, by the first two numbers of its version, and where Debian has it: archive and suite.
const SUITES: [(&str, &str, &str); 6] = [
    ("5.10", "debian-security", "bullseye-security"),
    ("6.1", "debian", "bookworm"),
    ("6.12", "debian", "trixie"),
    ("6.18", "debian", "trixie-backports"),
    ("7.2", "debian", "sid"),
    ("7.3", "debian", "trixie-backports"),
];

/// The kernels for every day: one that most nodes have, and the newest.
pub(super) const USUAL: [&str; 2] = ["6.1", "7.3"];

/// The image of a kernel, from the cache if it is there unharmed.
pub(super) fn image(workspace: &Workspace, release: &str) -> Result<PathBuf> {
    let Some((_, archive, suite)) = SUITES.iter().find(|(known, ..)| *known == release) else {
        let known = SUITES.map(|(release, ..)| release);
        bail!("no kernel {release}; known are {}", known.join(", "));
    };
    let dir = workspace.cache("vm")?.join(release);
    let image = dir.join("vmlinuz");
    if is_whole(&dir) {
        return Ok(image);
    }
    let step = Step::begin(format!("fetch Linux {release} of {suite}"));
    fs::create_dir_all(&dir).with_context(|| format!("failed to create `{}`", dir.display()))?;
    let apt = Apt::new(workspace, archive, suite)?;
    let names = command::read(apt.command("apt-cache").args(["pkgnames", "linux-"]))?;
    let package = newest(names.lines(), release)
        .with_context(|| format!("`{suite}` has no kernel {release}\nremedy: {REMEDY}"))?;
    let fetched = apt.download(package, &dir)?;
    unpack(&fetched, package, &image)?;
    fs::remove_file(&fetched)?;
    let digest = command::read(Command::new("sha256sum").arg("vmlinuz").current_dir(&dir))?;
    fs::write(dir.join("digest"), digest + "\n")
        .with_context(|| format!("failed to write into `{}`", dir.display()))?;
    step.end();
    Ok(image)
}

/// Whether the image is there and has the digest that was noted last of all.
fn is_whole(dir: &Path) -> bool {
    let mut check = Command::new("sha256sum");
    check.args(["--check", "--status", "digest"]).current_dir(dir);
    dir.join("digest").is_file() && command::read(&mut check).is_ok()
}

/// Apt with sources and lists of its own.
struct Apt {
    dir: PathBuf,
}

impl Apt {
    /// Brings the lists of one suite up to date.
    fn new(workspace: &Workspace, archive: &str, suite: &str) -> Result<Self> {
        let apt = Self { dir: workspace.cache(&format!("vm/apt/{suite}"))? };
        for dir in ["lists/partial", "archives/partial"] {
            fs::create_dir_all(apt.dir.join(dir))?;
        }
        let source =
            format!("deb [arch=amd64 signed-by={DEBIAN_KEYS}] {MIRROR}/{archive} {suite} main\n");
        fs::write(apt.dir.join("sources.list"), source)?;
        // No package is installed, as far as this apt knows.
        fs::write(apt.dir.join("status"), "")?;
        let log = workspace.cache("log")?.join(format!("apt-{suite}.log"));
        let name = format!("update the package list of {suite}");
        command::quiet(&name, apt.command("apt-get").arg("update"), &log, REMEDY)?;
        Ok(apt)
    }

    fn command(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        let dir = self.dir.display();
        for option in [
            format!("Dir::Etc::sourcelist={dir}/sources.list"),
            "Dir::Etc::sourceparts=-".into(),
            format!("Dir::State={dir}"),
            format!("Dir::State::status={dir}/status"),
            format!("Dir::Cache={dir}"),
            "Acquire::Languages=none".into(),
            // Root may write here; the user that apt would become may not.
            "APT::Sandbox::User=root".into(),
        ] {
            command.arg("-o").arg(option);
        }
        command
    }

    /// Fetches a package's file into `dir`.
    fn download(&self, package: &str, dir: &Path) -> Result<PathBuf> {
        for old in packages(dir)? {
            fs::remove_file(old)?;
        }
        let mut download = self.command("apt-get");
        download.args(["--quiet", "download", package]).current_dir(dir).stdout(Stdio::null());
        command::show(&mut download, REMEDY)?;
        packages(dir)?.pop().with_context(|| format!("apt fetched no file of `{package}`"))
    }
}

fn packages(dir: &Path) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(dir)? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "deb") {
            found.push(path);
        }
    }
    Ok(found)
}

/// The package with the newest image of `release`. From 7.0 on the image is in `linux-binary-…`, and `linux-image-…`
/// is empty.
fn newest<'a>(names: impl Iterator<Item = &'a str>, release: &str) -> Option<&'a str> {
    let known = names.filter_map(|name| {
        Some((version(name, release)?, name.starts_with("linux-binary-"), name))
    });
    known.max().map(|(.., name)| name)
}

/// What follows `release` in the version of a package's image: `50` of 6.1.0-50, `107` of 6.12.107+deb13. `None` for
/// other packages, and for flavours: 6.1.0-50-cloud, -rt.
fn version(package: &str, release: &str) -> Option<Vec<u32>> {
    let image =
        ["linux-binary-", "linux-image-"].iter().find_map(|kind| package.strip_prefix(kind))?;
    let image = image.strip_suffix("-unsigned").unwrap_or(image).strip_suffix("-amd64")?;
    let rest = image.strip_prefix(release)?.strip_prefix('.')?;
    let (numbers, _suite) = rest.split_once('+').unwrap_or((rest, ""));
    numbers.split(['.', '-']).map(|number| number.parse().ok()).collect()
}

/// Takes the image out of the package.
fn unpack(package: &Path, name: &str, image: &Path) -> Result<()> {
    let member = if name.starts_with("linux-binary-") {
        "./usr/lib/modules/*/vmlinuz"
    } else {
        "./boot/vmlinuz-*"
    };
    let mut files = Command::new("dpkg-deb");
    files.arg("--fsys-tarfile").arg(package).stdout(Stdio::piped());
    let mut files = files.spawn().with_context(|| command::unstartable(&files, ""))?;
    let part = image.with_extension("part");
    let out =
        File::create(&part).with_context(|| format!("failed to create `{}`", part.display()))?;
    let mut tar = Command::new("tar");
    tar.args(["--extract", "--to-stdout", "--wildcards", member])
        .stdin(files.stdout.take().context("no pipe from dpkg-deb")?)
        .stdout(out);
    command::show(&mut tar, "")?;
    files.wait()?;
    fs::rename(&part, image).with_context(|| format!("failed to write `{}`", image.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_image_of_a_release() {
        let names = [
            "linux-image-6.1.0-9-amd64-unsigned",
            "linux-image-6.1.0-50-amd64",
            "linux-image-6.1.0-50-amd64-unsigned",
            "linux-image-6.1.0-51-cloud-amd64-unsigned",
            "linux-image-6.1.0-51-rt-amd64",
            "linux-image-6.12.107+deb13-amd64",
            "linux-image-6.12.41+deb13-amd64",
            "linux-image-7.3.4+deb13-amd64",
            "linux-binary-7.3.4+deb13-amd64",
            "linux-image-amd64",
        ];
        let newest = |release| newest(names.into_iter(), release);
        assert_eq!(newest("6.1"), Some("linux-image-6.1.0-50-amd64-unsigned"));
        assert_eq!(newest("6.12"), Some("linux-image-6.12.107+deb13-amd64"));
        assert_eq!(newest("7.3"), Some("linux-binary-7.3.4+deb13-amd64"));
        assert_eq!(newest("7.2"), None);
    }
}
