//! For each container: written = captured + lost, to the byte; and a loss is its maker's own.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt as _;

use anyhow::Result;

use crate::body;
use crate::harness::docker_log::split;
use crate::harness::image::WORKLOAD;
use crate::harness::metrics::Metrics;
use crate::harness::record::bodies;
use crate::harness::{self, Agent, Config, Run};
use crate::lines::assert_streams;

/// Bytes of the flood: many times the ring.
const FLOOD_BYTES: u64 = 100_000_000;

/// Written, captured and lost, in bytes and in writes.
fn totals(metrics: &Metrics, container: &str) -> [(u64, u64, u64); 2] {
    ["bytes", "writes"].map(|unit| {
        let total =
            |what: &str| metrics.of_container(&format!("writetap_{what}_{unit}_total"), container);
        (total("written"), total("captured"), total("lost"))
    })
}

/// Waits until the collector has counted all that a container wrote.
fn counted(agent: &mut Agent, container: &str, written: u64) -> Result<[(u64, u64, u64); 2]> {
    agent.until(&format!("{written} bytes written by `{container}`"), |agent| {
        let totals = totals(&agent.metrics()?, container);
        let [(bytes, captured, lost), _] = totals;
        Ok((bytes >= written && captured + lost >= written).then_some(totals))
    })
}

#[test]
fn what_is_written_is_counted() -> Result<()> {
    let Some(engine) = harness::engine()? else {
        return Ok(());
    };
    let mut agent = Agent::start(&Config::new(&engine))?;
    engine.run(Run::host("counted", &[WORKLOAD, "lines", "1000", "8"]))?;
    let bytes = body::lines(8, 1000).len() as u64;
    assert_eq!(counted(&mut agent, "counted", bytes)?, [(bytes, bytes, 0), (1000, 1000, 0)]);
    let streams = ["stdout", "stderr"].map(|stream| {
        let labels = [("container_name", "counted"), ("log_iostream", stream)];
        agent.metrics().map(|metrics| metrics.sum("writetap_written_writes_total", &labels))
    });
    assert!(matches!(streams, [Ok(500), Ok(500)]), "{streams:?}");
    let id = engine.inspect("counted", ".Id")?;
    let labels = [("container_id", &id[..12])];
    assert_eq!(agent.metrics()?.sum("writetap_captured_bytes_total", &labels), bytes);
    agent.stop([])?;
    Ok(())
}

#[test]
fn a_flood_loses_its_own_lines_only_and_each_is_counted() -> Result<()> {
    let Some(engine) = harness::engine_alone()? else {
        return Ok(());
    };
    let config = Config::new(&engine).capture("ring_bytes: 256KiB, share_bytes_per_second: 64KiB");
    let mut agent = Agent::start(&config)?;
    engine.detach(Run::host("quiet", &[WORKLOAD, "paced", "300", "10"]))?;
    let flood = FLOOD_BYTES.to_string();
    let command = [WORKLOAD, "flood", &flood];
    engine.run(Run { driver: "none", ..Run::host("noisy", &command) })?;
    engine.wait("quiet")?;
    let noisy = counted(&mut agent, "noisy", FLOOD_BYTES)?;
    let quiet_bytes = body::lines(1, 300).len() as u64;
    let quiet = counted(&mut agent, "quiet", quiet_bytes)?;
    let [noisy_records, quiet_records] = agent.stop(["noisy", "quiet"])?;

    let [(written, captured, lost), (written_writes, captured_writes, lost_writes)] = noisy;
    assert_eq!((written, written_writes), (FLOOD_BYTES, FLOOD_BYTES / 100));
    assert_eq!(captured + lost, written);
    assert_eq!(captured_writes + lost_writes, written_writes);
    assert!(lost > 0, "the flood did not overrun the ring: the test proves nothing");
    // What is lost has its place in the stream, to the byte.
    let (losses, noisy_records): (Vec<_>, Vec<_>) =
        noisy_records.into_iter().partition(|record| record.lost_bytes > 0);
    assert_eq!(losses.iter().map(|record| record.lost_bytes).sum::<u64>(), lost);
    // Every write of the flood is a whole line of 100 bytes.
    assert_eq!(noisy_records.len() as u64, captured_writes);
    assert_eq!(captured, captured_writes * 100);
    let mut newest = 0;
    for line in bodies(&noisy_records, "stdout")? {
        let number: u64 = String::from_utf8_lossy(&line[..19]).parse()?;
        assert!(number > newest, "line {number} after {newest}");
        assert_eq!(line, body::flood_line(number));
        newest = number;
    }

    assert_eq!(quiet, [(quiet_bytes, quiet_bytes, 0), (300, 300, 0)]);
    assert_streams(&quiet_records, &split(&body::lines(1, 300)), &[])
}

/// `cat` of busybox moves the file into the pipe by `sendfile`: no bytes pass by the probe, and it says how many.
#[test]
fn what_the_probe_cannot_see_is_a_counted_loss() -> Result<()> {
    let Some(engine) = harness::engine()? else {
        return Ok(());
    };
    let mut agent = Agent::start(&Config::new(&engine))?;
    let command = ["sh", "-c", "seq 1 1000 > /tmp/file; echo before; cat /tmp/file; echo after"];
    engine.run(Run { driver: "none", ..Run::busybox("sendfile", &command) })?;
    engine.run(Run::busybox("sendfile-logged", &command))?;
    let file: u64 = (1..=1000).map(|number: u64| number.to_string().len() as u64 + 1).sum();
    let seen = "before\nafter\n".len() as u64;
    for name in ["sendfile", "sendfile-logged"] {
        let [bytes, _] = counted(&mut agent, name, file + seen)?;
        assert_eq!(bytes, (file + seen, seen, file));
    }
    agent.until_records("sendfile-logged", 1002)?;
    let [records, logged] = agent.stop(["sendfile", "sendfile-logged"])?;
    // In the place of the bytes there is a record that says how many they are.
    let losses: Vec<u64> = records.iter().map(|record| record.lost_bytes).collect();
    assert_eq!(losses, [0, file, 0]);
    let lines: Vec<_> = records.into_iter().filter(|record| record.lost_bytes == 0).collect();
    assert_streams(&lines, &[b"before".to_vec(), b"after".to_vec()], &[])?;
    // A log file has the bytes, and they come from there, in their place.
    let numbers = (1..=1000).map(|number: u64| number.to_string().into_bytes());
    let all = [vec![b"before".to_vec()], numbers.collect(), vec![b"after".to_vec()]].concat();
    assert_streams(&logged, &all, &[])
}

/// More segments and bytes in one call than the probe copies: it gives up in the middle of a record.
#[test]
fn a_write_that_is_too_large_is_lost_from_there_on() -> Result<()> {
    const SEGMENT_BYTES: u64 = (16 << 10) + 1;
    let Some(engine) = harness::engine()? else {
        return Ok(());
    };
    let mut agent = Agent::start(&Config::new(&engine).capture("ring_bytes: 64MiB"))?;
    engine.run(Run {
        driver: "none",
        ..Run::host("vast", &[WORKLOAD, "vast", &SEGMENT_BYTES.to_string()])
    })?;
    let bytes = SEGMENT_BYTES * 1024;
    let [(written, captured, lost), writes] = counted(&mut agent, "vast", bytes)?;
    assert_eq!((written, captured + lost, writes), (bytes, bytes, (1, 0, 1)));
    let reason = [("container_name", "vast"), ("reason", "too_large")];
    let metrics = agent.metrics()?;
    assert_eq!(metrics.sum("writetap_lost_bytes_total", &reason), lost);
    assert_eq!(metrics.sum("writetap_lost_writes_total", &reason), 1);
    let [mut records] = agent.stop(["vast"])?;
    let losses = records.extract_if(.., |record| record.lost_bytes > 0);
    assert_eq!(losses.map(|record| record.lost_bytes).collect::<Vec<_>>(), [lost]);
    // Up to the last newline before the loss the lines are whole.
    let lines = split(&body::text(1, bytes as usize));
    let whole = bodies(&records[..records.len() - 1], "stdout")?;
    assert_eq!(whole, lines[..whole.len()]);
    let cut = bodies(&records[records.len() - 1..], "stdout")?.concat();
    assert!(lines[whole.len()].starts_with(&cut));
    Ok(())
}

/// A program that writes by the 32-bit `write` and ends.
fn program_of_32_bits() -> Vec<u8> {
    const ADDRESS: u32 = 0x0804_8000;
    const TEXT: &[u8] = b"32-bit\n";
    const HEADERS: u32 = 52 + 32;
    let code = |text: u32| {
        [
            &[0xb8, 4, 0, 0, 0, 0xbb, 1, 0, 0, 0, 0xb9][..], // eax: write; ebx: stdout; ecx: the text
            &text.to_le_bytes(),
            &[0xba, TEXT.len() as u8, 0, 0, 0, 0xcd, 0x80], // edx: its length; call
            &[0xb8, 1, 0, 0, 0, 0x31, 0xdb, 0xcd, 0x80],    // eax: exit; ebx: 0; call
        ]
        .concat()
    };
    let code = code(ADDRESS + HEADERS + code(0).len() as u32);
    let length = HEADERS + (code.len() + TEXT.len()) as u32;
    // ELF header: executable for i386 with one program header behind it; program header: all of it, read and executed.
    let identity = b"\x7fELF\x01\x01\x01\0\0\0\0\0\0\0\0\0\x02\0\x03\0";
    let words = [1, ADDRESS + HEADERS, 52, 0, 0, 0x0020_0034, 1, 0];
    let program = [1, 0, ADDRESS, ADDRESS, length, length, 5, 4096];
    let headers = words.iter().chain(&program).flat_map(|word: &u32| word.to_le_bytes());
    identity.iter().copied().chain(headers).chain(code).chain(TEXT.iter().copied()).collect()
}

#[test]
fn a_write_of_a_32_bit_program_is_counted_as_missed() -> Result<()> {
    let Some(engine) = harness::engine_alone()? else {
        return Ok(());
    };
    let folder = tempfile::tempdir()?;
    let program = folder.path().join("program");
    std::fs::write(&program, program_of_32_bits())?;
    std::fs::set_permissions(&program, Permissions::from_mode(0o755))?;
    let agent = Agent::start(&Config::new(&engine))?;
    let mount = format!("--volume={}:/program:ro", program.display());
    engine.run(Run { options: &[&mount], ..Run::busybox("old-program", &["/program"]) })?;
    assert_eq!(engine.docker(&["logs", "old-program"])?, "32-bit");
    let misses = [("reason", "compat")];
    assert_eq!(agent.metrics()?.sum("writetap_probe_misses_total", &misses), 1);
    agent.stop([])?;
    Ok(())
}

/// Installs a seccomp filter that asks its parent what a write of 7 bytes returns; the parent says 2^62.
const FORGERY: &str = r#"
import ctypes, fcntl, os, struct
libc = ctypes.CDLL(None)
libc.prctl(38, 1, 0, 0, 0)
steps = [(0x20, 0, 0, 0), (0x15, 0, 3, 1), (0x20, 0, 0, 32), (0x15, 0, 1, 7), (6, 0, 0, 0x7fc00000), (6, 0, 0, 0x7fff0000)]
code = ctypes.create_string_buffer(b"".join(struct.pack("HBBI", *step) for step in steps))
program = ctypes.create_string_buffer(struct.pack("HxxxxxxQ", len(steps), ctypes.addressof(code)))
listener = libc.syscall(317, 1, 8, program)
if os.fork() == 0:
    os.write(1, b"forged\n")
    os._exit(0)
call = bytearray(80)
fcntl.ioctl(listener, 0xC0502100, call)
fcntl.ioctl(listener, 0xC0182101, struct.pack("QqiI", struct.unpack_from("Q", call)[0], 1 << 62, 0, 0))
os.wait()
os.write(1, b"and the truth\n")
"#;

#[test]
fn a_result_that_no_write_can_have_is_not_counted() -> Result<()> {
    let Some(engine) = harness::engine()? else {
        return Ok(());
    };
    if !harness::need::met(&[harness::need::python])? {
        return Ok(());
    }
    let mut agent = Agent::start(&Config::new(&engine))?;
    engine.run(Run::host("forger", &["/usr/bin/python3", "-c", FORGERY]))?;
    assert_eq!(counted(&mut agent, "forger", 14)?, [(14, 14, 0), (1, 1, 0)]);
    let [records] = agent.stop(["forger"])?;
    assert_streams(&records, &[b"and the truth".to_vec()], &[])
}

/// Each start is a cgroup of its own, and the container is one.
#[test]
fn a_container_that_is_started_again_keeps_its_counters() -> Result<()> {
    let Some(engine) = harness::engine()? else {
        return Ok(());
    };
    let mut agent = Agent::start(
        &Config::new(&engine)
            .identity(format!("docker: {{ address: \"{}\" }}, grace: 1s", engine.address())),
    )?;
    engine.run(Run::busybox("counted-again", &["echo", "1"]))?;
    for starts in 2..5 {
        engine.docker(&["start", "counted-again"])?;
        engine.wait("counted-again")?;
        let bytes = 2 * starts;
        assert_eq!(counted(&mut agent, "counted-again", bytes)?[0], (bytes, bytes, 0));
        let (_, text) = agent.get("/metrics")?;
        let mut series: Vec<&str> =
            text.lines().filter_map(|line| line.split(' ').next()).collect();
        series.retain(|series| series.contains('{'));
        let count = series.len();
        series.sort_unstable();
        series.dedup();
        assert_eq!(series.len(), count, "a series stands in the page twice");
    }
    agent.stop([])?;
    Ok(())
}
