//! Checkpoints through files that are torn, changed, missing and in the way.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::Path;
use std::time::Duration;

use prometheus_client::encoding::text::encode;
use prometheus_client::registry::Registry;
use proptest::prelude::*;
use tempfile::TempDir;
use xxhash_rust::xxh3::xxh3_64;

use super::{Checkpoint, Error, Loaded, Metrics, Settings, State, StoreError, StreamCheckpoint};
use crate::record::{ContainerId, FileIdentity, Fingerprint, LineKey, Place, Stream};

fn stream(number: u64) -> StreamCheckpoint {
    let hash = number.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let file = FileIdentity {
        device: 64_512,
        inode: number,
        birth_ns: (!number.is_multiple_of(3)).then_some(1_700_000_000_000_000_000),
        fingerprint: Fingerprint { length_bytes: 256, hash },
    };
    StreamCheckpoint {
        container: ContainerId::from_bytes(format!("{number:064x}").as_bytes()).unwrap(),
        stream: Stream::ALL[number as usize % 2],
        number,
        place: (!number.is_multiple_of(5)).then_some(Place { file, offset_bytes: number * 100 }),
        recent: vec![LineKey(hash), LineKey(!hash)],
        written: None,
    }
}

fn checkpoint(streams: u64) -> Checkpoint {
    Checkpoint { streams: (0..streams).map(stream).collect() }
}

/// A state directory, and what is counted of it.
struct Sandbox {
    root: TempDir,
    settings: Settings,
    metrics: Metrics,
    registry: Registry,
}

impl Sandbox {
    fn new() -> Self {
        let root = tempfile::tempdir().unwrap();
        let settings = Settings { directory: root.path().join("a/state"), ..Settings::default() };
        let mut registry = Registry::default();
        let metrics = Metrics::register(&mut registry);
        Self { root, settings, metrics, registry }
    }

    fn open(&self) -> State {
        State::try_lock(&self.settings, self.metrics.clone()).unwrap()
    }

    fn load(&self) -> Loaded {
        self.open().load()
    }

    fn path(&self, name: &str) -> std::path::PathBuf {
        self.settings.directory.join(name)
    }

    fn counts(&self, line: &str) -> bool {
        let mut text = String::new();
        encode(&mut text, &self.registry).unwrap();
        text.lines().any(|found| found == line)
    }
}

#[test]
fn what_was_stored_is_loaded_by_the_next() {
    let sandbox = Sandbox::new();
    for streams in [0, 1, 3, 1000] {
        sandbox.open().store(&checkpoint(streams)).unwrap();
        let Loaded { checkpoint: found, problem } = sandbox.load();
        assert_eq!(found, Some(checkpoint(streams)));
        assert!(problem.is_none());
    }
    assert!(!sandbox.path("checkpoint.new").try_exists().unwrap());
    assert!(sandbox.counts("checkpoints_total 4"));
    assert!(sandbox.counts(r#"checkpoint_loads_total{result="newest"} 4"#));
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&sandbox.settings.directory), 0o700);
    assert_eq!(mode(&sandbox.path("checkpoint")), 0o600);
}

#[test]
fn the_form_is_a_contract() {
    let text = String::from_utf8(checkpoint(2).to_bytes()).unwrap();
    let id = "0".repeat(63);
    let lines = [
        r#"{"writetap_checkpoint":1}"#.to_owned(),
        format!(
            r#"{{"container":"{id}0","stream":"stdout","number":0,"place":null,"recent":[0,18446744073709551615],"written":null}}"#
        ),
        format!(
            r#"{{"container":"{id}1","stream":"stderr","number":1,"place":{{"file":{{"device":64512,"inode":1,"birth_ns":1700000000000000000,"fingerprint":{{"length_bytes":256,"hash":11400714819323198485}}}},"offset_bytes":100}},"recent":[11400714819323198485,7046029254386353130],"written":null}}"#
        ),
        String::new(),
    ];
    let (content, end) = text.split_at(text.rfind("{\"xxh3").unwrap());
    assert_eq!(content, lines.join("\n"));
    assert_eq!(end, format!("{{\"xxh3\":\"{:016x}\"}}\n", xxh3_64(content.as_bytes())));
}

#[test]
fn of_the_recent_keys_the_newest_are_kept() {
    for (count, kept) in [(0, 0..0), (1, 0..1), (64, 0..64), (65, 1..65), (200, 136..200)] {
        let recent = (0..count).map(LineKey).collect();
        let streams = vec![StreamCheckpoint { recent, ..stream(1) }];
        let bytes = Checkpoint { streams }.to_bytes();
        let found = Checkpoint::from_bytes(&bytes).unwrap().streams.remove(0).recent;
        assert_eq!(found, kept.map(LineKey).collect::<Vec<_>>(), "{count}");
    }
}

#[test]
fn a_first_start_finds_nothing_and_no_problem() {
    let sandbox = Sandbox::new();
    let Loaded { checkpoint, problem } = sandbox.load();
    assert!(checkpoint.is_none() && problem.is_none());
    assert!(sandbox.counts(r#"checkpoint_loads_total{result="absent"} 1"#));
}

#[test]
fn whatever_is_torn_added_or_flipped_is_seen() {
    let bytes = checkpoint(2).to_bytes();
    let is_seen = |bytes: &[u8]| Checkpoint::from_bytes(bytes).is_err();
    for length in 0..bytes.len() {
        assert!(is_seen(&bytes[..length]), "torn at {length}");
        let zeroed = [&bytes[..length], &vec![0; bytes.len() - length]].concat();
        assert!(is_seen(&zeroed), "zeros from {length}");
        for bit in 0..8 {
            let mut flipped = bytes.clone();
            flipped[length] ^= 1 << bit;
            assert!(is_seen(&flipped), "bit {bit} of {length}");
        }
    }
    assert!(is_seen(&[&*bytes, b"\n"].concat()));
    assert!(is_seen(&[&*bytes, &*bytes].concat()));
    assert!(!is_seen(&bytes));
}

#[test]
fn a_damaged_checkpoint_is_kept_aside_and_the_one_before_it_used() {
    let sandbox = Sandbox::new();
    let state = sandbox.open();
    state.store(&checkpoint(1)).unwrap();
    state.store(&checkpoint(2)).unwrap();
    drop(state);
    fs::write(sandbox.path("checkpoint"), "torn").unwrap();
    let Loaded { checkpoint: found, problem } = sandbox.load();
    assert_eq!(found, Some(checkpoint(1)));
    let directory = sandbox.settings.directory.display();
    assert_eq!(
        problem.unwrap().to_string(),
        format!(
            "failed to use checkpoint `{directory}/checkpoint`: it does not match its checksum; \
             it is kept as `{directory}/checkpoint.unusable`, the one before it is used, and lines since are sent again"
        )
    );
    assert_eq!(fs::read(sandbox.path("checkpoint.unusable")).unwrap(), b"torn");
    // The next start has nothing to complain about.
    let Loaded { checkpoint: found, problem } = sandbox.load();
    assert_eq!(found, Some(checkpoint(1)));
    assert!(problem.is_none());
    assert!(sandbox.counts(r#"checkpoint_loads_total{result="previous"} 2"#));
}

#[test]
fn if_both_are_damaged_it_is_as_a_first_start_that_says_so() {
    let sandbox = Sandbox::new();
    let state = sandbox.open();
    fs::write(sandbox.path("checkpoint"), "").unwrap();
    fs::write(sandbox.path("checkpoint.previous"), "x").unwrap();
    let Loaded { checkpoint: found, problem } = state.load();
    assert!(found.is_none());
    assert!(problem.unwrap().to_string().ends_with("this is as a first start"));
    assert!(sandbox.counts(r#"checkpoint_loads_total{result="unusable"} 1"#));
    let Loaded { checkpoint: found, problem } = state.load();
    assert!(found.is_none());
    assert_eq!(problem.unwrap().path, sandbox.path("checkpoint.previous"));
    state.store(&checkpoint(3)).unwrap();
    assert_eq!(state.load().checkpoint, Some(checkpoint(3)));
}

#[test]
fn another_version_is_refused_by_name_and_kept() {
    let sandbox = Sandbox::new();
    let state = sandbox.open();
    let content = "{\"writetap_checkpoint\":2,\"new\":true}\nbinary\n";
    let newer = format!("{content}{{\"xxh3\":\"{:016x}\"}}\n", xxh3_64(content.as_bytes()));
    fs::write(sandbox.path("checkpoint"), &newer).unwrap();
    let Loaded { checkpoint: found, problem } = state.load();
    assert!(found.is_none());
    let problem = problem.unwrap().to_string();
    assert!(problem.contains("it has format 2, and this version of writetap reads format 1"));
    state.store(&checkpoint(1)).unwrap();
    assert_eq!(fs::read_to_string(sandbox.path("checkpoint.unusable")).unwrap(), newer);
}

#[test]
fn what_is_sound_and_not_understood_is_refused_with_its_line() {
    for (content, expected) in [
        ("", "line 1: EOF"),
        ("{}\n", "line 1: missing field `writetap_checkpoint`"),
        ("{\"writetap_checkpoint\":1}\n{\"container\":\"x\"}\n", "line 2: container id `x` is not"),
    ] {
        let bytes = format!("{content}{{\"xxh3\":\"{:016x}\"}}\n", xxh3_64(content.as_bytes()));
        let error = Checkpoint::from_bytes(bytes.as_bytes()).unwrap_err().to_string();
        assert!(error.starts_with(expected), "{error}");
    }
}

#[test]
fn a_crash_at_any_step_of_storing_loses_no_checkpoint() {
    let sandbox = Sandbox::new();
    let state = sandbox.open();
    let write = |name: &str, bytes: &[u8]| fs::write(sandbox.path(name), bytes).unwrap();
    let (one, two) = (checkpoint(1).to_bytes(), checkpoint(2).to_bytes());
    write("checkpoint", &one);
    write("checkpoint.new", &two[..two.len() / 2]);
    assert_eq!(state.load().checkpoint, Some(checkpoint(1)));
    fs::rename(sandbox.path("checkpoint"), sandbox.path("checkpoint.previous")).unwrap();
    write("checkpoint.new", &two);
    assert_eq!(state.load().checkpoint, Some(checkpoint(1)));
    state.store(&checkpoint(3)).unwrap();
    assert_eq!(state.load().checkpoint, Some(checkpoint(3)));
    assert!(!sandbox.path("checkpoint.new").try_exists().unwrap());
}

#[test]
fn a_full_disk_is_an_error_with_a_name_and_leaves_the_old_one() {
    let sandbox = Sandbox::new();
    let state = sandbox.open();
    state.store(&checkpoint(1)).unwrap();
    symlink("/dev/full", sandbox.path("checkpoint.new")).unwrap();
    let error = state.store(&checkpoint(2)).unwrap_err().to_string();
    let path = sandbox.path("checkpoint.new");
    let expected = format!("failed to write `{}`: No space left on device", path.display());
    assert!(error.starts_with(&expected), "{error}");
    assert_eq!(state.load().checkpoint, Some(checkpoint(1)));
    assert!(sandbox.counts("checkpoint_errors_total 1"));
    state.store(&checkpoint(2)).unwrap();
    assert_eq!(state.load().checkpoint, Some(checkpoint(2)));
}

#[test]
fn a_directory_that_takes_no_files_is_locked_and_read_all_the_same() {
    let settings = Settings { directory: "/proc/self/net".into(), ..Settings::default() };
    let state = State::try_lock(&settings, Metrics::default()).unwrap();
    let Loaded { checkpoint: found, problem } = state.load();
    assert!(found.is_none() && problem.is_none());
    let error = state.store(&checkpoint(1)).unwrap_err();
    assert!(matches!(error, StoreError::Write { action: "write", .. }), "{error}");
}

#[test]
fn a_file_in_its_place_is_an_error() {
    let sandbox = Sandbox::new();
    fs::create_dir(sandbox.root.path().join("a")).unwrap();
    fs::write(&sandbox.settings.directory, "x").unwrap();
    let error = State::try_lock(&sandbox.settings, Metrics::default()).unwrap_err();
    assert!(matches!(error, Error::Open { .. }), "{error}");
    let below = Settings { directory: sandbox.path("below"), ..Settings::default() };
    let error = State::try_lock(&below, Metrics::default()).unwrap_err();
    assert!(matches!(error, Error::Create { .. }), "{error}");
}

#[test]
fn a_checkpoint_has_a_greatest_size() {
    let sandbox = Sandbox::new();
    let bytes = checkpoint(3).to_bytes().len() as u64;
    let state = |max_bytes| {
        let settings = Settings { max_bytes, ..sandbox.settings.clone() };
        State::try_lock(&settings, Metrics::default()).unwrap()
    };
    for max_bytes in [0, 1, bytes - 1] {
        let error = state(max_bytes).store(&checkpoint(3)).unwrap_err();
        assert!(matches!(error, StoreError::TooLarge { streams: 3, .. }), "{error}");
    }
    state(bytes).store(&checkpoint(3)).unwrap();
    assert_eq!(state(bytes).load().checkpoint, Some(checkpoint(3)));
    let problem = state(bytes - 1).load().problem.unwrap().to_string();
    assert!(problem.contains(&format!("larger than {} bytes", bytes - 1)), "{problem}");
}

#[test]
fn one_collector_at_a_time_and_the_next_waits_for_its_end() {
    let sandbox = Sandbox::new();
    let first = sandbox.open();
    for patience in [Duration::ZERO, Duration::from_millis(1)] {
        let error = State::lock(&sandbox.settings, patience, Metrics::default()).unwrap_err();
        let directory = sandbox.settings.directory.display();
        let expected = format!(
            "the state directory `{directory}` is in use by process {}; stop that collector, \
             or give each its own as `state.directory`",
            std::process::id()
        );
        assert_eq!(error.to_string(), expected);
    }
    fs::write(sandbox.path("pid"), "nobody").unwrap();
    let error = State::try_lock(&sandbox.settings, Metrics::default()).unwrap_err();
    assert!(matches!(error, Error::InUse { holder: None, .. }));
    std::thread::scope(|scope| {
        let minute = Duration::from_mins(1);
        let settings = &sandbox.settings;
        let second = scope.spawn(move || State::lock(settings, minute, Metrics::default()));
        drop(first);
        second.join().unwrap().unwrap();
    });
}

prop_compose! {
    fn any_stream()(
        id in "[0-9a-f]{64}",
        stream in prop::sample::select(&Stream::ALL),
        number: u64,
        place in prop::option::of((any::<[u64; 4]>(), any::<Option<u64>>(), any::<u16>())),
        recent in prop::collection::vec(any::<u64>().prop_map(LineKey), 0..=64),
    ) -> StreamCheckpoint {
        let place = place.map(|([device, inode, hash, offset_bytes], birth_ns, length_bytes)| {
            let fingerprint = Fingerprint { length_bytes, hash };
            Place { file: FileIdentity { device, inode, birth_ns, fingerprint }, offset_bytes }
        });
        StreamCheckpoint { container: id.parse().unwrap(), stream, number, place, recent, written: None }
    }
}

proptest! {
    #[test]
    fn every_checkpoint_reads_back(streams in prop::collection::vec(any_stream(), 0..8)) {
        let checkpoint = Checkpoint { streams };
        prop_assert_eq!(Checkpoint::from_bytes(&checkpoint.to_bytes()).unwrap(), checkpoint);
    }

    #[test]
    fn any_bytes_give_a_result(bytes: Vec<u8>) {
        prop_assert!(Checkpoint::from_bytes(&bytes).is_err());
        let sound = format!("{{\"xxh3\":\"{:016x}\"}}\n", xxh3_64(&bytes));
        prop_assert!(Checkpoint::from_bytes(&[&*bytes, sound.as_bytes()].concat()).is_err());
    }
}
