//! The counterparts themselves, without a collector: what the other tests compare with is true.

use std::time::Duration;

use anyhow::Result;
use rdkafka::ClientConfig;
use rdkafka::producer::{BaseProducer, BaseRecord, Producer as _};

use crate::harness::{self, Run, docker_log, topic};

#[test]
fn the_engine_logs_what_a_container_writes() -> Result<()> {
    let Some(engine) = harness::engine()? else {
        return Ok(());
    };
    let script = "echo out; echo err >&2; head -c 40000 /dev/zero | tr '\\0' x; echo; printf end";
    engine.run(Run::busybox("counterpart", &["sh", "-c", script]))?;
    let log = std::fs::read_to_string(engine.inspect("counterpart", ".LogPath")?)?;
    let whole = vec![b'x'; 40_000];
    assert_eq!(docker_log::lines(&log, "stdout")?, [b"out".to_vec(), whole, b"end".to_vec()]);
    assert_eq!(docker_log::lines(&log, "stderr")?, [b"err".to_vec()]);
    Ok(())
}

#[test]
fn the_broker_keeps_records_in_order() -> Result<()> {
    let Some(broker) = harness::broker()? else {
        return Ok(());
    };
    let producer: BaseProducer =
        ClientConfig::new().set("bootstrap.servers", broker.address()).create()?;
    let values: Vec<Vec<u8>> = (0..1000).map(|n| format!("value {n}").into_bytes()).collect();
    for value in &values {
        let record: BaseRecord<'_, (), _> = BaseRecord::to("counterpart").payload(value);
        producer.send(record).map_err(|(error, _)| error)?;
    }
    producer.flush(Duration::from_secs(30))?;
    assert_eq!(topic::read(broker, "counterpart", 1000, Duration::from_secs(30))?, values);
    Ok(())
}
