//! Real programs: the collector's lines are those of Docker's own log, stream by stream.

use anyhow::{Context as _, Result};

use crate::harness::docker_log;
use crate::harness::image::{self, BUSYBOX, HOST};
use crate::harness::record::bodies;
use crate::harness::{self, Agent, Config, Engine, Run};
use crate::lines::assert_same;

/// Name, image, program that must be there (`host` only), shell script.
type Case = (&'static str, &'static str, &'static str, &'static str);

const CASES: [Case; 16] = [
    (
        "sh",
        HOST,
        "sh",
        "for i in 1 2 3; do echo line $i; printf 'no end '; echo err $i >&2; done; nosuch; printf tail",
    ),
    (
        "bash",
        HOST,
        "bash",
        "exec bash -xc 'for ((i = 0; i < 300; i++)); do echo line $i; done; printf \"%s\\n\" a b \"\"; declare -p BASH_VERSINFO'",
    ),
    ("coreutils-seq", HOST, "seq", "seq 1 20000; seq 1 2000 >&2"),
    ("coreutils-ls", HOST, "ls", "ls -lR /usr/share/perl* /nowhere | head -n 3000"),
    ("coreutils-tee", HOST, "tee", "seq 1 3000 | tee /dev/stderr | tac"),
    (
        "coreutils-od",
        HOST,
        "od",
        "head -c 60000 /usr/bin/env | od -c; sha256sum /usr/bin/env; nl /etc/passwd; date",
    ),
    (
        "sort-uniq-awk",
        HOST,
        "awk",
        "seq 1 5000 | awk '{ print $1 % 7, \"w\\303\\266rld\"; fflush() }' | sort | uniq -c",
    ),
    ("sed-grep", HOST, "sed", "seq 1 5000 | sed -u 's/7/seven/g' | grep --line-buffered -n seven"),
    ("git", HOST, "git", "git help --all; git status"),
    (
        "node",
        HOST,
        "node",
        "exec node -e 'for (let i = 0; i < 2000; i++) console.log(i, {i, s: \"é\"}); console.error(new Error(\"no\")); process.stdout.write(\"tail\")'",
    ),
    (
        "python",
        HOST,
        "/usr/bin/python3",
        "exec /usr/bin/python3 -c '
import logging, os, subprocess, sys
logging.basicConfig(level=logging.INFO)
for i in range(2000):
    print(i, chr(233) * (i % 50))
    if i % 100 == 0: logging.info(\"at %d\", i)
sys.stdout.flush()
subprocess.run([\"echo\", \"child\"])
os.writev(1, [b\"a\", b\"b\\n\", b\"\", b\"c\\n\"])
print(\"x\" * 100_000)
print(\"a line\", end=\" \", flush=True)
print(\"in two writes\")
raise ValueError(\"a traceback\")'",
    ),
    (
        "perl",
        HOST,
        "perl",
        "exec perl -e 'for (1 .. 2000) { print \"line $_\\n\"; warn \"at $_\" if $_ % 100 == 0 } $| = 1; print for 1 .. 9; print \"\\n\"; system \"echo child\"; syswrite STDOUT, \"sys\\n\"; die \"the end\"'",
    ),
    (
        "busybox-applets",
        BUSYBOX,
        "",
        "seq 1 5000; ls -l /bin; env; date; printf '%s\\n' a b; yes | head -n 500; ps; df; nosuch",
    ),
    (
        "busybox-long-lines",
        BUSYBOX,
        "",
        "for n in 1 16383 16384 16385 32768 100000; do (head -c $n /dev/zero; echo) | tr '\\0' x; done; echo; printf tail",
    ),
    (
        "busybox-awk",
        BUSYBOX,
        "",
        "seq 1 3000 | awk '{ print $1, $1 * $1; if ($1 % 10 == 0) print \"err\", $1 > \"/dev/stderr\" }'",
    ),
    (
        "busybox-dd",
        BUSYBOX,
        "",
        "seq 1 30000 | dd bs=333; seq 1 300 | xargs -n 7 echo; seq 9 | rev",
    ),
];

#[test]
fn programs_of_all_kinds() -> Result<()> {
    let Some(engine) = harness::engine()? else {
        return Ok(());
    };
    let there = |case: &&Case| case.1 == BUSYBOX || image::on_host(case.2);
    let (cases, absent): (Vec<&Case>, Vec<&Case>) = CASES.iter().partition(|case| there(case));
    eprintln!("absent: {:?}", absent.iter().map(|case| case.0).collect::<Vec<_>>());
    let agent = Agent::start(&Config::new(&engine))?;
    for (name, image, _, script) in &cases {
        let command = ["sh", "-c", script];
        engine.detach(Run { image, ..Run::busybox(name, &command) })?;
    }
    for (name, ..) in &cases {
        // Some are meant to end badly.
        engine.docker(&["wait", name])?;
    }
    let names: [&str; CASES.len()] =
        std::array::from_fn(|number| cases.get(number).map_or("none", |case| case.0));
    for (name, records) in names.into_iter().zip(agent.stop(names)?).take(cases.len()) {
        compare(&engine, name, &records).with_context(|| format!("program `{name}`"))?;
    }
    Ok(())
}

/// nginx's logs as its official image has them: `/dev/stdout` and `/dev/stderr` opened as files.
#[test]
fn nginx() -> Result<()> {
    let Some(engine) = harness::engine()? else {
        return Ok(());
    };
    if !harness::need::met(&[harness::need::nginx])? {
        return Ok(());
    }
    let folder = tempfile::tempdir()?;
    let configuration =
        "daemon off; user root; pid /tmp/pid; error_log /dev/stderr info; worker_processes 2;
        events {} http { access_log /dev/stdout; client_body_temp_path /tmp; proxy_temp_path /tmp;
        fastcgi_temp_path /tmp; uwsgi_temp_path /tmp; scgi_temp_path /tmp;
        server { listen 127.0.0.1:80; return 200 hello; } }";
    std::fs::write(folder.path().join("nginx.conf"), configuration)?;
    let mount = format!("--volume={}:/etc/nginx:ro", folder.path().display());
    let agent = Agent::start(&Config::new(&engine))?;
    engine.detach(Run { options: &[&mount], ..Run::host("nginx", &["nginx"]) })?;
    let request = "for i in $(seq 50); do until busybox wget -qO- http://127.0.0.1/$i; do sleep 0.05; done; done";
    engine.docker(&["exec", "nginx", "sh", "-c", request])?;
    engine.docker(&["kill", "--signal", "QUIT", "nginx"])?;
    engine.docker(&["wait", "nginx"])?;
    let [records] = agent.stop(["nginx"])?;
    assert!(bodies(&records, "stdout")?.len() >= 50);
    compare(&engine, "nginx", &records)
}

/// The collector's lines of a container and its log's.
fn compare(engine: &Engine, name: &str, records: &[harness::Record]) -> Result<()> {
    let log = std::fs::read_to_string(engine.inspect(name, ".LogPath")?)?;
    for stream in ["stdout", "stderr"] {
        let logged = docker_log::lines(&log, stream)?;
        assert_same(&format!("`{name}`, {stream}"), &bodies(records, stream)?, &logged);
    }
    Ok(())
}
