//! What stands between a container's pipes and its log on a Kubernetes node: the same entries as containerd and conmon write.

use std::fs::File;
use std::io::{self, BufRead as _, BufReader, Read, Write as _};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use jiff::Timestamp;
use jiff::tz::{Offset, TimeZone};

/// `max_container_log_line_size` of containerd.
const MAX_LINE_BYTES: usize = 16 << 10;
/// What containerd and conmon read at once.
const CONTAINERD_BYTES: usize = 4 << 10;
const CONMON_BYTES: usize = 8 << 10;
/// The node's time zone, in seconds before UTC.
const ZONE_SECONDS: i32 = 5 * 3600 + 45 * 60;
/// containerd gives one stream after the other its new file; on a busy node that takes a while.
const BETWEEN_STREAMS: Duration = Duration::from_millis(10);

/// Whose form the entries have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    /// A line is an entry, in parts of 16 KiB if it is longer; `\r\n` ends it as well. What has no newline is a part.
    Containerd,
    /// What is read at once has one time, and a line that is not whole in it is a part.
    Conmon,
}

/// The log of both streams.
#[derive(Debug)]
pub(crate) struct Log {
    form: Form,
    path: PathBuf,
    files: [Mutex<File>; 2],
}

impl Log {
    /// A log whose file is made.
    pub(crate) fn create(form: Form, path: &Path) -> io::Result<Self> {
        let file = open(path)?;
        let files = [Mutex::new(file.try_clone()?), Mutex::new(file)];
        Ok(Self { form, path: path.to_owned(), files })
    }

    /// Where its newest file is, once it is [opened again](Self::reopen).
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Goes on in a new file of the same name.
    pub(crate) fn reopen(&self) -> io::Result<()> {
        let new = open(&self.path)?;
        for file in &self.files {
            *lock(file) = new.try_clone()?;
            thread::sleep(BETWEEN_STREAMS);
        }
        Ok(())
    }

    /// Writes what comes out of a pipe, to its end. `stream`: 0 for stdout, 1 for stderr.
    pub(crate) fn follow(&self, pipe: impl Read, stream: usize) -> io::Result<()> {
        match self.form {
            Form::Containerd => self.follow_lines(pipe, stream),
            Form::Conmon => self.follow_reads(pipe, stream),
        }
    }

    fn follow_lines(&self, pipe: impl Read, stream: usize) -> io::Result<()> {
        let mut pipe = BufReader::with_capacity(CONTAINERD_BYTES, pipe);
        let mut line = Vec::new();
        loop {
            let read = pipe.fill_buf()?;
            let newline = memchr::memchr(b'\n', read);
            let (length, is_end) = (newline.unwrap_or(read.len()), read.is_empty());
            line.extend_from_slice(&read[..length]);
            pipe.consume(length + usize::from(newline.is_some()));
            if newline.is_some() && line.last() == Some(&b'\r') {
                line.pop();
            }
            // A carriage return at the end may be that of a newline.
            while line.len() - usize::from(line.last() == Some(&b'\r')) > MAX_LINE_BYTES {
                let rest = line.split_off(MAX_LINE_BYTES);
                self.write(stream, &entry(&self.now(), stream, "P", &line))?;
                line = rest;
            }
            if newline.is_some() || (is_end && !line.is_empty()) {
                let tag = if is_end { "P" } else { "F" };
                self.write(stream, &entry(&self.now(), stream, tag, &line))?;
                line.clear();
            }
            if is_end {
                return Ok(());
            }
        }
    }

    fn follow_reads(&self, mut pipe: impl Read, stream: usize) -> io::Result<()> {
        let mut bytes = vec![0; CONMON_BYTES];
        loop {
            let length = pipe.read(&mut bytes)?;
            if length == 0 {
                return Ok(());
            }
            let (now, mut entries) = (self.now(), Vec::new());
            for part in bytes[..length].split_inclusive(|&byte| byte == b'\n') {
                let (tag, content) =
                    part.strip_suffix(b"\n").map_or(("P", part), |content| ("F", content));
                entries.extend(entry(&now, stream, tag, content));
            }
            self.write(stream, &entries)?;
        }
    }

    fn now(&self) -> String {
        let zone = TimeZone::fixed(Offset::from_seconds(ZONE_SECONDS).unwrap_or(Offset::UTC));
        let format = match self.form {
            Form::Containerd => "%Y-%m-%dT%H:%M:%S%.f%:z",
            Form::Conmon => "%Y-%m-%dT%H:%M:%S.%9N%:z",
        };
        Timestamp::now().to_zoned(zone).strftime(format).to_string()
    }

    fn write(&self, stream: usize, entries: &[u8]) -> io::Result<()> {
        lock(&self.files[stream]).write_all(entries)
    }
}

fn entry(time: &str, stream: usize, tag: &str, content: &[u8]) -> Vec<u8> {
    let name = ["stdout", "stderr"][stream];
    [format!("{time} {name} {tag} ").as_bytes(), content, b"\n"].concat()
}

fn open(path: &Path) -> io::Result<File> {
    File::options().append(true).create(true).open(path)
}

fn lock(file: &Mutex<File>) -> MutexGuard<'_, File> {
    file.lock().unwrap_or_else(PoisonError::into_inner)
}
