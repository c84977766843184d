//! What building, running, testing and checking need: one place for names, versions and reasons.

use std::{fmt, path::Path};

use super::{docker, kafka, tool};
use crate::workspace::Workspace;

/// The linker whose LLVM is that of the pinned toolchain (22): 0.11 and later need another.
const BPF_LINKER: &str = "0.10.3";
const CARGO_DENY: &str = "0.20.2";
/// The keys that sign Debian's package lists.
pub(crate) const DEBIAN_KEYS: &str = "/usr/share/keyrings/debian-archive-keyring.gpg";

/// One thing that has to be on the machine.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Need {
    RustSrc,
    Clippy,
    Rustfmt,
    BpfLinker,
    CargoDeny,
    CCompiler,
    Make,
    Perl,
    Busybox,
    Engine,
    Daemon,
    Java,
    Maven,
    KafkaJars,
    Nginx,
    Python,
    Qemu,
    DebianKeys,
}

/// How a need is met where it is missing.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Fix {
    /// A component of the pinned toolchain.
    Component(&'static str),
    /// A program from crates.io: name and exact version.
    Crate(&'static str, &'static str),
    /// A Debian package: the first of these that the machine's release has.
    Package(&'static [&'static str]),
    /// A Debian package and the service of it that must not start.
    IdlePackage(&'static str, &'static str),
    /// Start `dockerd`.
    StartDocker,
    /// Have Maven fetch the test broker.
    FetchKafka,
}

impl Need {
    /// Both halves.
    pub(crate) const BUILD: &[Self] =
        &[Self::RustSrc, Self::BpfLinker, Self::CCompiler, Self::Make, Self::Perl];
    /// Demo and test containers.
    pub(crate) const CONTAINERS: &[Self] = &[Self::Busybox, Self::Engine];
    /// Tests and benchmarks. They start a Docker daemon of their own.
    pub(crate) const BROKER: &[Self] = &[Self::Java, Self::Maven, Self::KafkaJars];
    /// Programs that tests run in containers.
    pub(crate) const PROGRAMS: &[Self] = &[Self::Nginx, Self::Python];
    /// Virtual machines for the kernel tests.
    pub(crate) const GUEST: &[Self] = &[Self::Qemu, Self::DebianKeys];
    /// `run --demo`.
    pub(crate) const DAEMON: &[Self] = &[Self::Daemon];
    /// `lint`.
    pub(crate) const LINT: &[Self] = &[Self::Clippy, Self::Rustfmt, Self::CargoDeny];

    /// What of it is there already; `None` where it is missing or of the wrong version.
    pub(crate) fn found(self, workspace: &Workspace) -> Option<String> {
        match self {
            Self::RustSrc => tool::rust_src(workspace),
            Self::Clippy => tool::version(workspace, "cargo", &["clippy", "--version"]),
            Self::Rustfmt => tool::version(workspace, "cargo", &["fmt", "--version"]),
            Self::BpfLinker => tool::version(workspace, "bpf-linker", &["--version"])
                .filter(|found| found.ends_with(&format!(" {BPF_LINKER}"))),
            Self::CargoDeny => tool::version(workspace, "cargo-deny", &["--version"])
                .filter(|found| found.ends_with(&format!(" {CARGO_DENY}"))),
            Self::CCompiler => tool::version(workspace, "c++", &["--version"]).and(tool::version(
                workspace,
                "cc",
                &["--version"],
            )),
            Self::Make => tool::version(workspace, "make", &["--version"]),
            Self::Perl => tool::perl(workspace),
            Self::Busybox => docker::busybox().map(|path| path.display().to_string()),
            Self::Engine => tool::version(workspace, "dockerd", &["--version"])
                // Not in the search path of a user who is not root.
                .or_else(|| tool::version(workspace, "/usr/sbin/dockerd", &["--version"])),
            Self::Daemon => docker::answering(),
            Self::Java => tool::java(workspace),
            Self::Maven => tool::version(workspace, "mvn", &["--version"]),
            Self::KafkaJars => kafka::jars(workspace).ok()?.map(|dir| dir.display().to_string()),
            Self::Nginx => tool::version(workspace, "nginx", &["-v"])
                .or_else(|| tool::version(workspace, "/usr/sbin/nginx", &["-v"])),
            Self::Python => tool::version(workspace, "/usr/bin/python3", &["--version"]),
            Self::Qemu => tool::version(workspace, "qemu-system-x86_64", &["--version"]),
            Self::DebianKeys => Path::new(DEBIAN_KEYS).is_file().then(|| DEBIAN_KEYS.to_owned()),
        }
    }

    /// What it is for, as the end of a sentence.
    pub(crate) fn purpose(self) -> &'static str {
        match self {
            Self::RustSrc => "from which `core` is built for the kernel half",
            Self::Clippy | Self::Rustfmt | Self::CargoDeny => "for `cargo xtask lint`",
            Self::BpfLinker => "which links the kernel half (compiling it takes about 3 minutes)",
            Self::CCompiler | Self::Make | Self::Perl => {
                "for librdkafka and OpenSSL, built from source"
            }
            Self::Busybox => "of which demo and test containers are made",
            Self::Engine => "which runs demo and test containers",
            Self::Daemon => "which runs the demo's containers",
            Self::Java => "which runs the test broker",
            Self::Maven => "which fetches the test broker",
            Self::KafkaJars => "the test broker (44 MB)",
            Self::Qemu => "which boots other kernels for the kernel tests",
            Self::DebianKeys => "by which those kernels are checked",
            Self::Python => "in which a test container makes system calls of its own",
            Self::Nginx => {
                "whose logs a test compares with Docker's; its service is kept from starting"
            }
        }
    }

    pub(crate) fn fix(self) -> Fix {
        match self {
            Self::RustSrc => Fix::Component("rust-src"),
            Self::Clippy => Fix::Component("clippy"),
            Self::Rustfmt => Fix::Component("rustfmt"),
            Self::BpfLinker => Fix::Crate("bpf-linker", BPF_LINKER),
            Self::CargoDeny => Fix::Crate("cargo-deny", CARGO_DENY),
            // With the C library's headers, which the compiler's package does not bring.
            Self::CCompiler => Fix::Package(&["build-essential"]),
            Self::Make => Fix::Package(&["make"]),
            Self::Perl => Fix::Package(&["perl"]),
            Self::Busybox => Fix::Package(&["busybox-static"]),
            Self::Engine => Fix::Package(&["docker.io"]),
            Self::Daemon => Fix::StartDocker,
            Self::Java => Fix::Package(&["openjdk-21-jre-headless", "openjdk-17-jre-headless"]),
            Self::Maven => Fix::Package(&["maven"]),
            Self::KafkaJars => Fix::FetchKafka,
            Self::Python => Fix::Package(&["python3"]),
            Self::Qemu => Fix::Package(&["qemu-system-x86"]),
            Self::DebianKeys => Fix::Package(&["debian-archive-keyring"]),
            Self::Nginx => Fix::IdlePackage("nginx-light", "nginx.service"),
        }
    }

    /// What a user does where Writetap's own way fails or does not fit the machine.
    pub(crate) fn by_hand(self) -> String {
        match self.fix() {
            Fix::Component(name) => format!("`rustup component add {name}` in this folder"),
            Fix::Crate(name, version) => {
                format!("`cargo install {name} --version {version} --locked`")
            }
            Fix::Package(names) => {
                format!("install {self} (Debian: `apt-get install {}`)", names.join("` or `"))
            }
            Fix::IdlePackage(name, _) => {
                format!("install {self} (Debian: `apt-get install {name}`)")
            }
            Fix::StartDocker => "start the Docker daemon".to_owned(),
            Fix::FetchKafka => "see that Maven reaches Maven Central or a mirror of it".to_owned(),
        }
    }
}

impl fmt::Display for Need {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::RustSrc => f.write_str("the Rust standard library's source"),
            Self::Clippy => f.write_str("clippy"),
            Self::Rustfmt => f.write_str("rustfmt"),
            Self::BpfLinker => write!(f, "bpf-linker {BPF_LINKER}"),
            Self::CargoDeny => write!(f, "cargo-deny {CARGO_DENY}"),
            Self::CCompiler => f.write_str("a C and C++ compiler"),
            Self::Make => f.write_str("make"),
            Self::Perl => f.write_str("perl with its core modules"),
            Self::Busybox => f.write_str("a static busybox"),
            Self::Engine => f.write_str("the Docker engine"),
            Self::Daemon => f.write_str("a Docker daemon that answers"),
            Self::Java => f.write_str("a Java runtime, 17 or later"),
            Self::Maven => f.write_str("Maven"),
            Self::KafkaJars => f.write_str("Apache Kafka"),
            Self::Nginx => f.write_str("nginx"),
            Self::Python => f.write_str("Python"),
            Self::Qemu => f.write_str("QEMU"),
            Self::DebianKeys => f.write_str("the keys of Debian's archives"),
        }
    }
}
