//! Images without a registry, and programs to put in them.
//!
//! Two images: `busybox` has a static busybox and its applets; `host` is empty, and runs the programs of this machine
//! from folders mounted read-only.

use std::fs::{create_dir_all, read_link};
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, ensure};

use super::Site;

/// An image of static busybox.
pub(crate) const BUSYBOX: &str = "writetap-e2e/busybox:1";
/// An image to mount this machine's programs in.
pub(crate) const HOST: &str = "writetap-e2e/host:1";
/// Where `host` containers have the workload program.
pub(crate) const WORKLOAD: &str = "/workload";

/// What a program needs of this machine; a link (merged `/usr`) goes into the image, a folder is mounted.
const HOST_FOLDERS: [&str; 7] =
    ["/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/etc/alternatives"];

/// The path of a program, by `PATH`.
pub(crate) fn find(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path).map(|folder| folder.join(program)).find(|path| path.is_file())
}

/// Whether `host` containers have a program of that name or path.
pub(crate) fn on_host(program: &str) -> bool {
    let folders = [Path::new("/usr/bin"), Path::new("/usr/sbin")];
    folders.iter().any(|folder| folder.join(program).is_file())
}

/// The workload program: Cargo puts it into `examples` beside the folder of this test binary.
pub(crate) fn workload() -> PathBuf {
    let test = std::env::current_exe().unwrap_or_default();
    test.ancestors().nth(2).unwrap_or(Path::new("/")).join("examples/workload")
}

/// Options of `docker run` that mount this machine's programs and the workload.
pub(crate) fn host_mounts() -> Vec<String> {
    let folders = HOST_FOLDERS.iter().map(Path::new);
    let folders = folders.filter(|folder| folder.is_dir() && !folder.is_symlink());
    let mounts = folders.map(|folder| format!("--volume={0}:{0}:ro", folder.display()));
    mounts.chain([format!("--volume={}:{WORKLOAD}:ro", workload().display())]).collect()
}

/// Lays out the files of both images in `folder`: name and root folder of each.
pub(crate) fn lay_out(folder: &Path) -> Result<[(&'static str, PathBuf); 2]> {
    let (busybox, host) = (folder.join("busybox"), folder.join("host"));
    for root in [&busybox, &host] {
        for name in ["dev", "etc", "proc", "run", "sys", "tmp", "var/log"] {
            create_dir_all(root.join(name))?;
        }
        std::fs::write(root.join("etc/passwd"), "root:x:0:0:root:/:/bin/sh\n")?;
        std::fs::write(root.join("etc/group"), "root:x:0:\n")?;
    }
    for link in HOST_FOLDERS {
        if let Ok(target) = read_link(link) {
            symlink(target, host.join(&link[1..]))?;
        }
    }
    let program = find("busybox").context("no busybox")?;
    create_dir_all(busybox.join("bin"))?;
    std::fs::copy(&program, busybox.join("bin/busybox"))?;
    let applets = Command::new(&program).arg("--list").output()?;
    for applet in String::from_utf8(applets.stdout)?.lines().filter(|&applet| applet != "busybox") {
        symlink("busybox", busybox.join("bin").join(applet))?;
    }
    Ok([(BUSYBOX, busybox), (HOST, host)])
}

/// Makes an image of a folder.
pub(crate) fn import(site: &Site, address: &str, name: &str, folder: &Path) -> Result<()> {
    let mut tar = site.command("tar");
    let mut tar = tar.arg("-C").arg(folder).args(["-c", "."]);
    tar = tar.stdout(std::process::Stdio::piped());
    let mut tar = tar.spawn().context("failed to run `tar`")?;
    let mut docker = site.command("docker");
    docker.args(["-H", address, "import", "--change", "ENV PATH=/usr/bin:/bin:/usr/sbin:/sbin"]);
    docker.args(["-", name]).stdin(tar.stdout.take().context("tar has no output")?);
    let imported = docker.output().context("failed to run `docker`")?;
    ensure!(
        tar.wait()?.success() && imported.status.success(),
        "failed to import `{name}`: {}",
        String::from_utf8_lossy(&imported.stderr)
    );
    Ok(())
}
