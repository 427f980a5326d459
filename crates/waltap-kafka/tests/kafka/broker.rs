//! One real Kafka for all tests of this binary, with listeners in plain text, with SASL and with TLS.
//!
//! It is a child of a shell that ends it, and removes its data, when the standard input closes: when this process ends, however it does.

use std::fs;
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

/// The one user that the SASL listener knows. It has no rights at all.
pub(crate) const USER: &str = "nobody";
pub(crate) const PASSWORD: &str = "right-password";

/// Seconds, but minutes on a machine that has much else to do.
const START_DEADLINE: Duration = Duration::from_secs(180);

struct Broker {
    plain: String,
    sasl: String,
    tls: String,
    expired: String,
    authority: PathBuf,
    _child: Child,
}

/// `host:port` of the listener in plain text. Whoever connects there may do everything.
pub(crate) fn brokers() -> String {
    broker().plain.clone()
}

/// The listener with SASL, where [`USER`] may sign in and do nothing.
pub(crate) fn sasl_brokers() -> String {
    broker().sasl.clone()
}

/// The listener with TLS, and the certificate of the authority that it is trusted by.
pub(crate) fn tls_brokers() -> (String, PathBuf) {
    (broker().tls.clone(), broker().authority.clone())
}

/// A listener with TLS and a certificate of the same authority whose time is over.
pub(crate) fn expired_brokers() -> String {
    broker().expired.clone()
}

fn broker() -> &'static Broker {
    static BROKER: OnceLock<Broker> = OnceLock::new();
    BROKER.get_or_init(start)
}

fn start() -> Broker {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().unwrap();
    run(Command::new(root.join("scripts/install-kafka.sh")).stdout(Stdio::null()));
    let home = root.join(".cache/kafka");
    let work = std::env::temp_dir().join(format!("waltap-kafka-tests.{}", std::process::id()));
    let _ = fs::remove_dir_all(&work);
    fs::create_dir_all(&work).unwrap();
    run(Command::new("cp").arg("-r").arg(home.join("formatted")).arg(work.join("data")));
    make_certificates(&work);

    let [plain, sasl, tls, expired, controller] = free_ports();
    let template = fs::read_to_string(root.join("scripts/kafka/server.properties")).unwrap();
    let properties = template
        .replace("@PORT@", &plain.to_string())
        .replace("@CONTROLLER_PORT@", &controller.to_string())
        .replace("@DATA@", work.join("data").to_str().unwrap());
    // Of two lines for one property, Java takes the last.
    let more = format!(
        "\nlisteners=PLAINTEXT://127.0.0.1:{plain},SASL://127.0.0.1:{sasl},TLS://127.0.0.1:{tls},\
         EXPIRED://127.0.0.1:{expired},CONTROLLER://127.0.0.1:{controller}\n\
         advertised.listeners=PLAINTEXT://127.0.0.1:{plain},SASL://127.0.0.1:{sasl},TLS://127.0.0.1:{tls},\
         EXPIRED://127.0.0.1:{expired}\n\
         listener.security.protocol.map=PLAINTEXT:PLAINTEXT,SASL:SASL_PLAINTEXT,TLS:SSL,EXPIRED:SSL,CONTROLLER:PLAINTEXT\n\
         sasl.enabled.mechanisms=PLAIN\n\
         listener.name.sasl.plain.sasl.jaas.config=org.apache.kafka.common.security.plain.PlainLoginModule required \
         user_{USER}=\"{PASSWORD}\";\n\
         listener.name.tls.ssl.keystore.type=PEM\n\
         listener.name.tls.ssl.keystore.location={}\n\
         listener.name.expired.ssl.keystore.type=PEM\n\
         listener.name.expired.ssl.keystore.location={}\n\
         authorizer.class.name=org.apache.kafka.metadata.authorizer.StandardAuthorizer\n\
         super.users=User:ANONYMOUS\n\
         log.cleaner.backoff.ms=200\n",
        work.join("server.pem").display(),
        work.join("expired.pem").display()
    );
    fs::write(work.join("server.properties"), properties + &more).unwrap();

    let script = r#"
        shared=; [ ! -f "$1/classes.jsa" ] || shared="-XX:SharedArchiveFile=$1/classes.jsa"
        java @"$3/scripts/kafka/jvm.options" $shared -cp "$1/libs/*" kafka.Kafka "$2/server.properties" >"$2/log" 2>&1 </dev/null &
        kafka=$!
        trap '' INT TERM HUP
        cat >/dev/null
        kill -9 $kafka
        wait $kafka 2>/dev/null
        rm -rf "$2""#;
    let child = Command::new("bash")
        .args(["-c", script, "kafka"])
        .args([&home, &work, &root])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    [plain, sasl, tls, expired].into_iter().for_each(wait_for_listener);
    let address = |port: u16| format!("127.0.0.1:{port}");
    let authority = work.join("authority.pem");
    Broker { plain: address(plain), sasl: address(sasl), tls: address(tls), expired: address(expired), authority, _child: child }
}

/// An authority, and two certificates for 127.0.0.1 signed by it, of which one has expired.
fn make_certificates(work: &Path) {
    let script = "set -e; cd \"$1\"
        openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=waltap-test-authority -keyout authority.key -out authority.pem
        openssl req -newkey rsa:2048 -nodes -subj /CN=127.0.0.1 -keyout server.key -out server.csr
        openssl x509 -req -days 2 -in server.csr -CA authority.pem -CAkey authority.key -CAcreateserial -out server.crt \
            -extfile <(echo subjectAltName=IP:127.0.0.1)
        openssl pkcs8 -topk8 -nocrypt -in server.key -out server.pem
        cp server.pem expired.pem
        cat server.crt >>server.pem
        mkdir books; touch books/index.txt
        printf '%s\\n' '[ca]' default_ca=own '[own]' database=books/index.txt new_certs_dir=books rand_serial=yes default_md=sha256 \
            policy=any '[any]' commonName=supplied >ca.cnf
        openssl ca -batch -notext -config ca.cnf -startdate 20200101000000Z -enddate 20210101000000Z -in server.csr -cert authority.pem \
            -keyfile authority.key -out expired.crt -extfile <(echo subjectAltName=IP:127.0.0.1)
        cat expired.crt >>expired.pem";
    run(Command::new("bash").args(["-c", script, "certificates"]).arg(work).stderr(Stdio::null()));
}

fn free_ports() -> [u16; 5] {
    // All held at once, so that they differ.
    let listeners = [(); 5].map(|()| TcpListener::bind("127.0.0.1:0").unwrap());
    listeners.map(|listener| listener.local_addr().unwrap().port())
}

/// Waits until something listens: the code under test gives up on an address that refuses.
fn wait_for_listener(port: u16) {
    let deadline = Instant::now() + START_DEADLINE;
    while TcpStream::connect(("127.0.0.1", port)).is_err() {
        assert!(Instant::now() < deadline, "Kafka does not listen on port {port}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

fn run(command: &mut Command) {
    let status = command.status().unwrap();
    assert!(status.success(), "{command:?} failed: {status}");
}
