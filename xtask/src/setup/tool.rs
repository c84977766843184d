//! Looks for programs on this machine; changes nothing.

use std::{path::Path, process::Command};

use crate::{command, workspace::Workspace};

/// The oldest Java that runs the test broker.
const JAVA: u32 = 17;

/// The first line that `program` prints, where it runs and succeeds.
pub(super) fn version(workspace: &Workspace, program: &str, args: &[&str]) -> Option<String> {
    // In the clone's folder, where the pinned toolchain holds.
    let mut command = Command::new(program);
    let printed = command::read(command.args(args).current_dir(workspace.root())).ok()?;
    // Maven ends a colour even where it began none.
    printed.lines().next().map(|line| line.replace("\x1b[0m", ""))
}

/// The folder of the pinned toolchain's standard library.
pub(super) fn rust_src(workspace: &Workspace) -> Option<String> {
    let sysroot = version(workspace, "rustc", &["--print", "sysroot"])?;
    let library = Path::new(&sysroot).join("lib/rustlib/src/rust/library");
    library.join("core/Cargo.toml").is_file().then(|| library.display().to_string())
}

/// Perl with the modules that OpenSSL's build loads; a bare `perl-base` lacks them.
pub(super) fn perl(workspace: &Workspace) -> Option<String> {
    version(workspace, "perl", &["-MFindBin", "-MIPC::Cmd", "-MPod::Usage", "-e", "print $^V"])
}

pub(super) fn java(workspace: &Workspace) -> Option<String> {
    version(workspace, "java", &["-version"]).filter(|line| java_major(line) >= Some(JAVA))
}

/// `17` of `openjdk version "17.0.15" 2025-04-15`; Java 8 calls itself 1.8.
fn java_major(line: &str) -> Option<u32> {
    line.split('"').nth(1)?.split(['.', '-']).next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn java_versions_old_and_new() {
        assert_eq!(java_major(r#"openjdk version "17.0.15" 2025-04-15"#), Some(17));
        assert_eq!(java_major(r#"openjdk version "21-ea" 2023-09-19"#), Some(21));
        assert_eq!(java_major(r#"java version "1.8.0_202""#), Some(1));
        assert_eq!(java_major("command not found"), None);
    }
}
