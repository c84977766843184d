//! Containers of a Kubernetes node: their logs are in the form of CRI, and the kubelet rotates and packs them.

use std::collections::HashMap;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};

use crate::body;
use crate::harness::arrivals::{Arrivals, Growing};
use crate::harness::cri::{Node, Pod, workload};
use crate::harness::shim::Form;
use crate::harness::{self, Agent, wait};
use crate::lines::{assert_same, assert_streams};

/// Nothing is captured.
const OFF: &str = "attach: off";
/// The ring holds all that the tests write.
const WHOLE: &str = "ring_bytes: 128MiB, share_bytes_per_second: 128MiB";
/// How long lines may take to arrive, in a debug build on two busy cores.
const PATIENCE: Duration = Duration::from_mins(3);

fn file_sink(path: &Path) -> String {
    format!("f: {{ type: file, path: \"{}\", rotate: {{ max_bytes: 0B }} }}", path.display())
}

/// What is captured has every byte. What is read are the same lines with the same uids, without what the log leaves out: the
/// carriage return of a newline.
fn read_equals_captured(name: &str, form: Form, lines: u64) -> Result<()> {
    let Some(_turn) = harness::engine_alone()? else {
        return Ok(());
    };
    let node = Node::new(name)?;
    let folder = tempfile::tempdir()?;
    let files = ["captured", "read"].map(|name| folder.path().join(name));
    let capturing = node.config().capture(WHOLE).sinks(file_sink(&files[0]));
    let reading = node.config().capture(OFF).sinks(file_sink(&files[1]));
    let agents = [Agent::start(&capturing)?, Agent::start(&reading)?];
    let mut pod = node.start(name, form, &[&workload(), "odd", &lines.to_string(), "17"])?;
    pod.wait()?;

    let mut arrivals = [Arrivals::default(), Arrivals::default()];
    for ((agent, arrivals), file) in agents.iter().zip(&mut arrivals).zip(&files) {
        let mut file = Growing::new(file);
        let all = arrivals.until([(pod.id(), lines)], PATIENCE, |it| file.take_into(it));
        all.with_context(|| agent.said())?;
    }
    let [capturing, reading] = agents;
    let metrics = capturing.metrics()?;
    assert_eq!(metrics.sum("writetap_lost_bytes_total", &[]), 0);
    assert_eq!(metrics.sum("writetap_backfilled_lines_total", &[]), 0);
    capturing.stop([])?;
    reading.stop([])?;

    let [captured, read] = &arrivals;
    let written: Vec<_> = (1..=lines).map(|number| body::odd(17, number)).collect();
    assert_same("captured", &captured.lines(pod.id(), "stdout"), &written);
    let (last, whole) = written.split_last().context("no lines")?;
    let shown = |line: &Vec<u8>| match form {
        Form::Containerd => line.strip_suffix(b"\r").unwrap_or(line).to_vec(),
        Form::Conmon => line.clone(),
    };
    let logged: Vec<_> = whole.iter().map(shown).chain([last.clone()]).collect();
    assert_same("read", &read.lines(pod.id(), "stdout"), &logged);
    let uids = |arrivals: &Arrivals| -> Vec<String> {
        arrivals.stream(pod.id(), "stdout").iter().map(|arrival| arrival.uid.clone()).collect()
    };
    let differing = uids(captured).iter().zip(&uids(read)).position(|(one, other)| one != other);
    assert_eq!(differing, None, "a line has another uid");
    assert_eq!([captured.duplicates(), read.duplicates()], [0, 0]);
    Ok(())
}

#[test]
fn containerd_read_equals_captured() -> Result<()> {
    read_equals_captured("cri-odd", Form::Containerd, 40_000)
}

#[test]
fn conmon_read_equals_captured() -> Result<()> {
    read_equals_captured("conmon-odd", Form::Conmon, 40_000)
}

/// Lines of both streams of a container, `rate` a second each; the seed of stderr is that of stdout plus 100.
fn start(node: &Node, seed: u64, form: Form, lines: u64, rate: u64) -> Result<Pod> {
    let (program, other) = (workload(), seed + 100);
    let script = format!(
        "{program} rated {lines} {rate} {other} >&2 & {program} rated {lines} {rate} {seed}; wait"
    );
    node.start(&format!("pod{seed}"), form, &["sh", "-c", &script])
}

/// Asserts that all lines that [`start`] wrote are there, in order.
fn assert_all(arrivals: &Arrivals, pods: &[Pod], lines: u64) {
    for (seed, pod) in (0..).zip(pods) {
        for (stream, seed) in [("stdout", seed), ("stderr", seed + 100)] {
            let expected: Vec<_> = (1..=lines).map(|number| body::line(seed, number)).collect();
            assert_same(&format!("{stream} {seed}"), &arrivals.lines(pod.id(), stream), &expected);
        }
    }
}

/// The number of lines of which more than one copy came, and of all copies: none has another uid than the first.
fn copies(arrivals: &Arrivals, pods: &[Pod]) -> usize {
    let mut copies = 0;
    for pod in pods {
        for stream in ["stdout", "stderr"] {
            let mut uids: HashMap<&[u8], &str> = HashMap::new();
            for arrival in arrivals.stream(pod.id(), stream) {
                let first = uids.entry(&arrival.body).or_insert(&arrival.uid);
                assert_eq!(*first, arrival.uid, "two uids of one line");
                copies += usize::from(!arrival.is_first);
            }
        }
    }
    copies
}

/// Containers write to both streams and the kubelet rotates, while the collector is killed `times` times.
fn killed(name: &str, capture: &str, times: u32) -> Result<()> {
    const LINES: u64 = 15_000;
    const RATE: u64 = 1000;
    let Some(_turn) = harness::engine_alone()? else {
        return Ok(());
    };
    let (node, folder) = (Node::new(name)?, tempfile::tempdir()?);
    let path = folder.path().join("records");
    let config = node.config().capture(capture).state(folder.path()).sinks(file_sink(&path));
    let mut agent = Agent::start(&config)?;
    let forms = [Form::Containerd, Form::Containerd, Form::Conmon];
    let mut pods = (0..)
        .zip(forms)
        .map(|(seed, form)| start(&node, seed, form, LINES, RATE))
        .collect::<Result<Vec<_>>>()?;
    let kubelets: Vec<_> = pods.iter().map(|pod| pod.kubelet().run(200 << 10)).collect();
    let began = Instant::now();
    for time in 0..times {
        std::thread::sleep(Duration::from_millis(1000 + 370 * u64::from(time) % 1300));
        agent.kill()?;
        agent = Agent::start(&config)?;
    }
    let ended = began.elapsed();
    for pod in &mut pods {
        pod.wait()?;
    }
    let rotations: u64 = kubelets.into_iter().map(|kubelet| kubelet.stop()).sum::<Result<u64>>()?;
    let (mut file, mut arrivals) = (Growing::new(&path), Arrivals::default());
    let wanted = pods.iter().map(|pod| (pod.id(), 2 * LINES));
    let all = arrivals.until(wanted, PATIENCE, |it| file.take_into(it));
    assert_all(&arrivals, &pods, LINES);
    all.with_context(|| agent.said())?;
    let duplicates = copies(&arrivals, &pods);
    assert_eq!(arrivals.duplicates(), duplicates);
    agent.stop([])?;
    let lines = 2 * LINES * pods.len() as u64;
    eprintln!(
        "{times} ends in {ended:?}, {rotations} rotations, {duplicates} duplicates of {lines}"
    );
    ensure!(rotations > 20, "{rotations} rotations");
    Ok(())
}

#[test]
fn captured_and_killed_under_rotation() -> Result<()> {
    killed("cri-killed", "", 8)
}

#[test]
fn read_and_killed_under_rotation() -> Result<()> {
    killed("cri-read", OFF, 8)
}

/// Files are rotated and packed while no collector runs, twice: before the first line of a file was read, and in the middle of
/// it. Each is read once.
#[test]
fn packed_before_they_are_read() -> Result<()> {
    const LINES: u64 = 2000;
    let Some(_turn) = harness::engine_alone()? else {
        return Ok(());
    };
    let (node, folder) = (Node::new("cri-packed")?, tempfile::tempdir()?);
    let path = folder.path().join("records");
    let (program, gate) = (workload(), folder.path().join("step"));
    let step = |number: u32| gate.with_added_extension(number.to_string());
    let mut script = String::new();
    for seed in 0..4 {
        let wait = format!("until [ -e {} ]; do sleep 0.02; done", step(seed).display());
        script += &format!("{wait}; {program} rated {LINES} 0 {seed}; ");
    }
    let mut pod = node.start("packed", Form::Containerd, &["sh", "-c", &script])?;
    let mut kubelet = pod.kubelet();
    let config = node.config().capture(OFF).state(folder.path()).sinks(file_sink(&path));
    let (mut file, mut arrivals) = (Growing::new(&path), Arrivals::default());

    let agent = Agent::start(&config)?;
    std::fs::write(step(0), "")?;
    arrivals.until([(pod.id(), LINES)], PATIENCE, |it| file.take_into(it))?;
    agent.stop([])?;
    for seed in 1..3 {
        std::fs::write(step(seed), "")?;
        let end = body::line(seed.into(), LINES);
        wait::until("the log's end", PATIENCE, || {
            let log = std::fs::read(pod.log())?;
            Ok(memchr::memmem::find(&log, &end).map(|_| ()))
        })?;
        kubelet.rotate()?;
    }
    kubelet.pack()?;
    let agent = Agent::start(&config)?;
    std::fs::write(step(3), "")?;
    let all = arrivals.until([(pod.id(), 4 * LINES)], PATIENCE, |it| file.take_into(it));
    pod.wait()?;
    all.with_context(|| agent.said())?;
    let metrics = agent.metrics()?;
    agent.stop([])?;
    let expected: Vec<_> =
        (0..4).flat_map(|seed| (1..=LINES).map(move |number| body::line(seed, number))).collect();
    file.take_into(&mut arrivals)?;
    assert_same("packed", &arrivals.lines(pod.id(), "stdout"), &expected);
    assert_eq!(arrivals.duplicates(), 0);
    assert_eq!(metrics.sum("writetap_tail_lost_files_total", &[]), 0);
    Ok(())
}

/// What has no newline at the container's end is a part for good: it is a line all the same, also after a pause. conmon
/// writes a part at once, and then it is a line when nobody goes on with it, as it is where it is captured.
#[test]
fn a_last_line_without_its_newline() -> Result<()> {
    let Some(_turn) = harness::engine_alone()? else {
        return Ok(());
    };
    let node = Node::new("cri-last")?;
    let mut agent = Agent::start(&node.config().capture(OFF))?;
    let script = "echo whole; sleep 3; printf part; sleep 3; printf ial";
    let mut containerd = node.start("last", Form::Containerd, &["sh", "-c", script])?;
    let mut conmon = node.start("last", Form::Conmon, &["sh", "-c", script])?;
    containerd.wait()?;
    conmon.wait()?;
    let lines = |lines: &[&str]| lines.iter().map(|it| it.as_bytes().to_vec()).collect::<Vec<_>>();
    agent.until_records(containerd.id(), 2)?;
    agent.until_records(conmon.id(), 3)?;
    let [containerd, conmon] = agent.stop([containerd.id(), conmon.id()])?;
    assert_streams(&containerd, &lines(&["whole", "partial"]), &[])?;
    assert_streams(&conmon, &lines(&["whole", "part", "ial"]), &[])?;
    Ok(())
}
