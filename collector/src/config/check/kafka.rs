//! A sink of type `kafka`.

use super::Findings;
use crate::config::file::{self, Kafka};
use crate::config::secret::Secret;
use crate::sink::{
    Acks, DeadLetterSettings, KafkaCompression, KafkaSettings, Sasl, SaslMechanism, Template,
    TemplateError, Tls,
};

/// Checks a sink and makes its settings; `None` when it cannot, which `findings` says.
pub(super) fn check(
    name: &str,
    kafka: &Kafka,
    findings: &mut Findings<'_>,
) -> Option<KafkaSettings> {
    check_brokers(name, kafka, findings);
    check_tls(name, &kafka.tls, findings);
    let topic = template(&kafka.topic, &["sinks", name, "topic"], findings);
    if let Some(Err(error)) = topic.as_ref().map(Template::check_topic) {
        findings.add(&["sinks", name, "topic"], error.to_string());
    }
    let key = match &kafka.key {
        Some(key) => Some(template(key, &["sinks", name, "key"], findings)?),
        None => Some(Template::container_id()),
    };
    Some(KafkaSettings { key, ..settings(kafka, topic?) })
}

fn template(text: &str, path: &[&str], findings: &mut Findings<'_>) -> Option<Template> {
    text.parse().map_err(|error: TemplateError| findings.add(path, error.to_string())).ok()
}

/// The settings with the topic; the key is left at its default.
fn settings(kafka: &Kafka, topic: Template) -> KafkaSettings {
    let reveal = |(name, secret): (&String, &Secret)| (name.clone(), secret.reveal().to_owned());
    KafkaSettings {
        acks: match kafka.acks {
            file::Acks::All => Acks::All,
            file::Acks::Leader => Acks::Leader,
            file::Acks::None => Acks::None,
        },
        idempotence: kafka.idempotence,
        compression: match kafka.compression {
            file::Codec::None => KafkaCompression::None,
            file::Codec::Gzip => KafkaCompression::Gzip,
            file::Codec::Snappy => KafkaCompression::Snappy,
            file::Codec::Lz4 => KafkaCompression::Lz4,
            file::Codec::Zstd => KafkaCompression::Zstd,
        },
        linger: kafka.linger.duration(),
        batch_bytes: kafka.batch_bytes.bytes() as usize,
        batch_records: kafka.batch_records as usize,
        max_record_bytes: kafka.max_record_bytes.bytes() as usize,
        tls: kafka.tls.enabled.then(|| Tls {
            ca_file: kafka.tls.ca_file.clone(),
            certificate_file: kafka.tls.certificate_file.clone(),
            key_file: kafka.tls.key_file.clone(),
            insecure_skip_verify: !kafka.tls.verify,
        }),
        sasl: kafka.sasl.as_ref().map(|sasl| Sasl {
            mechanism: match sasl.mechanism {
                file::Mechanism::Plain => SaslMechanism::Plain,
                file::Mechanism::ScramSha256 => SaslMechanism::ScramSha256,
                file::Mechanism::ScramSha512 => SaslMechanism::ScramSha512,
            },
            username: sasl.username.clone(),
            password: sasl.password.reveal().to_owned(),
        }),
        headers: kafka.headers.clone(),
        dead_letters: kafka.dead_letter.as_ref().map(|file::DeadLetter { path, max_bytes }| {
            DeadLetterSettings { path: path.clone(), max_bytes: max_bytes.bytes() }
        }),
        options: kafka.options.iter().map(reveal).collect(),
        ..KafkaSettings::new(kafka.brokers.clone(), topic)
    }
}

fn check_brokers(name: &str, kafka: &Kafka, findings: &mut Findings<'_>) {
    for (index, broker) in kafka.brokers.iter().enumerate() {
        if !is_broker(broker) {
            findings.add(&["sinks", name, "brokers", &index.to_string()], "expected `host:port`");
        }
    }
    if kafka.idempotence && kafka.acks != file::Acks::All {
        findings.add(&["sinks", name, "idempotence"], "needs `acks: all`");
    }
}

fn check_tls(name: &str, tls: &file::Tls, findings: &mut Findings<'_>) {
    let file::Tls { enabled, ca_file, certificate_file, key_file, verify: _ } = tls;
    let files =
        [("ca_file", ca_file), ("certificate_file", certificate_file), ("key_file", key_file)];
    for (key, _) in files.iter().filter(|(_, file)| file.is_some() && !enabled) {
        findings.add(&["sinks", name, "tls", key], "needs `enabled: true` beside it");
    }
    match (certificate_file, key_file) {
        (Some(_), None) => {
            findings.add(&["sinks", name, "tls", "certificate_file"], "needs `key_file` beside it");
        }
        (None, Some(_)) => {
            findings.add(&["sinks", name, "tls", "key_file"], "needs `certificate_file` beside it");
        }
        _ => {}
    }
}

/// Whether a text is `host:port`; an IPv6 address stands in brackets.
fn is_broker(text: &str) -> bool {
    text.rsplit_once(':').is_some_and(|(host, port)| {
        let is_bracketed = host.starts_with('[') && host.ends_with(']');
        !host.is_empty()
            && (is_bracketed || !host.contains([':', '/']))
            && port.parse::<u16>().is_ok()
    })
}
