//! A real Apache Kafka: one node (`KRaft`), on loopback, its data in the [`Site`]. It listens in each way that a cluster may:
//! plain or encrypted, open or with users.

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU16, Ordering};
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
/// Of the broker's key; it protects nothing.
const KEY_PASSWORD: &str = "key-password";
/// Who may log in by PLAIN, and the password.
pub(crate) const PLAIN_USER: [&str; 2] = ["alice", "secret-a"];
/// The same by SCRAM-SHA-512.
pub(crate) const SCRAM_USER: [&str; 2] = ["bob", "secret-b"];

/// How clients reach the broker.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Listener {
    /// Open to all, in plain text.
    Plain,
    /// Open to all, encrypted.
    Tls,
    /// For users, encrypted.
    UsersOverTls,
    /// For users, in plain text.
    Users,
}

impl Listener {
    /// As Kafka calls the protocol.
    const NAMES: [&str; 4] = ["PLAINTEXT", "SSL", "SASL_SSL", "SASL_PLAINTEXT"];
}

/// A broker that may be killed and started again at the same address with the same data.
#[derive(Debug)]
pub(crate) struct Broker {
    folder: PathBuf,
    addresses: [String; 4],
    node: Mutex<Option<Process>>,
}

impl Broker {
    /// Picks free ports and formats the data folder; nothing listens yet.
    pub(crate) fn prepare(name: &str) -> Result<Self> {
        let folder = Site::get()?.folder(name)?;
        let [plain, tls, users_over_tls, users, controller] = free_addresses()?;
        let addresses = [plain, tls, users_over_tls, users];
        std::fs::write(folder.join("server.properties"), properties(&addresses, &controller))?;
        std::fs::write(folder.join("log4j2.properties"), LOGGING)?;
        make_certificate(&folder)?;
        let broker = Self { folder, addresses, node: Mutex::new(None) };
        let mut format = broker.java("kafka.tools.StorageTool")?;
        format.args(["format", "--standalone", "--cluster-id", CLUSTER_ID]);
        let [user, password] = SCRAM_USER;
        format.args(["--add-scram", &format!("SCRAM-SHA-512=[name={user},password={password}]")]);
        run(format.arg("--config").arg("server.properties"))?;
        Ok(broker)
    }

    /// For `bootstrap.servers`, in plain text.
    pub(crate) fn address(&self) -> &str {
        self.address_of(Listener::Plain)
    }

    /// The same of another listener.
    pub(crate) fn address_of(&self, listener: Listener) -> &str {
        &self.addresses[listener as usize]
    }

    /// The certificate by which clients know the broker, PEM.
    pub(crate) fn certificate(&self) -> PathBuf {
        self.folder.join(CERTIFICATE)
    }

    /// Where the broker keeps what a topic of one partition holds.
    pub(crate) fn log(&self, topic: &str) -> PathBuf {
        self.folder.join(format!("data/{topic}-0/00000000000000000000.log"))
    }

    /// Starts the broker; returns when it answers.
    pub(crate) fn start(&self) -> Result<()> {
        let mut command = self.java("kafka.Kafka")?;
        command.arg(self.folder.join("server.properties"));
        let mut node = self.node.lock().unwrap_or_else(PoisonError::into_inner);
        let process =
            node.insert(Process::start(&mut command, &self.folder.join("broker.log"), None)?);
        let client: BaseConsumer =
            ClientConfig::new().set("bootstrap.servers", self.address()).create()?;
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

    /// Sends the broker a signal.
    pub(crate) fn signal(&self, signal: Signal) -> Result<()> {
        let mut node = self.node.lock().unwrap_or_else(PoisonError::into_inner);
        node.as_mut().context("the broker does not run")?.signal(signal)
    }

    fn java(&self, class: &str) -> Result<Command> {
        let library = std::env::var(LIBRARY).with_context(|| format!("{LIBRARY} is not set"))?;
        let mut command = Site::get()?.command("java");
        command.current_dir(&self.folder);
        command.args(["-Xms128m", "-Xmx256m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1"]);
        command.arg("-Dlog4j2.configurationFile=log4j2.properties");
        command.args(["-cp", &format!("{library}/*"), class]);
        Ok(command)
    }
}

/// Ports that the kernel gives to nobody by itself: what is free stays free until it is used.
static PORTS: AtomicU16 = AtomicU16::new(20_000);

/// Addresses that nobody listens on, each with a port of its own.
pub(crate) fn free_addresses<const N: usize>() -> Result<[String; N]> {
    let mut addresses = [const { String::new() }; N];
    for address in &mut addresses {
        *address = loop {
            let port = PORTS.fetch_add(1, Ordering::Relaxed);
            ensure!(port < 32_768, "no port from 20000 to 32767 is free");
            let address = format!("127.0.0.1:{port}");
            if TcpListener::bind(&address).is_ok() {
                break address;
            }
        };
    }
    Ok(addresses)
}

/// The broker's key and certificate, signed by itself.
fn make_certificate(folder: &Path) -> Result<()> {
    let keytool = |arguments: &str| -> Result<()> {
        let mut command = Site::get()?.command("keytool");
        command.current_dir(folder).args(arguments.split(' '));
        run(command.args(["-keystore", KEYS, "-storepass", KEY_PASSWORD]))
    };
    keytool(
        "-genkeypair -alias broker -keyalg EC -storetype PKCS12 -dname CN=writetap-e2e -validity 30 \
         -ext san=ip:127.0.0.1 -ext bc:c=ca:true",
    )?;
    keytool(&format!("-exportcert -alias broker -rfc -file {CERTIFICATE}"))
}

fn run(command: &mut Command) -> Result<()> {
    let output = command.output().with_context(|| format!("failed to run {command:?}"))?;
    let said = [output.stdout, output.stderr].concat();
    ensure!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&said));
    Ok(())
}

/// In the broker's folder.
const KEYS: &str = "keys.p12";
const CERTIFICATE: &str = "broker.pem";

fn properties(addresses: &[String; 4], controller: &str) -> String {
    let listeners = Listener::NAMES.iter().zip(addresses);
    let listeners: Vec<_> = listeners.map(|(name, at)| format!("{name}://{at}")).collect();
    let listeners = listeners.join(",");
    let protocols = Listener::NAMES.map(|name| format!("{name}:{name}")).join(",");
    let [user, password] = PLAIN_USER;
    let modules = "org.apache.kafka.common.security";
    let logins: String = ["sasl_ssl", "sasl_plaintext"].map(|listener| format!(
        "listener.name.{listener}.plain.sasl.jaas.config={modules}.plain.PlainLoginModule required user_{user}=\"{password}\";
listener.name.{listener}.scram-sha-512.sasl.jaas.config={modules}.scram.ScramLoginModule required;
"
    )).concat();
    format!(
        "process.roles=broker,controller
node.id=1
controller.quorum.bootstrap.servers={controller}
listeners={listeners},CONTROLLER://{controller}
advertised.listeners={listeners}
controller.listener.names=CONTROLLER
inter.broker.listener.name=PLAINTEXT
listener.security.protocol.map={protocols},CONTROLLER:PLAINTEXT
ssl.keystore.type=PKCS12
ssl.keystore.location={KEYS}
ssl.keystore.password={KEY_PASSWORD}
sasl.enabled.mechanisms=PLAIN,SCRAM-SHA-512
{logins}log.dirs=data
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
