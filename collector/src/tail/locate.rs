//! Container id → its log's path and format. Asks the file system only, no runtime.

use std::ffi::OsStr;
use std::fs;
use std::io::{self, Read as _};
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use super::file::open_regular;
use super::{Format, Settings, rotation};
use crate::record::ContainerId;

/// The longest name of a file; the kubelet cuts off what of a link's name is beyond it.
const MAX_NAME_BYTES: usize = 255;
/// The least digits of an id that was cut.
const MIN_ID_DIGITS: usize = 12;

/// A log's newest file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogFile {
    /// Where it is, no link.
    pub path: PathBuf,
    /// How it is written.
    pub format: Format,
}

/// What was found of a container's log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Located {
    /// It is a file that can be read.
    Log(LogFile),
    /// It is written by this logging driver, which is not read.
    Unsupported(&'static str),
    /// There is none, or not yet.
    Absent,
}

/// Looks for the log of container `id`.
pub fn locate(settings: &Settings, id: &ContainerId) -> Located {
    let directory = docker_logs(settings).join(id.as_str());
    let path = directory.join(format!("{id}-json.log"));
    if is_log(&path) {
        return Located::Log(LogFile { path, format: Format::JsonFile });
    }
    if let Some(log) = cri_log(settings, id) {
        return Located::Log(log);
    }
    if is_file(&directory.join("local-logs/container.log")) {
        return Located::Unsupported("local");
    }
    Located::Absent
}

/// Whether container `id` has no log and will have none. In the midst of a rotation the log is absent, and not gone.
pub fn is_gone(settings: &Settings, id: &ContainerId) -> bool {
    !docker_logs(settings).join(id.as_str()).is_dir() && cri_link(settings, id).is_none()
}

/// Every container that has a directory of Docker's, or a link of the kubelet's that holds its whole id.
pub fn containers(settings: &Settings) -> io::Result<Vec<ContainerId>> {
    let mut ids = Vec::new();
    for (directory, parse) in [
        (docker_logs(settings), of_directory as fn(&OsStr) -> Option<ContainerId>),
        (settings.cri_links.clone(), of_link),
    ] {
        match fs::read_dir(&directory) {
            Ok(entries) => {
                for entry in entries {
                    ids.extend(parse(&entry?.file_name()));
                }
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
    }
    ids.sort_unstable();
    ids.dedup();
    Ok(ids)
}

/// The folder with a directory for each container of Docker's.
pub(super) fn docker_logs(settings: &Settings) -> PathBuf {
    settings.docker_root.join("containers")
}

/// The container that a directory of Docker's is named for.
pub(super) fn of_directory(name: &OsStr) -> Option<ContainerId> {
    ContainerId::from_bytes(name.as_bytes()).ok()
}

/// The container that a link of the kubelet's, `<pod>_<namespace>_<container>-<id>.log`, is named for.
pub(super) fn of_link(name: &OsStr) -> Option<ContainerId> {
    ContainerId::from_bytes(link_id(name)?).ok()
}

/// The id in a link's name, as far as it is not cut off.
fn link_id(name: &OsStr) -> Option<&[u8]> {
    name.as_bytes().strip_suffix(b".log")?.rsplit(|&byte| byte == b'-').next()
}

fn cri_log(settings: &Settings, id: &ContainerId) -> Option<LogFile> {
    let path = target(&cri_link(settings, id)?).filter(|path| is_log(path))?;
    let format = cri_format(&path)?;
    Some(LogFile { path, format })
}

/// The kubelet's link to the log of `id`, wherever it leads.
fn cri_link(settings: &Settings, id: &ContainerId) -> Option<PathBuf> {
    let is_link = |name: &OsStr| {
        let is_cut = name.len() == MAX_NAME_BYTES;
        link_id(name).is_some_and(|found| {
            let is_enough =
                found.len() == ContainerId::LEN || (is_cut && found.len() >= MIN_ID_DIGITS);
            is_enough && id.as_bytes().starts_with(found)
        })
    };
    let links = fs::read_dir(&settings.cri_links).ok()?;
    let link = links.filter_map(Result::ok).find(|link| is_link(&link.file_name()))?;
    Some(link.path())
}

/// Where a link leads. The kubelet gives a log another name before the runtime begins a new file: for a moment the link
/// leads to none.
fn target(link: &Path) -> Option<PathBuf> {
    fs::canonicalize(link).ok().or_else(|| {
        let target = link.parent()?.join(fs::read_link(link).ok()?);
        Some(fs::canonicalize(target.parent()?).ok()?.join(target.file_name()?))
    })
}

/// The format of a log that the kubelet links: Docker's logs are behind such links too.
fn cri_format(path: &Path) -> Option<Format> {
    let files = rotation::list(path).ok()?;
    let newest = files.iter().rev().find(|file| !file.is_packed);
    let mut first = [0];
    let length = newest.map_or(Some(0), |it| open_regular(&it.path).ok()?.read(&mut first).ok())?;
    let is_json = path.as_os_str().as_bytes().ends_with(b"-json.log") || first[..length] == *b"{";
    Some(if is_json { Format::JsonFile } else { Format::Cri })
}

/// Whether there is a file of the log at `path`, be it an older one.
fn is_log(path: &Path) -> bool {
    is_file(path) || rotation::list(path).is_ok_and(|files| !files.is_empty())
}

/// Whether it is a regular file itself, no link to one.
fn is_file(path: &Path) -> bool {
    path.symlink_metadata().is_ok_and(|metadata| metadata.is_file())
}
