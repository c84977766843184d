//! What whole files come to.

use std::path::Path;
use std::time::Duration;

use proptest::prelude::*;

use super::file::{Attach, Level, LogFormat, Start};
use super::{Config, Problems};
use crate::buffer::DiskSettings;
use crate::sink::DeadLetterSettings;

/// The result for a file with the variables `HOST` and `PASSWORD` around it.
fn parse(text: &str) -> Result<Config, Problems> {
    let environment = |name: &str| match name {
        "HOST" => Some("db".to_owned()),
        "PASSWORD" => Some("0123".to_owned()),
        "COUNT" => Some("7".to_owned()),
        "INJECTION" => Some("x\nlog: {level: debug}".to_owned()),
        _ => None,
    };
    Config::parse("test.yaml", text.as_bytes(), &environment)
}

/// What is wrong with a file, a line a problem.
fn problems(text: &str) -> Vec<String> {
    parse(text).unwrap_err().iter().map(ToString::to_string).collect()
}

const NINE_MISTAKES: &str = r"
capture:
  ring_bytes: 16Mebi
  wake_intervall: 10ms
line:
  max_bytes: 32MiB
sinks:
  out:
    type: console
    format: jsn
  k:
    type: kafka
    topic: logs
    acks: 1
    sasl: {mechanism: plain, username: me, password: 12345}
log:
  level: [info]
admin: {listen: localhost}
";

#[test]
fn every_mistake_is_told_with_its_place() {
    let expected = [
        "3:15: capture.ring_bytes: expected a size such as `512KiB` or `16MiB`, found `16Mebi`",
        "4:3: capture.wake_intervall: unknown key; did you mean `wake_interval`?",
        "6:14: line.max_bytes: must be between 1B and 16MiB",
        "10:13: sinks.out.format: found `jsn`; did you mean `json`?",
        "12:5: sinks.k: needs the key `brokers`",
        "14:11: sinks.k.acks: expected `all`, `leader` or `none`, found `1`",
        "15:54: sinks.k.sasl.password: expected text, found a whole number; put it in quotes",
        "17:10: log.level: expected `error`, `warn`, `info`, `debug` or `trace`, found a list",
        "18:17: admin.listen: expected an IP address and port such as `127.0.0.1:9465`, or `off`, found `localhost`",
    ];
    assert_eq!(problems(NINE_MISTAKES), expected);
    let shown = parse(NINE_MISTAKES).unwrap_err().to_string();
    assert_eq!(shown, expected.map(|line| format!("test.yaml:{line}")).join("\n"));
}

#[test]
fn relations_between_fields_are_checked() {
    let text = r"
capture: {ring_bytes: 100KiB, share_burst_bytes: 1MiB}
identity:
  hold_bytes: 1KiB
  docker: {address: docker.sock}
line: {max_bytes: 2MiB}
sinks:
  a: {type: file, path: /x}
  b: {type: file, path: /x, buffer: {max_bytes: 1MiB}}
  c: {type: file, path: x}
  2d: {type: discard}
  k:
    type: kafka
    brokers: [localhost, 'kafka:9092', '[::1]:9092', 'a:b:1', ':1']
    topic: t
    acks: leader
    idempotence: true
    tls: {key_file: /key}
";
    let expected = [
        "2:23: capture.ring_bytes: must be a power of two such as 128KiB",
        "2:50: capture.share_burst_bytes: must be at most `capture.ring_bytes`: 1MiB is more than 100KiB",
        "4:3: identity.hold_bytes_per_container: must be at most `identity.hold_bytes`: 1MiB is more than 1KiB",
        "5:21: identity.docker.address: expected `unix:///path`, `tcp://host:port` or `http://host:port`, \
         here or in the environment's `DOCKER_HOST`",
        "9:25: sinks.b.path: sink `a` writes to this file already",
        "9:49: sinks.b.buffer.max_bytes: must be at least `line.max_bytes`, 2MiB",
        "10:25: sinks.c.path: must be absolute: begin with `/`",
        "11:7: sinks.2d: a sink's name begins with a letter, and has at most 63 letters, digits, `_` and `-`",
        "14:15: sinks.k.brokers[0]: expected `host:port`",
        "14:54: sinks.k.brokers[3]: expected `host:port`",
        "14:63: sinks.k.brokers[4]: expected `host:port`",
        "17:18: sinks.k.idempotence: needs `acks: all`",
        "18:21: sinks.k.tls.key_file: needs `certificate_file` beside it",
        "18:21: sinks.k.tls.key_file: needs `enabled: true` beside it",
    ];
    assert_eq!(problems(text), expected);
}

#[test]
fn what_is_kept_needs_a_place_of_its_own() {
    let text = r"
capture: {attach: off, required: true}
tail: {enabled: false, docker_root: var/lib, cri_links: ./log}
state: {directory: off}
sinks:
  a: {type: file, path: /x, buffer: {type: disk}}
  b: {type: discard, buffer: {directory: /d, segment_bytes: 1MiB, sync_interval: 1s, max_bytes: 1TiB}}
  c: {type: discard, buffer: {type: disk, directory: d}}
  d: {type: discard, buffer: {type: disk, directory: d}}
  k: {type: kafka, brokers: ['a:1'], topic: t, dead_letter: {path: /x}}
  l: {type: kafka, brokers: ['a:1'], topic: t, dead_letter: {path: letters}}
";
    let expected = [
        "2:19: capture.attach: nothing would be read: `tail.enabled` is `false` as well",
        "2:34: capture.required: needs another `attach` than `off`",
        "3:37: tail.docker_root: must be absolute: begin with `/`",
        "3:57: tail.cri_links: must be absolute: begin with `/`",
        "6:44: sinks.a.buffer.type: needs `directory` beside it, since `state.directory` is `off`",
        "7:42: sinks.b.buffer.directory: needs `type: disk` beside it",
        "7:61: sinks.b.buffer.segment_bytes: needs `type: disk` beside it",
        "7:82: sinks.b.buffer.sync_interval: needs `type: disk` beside it",
        "7:97: sinks.b.buffer.max_bytes: must be at most 16GiB in memory; or set `type: disk`",
        "8:54: sinks.c.buffer.directory: must be absolute: begin with `/`",
        "9:54: sinks.d.buffer.directory: must be absolute: begin with `/`",
        "9:54: sinks.d.buffer.directory: sink `c` has this directory already",
        "10:68: sinks.k.dead_letter.path: sink `a` writes to this file already",
        "11:68: sinks.l.dead_letter.path: must be absolute: begin with `/`",
    ];
    assert_eq!(problems(text), expected);
    for wrong in ["lib", "''", "true", "Off"] {
        let problems = problems(&format!("state: {{directory: {wrong}}}"));
        assert!(problems[0].contains("state.directory: expected "), "{problems:?}");
    }
}

#[test]
fn a_buffer_on_disk_is_below_the_state() {
    let text = r"
capture: {attach: off}
tail: {start: beginning, rescan_interval: 1s}
state: {directory: /s, hand_over_timeout: 0s}
sinks:
  a: {type: discard, buffer: {type: disk}}
  b: {type: discard, buffer: {type: disk, directory: /b, max_bytes: 2GiB, segment_bytes: 1MiB, sync_interval: 0s}}
  k: {type: kafka, brokers: ['a:1'], topic: t, dead_letter: {path: /x}}
  m: {type: discard, buffer: {max_bytes: 16GiB}}
";
    let config = parse(text).unwrap();
    assert_eq!((config.attach, config.is_capture_required), (Attach::Off, false));
    assert_eq!((config.tail.enabled, config.tail.start), (true, Start::Beginning));
    assert_eq!(config.tail.settings.rescan_interval, Duration::from_secs(1));
    assert_eq!(config.state.unwrap().directory, Path::new("/s"));
    assert_eq!(config.hand_over_timeout, Duration::ZERO);
    let disk = |directory: &str, mib: u64, segment_mib: u64, sync_millis| {
        Some(DiskSettings {
            directory: directory.into(),
            max_bytes: mib << 20,
            segment_bytes: segment_mib << 20,
            sync_interval: Duration::from_millis(sync_millis),
        })
    };
    let [a, b, k, m] = config.sinks.as_slice() else { panic!("{:?}", config.sinks) };
    assert_eq!(a.buffer.disk, disk("/s/buffer/a", 1024, 64, 100));
    assert_eq!(b.buffer.disk, disk("/b", 2048, 1, 0));
    assert_eq!((&k.buffer.disk, &m.buffer.disk), (&None, &None));
    let memory = [a, b, k, m].map(|sink| sink.buffer.max_bytes >> 20);
    assert_eq!(memory, [64, 64, 64, 16 << 10]);
    let crate::sink::Settings::Kafka(kafka) = &k.settings else { panic!("{k:?}") };
    let letters = DeadLetterSettings { path: "/x".into(), max_bytes: 64 << 20 };
    assert_eq!(kafka.dead_letters, Some(letters));
}

#[test]
fn choices_of_sinks_say_what_is_missing() {
    let text =
        "sinks:\n  a: {format: json}\n  b: {type: kafak}\n  c: console\n  d:\n  e: {type: [1]}\n";
    let expected = [
        "2:6: sinks.a: needs the key `type`",
        "3:13: sinks.b.type: found `kafak`; did you mean `kafka`?",
        "4:6: sinks.c: expected a mapping, found text",
        "5:4: sinks.d: expected a mapping, found nothing",
        "6:13: sinks.e.type: expected `console`, `file`, `kafka` or `discard`, found a list",
    ];
    assert_eq!(problems(text), expected);
    assert_eq!(problems("sinks: {}"), ["1:8: sinks: must have between 1 and 16 entries"]);
}

#[test]
fn what_is_no_yaml_is_one_problem_with_a_place() {
    let cases = [
        (
            "capture:\n\tattach: auto\n",
            "2:2: not YAML: tabs disallowed within this context (block indentation)",
        ),
        ("log: [1", "2:1: not YAML: while parsing a flow sequence, expected ',' or ']'"),
        (
            "log: {level: ${LEVEL}}",
            "1:15: not YAML: while parsing a flow mapping, did not find expected ',' or '}'; \
             within `{ }` and `[ ]`, `${…}` needs quotes",
        ),
        (
            "log: {level: info}\n---\nlog: {level: debug}\n",
            "2:1: a second document; a file holds one",
        ),
        ("- a", "1:1: expected a mapping, found a list"),
        (
            "log: !!map {level: info}",
            "1:12: log: tag `tag:yaml.org,2002:!map`; tags have no meaning here",
        ),
        ("[a]: b", "1:1: a key that is not text"),
        ("log:\n  level: info\n  level: debug\n", "3:3: log: repeats the key `level` of line 2"),
        (
            "log: {level: inf\0o}",
            "1:17: a control character; write it as an escape in double quotes",
        ),
        ("log: *a", "1:6: not YAML: while parsing node, found unknown anchor"),
    ];
    let found: Vec<(&str, String)> =
        cases.iter().map(|(text, _)| (*text, problems(text).join(" | "))).collect();
    assert_eq!(found, cases.map(|(text, expected)| (text, expected.to_owned())));
}

#[test]
fn bytes_that_are_no_text_are_one_problem_with_a_place() {
    let parse = |bytes: &[u8]| {
        Config::parse("x", bytes, &|_| None).map_err(|problems| problems.to_string()).map(|_| ())
    };
    assert_eq!(parse(b"# \xc3\xbc\n# \xff"), Err("x:2:3: not UTF-8 text".to_owned()));
    assert_eq!(parse(&vec![b' '; 1 << 20]), Ok(()));
    assert_eq!(
        parse(&vec![b' '; (1 << 20) + 1]),
        Err("x:1:1: larger than 1048576 bytes".to_owned())
    );
    assert_eq!(parse(b"\xef\xbb\xbflog: {level: info}"), Ok(()));
}

#[test]
fn nothing_means_the_defaults() {
    let default = parse("").unwrap();
    for text in ["# nothing\n", "---\n", "~", "{}", "capture:\nsinks:\n", "line: {}"] {
        assert_eq!(parse(text).unwrap(), default, "{text:?}");
    }
    assert_eq!(default.capture.ring_bytes, 16 << 20);
    assert_eq!(default.capture.share_burst_bytes, 256 << 10);
    assert_eq!(default.line.idle_flush, Duration::from_secs(2));
    assert_eq!(default.admin.unwrap().to_string(), "127.0.0.1:9465");
    assert_eq!(default.identity.stage.docker.as_deref(), Some("unix:///var/run/docker.sock"));
    assert_eq!(default.attach, Attach::Auto);
    assert_eq!(default.tail.start, Start::End);
    assert_eq!(default.hand_over_timeout, Duration::from_secs(30));
    assert_eq!(default.state, Some(crate::state::Settings::default()));
    assert_eq!(Config::embedded(&|_| None).unwrap().state, None);
    assert_eq!(default.sinks.len(), 1);
    assert_eq!(default.sinks[0].name, "stdout");
}

#[test]
fn numbers_are_whole_and_within_bounds() {
    for (text, containers) in [("1", 1), ("65536", 65_536), ("8.0", 8), ("1e3", 1000), ("+7", 7)] {
        let config = parse(&format!("capture: {{max_containers: {text}}}")).unwrap();
        assert_eq!(config.capture.max_containers, containers, "{text}");
    }
    for text in ["0", "65537", "-1", "99999999999999999999", "1e300"] {
        let expected = ["1:27: capture.max_containers: must be between 1 and 65536"];
        assert_eq!(problems(&format!("capture: {{max_containers: {text}}}")), expected, "{text}");
    }
    for text in ["1.5", "x", ".inf", "true", "'1'"] {
        let problems = problems(&format!("capture: {{max_containers: {text}}}"));
        assert!(problems[0].contains("expected a whole number, found"), "{text}: {problems:?}");
    }
    assert_eq!(parse("line: {max_bytes: 4096}").unwrap().line.max_bytes, 4096);
    for text in ["-1", "1e300", "17MiB", "0", "16777217"] {
        let problems = problems(&format!("line: {{max_bytes: {text}}}"));
        assert_eq!(problems, ["1:19: line.max_bytes: must be between 1B and 16MiB"], "{text}");
    }
}

#[test]
fn aliases_are_followed_and_bounded() {
    let config = parse("sinks: {a: &x {type: discard}, b: *x}").unwrap();
    assert_eq!(config.sinks[0].settings, config.sinks[1].settings);
    let bomb = (1..10).fold("a0: &a0 [x]\n".to_owned(), |text, level| {
        let below = vec![format!("*a{}", level - 1); 10].join(", ");
        format!("{text}a{level}: &a{level} [{below}]\n")
    });
    assert_eq!(problems(&bomb), ["5:25: a4[3]: more than 10000 values, aliases resolved"]);
    let expected = ["1:17: log.level: an alias inside the value it stands for"];
    assert_eq!(problems("log: &a {level: *a}"), expected);
    let nested = problems(&format!("a: {}", "[".repeat(32)));
    assert_eq!(nested, [format!("1:35: a{}: values nest deeper than 32", "[0]".repeat(31))]);
}

#[test]
fn the_environment_fills_values_and_nothing_else() {
    let text = r#"
log:
  level: "${LEVEL:-debug}"
  format: ${FORMAT:-json}
capture:
  max_containers: ${COUNT}
sinks:
  k:
    type: kafka
    brokers: ['${HOST}:9092']
    topic: logs
    headers: {literal: '$${HOST}'}
    sasl: {mechanism: plain, username: '${INJECTION}', password: '${PASSWORD}'}
"#;
    let config = parse(text).unwrap();
    assert_eq!((config.log.level, config.log.format), (Level::Debug, LogFormat::Json));
    assert_eq!(config.capture.max_containers, 7);
    let crate::sink::Settings::Kafka(kafka) = &config.sinks[0].settings else {
        panic!("{config:?}")
    };
    assert_eq!(kafka.brokers, ["db:9092"]);
    assert_eq!(kafka.headers["literal"], "${HOST}");
    let sasl = kafka.sasl.as_ref().unwrap();
    assert_eq!(sasl.username, "x\nlog: {level: debug}");
    assert_eq!(sasl.password, "0123");
    assert!(!format!("{config:?}").contains("0123"));
}

#[test]
fn a_problem_never_shows_what_the_environment_holds() {
    let text = "log:\n  level: ${PASSWORD}\n  format: ${MISSING}\nline: {idle_flush: '${PASSWORD}'}\n\
                capture: {max_containers: '${PASSWORD}0000'}\n";
    let expected = [
        "2:10: log.level: expected `error`, `warn`, `info`, `debug` or `trace`, found a value from the environment",
        "3:11: log.format: environment variable `MISSING` is not set; set it or give a default: `${MISSING:-default}`",
        "4:20: line.idle_flush: expected a duration such as `10ms`, `2s` or `1m`, found a value from the environment",
        "5:27: capture.max_containers: must be between 1 and 65536",
    ];
    assert_eq!(problems(text), expected);
}

proptest! {
    #[test]
    fn any_bytes_give_a_result_and_problems_have_places(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        check_places(&bytes)?;
    }

    #[test]
    fn so_does_anything_that_looks_like_yaml(text in r##"([\[\]{}:,&*!|>'"#~ \t\n-]|[a-c]|log|level|sinks|\$\{|\}){0,60}"##) {
        check_places(text.as_bytes())?;
    }
}

fn check_places(bytes: &[u8]) -> Result<(), TestCaseError> {
    if let Err(problems) = Config::parse("x", bytes, &|_| Some("y".to_owned())) {
        prop_assert!(!problems.is_empty());
        let lines = bytes.split(|byte| *byte == b'\n').count();
        for problem in problems.iter() {
            // The parser reports an unexpected end one line after it.
            prop_assert!(
                (1..=lines + 1).contains(&problem.position.line),
                "{problem} of {lines} lines"
            );
            prop_assert!(problem.position.column >= 1, "{problem}");
        }
    }
    Ok(())
}
