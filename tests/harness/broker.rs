//! A real Apache Kafka: one node (`KRaft`), on loopback, its data in the [`Site`].

use std::net::TcpListener;
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use rdkafka::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rustix::process::Signal;

use super::process::Process;
use super::{Site, wait};

/// Names the folder of Kafka's jars.
pub(crate) const LIBRARY: &str = "WRITETAP_KAFKA_LIB";

/// How long the broker may take to answer. After `kill -9` it waits for its old session to expire.
const PATIENCE: Duration = Duration::from_secs(90);
/// Any 16 bytes in base64.
const CLUSTER_ID: &str = "MkU3OEVBNTcwNTJENDM2Qg";

/// A broker that may be killed and started again at the same address with the same data.
#[derive(Debug)]
pub(crate) struct Broker {
    folder: PathBuf,
    address: String,
    node: Mutex<Option<Process>>,
}

impl Broker {
    /// Picks free ports and formats the data folder; nothing listens yet.
    pub(crate) fn prepare(name: &str) -> Result<Self> {
        let folder = Site::get()?.folder(name)?;
        let [client, controller] = free_addresses()?;
        let properties = properties(&client, &controller, &folder.join("data").to_string_lossy());
        std::fs::write(folder.join("server.properties"), properties)?;
        std::fs::write(folder.join("log4j2.properties"), LOGGING)?;
        let broker = Self { folder, address: client, node: Mutex::new(None) };
        let mut format = broker.java("kafka.tools.StorageTool")?;
        format.args(["format", "--standalone", "--cluster-id", CLUSTER_ID, "--config"]);
        let output = format.arg(broker.folder.join("server.properties")).output()?;
        let said = String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.success(), "failed to format the broker's data: {said}");
        Ok(broker)
    }

    /// For `bootstrap.servers`.
    pub(crate) fn address(&self) -> &str {
        &self.address
    }

    /// Starts the broker; returns when it answers.
    pub(crate) fn start(&self) -> Result<()> {
        let mut command = self.java("kafka.Kafka")?;
        command.arg(self.folder.join("server.properties"));
        let mut node = self.node.lock().unwrap_or_else(PoisonError::into_inner);
        let process =
            node.insert(Process::start(&mut command, &self.folder.join("broker.log"), None)?);
        let client: BaseConsumer =
            ClientConfig::new().set("bootstrap.servers", &self.address).create()?;
        wait::until("the broker's answer", PATIENCE, || {
            if let Some(status) = process.ended()? {
                bail!("the broker ended, {status}: {}", process.said());
            }
            Ok(client.fetch_metadata(None, Duration::from_millis(200)).ok())
        })?;
        Ok(())
    }

    /// Ends the broker without a chance to tidy up.
    pub(crate) fn kill(&self) -> Result<()> {
        let mut node = self.node.lock().unwrap_or_else(PoisonError::into_inner);
        node.take().context("the broker does not run")?.end(Signal::KILL, PATIENCE)?;
        Ok(())
    }

    fn java(&self, class: &str) -> Result<std::process::Command> {
        let library = std::env::var(LIBRARY).with_context(|| format!("{LIBRARY} is not set"))?;
        let mut command = Site::get()?.command("java");
        command.current_dir(&self.folder);
        command.args(["-Xms128m", "-Xmx256m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1"]);
        command.arg("-Dlog4j2.configurationFile=log4j2.properties");
        command.args(["-cp", &format!("{library}/*"), class]);
        Ok(command)
    }
}

/// Addresses that nobody listens on, each with a port of its own.
pub(crate) fn free_addresses<const N: usize>() -> Result<[String; N]> {
    let mut held = Vec::new();
    let mut addresses = [const { String::new() }; N];
    for address in &mut addresses {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        *address = listener.local_addr()?.to_string();
        held.push(listener);
    }
    Ok(addresses)
}

fn properties(client: &str, controller: &str, data: &str) -> String {
    format!(
        "process.roles=broker,controller
node.id=1
controller.quorum.bootstrap.servers={controller}
listeners=PLAINTEXT://{client},CONTROLLER://{controller}
advertised.listeners=PLAINTEXT://{client}
controller.listener.names=CONTROLLER
inter.broker.listener.name=PLAINTEXT
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT
log.dirs={data}
num.partitions=1
offsets.topic.num.partitions=1
offsets.topic.replication.factor=1
transaction.state.log.num.partitions=1
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
share.coordinator.state.topic.num.partitions=1
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
group.initial.rebalance.delay.ms=0
auto.create.topics.enable=true
broker.heartbeat.interval.ms=500
broker.session.timeout.ms=3000
"
    )
}

/// Kafka's own log, to its standard output.
const LOGGING: &str = "status = warn
appender.out.type = Console
appender.out.name = out
appender.out.layout.type = PatternLayout
appender.out.layout.pattern = %d{ISO8601} %p %c{1} %m%n
rootLogger.level = info
rootLogger.appenderRef.out.ref = out
";
