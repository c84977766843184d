//! `sinks`

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::buffer;
use super::{Findings, kafka};
use crate::config::file::{self, Document};
use crate::config::units::Interval;
use crate::sink::{
    ConsoleFormat, ConsoleSettings, FileCompression, FileSettings, Format, Settings,
};

/// A destination and what waits before it.
#[derive(Clone, Debug, PartialEq)]
pub struct Sink {
    /// Its name; the label `sink` of its metrics.
    pub name: String,
    /// Where it leads.
    pub settings: Settings,
    /// What waits before it; room for at least one line of the greatest length.
    pub buffer: crate::buffer::Settings,
}

pub(super) fn check(document: &Document, findings: &mut Findings<'_>) -> Vec<Sink> {
    let mut files: HashMap<&Path, &str> = HashMap::new();
    let mut directories: HashMap<PathBuf, &str> = HashMap::new();
    let mut sinks = Vec::new();
    for (name, sink) in &document.sinks {
        if !is_name(name) {
            let message = "a sink's name begins with a letter, and has at most 63 letters, digits, `_` and `-`";
            findings.add(&["sinks", name], message);
        }
        let buffer = buffer::check(name, sink.buffer(), document, findings);
        if let Some(disk) = &buffer.disk
            && let Some(other) = directories.insert(disk.directory.clone(), name)
        {
            let message = format!("sink `{other}` has this directory already");
            findings.add(&["sinks", name, "buffer", "directory"], message);
        }
        let settings = match sink {
            file::Sink::Console(console) => Some(Settings::Console(console_settings(console))),
            file::Sink::File(file) => {
                check_file(&["sinks", name, "path"], &file.path, &mut files, findings);
                Some(Settings::File(file_settings(file)))
            }
            file::Sink::Kafka(kafka) => {
                if let Some(file::DeadLetter { path, .. }) = &kafka.dead_letter {
                    let key = ["sinks", name, "dead_letter", "path"];
                    check_file(&key, path, &mut files, findings);
                }
                kafka::check(name, kafka, findings).map(|kafka| Settings::Kafka(Box::new(kafka)))
            }
            file::Sink::Discard(_) => Some(Settings::Discard),
        };
        sinks.extend(settings.map(|settings| Sink { name: name.clone(), settings, buffer }));
    }
    sinks
}

fn console_settings(console: &file::Console) -> ConsoleSettings {
    let file::Console { format, buffer: _ } = console;
    ConsoleSettings {
        format: match format {
            file::ConsoleFormat::Auto => ConsoleFormat::Auto,
            file::ConsoleFormat::Json => ConsoleFormat::Json,
            file::ConsoleFormat::Raw => ConsoleFormat::Raw,
            file::ConsoleFormat::Pretty => ConsoleFormat::Pretty,
        },
    }
}

fn file_settings(file: &file::File) -> FileSettings {
    let file::File { path, format, rotate, buffer: _ } = file;
    let file::Rotate { max_bytes, max_age, max_files, compression } = rotate;
    FileSettings {
        path: path.clone(),
        format: match format {
            file::FileFormat::Json => Format::Json,
            file::FileFormat::Raw => Format::Raw,
        },
        rotate_bytes: max_bytes.bytes(),
        rotate_after: max_age.map_or(Duration::ZERO, Interval::duration),
        keep_files: *max_files as usize,
        compression: match compression {
            file::Compression::None => FileCompression::None,
            file::Compression::Gzip => FileCompression::Gzip,
            file::Compression::Zstd => FileCompression::Zstd,
        },
    }
}

fn is_name(name: &str) -> bool {
    let is_inner = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-');
    name.len() <= 63
        && name.starts_with(|first: char| first.is_ascii_alphabetic())
        && name.bytes().all(is_inner)
}

/// Checks the file that the sink named by `key[1]` writes to, as no other may.
fn check_file<'a>(
    key: &[&'a str],
    path: &'a Path,
    files: &mut HashMap<&'a Path, &'a str>,
    findings: &mut Findings<'_>,
) {
    findings.require_absolute(key, path);
    if let Some(other) = files.insert(path, key[1]) {
        findings.add(key, format!("sink `{other}` writes to this file already"));
    }
}
