//! Records as the runtimes write them, and any bytes.

use std::fmt::Write as _;

use proptest::prelude::*;

use super::{Decoded, Format, Invalid};
use crate::record::{Stream, Timestamp};

const TIME: &str = "2023-11-14T22:13:20.000000001Z";
const NANOS: u64 = 1_700_000_000_000_000_001;

type Owned = (Stream, u64, Vec<u8>);

fn decode(format: Format, record: &[u8]) -> Result<Owned, Invalid> {
    let mut record = record.to_vec();
    let Decoded { stream, time, bytes } = format.decode(&mut record, Timestamp::from_nanos(7))?;
    Ok((stream, time.as_nanos(), bytes.to_vec()))
}

fn json(record: &str) -> Result<Owned, Invalid> {
    decode(Format::JsonFile, record.as_bytes())
}

fn cri(record: &str) -> Result<Owned, Invalid> {
    decode(Format::Cri, record.as_bytes())
}

fn stdout(bytes: &[u8]) -> Owned {
    (Stream::Stdout, NANOS, bytes.to_vec())
}

fn stderr(bytes: &[u8]) -> Owned {
    (Stream::Stderr, NANOS, bytes.to_vec())
}

/// A record as Docker writes it: Go's escapes, U+FFFD for each byte that is not UTF-8.
fn encode(bytes: &[u8], stream: &str) -> String {
    let mut log = String::new();
    for chunk in bytes.utf8_chunks() {
        for character in chunk.valid().chars() {
            match character {
                '"' | '\\' => log.extend(['\\', character]),
                '\n' => log.push_str("\\n"),
                '\r' => log.push_str("\\r"),
                '\0'..' ' | '<' | '>' | '&' | '\u{2028}' | '\u{2029}' => {
                    write!(log, "\\u{:04x}", u32::from(character)).unwrap();
                }
                character => log.push(character),
            }
        }
        log.extend(chunk.invalid().iter().map(|_| "\\ufffd"));
    }
    format!("{{\"log\":\"{log}\",\"stream\":\"{stream}\",\"time\":\"{TIME}\"}}\n")
}

/// What remains of bytes that went through [`encode`].
fn as_text(bytes: &[u8]) -> Vec<u8> {
    let mut text = String::new();
    for chunk in bytes.utf8_chunks() {
        text.push_str(chunk.valid());
        text.extend(chunk.invalid().iter().map(|_| '\u{fffd}'));
    }
    text.into_bytes()
}

#[test]
fn json_file_as_docker_writes_it() {
    assert_eq!(json(&encode(b"line\n", "stdout")), Ok(stdout(b"line\n")));
    assert_eq!(json(&encode(b"a \"part\"\t<of>", "stderr")), Ok(stderr(b"a \"part\"\t<of>")));
    let attributes =
        r#"{"log":"a\n","stream":"stderr","attrs":{"tag":"\"x\"","n":"1"},"time":"T"}"#;
    assert_eq!(json(&attributes.replace("\"T\"", &format!("\"{TIME}\""))), Ok(stderr(b"a\n")));
    let no_log = format!("{{\"stream\":\"stdout\",\"time\":\"{TIME}\"}}\n");
    assert_eq!(json(&no_log), Ok(stdout(b"")));
    let no_stream = format!("{{\"log\":\"a\\n\",\"time\":\"{TIME}\"}}\n");
    assert_eq!(json(&no_stream), Ok(stdout(b"a\n")));
    let spaced = format!(
        "{{ \"time\": \"{TIME}\", \"log\": \"\\u00e9\\/\\b\\f\\t\", \"stream\": \"stderr\" }}\r\n"
    );
    assert_eq!(json(&spaced), Ok(stderr("é/\u{8}\u{c}\t".as_bytes())));
    let pair =
        format!(r#"{{"log":"\ud83d\ude00\ud83d.\u2028","stream":"stdout","time":"{TIME}"}}"#);
    assert_eq!(json(&pair), Ok(stdout("😀\u{fffd}.\u{2028}".as_bytes())));
}

#[test]
fn json_file_that_is_none() {
    let record = encode(b"a \"quote\"\n", "stdout");
    for length in 0..record.len() - 2 {
        assert!(json(&record[..length]).is_err(), "{}", &record[..length]);
    }
    assert_eq!(json("\n"), Err(Invalid::Syntax));
    assert_eq!(json(&format!("{record}{record}").replace('\n', "")), Err(Invalid::Syntax));
    assert_eq!(json(&encode(b"a", "stdin")), Err(Invalid::Stream));
    assert_eq!(json(r#"{"log":"a\n","stream":"stdout"}"#), Err(Invalid::Time));
    assert_eq!(json(r#"{"log":"a\n","stream":"stdout","time":"today"}"#), Err(Invalid::Time));
    assert_eq!(json(r#"{"log":"a\x","stream":"stdout","time":"today"}"#), Err(Invalid::Syntax));
    assert_eq!(json(r#"{"log":"a"}"#), Err(Invalid::Syntax));
    assert_eq!(json(r#"{"log":"\u12"#), Err(Invalid::Syntax));
}

#[test]
fn cri_as_containerd_and_cri_o_write_it() {
    assert_eq!(cri(&format!("{TIME} stdout F a line\n")), Ok(stdout(b"a line\n")));
    assert_eq!(cri(&format!("{TIME} stderr P a part\n")), Ok(stderr(b"a part")));
    assert_eq!(cri(&format!("{TIME} stdout F \n")), Ok(stdout(b"\n")));
    assert_eq!(cri(&format!("{TIME} stdout F\n")), Ok(stdout(b"\n")));
    assert_eq!(cri(&format!("{TIME} stdout P\n")), Ok(stdout(b"")));
    assert_eq!(cri(&format!("{TIME} stdout F:tag  two spaces \n")), Ok(stdout(b" two spaces \n")));
    assert_eq!(cri(&format!("{TIME} stdout no tag here\n")), Ok(stdout(b"no tag here\n")));
    assert_eq!(cri(&format!("{TIME} stdout tagless\n")), Ok(stdout(b"tagless\n")));
    let local = "2023-11-15T06:13:20.000000001+08:00 stderr F x\n";
    assert_eq!(cri(local), Ok(stderr(b"x\n")));
}

#[test]
fn cri_that_is_none() {
    assert_eq!(cri("\n"), Err(Invalid::Time));
    assert_eq!(cri(""), Err(Invalid::Syntax));
    assert_eq!(cri("today stdout F x\n"), Err(Invalid::Time));
    assert_eq!(cri(&format!("{TIME}\n")), Err(Invalid::Stream));
    assert_eq!(cri(&format!("{TIME} stdin F x\n")), Err(Invalid::Stream));
}

#[test]
fn a_plain_line_is_what_it_is() {
    let expected = (Stream::Stdout, 7, b"\0any\xff\r\n".to_vec());
    assert_eq!(decode(Format::Plain, b"\0any\xff\r\n"), Ok(expected));
}

/// Bytes of which many need an escape or are no text.
fn bytes() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        any::<Vec<u8>>(),
        "[\"\\\\\n\r\t<>&\u{2028}é😀\0-\u{1f}a]{0,8}".prop_map(String::into_bytes),
    ];
    prop::collection::vec(piece, 0..8).prop_map(|pieces| pieces.concat())
}

/// JSON-like text that the general parser may or may not take.
fn almost_json() -> impl Strategy<Value = String> {
    let piece = prop::sample::select(vec![
        "{\"log\":\"",
        "\",\"stream\":\"stdout\"",
        ",\"stream\":\"stderr\"",
        ",\"attrs\":{\"a\":\"b\"}",
        "\"",
        "\\n",
        "\\u00e9",
        "\\",
        ",\"time\":\"2023-11-14T22:13:20.000000001Z\"",
        "}",
        "{",
        ",",
        "\"log\":\"a\"",
        " ",
        "\\ud83d\\ude00",
        "null",
        "é",
    ]);
    prop::collection::vec(piece, 0..10).prop_map(|pieces| pieces.concat())
}

#[derive(serde::Deserialize)]
struct Reference {
    log: Option<String>,
    stream: Option<String>,
    time: Option<String>,
}

proptest! {
    #[test]
    fn json_file_gives_back_what_docker_encodes(bytes in bytes()) {
        // Pieces of 16 KiB are made valid each for itself; smaller ones here, so that many are cut.
        for piece in bytes.chunks(16) {
            prop_assert_eq!(json(&encode(piece, "stdout")), Ok(stdout(&as_text(piece))));
        }
    }

    #[test]
    fn json_file_agrees_with_the_general_parser(text in almost_json()) {
        let expected = serde_json::from_str::<Reference>(&text).ok();
        let expected = expected.filter(|record| {
            record.time.as_deref() == Some(TIME)
                && matches!(record.stream.as_deref(), None | Some("stdout" | "stderr"))
        });
        if let Some(record) = expected {
            let log = record.log.unwrap_or_default().into_bytes();
            let is_stderr = record.stream.as_deref() == Some("stderr");
            prop_assert_eq!(json(&text), Ok(if is_stderr { stderr(&log) } else { stdout(&log) }));
        }
    }

    #[test]
    fn any_bytes_are_an_entry_or_none(
        bytes in bytes(),
        begin in prop::sample::select(vec!["", "{\"log\":\"", "{\"log\":\"a\",", "2023-11-14T22:13:20Z stdout "]),
    ) {
        let record = [begin.as_bytes(), &bytes].concat();
        for format in [Format::JsonFile, Format::Cri, Format::Plain] {
            if let Ok((_, _, content)) = decode(format, &record) {
                prop_assert!(content.len() <= record.len());
            }
        }
    }

    #[test]
    fn cri_gives_back_what_containerd_writes(line in "[^\n]{0,40}", is_full in any::<bool>()) {
        let tag = if is_full { 'F' } else { 'P' };
        let end = if is_full { "\n" } else { "" };
        let record = format!("{TIME} stderr {tag} {line}\n");
        prop_assert_eq!(cri(&record), Ok(stderr(format!("{line}{end}").as_bytes())));
    }
}
