//! Builds the kernel half and leaves its object at `OUT_DIR/probe`, where the collector embeds it.
//!
//! An inner Cargo does it, by the same pinned toolchain. Its target directory lies beside the outer one, so that the
//! `core` it compiles for the kernel (the slow part) serves every profile and every clone that shares a target
//! directory. Nothing here generates Rust code.

use std::{
    env,
    ffi::OsString,
    fs::{self, File},
    path::{Path, PathBuf},
    process::{Command, ExitCode},
};

use anyhow::{Context as _, Result, bail};

/// Set to `1`: embed an empty object, for checks and documentation on a machine without `bpf-linker`.
const SKIP: &str = "WRITETAP_SKIP_PROBE";
const REMEDY: &str = "run `cargo xtask setup`, which installs what the probe's build needs";

fn main() -> ExitCode {
    match embed() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error:#}");
            ExitCode::FAILURE
        }
    }
}

fn embed() -> Result<()> {
    println!("cargo::rerun-if-env-changed={SKIP}");
    let workspace = path("CARGO_MANIFEST_DIR")?.join("..");
    for input in ["collector-ebpf/src", "collector-ebpf/Cargo.toml", "Cargo.toml", "Cargo.lock"] {
        println!("cargo::rerun-if-changed={}", workspace.join(input).display());
    }
    let out = path("OUT_DIR")?;
    let object = out.join("probe");
    if env::var_os(SKIP).is_some_and(|value| value == "1") {
        return fs::write(&object, [])
            .with_context(|| format!("failed to write `{}`", object.display()));
    }
    let target = target_root(&out)?.join("probe");
    fs::create_dir_all(&target)
        .with_context(|| format!("failed to create `{}`", target.display()))?;
    // Held until the object is copied: another clone that shares the directory puts its own in the same place.
    let lock = target.join("writetap.lock");
    let lock =
        File::create(&lock).with_context(|| format!("failed to open `{}`", lock.display()))?;
    lock.lock().context("failed to lock the probe's target directory")?;
    build(&workspace, &target)?;
    let built = target.join("bpfel-unknown-none/release/probe");
    fs::copy(&built, &object).with_context(|| format!("failed to copy `{}`", built.display()))?;
    Ok(())
}

fn build(workspace: &Path, target: &Path) -> Result<()> {
    // The separator keeps flags with blanks whole; the variable overrides any other source of flags.
    let arch = env::var("CARGO_CFG_TARGET_ARCH")?;
    // v3: what Linux 5.1 and later run.
    let flags = format!(
        "-Cdebuginfo=2\x1f-Clink-arg=--btf\x1f-Ctarget-cpu=v3\x1f--cfg=bpf_target_arch=\"{arch}\""
    );
    let mut cargo = Command::new(path("CARGO")?);
    cargo
        .current_dir(workspace)
        .args("build --locked --package collector-ebpf --bin probe --features probe".split(' '))
        .args("--release --target bpfel-unknown-none -Z build-std=core --target-dir".split(' '))
        .arg(target)
        // `-Z` on the stable toolchain: only `core` for a target that has no ready-made one needs it.
        .env("RUSTC_BOOTSTRAP", "1")
        .env("CARGO_ENCODED_RUSTFLAGS", flags)
        // What the outer Cargo set: the host's compiler, and clippy in its place.
        .env_remove("RUSTC")
        .env_remove("RUSTC_WORKSPACE_WRAPPER");
    let output = cargo.output().with_context(|| format!("failed to start {cargo:?}"))?;
    if output.status.success() {
        return Ok(());
    }
    let text = String::from_utf8_lossy(&output.stderr);
    let missing = ["linker `bpf-linker` not found", "rustup component add rust-src"];
    let remedy = if missing.iter().any(|sign| text.contains(sign)) { REMEDY } else { "" };
    bail!("failed to build the probe ({}): {cargo:?}\n{text}\n{remedy}", output.status)
}

/// The target directory of the outer build: `OUT_DIR` is `<root>/[<triple>/]<profile>/build/<package>/out`.
fn target_root(out: &Path) -> Result<&Path> {
    let triple = env::var("TARGET")?;
    out.ancestors()
        .skip(4)
        .find(|dir| !dir.ends_with(&triple))
        .with_context(|| format!("`{}` is not laid out as Cargo does", out.display()))
}

fn path(variable: &str) -> Result<PathBuf> {
    let value: OsString = env::var_os(variable)
        .with_context(|| format!("`{variable}` is not set: Cargo runs this"))?;
    Ok(value.into())
}
