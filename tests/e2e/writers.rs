//! Whoever writes to a container's stdout or stderr, and however, is captured; what goes elsewhere is not.
//!
//! A collector that is told to stop delivers what was written before: so each test is sure that nothing more comes.

use anyhow::{Context as _, Result};

use crate::body;
use crate::harness::docker_log::{self, split};
use crate::harness::image::WORKLOAD;
use crate::harness::record::bodies;
use crate::harness::{self, Agent, Config, Engine, Record, Run};
use crate::lines::{assert_same, assert_streams};

/// Runs a container under a collector of its own: all its records.
fn collect(engine: &Engine, run: Run<'_>) -> Result<Vec<Record>> {
    let agent = Agent::start(&Config::new(engine))?;
    engine.run(run)?;
    let [records] = agent.stop([run.name])?;
    Ok(records)
}

/// The same for the workload program. Docker's own log must hold the same lines, or the test asks for the wrong ones.
fn collect_workload(engine: &Engine, name: &str, command: &[&str]) -> Result<Vec<Record>> {
    let records = collect(engine, Run::host(name, &[&[WORKLOAD], command].concat()))?;
    let log = std::fs::read_to_string(engine.inspect(name, ".LogPath")?)?;
    for stream in ["stdout", "stderr"] {
        // Docker replaces bytes that are not UTF-8, and sees writers that race in another order.
        let lossy = |body: &Vec<u8>| String::from_utf8_lossy(body).into_owned().into_bytes();
        let mut shown: Vec<_> = bodies(&records, stream)?.iter().map(lossy).collect();
        let mut logged = docker_log::lines(&log, stream)?;
        shown.sort();
        logged.sort();
        assert_same(&format!("Docker's {stream}"), &shown, &logged);
    }
    Ok(records)
}

/// Asserts that `name` has the lines of `text` on stdout, in order, and nothing else.
#[track_caller]
fn assert_stdout(records: &[Record], text: &[u8]) -> Result<()> {
    assert_streams(records, &split(text), &[])?;
    assert!(records.iter().all(|record| !record.truncated && record.mode == "ebpf"));
    Ok(())
}

/// Asserts that writer 1 to `writers` have `count` lines each on stdout, those of each in order; one process or thread each.
#[track_caller]
fn assert_writers(
    records: &[Record],
    writers: u64,
    count: u64,
    id: fn(&Record) -> Option<u32>,
) -> Result<()> {
    assert_eq!(records.len() as u64, writers * count);
    for writer in 1..=writers {
        let prefix = format!("{writer}:");
        let (mut own, mut ids) = (Vec::new(), Vec::new());
        for record in records {
            let body = record.body()?;
            if body.starts_with(prefix.as_bytes()) {
                own.push(body);
                ids.push(id(record).context("no writer")?);
            }
        }
        assert_same(&prefix, &own, &split(&body::lines(writer, count)));
        ids.dedup();
        assert_eq!(ids.len(), 1, "writer {writer} has more than one id");
    }
    Ok(())
}

#[test]
fn a_forked_child() -> Result<()> {
    let Some(engine) = harness::engine()? else {
        return Ok(());
    };
    let records = collect_workload(&engine, "fork", &["fork", "200"])?;
    assert_writers(&records, 2, 200, |record| record.pid)
}

#[test]
fn a_daemon_that_kept_stdout() -> Result<()> {
    let Some(engine) = harness::engine()? else {
        return Ok(());
    };
    let records = collect_workload(&engine, "daemonise", &["daemonise", "200"])?;
    assert_stdout(&records, &body::lines(1, 200))
}

#[test]
fn a_copy_of_stdout_as_fd_7() -> Result<()> {
    let Some(engine) = harness::engine()? else {
        return Ok(());
    };
    let records = collect_workload(&engine, "dup7", &["dup7", "200"])?;
    assert_stdout(&records, &body::lines(1, 200))
}

#[test]
fn a_descriptor_passed_over_a_socket() -> Result<()> {
    let Some(engine) = harness::engine()? else {
        return Ok(());
    };
    let records = collect_workload(&engine, "scm-rights", &["scm-rights", "200"])?;
    assert_stdout(&records, &body::lines(1, 200))
}

#[test]
fn proc_1_fd_1() -> Result<()> {
    let Some(engine) = harness::engine()? else {
        return Ok(());
    };
    let records = collect_workload(&engine, "proc-fd", &["reopen", "/proc/1/fd/1", "200"])?;
    assert_stdout(&records, &body::lines(1, 200))
}

#[test]
fn dev_stdout() -> Result<()> {
    let Some(engine) = harness::engine()? else {
        return Ok(());
    };
    let records = collect_workload(&engine, "dev-stdout", &["reopen", "/dev/stdout", "200"])?;
    assert_stdout(&records, &body::lines(1, 200))
}

#[test]
fn writev_of_1_to_1024_segments() -> Result<()> {
    let Some(engine) = harness::engine()? else {
        return Ok(());
    };
    let records = collect_workload(&engine, "writev", &["writev", "200"])?;
    assert_stdout(&records, &[body::lines(1, 200), body::lines(2, 1024)].concat())
}

#[test]
fn writes_of_1_mebibyte() -> Result<()> {
    let Some(engine) = harness::engine()? else {
        return Ok(());
    };
    let records = collect_workload(&engine, "big", &["big", "4"])?;
    assert_stdout(&records, &body::text(1, 4 << 20))
}

#[test]
fn short_writes_to_a_nonblocking_stdout() -> Result<()> {
    let Some(engine) = harness::engine()? else {
        return Ok(());
    };
    let records = collect_workload(&engine, "nonblocking", &["nonblocking", "2000000"])?;
    assert_stdout(&records, &body::text(1, 2_000_000))
}

#[test]
fn bytes_that_are_not_utf8() -> Result<()> {
    let Some(engine) = harness::engine()? else {
        return Ok(());
    };
    let records = collect_workload(&engine, "binary", &["binary"])?;
    assert_stdout(&records, &body::binary())
}

#[test]
fn eight_threads_at_once() -> Result<()> {
    let Some(engine) = harness::engine()? else {
        return Ok(());
    };
    let records = collect_workload(&engine, "threads", &["threads", "8", "500"])?;
    assert_writers(&records, 8, 500, |record| record.tid)
}

/// In Docker's log the lines of such workers are shredded: a block ends in mid-line, and another's follows.
#[test]
fn workers_with_block_buffered_stdout_are_not_shredded() -> Result<()> {
    let Some(engine) = harness::engine()? else {
        return Ok(());
    };
    let records = collect(&engine, Run::host("workers", &[WORKLOAD, "workers", "4", "500"]))?;
    assert_writers(&records, 4, 500, |record| record.pid)
}

#[test]
fn a_line_begun_by_one_process_and_ended_by_another() -> Result<()> {
    let Some(engine) = harness::engine()? else {
        return Ok(());
    };
    let script = "printf 'checking... '; /bin/echo ok; printf 'a '; /bin/busybox echo b";
    let records = collect(&engine, Run::busybox("shared-line", &["sh", "-c", script]))?;
    assert_stdout(&records, b"checking... ok\na b\n")
}

#[test]
fn the_last_stage_of_a_pipeline() -> Result<()> {
    let Some(engine) = harness::engine()? else {
        return Ok(());
    };
    let script = "echo inner | cat -n | tr a-z A-Z";
    let records = collect(&engine, Run::busybox("pipeline", &["sh", "-c", script]))?;
    assert_stdout(&records, b"     1\tINNER\n")?;
    assert_eq!(records[0].comm.as_deref(), Some("tr"));
    Ok(())
}

#[test]
fn not_command_substitution() -> Result<()> {
    let Some(engine) = harness::engine()? else {
        return Ok(());
    };
    let script = "x=$(/bin/echo hidden); y=$(/bin/ls /nowhere 2>&1); echo \"shown $x\"";
    let records = collect(&engine, Run::busybox("substitution", &["sh", "-c", script]))?;
    assert_stdout(&records, b"shown hidden\n")
}

#[test]
fn not_docker_exec_unless_it_writes_to_the_containers_own_stdout() -> Result<()> {
    let Some(engine) = harness::engine()? else {
        return Ok(());
    };
    let agent = Agent::start(&Config::new(&engine))?;
    let command =
        ["sh", "-c", "echo first; until [ -e /tmp/end ]; do usleep 10000; done; echo last"];
    engine.detach(Run::busybox("exec", &command))?;
    let said = engine.docker(&["exec", "exec", "sh", "-c", "echo elsewhere; echo err >&2"])?;
    assert_eq!(said, "elsewhere");
    engine.docker(&["exec", "exec", "sh", "-c", "echo reported > /proc/1/fd/1; touch /tmp/end"])?;
    engine.wait("exec")?;
    let [records] = agent.stop(["exec"])?;
    assert_stdout(&records, b"first\nreported\nlast\n")
}

/// As it was written: the carriage returns in Docker's log are the terminal's.
#[test]
fn a_terminal() -> Result<()> {
    let Some(engine) = harness::engine()? else {
        return Ok(());
    };
    let command = ["sh", "-c", "echo one; echo two >&2"];
    let run = Run { options: &["--tty"], ..Run::busybox("terminal", &command) };
    let records = collect(&engine, run)?;
    assert_stdout(&records, b"one\ntwo\n")
}

#[test]
fn a_last_line_without_a_newline() -> Result<()> {
    let Some(engine) = harness::engine()? else {
        return Ok(());
    };
    let records = collect_workload(&engine, "partial", &["partial", "the end"])?;
    assert_stdout(&records, b"the end")
}

#[test]
fn a_prompt_that_waits() -> Result<()> {
    let Some(engine) = harness::engine()? else {
        return Ok(());
    };
    let mut agent = Agent::start(&Config::new(&engine).line("idle_flush: 200ms"))?;
    engine.detach(Run::host("idle", &[WORKLOAD, "idle", "password: "]))?;
    let records = agent.until_records("idle", 1)?;
    engine.docker(&["rm", "--force", "idle"])?;
    assert_stdout(&records, b"password: ")
}

#[test]
fn a_line_over_the_limit_is_cut_and_marked() -> Result<()> {
    let Some(engine) = harness::engine()? else {
        return Ok(());
    };
    let script = "(head -c 262144 /dev/zero; echo) | tr '\\0' y
        (head -c 262145 /dev/zero; echo) | tr '\\0' n
        echo next";
    let records = collect(&engine, Run::busybox("long", &["sh", "-c", script]))?;
    let expected = [vec![b'y'; 262_144], vec![b'n'; 262_144], b"next".to_vec()];
    assert_streams(&records, &expected, &[])?;
    assert_eq!([0, 1, 2].map(|at| records[at].truncated), [false, true, false]);
    Ok(())
}

#[test]
fn who_wrote() -> Result<()> {
    let Some(engine) = harness::engine()? else {
        return Ok(());
    };
    // With the pids of the host, the writer itself can say which they are.
    let options = ["--pid=host", "--user=1234"];
    let run = Run { options: &options, ..Run::host("identify", &[WORKLOAD, "identify"]) };
    let records = collect(&engine, run)?;
    assert_eq!(records.len(), 2);
    for (record, comm) in records.iter().zip(["workload", "second"]) {
        let Record { pid, tid, user, .. } = record;
        let shown = [pid, tid, user].map(|id| id.map_or("none".into(), |id| id.to_string()));
        let shown = format!("{} {}", shown.join(" "), record.comm.as_deref().unwrap_or("none"));
        assert_eq!(shown, String::from_utf8(record.body()?)?);
        assert_eq!(record.comm.as_deref(), Some(comm));
        assert_eq!(*user, Some(1234));
    }
    Ok(())
}
