//! The file sink's rotation: however the files are cut, packed and kept, they have each line whole and once.

use std::path::Path;
use std::time::Instant;

use anyhow::{Result, ensure};

use crate::body;
use crate::harness::files;
use crate::harness::image::WORKLOAD;
use crate::harness::record::{bodies, of_container};
use crate::harness::{self, Agent, Config, Record, Run};
use crate::lines::{assert_numbered, assert_same, assert_streams};

const MAX_BYTES: usize = 256 << 10;

/// The records of a container in all files, and how many bytes each file that was put aside had, before it was packed.
fn collected(path: &Path, container: &str, extension: &str) -> Result<(Vec<Record>, Vec<usize>)> {
    let (mut all, mut sizes) = (Vec::new(), Vec::new());
    for file in files::by_age(path)? {
        let bytes = files::text(&file)?;
        ensure!(
            bytes.last().is_none_or(|&last| last == b'\n'),
            "{} ends in mid-line",
            file.display()
        );
        if file != path {
            let name = file.to_string_lossy();
            ensure!(name.ends_with(extension), "{name} has not the extension `{extension}`");
            sizes.push(bytes.len());
        }
        all.extend(bytes);
    }
    Ok((of_container(&all, container)?, sizes))
}

#[test]
fn by_size_under_load() -> Result<()> {
    let Some(engine) = harness::engine_alone()? else {
        return Ok(());
    };
    let folder = tempfile::tempdir()?;
    let path = |name: &str| folder.path().join(name);
    let sink = |name: &str, keys: &str| {
        format!(
            "{name}: {{ type: file, path: \"{}\", rotate: {{ max_bytes: {MAX_BYTES}B, {keys} }} }}",
            path(name).display()
        )
    };
    let sinks = [
        sink("zstd", "max_files: 0, compression: zstd"),
        sink("gzip", "max_files: 0, compression: gzip"),
        sink("plain", "max_files: 3"),
    ];
    let config = Config::new(&engine).capture("ring_bytes: 64MiB, share_bytes_per_second: 64MiB");
    let mut agent = Agent::start(&config.sinks(sinks.join(", ")))?;
    engine.run(Run::host("rotated", &[WORKLOAD, "lines", "20000", "14"]))?;
    agent.until("the last line in a file", |_| {
        let (records, _) = collected(&path("plain"), "rotated", "")?;
        let last = body::line(14, 20_000);
        let is_last = |record: &Record| record.body().is_ok_and(|line| line == last);
        Ok(records.last().is_some_and(is_last).then_some(()))
    })?;
    // Files are packed and deleted by the way.
    for (name, extension, most) in [("zstd", "zst", 0), ("gzip", "gz", 0), ("plain", "", 3)] {
        agent.until(&format!("the end of tidying up after `{name}`"), |_| {
            let files = files::by_age(&path(name))?;
            let aside = &files[..files.len() - 1];
            let packed = aside.iter().all(|file| file.extension().is_some_and(|e| e == extension));
            Ok((packed || (extension.is_empty() && aside.len() <= most)).then_some(()))
        })?;
    }
    agent.stop([])?;
    for (name, extension) in [("zstd", ".zst"), ("gzip", ".gz")] {
        let (records, sizes) = collected(&path(name), "rotated", extension)?;
        assert_numbered(&records, 20_000, 14)?;
        assert!(sizes.len() >= 3, "{sizes:?}");
        assert!(sizes.iter().all(|&size| size >= MAX_BYTES), "{sizes:?}");
    }
    // The oldest are gone: what is left is the end, without a gap.
    let (records, sizes) = collected(&path("plain"), "rotated", "")?;
    assert_eq!(sizes.len(), 3);
    for (stream, first) in [("stdout", 1), ("stderr", 2)] {
        let lines = bodies(&records, stream)?;
        let all: Vec<_> = (first..=20_000).step_by(2).map(|n| body::line(14, n)).collect();
        assert!(lines.len() < all.len(), "nothing was deleted");
        assert_same(stream, &lines, &all[all.len() - lines.len()..]);
    }
    Ok(())
}

#[test]
fn by_age() -> Result<()> {
    let Some(engine) = harness::engine()? else {
        return Ok(());
    };
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("aged");
    let rotate = "max_bytes: 0B, max_age: 1s, max_files: 0";
    let sink = format!("f: {{ type: file, path: \"{}\", rotate: {{ {rotate} }} }}", path.display());
    let began = Instant::now();
    let agent = Agent::start(&Config::new(&engine).sinks(sink))?;
    engine.run(Run::host("aged", &[WORKLOAD, "paced", "400", "10"]))?;
    agent.stop([])?;
    let seconds = began.elapsed().as_secs();
    let (records, sizes) = collected(&path, "aged", "")?;
    let expected: Vec<_> = (1..=400).map(|number| body::line(1, number)).collect();
    assert_streams(&records, &expected, &[])?;
    // Four seconds of lines, at least.
    assert!(sizes.len() >= 3 && sizes.len() as u64 <= seconds, "{sizes:?} in {seconds} s");
    Ok(())
}
