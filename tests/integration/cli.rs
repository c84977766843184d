//! The command line: what it prints where, and how it exits.

use std::fs::{self, File};
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};

/// The command in an environment that says nothing.
pub(crate) fn writetap() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_writetap"));
    command.env_clear().stdin(Stdio::null());
    command
}

/// Exit code, stdout and stderr.
fn run(args: &[&str]) -> (i32, String, String) {
    taken_apart(&writetap().args(args).output().unwrap())
}

fn taken_apart(output: &Output) -> (i32, String, String) {
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    (output.status.code().unwrap(), text(&output.stdout), text(&output.stderr))
}

/// A configuration file in a folder of its own.
struct Fixture {
    folder: tempfile::TempDir,
}

impl Fixture {
    fn new(text: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("writetap.yaml"), text).unwrap();
        Self { folder }
    }

    fn file(&self) -> PathBuf {
        self.folder.path().join("writetap.yaml")
    }
}

#[test]
fn version_and_help_go_to_stdout_and_succeed() {
    let version = format!("writetap {}\n", env!("CARGO_PKG_VERSION"));
    assert_eq!(run(&["--version"]), (0, version, String::new()));
    let (code, stdout, stderr) = run(&["--help"]);
    assert_eq!((code, stderr.as_str()), (0, ""));
    for verb in ["run", "validate", "doctor", "containers", "completions"] {
        assert!(stdout.contains(&format!("\n  {verb}")), "{verb} in {stdout}");
    }
    assert!(!stdout.contains("\n  reference"), "{stdout}");
}

#[test]
fn wrong_usage_exits_64_and_goes_to_stderr() {
    for args in [&["--nonsense"][..], &["nonsense"], &["completions"], &["--log-level", "loud"]] {
        let (code, stdout, stderr) = run(args);
        assert_eq!((code, stdout.as_str()), (64, ""), "{args:?}");
        assert!(stderr.starts_with("error: "), "{stderr}");
        assert!(!stderr.contains('\x1b'), "{stderr:?}");
    }
}

#[test]
fn every_mistake_of_a_file_is_told_before_anything_runs() {
    let fixture = Fixture::new("lines: {}\nlog: {level: loud}\n");
    let file = fixture.file();
    let expected = format!(
        "error: the configuration is wrong\n\
         {0}:1:1: lines: unknown key; did you mean `line`?\n\
         {0}:2:14: log.level: expected `error`, `warn`, `info`, `debug` or `trace`, found `loud`\n",
        file.display(),
    );
    for verb in [&["validate"][..], &["run"], &[], &["doctor"], &["containers"]] {
        let output = writetap().args(verb).arg("--config").arg(&file).output().unwrap();
        assert_eq!(taken_apart(&output), (64, String::new(), expected.clone()), "{verb:?}");
    }
    let output = writetap().env("WRITETAP_CONFIG", &file).output().unwrap();
    assert_eq!(taken_apart(&output), (64, String::new(), expected));
}

#[test]
fn a_file_that_is_not_there_is_named() {
    let (code, stdout, stderr) = run(&["validate", "/nonexistent/writetap.yaml"]);
    assert_eq!((code, stdout.as_str()), (64, ""));
    let expected = "error: failed to read configuration `/nonexistent/writetap.yaml`: \
                    No such file or directory (os error 2)\n";
    assert_eq!(stderr, expected);
}

#[test]
fn validate_prints_what_applies_without_passwords() {
    let text = "sinks:\n  k:\n    type: kafka\n    brokers: ['${BROKER}']\n    topic: logs\n    \
                sasl: {mechanism: plain, username: me, password: '${PASSWORD}'}\n    \
                options: {ssl.key.password: hush}\n";
    let fixture = Fixture::new(text);
    let mut command = writetap();
    command.args(["validate", "--print"]).arg(fixture.file());
    command.env("BROKER", "kafka:9092").env("PASSWORD", "hush");
    let (code, stdout, stderr) = taken_apart(&command.output().unwrap());
    assert_eq!((code, stderr.as_str()), (0, ""));
    assert!(stdout.contains("    brokers: [kafka:9092]\n"), "{stdout}");
    assert!(stdout.contains("      password: \"***\"\n"), "{stdout}");
    assert!(stdout.contains("  ring_bytes: 16MiB\n"), "{stdout}");
    assert!(!stdout.contains("hush"), "{stdout}");

    let again = Fixture::new(&stdout);
    let output = writetap().arg("validate").arg(again.file()).output().unwrap();
    let valid = format!("{} is valid\n", again.file().display());
    assert_eq!(taken_apart(&output), (0, valid, String::new()));
}

#[test]
fn completions_name_the_verbs() {
    for shell in ["bash", "zsh", "fish"] {
        let (code, stdout, stderr) = run(&["completions", shell]);
        assert_eq!((code, stderr.as_str()), (0, ""), "{shell}");
        assert!(stdout.contains("validate"), "{shell}");
    }
}

#[test]
fn doctor_reports_as_json_too() {
    let (_, stdout, stderr) = run(&["doctor", "--json"]);
    assert_eq!(stderr, "");
    let report: serde_json::Value = serde_json::from_str(&stdout).unwrap();
    let topics: Vec<&str> = report["findings"]
        .as_array()
        .unwrap()
        .iter()
        .map(|it| it["topic"].as_str().unwrap())
        .collect();
    assert!(topics.starts_with(&["kernel", "BTF", "lockdown", "CAP_BPF"]), "{topics:?}");
}

#[test]
fn a_reader_that_has_seen_enough_is_no_failure() {
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let output = writetap().args(["completions", "bash"]).stdout(writer).output().unwrap();
    assert_eq!(taken_apart(&output), (0, String::new(), String::new()));
}

#[test]
fn a_full_disk_is_a_failure() {
    let full = File::options().write(true).open("/dev/full").unwrap();
    let output = writetap().args(["completions", "bash"]).stdout(full).output().unwrap();
    let (code, _, stderr) = taken_apart(&output);
    assert_eq!(code, 1);
    assert_eq!(stderr, "error: failed to write to stdout: No space left on device (os error 28)\n");
}
