//! A real Apache Kafka: one node in KRaft mode, on loopback.

mod cluster;

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rdkafka::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rustix::process::Signal;

pub use self::cluster::KafkaCluster;
use self::cluster::Node;
use crate::postgres::repository;
use crate::{Failure, Launch, Process, Result, SmallDisk, TempFolder, Topics, ensure, free_port, wait_until};

/// One to three seconds, and after a kill, when it reads its logs again, some more; but minutes on a machine that has much else to do.
const START_DEADLINE: Duration = Duration::from_secs(180);

/// What differs from one Kafka to another.
#[derive(Clone, Debug, Default)]
pub struct KafkaOptions {
    /// Broker properties, which win over the kit's own.
    pub properties: Vec<(String, String)>,
    /// The port that it names to its clients instead of its own: a proxy's, which must lead to [`Kafka::inner_port`].
    pub through_port: Option<u16>,
    /// The cluster's id, of 22 characters as base64 has them; without one all Kafkas of the kit have the same.
    pub cluster_id: Option<String>,
    /// Users and passwords. When there are some, clients of [`Kafka::guarded_brokers`] must log in (SASL/PLAIN without TLS), and
    /// may do nothing there: no access rule lets them.
    pub users: Vec<(String, String)>,
    /// Options for Java, which win over the kit's own.
    pub java: Vec<String>,
    /// A key and its certificate, for the listener of [`Kafka::encrypted_brokers`].
    pub certificate: Option<PathBuf>,
}

impl KafkaOptions {
    /// Adds an option for Java.
    pub fn java(mut self, option: &str) -> Self {
        self.java.push(option.to_owned());
        self
    }

    /// Adds a broker property.
    pub fn set(mut self, name: &str, value: &str) -> Self {
        self.properties.push((name.to_owned(), value.to_owned()));
        self
    }
}

/// A broker with its data in a folder of its own. Topics are not made by looking for them.
#[derive(Debug)]
pub struct Kafka {
    home: PathBuf,
    java: Vec<String>,
    folder: TempFolder,
    log: PathBuf,
    port: u16,
    inner_port: u16,
    guarded_port: u16,
    encrypted_port: u16,
    through_port: Option<u16>,
    disk: Option<SmallDisk>,
    broker: Option<Process>,
}

impl Kafka {
    /// Starts one; returns when it answers. The log is written to the given file.
    pub async fn start(options: KafkaOptions, log: PathBuf) -> Result<Self> {
        let mut kafka = Self::prepare(&options, None, log)?;
        kafka.start_again().await?;
        Ok(kafka)
    }

    /// Makes its folder, with data and properties. `node`: what it is of a cluster; one that is alone is its own controller.
    fn prepare(options: &KafkaOptions, node: Option<&Node>, log: PathBuf) -> Result<Self> {
        let home = kafka_home()?;
        let folder = TempFolder::new()?;
        let own = options.cluster_id.as_ref().map(|cluster_id| ("cluster.id", cluster_id.clone())).into_iter();
        let own: Vec<_> = own.chain(node.map(Node::identity).into_iter().flatten()).collect();
        copy_formatted(&home, &folder.path().join("data"), &own)?;
        let (port, inner_port, guarded_port, encrypted_port) = (free_port()?, free_port()?, free_port()?, free_port()?);
        let heap = node.map(|_| cluster::NODE_HEAP.to_owned());
        let java = heap.into_iter().chain(options.java.iter().cloned()).collect();
        let through_port = options.through_port;
        let disk = None;
        let broker = None;
        let kafka = Kafka { home, java, folder, log, port, inner_port, guarded_port, encrypted_port, through_port, disk, broker };
        fs::write(kafka.properties_file(), kafka.properties(options, node)?)?;
        Ok(kafka)
    }

    fn properties_file(&self) -> PathBuf {
        self.folder.path().join("server.properties")
    }

    /// The shared template, filled in; of a property that stands twice Java takes the last.
    fn properties(&self, options: &KafkaOptions, node: Option<&Node>) -> Result<String> {
        let controller_port = free_port()?;
        let mut text = include_str!("../../scripts/kafka/server.properties")
            .replace("@PORT@", &self.port.to_string())
            .replace("@CONTROLLER_PORT@", &controller_port.to_string())
            .replace("@DATA@", &self.folder.path().join("data").display().to_string());
        let mut listeners = format!("PLAINTEXT://127.0.0.1:{}", self.port);
        match node {
            None => listeners += &format!(",CONTROLLER://127.0.0.1:{controller_port}"),
            Some(node) => text += &format!("{}\nprocess.roles=broker\n", node.properties()),
        }
        let mut advertised = format!("PLAINTEXT://127.0.0.1:{}", self.port);
        let mut protocols = "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT".to_owned();
        if let Some(through_port) = options.through_port {
            listeners += &format!(",THROUGH://127.0.0.1:{}", self.inner_port);
            advertised += &format!(",THROUGH://127.0.0.1:{through_port}");
            protocols += ",THROUGH:PLAINTEXT";
        }
        if let Some(certificate) = &options.certificate {
            listeners += &format!(",ENCRYPTED://127.0.0.1:{}", self.encrypted_port);
            advertised += &format!(",ENCRYPTED://127.0.0.1:{}", self.encrypted_port);
            protocols += ",ENCRYPTED:SSL";
            text += &format!(
                "\nlistener.name.encrypted.ssl.keystore.type=PEM\nlistener.name.encrypted.ssl.keystore.location={}\n",
                certificate.display()
            );
        }
        if !options.users.is_empty() {
            listeners += &format!(",GUARDED://127.0.0.1:{}", self.guarded_port);
            advertised += &format!(",GUARDED://127.0.0.1:{}", self.guarded_port);
            protocols += ",GUARDED:SASL_PLAINTEXT";
            let users: Vec<String> = options.users.iter().map(|(user, password)| format!("user_{user}=\"{password}\"")).collect();
            text += &format!(
                "\nlistener.name.guarded.sasl.enabled.mechanisms=PLAIN\n\
                 listener.name.guarded.plain.sasl.jaas.config=org.apache.kafka.common.security.plain.PlainLoginModule required {};\n\
                 authorizer.class.name=org.apache.kafka.metadata.authorizer.StandardAuthorizer\n\
                 super.users=User:ANONYMOUS\n",
                users.join(" ")
            );
        }
        text +=
            &format!("\nlisteners={listeners}\nadvertised.listeners={advertised}\nlistener.security.protocol.map={protocols}\n");
        for (name, value) in &options.properties {
            text += &format!("{name}={value}\n");
        }
        Ok(text)
    }

    /// Starts the broker on the data and the ports that it had; returns when it answers.
    pub async fn start_again(&mut self) -> Result {
        self.launch()?;
        self.wait_answering().await
    }

    fn launch(&mut self) -> Result {
        let mut launch = launch(&self.home, &self.log, &self.properties_file(), &self.java);
        launch.outer = self.disk.as_ref().map(SmallDisk::enter).unwrap_or_default();
        self.broker = Some(Process::start("Kafka", &launch)?);
        Ok(())
    }

    async fn wait_answering(&mut self) -> Result {
        let address = format!("127.0.0.1:{}", self.port);
        let port = self.port;
        let broker = self.broker()?;
        wait_until("Kafka answers", START_DEADLINE, async || {
            if broker.ended()?.is_some() {
                return Ok(true);
            }
            tokio::net::TcpStream::connect(("127.0.0.1", port)).await?;
            let address = address.clone();
            let brokers = tokio::task::spawn_blocking(move || count_brokers(&address)).await??;
            Ok(brokers > 0)
        })
        .await?;
        broker.ensure_running()
    }

    fn broker(&mut self) -> Result<&mut Process> {
        self.broker.as_mut().ok_or_else(|| Failure::new("Kafka is not running"))
    }

    /// The number of its process; none while it is not running.
    pub fn id(&self) -> Option<u32> {
        self.broker.as_ref().map(Process::id)
    }

    /// Stops it in order.
    pub async fn stop(&mut self) -> Result {
        let broker = self.broker()?;
        broker.signal(Signal::TERM)?;
        broker.wait(Duration::from_secs(60)).await?;
        self.broker = None;
        Ok(())
    }

    /// Waits until it ends by itself.
    pub async fn wait_end(&mut self, deadline: Duration) -> Result {
        self.broker()?.wait(deadline).await?;
        self.broker = None;
        Ok(())
    }

    /// Kills it with -9.
    pub async fn kill(&mut self) -> Result {
        self.broker()?.kill_all().await?;
        self.broker = None;
        Ok(())
    }

    /// Stops it in its tracks: its connections stay open, and nothing answers.
    pub fn pause(&mut self) -> Result {
        self.broker()?.pause()
    }

    /// Lets it go on.
    pub fn resume(&mut self) -> Result {
        self.broker()?.resume()
    }

    /// What `--brokers` takes: through the proxy, where there is one.
    pub fn brokers(&self) -> String {
        format!("127.0.0.1:{}", self.through_port.unwrap_or(self.port))
    }

    /// The address of the listener where users must log in.
    pub fn guarded_brokers(&self) -> String {
        format!("127.0.0.1:{}", self.guarded_port)
    }

    /// The address of the listener with TLS.
    pub fn encrypted_brokers(&self) -> String {
        format!("127.0.0.1:{}", self.encrypted_port)
    }

    /// Puts a small disk in the place of its data, from the next start on. False: this machine cannot.
    pub async fn put_on_small_disk(&mut self, bytes: u64) -> Result<bool> {
        self.disk = SmallDisk::mount(&self.folder.path().join("data"), bytes, self.log.with_extension("disk.log")).await?;
        Ok(self.disk.is_some())
    }

    /// The small disk, where there is one.
    pub fn disk(&self) -> Result<&SmallDisk> {
        self.disk.as_ref().ok_or_else(|| Failure::new("Kafka is on no small disk"))
    }

    /// Its own port, whatever stands before it.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Where the proxy of [`KafkaOptions::through_port`] must lead.
    pub fn inner_port(&self) -> u16 {
        self.inner_port
    }

    /// What is in it, read straight and not through the proxy.
    pub fn topics(&self) -> Topics {
        Topics::new(format!("127.0.0.1:{}", self.port))
    }
}

impl Drop for Kafka {
    fn drop(&mut self) {
        if let Some(broker) = &mut self.broker {
            broker.end(None);
        }
    }
}

/// Where Kafka is.
fn kafka_home() -> Result<PathBuf> {
    let home = std::env::var_os("E2E_KAFKA_HOME").map_or_else(|| repository().join(".cache/kafka"), PathBuf::from);
    ensure!(home.join("formatted").exists(), "there is no Kafka in {}: run scripts/install-kafka.sh", home.display());
    Ok(home)
}

/// How a node is started. `java`: what differs from the shared options.
fn launch(home: &Path, log: &Path, properties: &Path, java: &[String]) -> Launch {
    let options = format!("@{}", repository().join("scripts/kafka/jvm.options").display());
    let mut launch = Launch::new("java", log).arguments(&[options]);
    let archive = home.join("classes.jsa");
    if archive.exists() {
        launch = launch.arguments(&[format!("-XX:SharedArchiveFile={}", archive.display())]);
    }
    // What it unpacks (lz4's native code) goes with the rest: killed, it leaves that behind.
    launch = launch.arguments(&[format!("-Djava.io.tmpdir={}", properties.with_file_name("").display())]);
    launch = launch.arguments(java);
    let classes = format!("{}/libs/*", home.display());
    launch.arguments(&["-cp", &classes, "kafka.Kafka", &properties.display().to_string()])
}

/// Copies the formatted data folder, with some of what it says of itself changed.
fn copy_formatted(home: &Path, to: &Path, own: &[(&str, String)]) -> Result {
    copy_folder(&home.join("formatted"), to)?;
    let file = to.join("meta.properties");
    let text = fs::read_to_string(&file)?;
    let lines = text.lines().map(|line| {
        let name = line.split_once('=').map_or(line, |(name, _)| name);
        let changed = own.iter().find(|(own, _)| *own == name);
        changed.map_or_else(|| format!("{line}\n"), |(name, value)| format!("{name}={value}\n"))
    });
    Ok(fs::write(&file, lines.collect::<String>())?)
}

fn count_brokers(address: &str) -> Result<usize> {
    let client: BaseConsumer = ClientConfig::new().set("bootstrap.servers", address).create()?;
    Ok(client.fetch_metadata(None, Duration::from_secs(2))?.brokers().len())
}

fn copy_folder(from: &Path, to: &Path) -> Result {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy_folder(&entry.path(), &target)?;
        } else {
            fs::copy(entry.path(), target)?;
        }
    }
    Ok(())
}
