//! Records for a person at a terminal: `10:14:53.123 web      | GET /`. Not for machines: it leaves things out.
//!
//! A container may print anything, and a terminal obeys: titles, clipboard, cursor, forged prompts. So colour sequences are
//! left out, and any other control or direction character is replaced by a picture of it.

use super::ContainerCache;
use super::timestamp::TimestampText;
use crate::record::{BatchRecord, Stream};

/// Widest column of names, in characters; a longer name is cut.
const MAX_NAME_WIDTH: usize = 24;
/// Foreground colours of names, as SGR numbers; red is left to stderr.
const COLOURS: [u8; 10] = [32, 33, 34, 35, 36, 92, 93, 94, 95, 96];
/// Hours to milliseconds in the text of a time.
const CLOCK: std::ops::Range<usize> = 11..23;

/// Writes records in colour, with names in a column that grows as longer ones come.
#[derive(Debug, Default)]
pub(in crate::sink) struct Pretty {
    time: TimestampText,
    names: ContainerCache<Name>,
    width: usize,
}

#[derive(Debug)]
struct Name {
    text: String,
    width: usize,
    colour: u8,
}

impl Pretty {
    /// Appends `record` to `out`, without a newline.
    pub(super) fn append(&mut self, record: &BatchRecord<'_>, out: &mut Vec<u8>) {
        let Self { time, names, width: column } = self;
        let Name { text, width, colour } = names
            .get_or_insert_with(record.container, |container| Name::new(container.display_name()));
        *column = (*column).max(*width);
        let padding = *column - *width;
        let clock = std::str::from_utf8(&time.format(record.time)[CLOCK]).unwrap_or_default();
        let bar = match record.stream {
            Stream::Stdout => "\x1b[2m|\x1b[0m",
            Stream::Stderr => "\x1b[31m!\x1b[0m",
            Stream::Daemon => "\x1b[2m:\x1b[0m",
        };
        let mut line =
            format!("\x1b[2m{clock}\x1b[0m \x1b[{colour}m{text}\x1b[0m{:padding$} {bar} ", "");
        append_harmless(&mut line, &String::from_utf8_lossy(record.body));
        if record.truncated {
            line.push_str(" \x1b[2m[truncated]\x1b[0m");
        }
        out.extend_from_slice(line.as_bytes());
    }
}

impl Name {
    fn new(name: &str) -> Self {
        let mut text = String::new();
        append_harmless(&mut text, name);
        let mut width = text.chars().count();
        if width > MAX_NAME_WIDTH {
            width = MAX_NAME_WIDTH;
            text = text.chars().take(width - 1).chain(['\u{2026}']).collect();
        }
        let hash = xxhash_rust::xxh3::xxh3_64(name.as_bytes());
        Self { text, width, colour: COLOURS[(hash % COLOURS.len() as u64) as usize] }
    }
}

/// Appends `text` without anything that a terminal acts upon, tabs apart.
fn append_harmless(out: &mut String, text: &str) {
    let mut rest = text;
    while let Some(character) = rest.chars().next() {
        if let Some(length) = colour_sequence_len(rest) {
            rest = &rest[length..];
            continue;
        }
        out.push(picture(character));
        rest = &rest[character.len_utf8()..];
    }
}

/// Length of the colour sequence (`ESC [ … m`) at the start of `text`.
fn colour_sequence_len(text: &str) -> Option<usize> {
    const START: &str = "\x1b[";
    let parameters = text.strip_prefix(START)?;
    let end = parameters.find(|c: char| !matches!(c, '0'..='9' | ';' | ':'))?;
    parameters[end..].starts_with('m').then_some(START.len() + end + 1)
}

/// The character itself if a terminal only shows it, else one that stands for it.
fn picture(character: char) -> char {
    match character {
        '\t' => '\t',
        '\0'..='\x1f' => char::from_u32(0x2400 + character as u32).unwrap_or('\u{fffd}'),
        '\x7f' => '\u{2421}',
        // C1 controls, marks, overrides and isolates of direction, line and paragraph separators.
        '\u{80}'..='\u{9f}'
        | '\u{200e}'
        | '\u{200f}'
        | '\u{2028}'..='\u{202e}'
        | '\u{2066}'..='\u{2069}' => '\u{fffd}',
        _ => character,
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use proptest::prelude::*;

    use super::{Pretty, append_harmless};
    use crate::record::{Batch, Container, ContainerId, Line, LineKey, Mode, Stream, Timestamp};

    fn line(body: &[u8]) -> Line<'_> {
        let time = Timestamp::from_nanos(1_700_000_000_123_456_789);
        Line { body, time, mode: Mode::Ebpf, writer: None, sequence: 0, index: 0, truncated: false }
    }

    fn show(pretty: &mut Pretty, name: &str, stream: Stream, line: &Line<'_>) -> String {
        let id = ContainerId::from_bytes(&[b'a'; 64]).unwrap();
        let container = Container { name: Some(name.into()), ..Container::unexplained(id) };
        let mut batch = Batch::new(Timestamp::from_nanos(0));
        assert!(batch.push(&Arc::new(container), stream, (0, LineKey(0)), line));
        let mut out = Vec::new();
        pretty.append(&batch.get(0).unwrap(), &mut out);
        String::from_utf8(out).unwrap()
    }

    fn harmless(text: &str) -> String {
        let mut out = String::new();
        append_harmless(&mut out, text);
        out
    }

    #[test]
    fn aligns_what_follows_a_longer_name() {
        let mut pretty = Pretty::default();
        let mut shown = |name, stream| harmless(&show(&mut pretty, name, stream, &line(b"hi")));
        assert_eq!(shown("db", Stream::Stdout), "22:13:20.123 db | hi");
        assert_eq!(shown("web-1", Stream::Stderr), "22:13:20.123 web-1 ! hi");
        assert_eq!(shown("db", Stream::Stdout), "22:13:20.123 db    | hi");
        let long = "n".repeat(30);
        let cut = format!("22:13:20.123 {}\u{2026} | hi", &long[..23]);
        assert_eq!(shown(&long, Stream::Stdout), cut);
    }

    #[test]
    fn marks_a_truncated_line() {
        let cut = Line { truncated: true, ..line(b"hi") };
        let shown = show(&mut Pretty::default(), "db", Stream::Stdout, &cut);
        assert!(shown.ends_with(" hi \x1b[2m[truncated]\x1b[0m"), "{shown:?}");
    }

    #[test]
    fn a_terminal_is_not_sent_what_it_would_obey() {
        let hostile = "a\x1b[1;31mred\x1b[0m\tb\x1b]0;title\x07\u{9b}2J\x7f\u{202e}\r";
        let shown = "ared\tb\u{241b}]0;title\u{2407}\u{fffd}2J\u{2421}\u{fffd}\u{240d}";
        assert_eq!(harmless(hostile), shown);
        assert_eq!(harmless("\x1b[1;"), "\u{241b}[1;");
    }

    proptest! {
        #[test]
        fn nothing_harmful_passes(text in "(\x1b|\\[|m|[\u{0}-\u{ff}]|1){0,30}") {
            let shown = harmless(&text);
            prop_assert!(shown.chars().all(|c| c == '\t' || !c.is_control()), "{:?}", shown);
        }
    }
}
