//! Two small containers for `run --demo`, made of this machine's own busybox: no registry, no download.
//!
//! They share the machine's process ids and print for as long as the process that was named lives, so they end with
//! Writetap however it ends, and Docker then removes them. Their image (about 2 MB) stays for the next time.

use std::{
    env, fs,
    os::unix::fs::symlink,
    path::Path,
    process::{self, Command, Stdio},
};

use anyhow::{Context as _, Result, bail};

use crate::{
    command::{self, Step},
    setup::docker,
};

const IMAGE: &str = "writetap-demo:1";
const REMEDY: &str = "`docker info` says whether the Docker daemon is well";

/// Name and endless part of each container's script; `$n` counts.
const CONTAINERS: [(&str, &str); 2] = [
    (
        "writetap-demo-shop",
        r#"echo "order $n accepted"; [ $((n % 5)) = 0 ] && echo "order $n: payment is slow" >&2; sleep 1"#,
    ),
    ("writetap-demo-clock", r#"printf 'tick %s ' "$n"; /bin/date -u +%H:%M:%S; sleep 0.5"#),
];

/// Starts the containers, to print until the process `watched` ends.
pub(crate) fn start(watched: u32) -> Result<()> {
    let step = Step::begin("start two demo containers");
    if command::read(docker::client().args(["image", "inspect", IMAGE])).is_err() {
        import()?;
    }
    for (name, script) in CONTAINERS {
        // One that an earlier run left behind, should Docker have died before it could remove it.
        if command::read(docker::client().args(["container", "inspect", name])).is_ok() {
            command::read(docker::client().args(["rm", "--force", name]))?;
        }
        let script = format!("n=0; while [ -d /proc/{watched} ]; do n=$((n + 1)); {script}; done");
        let mut container = docker::client();
        container
            .args("run --detach --rm --pid=host --network=none --name".split(' '))
            .args([name, IMAGE, "/bin/sh", "-c", &script]);
        command::read(&mut container)?;
    }
    step.end();
    Ok(())
}

/// Makes the image: busybox, and links to it under the names that the scripts use.
fn import() -> Result<()> {
    let busybox = docker::busybox().context("no static busybox: run `cargo xtask setup`")?;
    let root = env::temp_dir().join(format!("writetap-demo-{}", process::id()));
    let bin = root.join("bin");
    fs::create_dir_all(&bin)?;
    fs::copy(busybox, bin.join("busybox"))?;
    for name in ["sh", "date", "sleep"] {
        symlink("busybox", bin.join(name))?;
    }
    let imported = archive(&root);
    fs::remove_dir_all(&root)?;
    imported
}

/// `tar -C <root> … | docker import - <image>`.
fn archive(root: &Path) -> Result<()> {
    let mut tar = Command::new("tar");
    tar.arg("-C").arg(root).args(["--owner=0", "--group=0", "-c", "."]);
    let mut import = docker::client();
    import.args(["import", "-", IMAGE]);
    let texts = format!("`{} | {}`", command::text(&tar), command::text(&import));
    let mut packing =
        tar.stdout(Stdio::piped()).spawn().with_context(|| command::unstartable(&tar, ""))?;
    import.stdin(packing.stdout.take().context("no pipe from `tar`")?);
    let output = import.output().with_context(|| command::unstartable(&import, REMEDY))?;
    if packing.wait()?.success() && output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    bail!("{texts} failed: {}\nremedy: {REMEDY}", said.trim())
}
