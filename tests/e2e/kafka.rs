//! What a Kafka sink is told is what the cluster gets: how the agent logs in, and where and how records go.

use std::time::Duration;

use anyhow::Result;

use crate::harness::broker::{Listener, PLAIN_USER, SCRAM_USER};

use crate::harness::image::{HOST, WORKLOAD};
use crate::harness::topic::{self, Message, StoredBatch};
use crate::harness::{self, Agent, Broker, Config, Record, Run};
use crate::lines::assert_numbered;

/// How long records may take to arrive.
const PATIENCE: Duration = Duration::from_mins(1);

/// A Kafka sink called `name`, with topic `NAME-{{ name }}` and more keys.
fn sink(name: &str, address: &str, keys: &str) -> String {
    let topic = format!("{name}-{{{{ name }}}}");
    format!("{name}: {{ type: kafka, brokers: [\"{address}\"], topic: \"{topic}\"{keys} }}")
}

/// The keys that encrypt, and trust the certificate of `broker`.
fn tls(broker: &Broker) -> String {
    format!(", tls: {{ enabled: true, ca_file: \"{}\" }}", broker.certificate().display())
}

/// The keys that log in.
fn login(mechanism: &str, [user, password]: [&str; 2]) -> String {
    format!(", sasl: {{ mechanism: {mechanism}, username: {user}, password: {password} }}")
}

#[test]
fn encrypted_and_logged_in_in_every_way() -> Result<()> {
    let Some(engine) = harness::engine()? else {
        return Ok(());
    };
    let Some(broker) = harness::broker()? else {
        return Ok(());
    };
    let tls = tls(broker);
    let scram = login("scram-sha-512", SCRAM_USER);
    let ways = [
        ("tls", Listener::Tls, tls.clone()),
        ("scram-tls", Listener::UsersOverTls, format!("{tls}{scram}")),
        ("plain-tls", Listener::UsersOverTls, format!("{tls}{}", login("plain", PLAIN_USER))),
        ("scram", Listener::Users, scram),
    ];
    let sinks = ways.clone().map(|(name, at, keys)| sink(name, broker.address_of(at), &keys));
    let agent = Agent::start(&Config::new(&engine).sinks(sinks.join(", ")))?;
    engine.run(Run::host("ways", &[WORKLOAD, "lines", "500", "11"]))?;
    agent.stop([])?;
    for (name, ..) in ways {
        let values = topic::read(broker, &format!("{name}-ways"), 500, PATIENCE)?;
        let records: Result<Vec<_>> = values.iter().map(|value| Record::parse(value)).collect();
        assert_numbered(&records?, 500, 11)?;
    }
    Ok(())
}

/// The agent stays up and says so once; retries are counted, nothing is dropped; what cannot be delivered at the end is said.
#[test]
fn refused_by_the_brokers() -> Result<()> {
    let Some(engine) = harness::engine()? else {
        return Ok(());
    };
    let Some(broker) = harness::broker()? else {
        return Ok(());
    };
    let wrong = login("plain", [PLAIN_USER[0], "wrong-password"]);
    let password = sink(
        "password",
        broker.address_of(Listener::UsersOverTls),
        &format!("{}{wrong}", tls(broker)),
    );
    // The authorities of the system have not signed the broker's certificate.
    let certificate =
        sink("certificate", broker.address_of(Listener::Tls), ", tls: { enabled: true }");
    let good = sink("good", broker.address(), "");
    let sinks = [password, certificate, good].join(", ");
    let mut agent = Agent::start(&Config::new(&engine).sinks(sinks))?;
    engine.run(Run::host("refused", &[WORKLOAD, "lines", "200", "12"]))?;
    for sink in ["password", "certificate"] {
        agent.until(&format!("a failed attempt of `{sink}`"), |agent| {
            let retries = agent.metrics()?.sum("writetap_sink_retries_total", &[("sink", sink)]);
            Ok((retries > 0).then_some(()))
        })?;
    }
    let values = topic::read(broker, "good-refused", 200, PATIENCE)?;
    let records: Result<Vec<_>> = values.iter().map(|value| Record::parse(value)).collect();
    assert_numbered(&records?, 200, 12)?;
    let metrics = agent.metrics()?;
    for sink in ["password", "certificate"] {
        let count = |name: &str| metrics.sum(name, &[("sink", sink)]);
        assert_eq!(count("writetap_sink_records_total"), 0);
        assert_eq!(count("writetap_sink_dropped_records_total"), 0);
        assert_eq!(count("writetap_buffer_dropped_records_total"), 0);
    }
    let (status, said) = agent.give_up()?;
    assert_eq!(status.code(), Some(1), "{said}");
    assert!(!said.contains("wrong-password"), "a password is shown: {said}");
    for (sink, reason) in
        [("password", "Invalid username or password"), ("certificate", "certificate verify failed")]
    {
        let about = |line: &&str| line.contains("WARN") && line.contains(&format!("\"{sink}\""));
        let warnings: Vec<_> = said.lines().filter(about).collect();
        assert!(warnings.len() == 1 && warnings[0].contains(reason), "{warnings:#?}");
    }
    assert!(said.contains("were not delivered before shutdown.deadline"), "{said}");
    Ok(())
}

/// A sink with topic, key and headers of its own; `options` win over its keys: a batch is one record.
#[test]
fn topic_key_headers_compression_and_options() -> Result<()> {
    let Some(engine) = harness::engine()? else {
        return Ok(());
    };
    let Some(broker) = harness::broker()? else {
        return Ok(());
    };
    let address = broker.address();
    let all = format!(
        "all: {{ type: kafka, brokers: [\"{address}\"], topic: \"all-{{{{ name }}}}-{{{{ stream }}}}\",
        key: \"{{{{ image }}}} {{{{ label.tier }}}}\", headers: {{ source: writetap, zone: a }},
        batch_records: 100, options: {{ batch.num.messages: \"1\" }} }}"
    );
    let sinks = [
        all,
        sink("zstd", address, ", compression: zstd, linger: 200ms"),
        sink("lz4", address, ", compression: lz4, linger: 200ms"),
    ];
    let agent = Agent::start(&Config::new(&engine).sinks(sinks.join(", ")))?;
    let names = ["form-a", "form-b"];
    for (name, seed) in names.into_iter().zip(["1", "2"]) {
        let command = [WORKLOAD, "lines", "200", seed];
        engine.run(Run { options: &["--label=tier=front"], ..Run::host(name, &command) })?;
    }
    agent.stop([])?;
    for (name, seed) in names.into_iter().zip([1, 2]) {
        let mut records = Vec::new();
        for stream in ["stdout", "stderr"] {
            let topic = format!("all-{name}-{stream}");
            for Message { key, headers, time_ms, value } in
                topic::messages(broker, &topic, 100, PATIENCE)?
            {
                assert_eq!(key, Some(format!("{HOST} front")));
                let expected = [("source", "writetap"), ("zone", "a")];
                assert_eq!(headers, expected.map(|(name, value)| (name.into(), value.into())));
                let record = Record::parse(&value)?;
                let time: jiff::Timestamp = record.timestamp.parse()?;
                assert_eq!(
                    (record.stream.as_str(), time_ms),
                    (stream, Some(time.as_millisecond()))
                );
                records.push(record);
            }
            let single = StoredBatch { codec: 0, records: 1 };
            assert_eq!(topic::stored(broker, &topic)?, vec![single; 100]);
        }
        assert_numbered(&records, 200, seed)?;
        for (codec, number) in [("lz4", 3), ("zstd", 4)] {
            let topic = format!("{codec}-{name}");
            let values = topic::read(broker, &topic, 200, PATIENCE)?;
            let records: Result<Vec<_>> = values.iter().map(|value| Record::parse(value)).collect();
            assert_numbered(&records?, 200, seed)?;
            let stored = topic::stored(broker, &topic)?;
            assert!(stored.iter().any(|batch| batch.records > 1), "{stored:?}");
            assert!(stored.iter().all(|batch| batch.codec == number), "{stored:?}");
        }
    }
    Ok(())
}
