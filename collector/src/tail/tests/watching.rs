//! What is told without asking: writes, and containers.

use super::*;
use crate::record::ContainerId;
use crate::tail::{Located, containers, is_gone, locate};

fn await_dirty(log: &Log) {
    let deadline = Instant::now() + Duration::from_secs(10);
    while !log.take_dirty() {
        assert!(Instant::now() < deadline, "no write was told");
        std::thread::yield_now();
    }
}

#[test]
fn writes_are_told_to_those_who_want_to_know() {
    let mut scene = Scene::new(Format::JsonFile);
    let mut log = scene.open();
    log.want_modifications(true);
    assert!(log.take_dirty());
    assert!(!log.take_dirty());
    for round in 0..3 {
        scene.write(2);
        await_dirty(&log);
        assert_eq!(read(&mut log), [2 * round, 2 * round + 1]);
    }
    assert!(!log.take_dirty());
    rename(&scene);
    await_dirty(&log);
    scene.write(1);
    await_dirty(&log);
    assert_eq!(read(&mut log), [6]);
}

#[test]
fn a_slow_look_finds_what_no_event_told() {
    let interval = |settings: &mut Settings| settings.rescan_interval = Duration::from_millis(1);
    let mut scene = Scene::with(Format::JsonFile, interval);
    let log = scene.open();
    assert!(log.take_dirty());
    // Nobody asked the kernel about writes.
    scene.write(1);
    await_dirty(&log);
    // The directory's watch goes with the directory.
    let away = scene.directory.path().with_extension("away");
    fs::rename(scene.directory.path(), &away).unwrap();
    fs::remove_dir_all(&away).unwrap();
    fs::create_dir(scene.directory.path()).unwrap();
    scene.write(1);
    scene.await_rotations(1);
}

fn id(digit: char) -> ContainerId {
    digit.to_string().repeat(ContainerId::LEN).parse().unwrap()
}

/// A node with the directories of both runtimes.
fn node() -> (TempDir, Settings) {
    let node = tempfile::tempdir().unwrap();
    let settings = Settings {
        docker_root: node.path().join("docker"),
        cri_links: node.path().join("links"),
        rescan_interval: Duration::from_hours(1),
        ..Settings::default()
    };
    fs::create_dir_all(settings.docker_root.join("containers")).unwrap();
    fs::create_dir(&settings.cri_links).unwrap();
    (node, settings)
}

fn docker_directory(settings: &Settings, id: &ContainerId) -> PathBuf {
    let directory = settings.docker_root.join("containers").join(id.as_str());
    fs::create_dir_all(&directory).unwrap();
    directory
}

#[test]
fn logs_are_located_by_the_file_system_alone() {
    let (node, settings) = node();
    let log = |path: PathBuf, format| Located::Log(LogFile { path, format });
    assert_eq!(locate(&settings, &id('a')), Located::Absent);
    let directory = docker_directory(&settings, &id('a'));
    assert_eq!(locate(&settings, &id('a')), Located::Absent);
    fs::create_dir(directory.join("local-logs")).unwrap();
    fs::write(directory.join("local-logs/container.log"), "").unwrap();
    assert_eq!(locate(&settings, &id('a')), Located::Unsupported("local"));
    let json = directory.join(format!("{}-json.log", id('a')));
    fs::write(&json, "").unwrap();
    assert_eq!(locate(&settings, &id('a')), log(json.clone(), Format::JsonFile));

    let link = |name: String, target: &Path| {
        std::os::unix::fs::symlink(target, settings.cri_links.join(name)).unwrap();
    };
    let pod = node.path().canonicalize().unwrap().join("0.log");
    fs::write(&pod, record(Format::Cri, 0)).unwrap();
    link(format!("pod_ns_app-{}.log", id('b')), &pod);
    assert_eq!(locate(&settings, &id('b')), log(pod.clone(), Format::Cri));
    link(format!("pod_ns_app-{}.log", id('c')), &json);
    let json_of_a = json.clone();
    let json = json.canonicalize().unwrap();
    assert_eq!(locate(&settings, &id('c')), log(json.clone(), Format::JsonFile));
    link(format!("pod_ns_app-{}.log", id('d')), Path::new("/dev/null"));
    assert_eq!(locate(&settings, &id('d')), Located::Absent);
    // The kubelet cuts names that are too long.
    let cut = format!("{}-{}.log", "p".repeat(230), &id('e').as_str()[..20]);
    assert_eq!(cut.len(), 255);
    link(cut, &pod);
    assert_eq!(locate(&settings, &id('e')), log(pod.clone(), Format::Cri));
    link(format!("short-{}.log", &id('f').as_str()[..20]), &pod);
    assert_eq!(locate(&settings, &id('f')), Located::Absent);

    // In the midst of a rotation.
    fs::rename(&pod, pod.with_extension("log.20261123-101453")).unwrap();
    assert_eq!(locate(&settings, &id('b')), log(pod.clone(), Format::Cri));
    fs::rename(&json, json.with_extension("log.1")).unwrap();
    assert_eq!(locate(&settings, &id('a')), log(json_of_a, Format::JsonFile));
    fs::remove_file(json.with_extension("log.1")).unwrap();
    let gone = ['a', 'b', 'c', '9'].map(|digit| is_gone(&settings, &id(digit)));
    assert_eq!(gone, [false, false, false, true]);

    let ids = [id('a'), id('b'), id('c'), id('d')];
    assert_eq!(containers(&settings).unwrap(), ids);
    let nowhere =
        Settings { docker_root: "/missing".into(), cri_links: "/missing".into(), ..settings };
    assert_eq!(containers(&nowhere).unwrap(), []);
}

#[test]
fn containers_are_told_once_they_have_a_log() {
    let (node, settings) = node();
    let metrics = Metrics::register(&mut Registry::default());
    let json = |id: &ContainerId| {
        fs::write(docker_directory(&settings, id).join(format!("{id}-json.log")), "").unwrap();
    };
    json(&id('1'));
    docker_directory(&settings, &id('2'));
    let watcher = Watcher::start(&settings, &metrics).unwrap();
    let discoveries = watcher.discoveries();
    let next = || discoveries.recv_timeout(Duration::from_secs(10)).unwrap();
    assert_eq!(next(), id('1'));
    // Made before, with a log only now.
    json(&id('2'));
    assert_eq!(next(), id('2'));
    docker_directory(&settings, &id('3'));
    json(&id('4'));
    assert_eq!(next(), id('4'));
    json(&id('3'));
    assert_eq!(next(), id('3'));
    let pod = node.path().join("0.log");
    fs::write(&pod, "").unwrap();
    let link = settings.cri_links.join(format!("pod_ns_app-{}.log", id('5')));
    std::os::unix::fs::symlink(&pod, link).unwrap();
    assert_eq!(next(), id('5'));
    drop(watcher);
    assert!(discoveries.recv().is_err());
}
