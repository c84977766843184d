//! The counterparts themselves, without a collector: what the other tests compare with is true.

use std::time::Duration;

use anyhow::Result;
use rdkafka::ClientConfig;
use rdkafka::producer::{BaseProducer, BaseRecord, Producer as _};

use crate::harness::{self, Run, topic};

#[test]
fn the_engine_logs_what_a_container_writes() -> Result<()> {
    let Some(engine) = harness::engine()? else {
        return Ok(());
    };
    engine.run(Run::busybox(
        "counterpart",
        &["sh", "-c", "echo out; echo err >&2"],
    ))?;
    assert_eq!(engine.docker(&["logs", "counterpart"])?, "out");
    Ok(())
}

#[test]
fn the_broker_keeps_records_in_order() -> Result<()> {
    let Some((_, broker)) = harness::engine_and_broker()? else {
        return Ok(());
    };
    let producer: BaseProducer = ClientConfig::new()
        .set("bootstrap.servers", broker.address())
        .create()?;
    let values: Vec<Vec<u8>> = (0..1000)
        .map(|n| format!("value {n}").into_bytes())
        .collect();
    for value in &values {
        let record: BaseRecord<'_, (), _> = BaseRecord::to("counterpart").payload(value);
        producer.send(record).map_err(|(error, _)| error)?;
    }
    producer.flush(Duration::from_secs(30))?;
    assert_eq!(
        topic::read(broker, "counterpart", 1000, Duration::from_secs(30))?,
        values
    );
    Ok(())
}
