//! Every `sslmode`, with libpq's meaning.

use waltap_error::{Code, Kind};
use waltap_postgres::{Environment, Source};

use super::{open, refused, value};
use crate::fixture::{Cluster, parse};

const ENCRYPTED: &str = "SELECT ssl::text FROM pg_stat_ssl WHERE pid = pg_backend_pid()";

struct Server {
    cluster: Cluster,
}

impl Server {
    /// `rest` follows the `?`; `AUTHORITY` and its like stand for files.
    fn source(&self, host: &str, rest: &str) -> Source {
        let certificates = self.cluster.certificates();
        let rest = rest
            .replace("AUTHORITY", &certificates.authority.display().to_string())
            .replace("STRANGER", &certificates.stranger.display().to_string())
            .replace("SERVER", &certificates.server.display().to_string())
            .replace("CLIENTKEY", &certificates.client_key.display().to_string())
            .replace("CLIENT", &certificates.client.display().to_string());
        parse(&format!("postgres://postgres@{host}:{}?{rest}", self.cluster.port()))
    }

    async fn encrypted(&self, host: &str, rest: &str) -> String {
        match open(&self.source(host, rest)).await {
            Ok(sql) => value(&sql, ENCRYPTED).await,
            Err(error) => panic!("{host} {rest}: {}", error.report()),
        }
    }

    async fn fails(&self, host: &str, rest: &str, part: &str) {
        let error = refused(&self.source(host, rest)).await;
        assert_eq!((error.code(), error.kind()), (Code::TLS, Kind::Configuration), "{host} {rest}: {}", error.report());
        let told = format!("{} {}", error.report(), error.remedy_text().unwrap_or_default());
        assert!(told.contains(part), "{host} {rest}: {told}");
    }
}

#[tokio::test]
async fn every_mode_against_a_server_with_tls() {
    let server = Server { cluster: Cluster::with().tls().start() };
    assert_eq!(server.encrypted("localhost", "sslmode=disable").await, "false");
    // A plain session is good enough for it.
    assert_eq!(server.encrypted("localhost", "sslmode=allow").await, "false");
    for rest in [
        "",
        "sslmode=prefer",
        "sslmode=require",
        "ssl=true",
        "sslmode=require&sslrootcert=AUTHORITY",
        "sslmode=verify-ca&sslrootcert=AUTHORITY",
        "sslmode=verify-full&sslrootcert=AUTHORITY",
        "sslmode=require&ssl_min_protocol_version=TLSv1.3",
        "sslmode=require&sslsni=0",
    ] {
        assert_eq!(server.encrypted("localhost", rest).await, "true", "{rest}");
    }
    // The certificate is for these addresses too.
    assert_eq!(server.encrypted("127.0.0.1", "sslmode=verify-full&sslrootcert=AUTHORITY").await, "true");
    assert_eq!(server.encrypted("db.invalid", "sslmode=verify-ca&sslrootcert=AUTHORITY&hostaddr=127.0.0.1").await, "true");
    // The server's own certificate as the authority, as PostgreSQL's manual has it for one that is self-signed.
    assert_eq!(server.encrypted("localhost", "sslmode=verify-full&sslrootcert=SERVER").await, "true");

    let wrong_name = "sslmode=verify-full&sslrootcert=AUTHORITY&hostaddr=127.0.0.1";
    server.fails("db.invalid", wrong_name, "subjectAltName").await;
    server.fails("db.invalid", "sslmode=verify-full&sslrootcert=SERVER&hostaddr=127.0.0.1", "subjectAltName").await;
    for mode in ["require", "verify-ca", "verify-full"] {
        server.fails("localhost", &format!("sslmode={mode}&sslrootcert=STRANGER"), "sslrootcert").await;
        server.fails("localhost", &format!("sslmode={mode}&sslrootcert=/nowhere"), "/nowhere").await;
    }
    for mode in ["verify-ca", "verify-full"] {
        server.fails("localhost", &format!("sslmode={mode}"), "sslrootcert").await;
    }
    server.fails("localhost", "sslrootcert=system", "sslrootcert").await;
}

#[tokio::test]
async fn an_authority_in_the_default_place_turns_require_into_verify_ca() {
    let server = Server { cluster: Cluster::with().tls().start() };
    let folder = server.cluster.folder().join(".postgresql");
    std::fs::create_dir(&folder).unwrap();
    let home = Environment::empty().with("HOME", server.cluster.folder().display().to_string());
    let source = |mode: &str| {
        let url = format!("postgres://postgres@db.invalid:{}?hostaddr=127.0.0.1&sslmode={mode}", server.cluster.port());
        Source::parse_with(&url, &home).unwrap()
    };
    open(&source("require")).await.unwrap();
    std::fs::copy(&server.cluster.certificates().stranger, folder.join("root.crt")).unwrap();
    assert_eq!(refused(&source("require")).await.code(), Code::TLS);
    open(&source("prefer")).await.unwrap();
    std::fs::copy(&server.cluster.certificates().authority, folder.join("root.crt")).unwrap();
    open(&source("require")).await.unwrap();
    open(&source("verify-ca")).await.unwrap();
    assert_eq!(refused(&source("verify-full")).await.code(), Code::TLS, "the name is wrong");
}

#[tokio::test]
async fn every_mode_against_a_server_without_tls() {
    let cluster = Cluster::start();
    for mode in ["disable", "allow", "prefer"] {
        let sql = open(&cluster.source(&format!("?sslmode={mode}"))).await.unwrap();
        assert_eq!(value(&sql, ENCRYPTED).await, "false", "{mode}");
    }
    let error = refused(&cluster.source("?sslmode=require")).await;
    assert_eq!((error.code(), error.kind()), (Code::TLS, Kind::Configuration));
    assert!(error.remedy_text().unwrap().contains("ssl = on"), "{error:?}");
    // There is no TLS on a unix socket, and nobody misses it.
    let folder = cluster.folder().display().to_string().replace('/', "%2F");
    let source = parse(&format!("postgres://postgres@{folder}:{}?sslmode=require", cluster.port()));
    assert_eq!(value(&open(&source).await.unwrap(), ENCRYPTED).await, "false");
}

#[tokio::test]
async fn modes_that_leave_the_choice_follow_pg_hba() {
    let cluster = Cluster::with().tls().hba("hostnossl all all all reject").hba("hostssl all plain all reject");
    let cluster = cluster.hba("host all all all trust").start();
    cluster.psql("postgres", "CREATE ROLE plain SUPERUSER LOGIN");
    let sql = open(&cluster.source("?sslmode=allow")).await.unwrap();
    assert_eq!(value(&sql, ENCRYPTED).await, "true", "a plain session is refused, so it is encrypted");
    let error = refused(&cluster.source("?sslmode=disable")).await;
    assert_eq!((error.code(), error.kind()), (Code::AUTHENTICATION, Kind::Configuration));
    assert!(error.remedy_text().unwrap().contains("pg_hba.conf"), "{error:?}");

    let cluster = Cluster::with().tls().hba("hostssl all all all reject").start();
    let sql = open(&cluster.source("?sslmode=prefer")).await.unwrap();
    assert_eq!(value(&sql, ENCRYPTED).await, "false", "an encrypted session is refused, so it is plain");
    assert_eq!(refused(&cluster.source("?sslmode=require")).await.code(), Code::AUTHENTICATION);
}

#[tokio::test]
async fn a_client_certificate_opens_the_door() {
    let server = Server { cluster: Cluster::with().tls().hba("hostssl all client all cert").start() };
    server.cluster.psql("postgres", "CREATE ROLE client LOGIN SUPERUSER");
    let identity = "user=client&sslmode=verify-full&sslrootcert=AUTHORITY&sslcert=CLIENT&sslkey=CLIENTKEY";
    let sql = open(&server.source("localhost", identity)).await.unwrap();
    assert_eq!(value(&sql, "SELECT client_dn::text FROM pg_stat_ssl WHERE pid = pg_backend_pid()").await, "/CN=client");

    let error = refused(&server.source("localhost", "user=client&sslmode=require")).await;
    assert_eq!((error.code(), error.kind()), (Code::AUTHENTICATION, Kind::Configuration), "{}", error.report());
    server.fails("localhost", "user=client&sslmode=require&sslcert=CLIENT&sslkey=AUTHORITY", "sslkey").await;
    server.fails("localhost", "user=client&sslmode=require&sslcert=/nowhere&sslkey=CLIENTKEY", "sslcert").await;
}

#[tokio::test]
async fn certificates_as_the_manual_makes_them() {
    let server = Server { cluster: Cluster::with().tls().start() };
    // `openssl x509 -req` without extensions: X.509 version 1, with nothing but a common name.
    let (certificate, key) = server.cluster.certificates().issue_plain("localhost");
    server.cluster.use_certificate(&certificate, &key);
    assert_eq!(server.encrypted("localhost", "sslmode=require").await, "true");
    server.fails("localhost", "sslmode=verify-full&sslrootcert=AUTHORITY", "version 3").await;

    // Version 3 with a common name and no subjectAltName, which libpq takes.
    let (certificate, key) = server.cluster.certificates().issue_server("*.invalid", "", "-sha256");
    server.cluster.use_certificate(&certificate, &key);
    let full = "sslmode=verify-full&sslrootcert=AUTHORITY&hostaddr=127.0.0.1";
    assert_eq!(server.encrypted("db.invalid", full).await, "true");
    server.fails("localhost", full, "subjectAltName").await;
}

#[tokio::test]
async fn a_certificate_whose_time_is_over_is_named() {
    let server = Server { cluster: Cluster::with().tls().start() };
    let (certificate, key) = server.cluster.certificates().issue_expired();
    server.cluster.use_certificate(&certificate, &key);
    for mode in ["require", "verify-ca", "verify-full"] {
        server.fails("localhost", &format!("sslmode={mode}&sslrootcert=AUTHORITY"), "expired").await;
    }
    // Where nobody looks at the certificate, its dates are nothing either, as in libpq.
    assert_eq!(server.encrypted("localhost", "sslmode=require").await, "true");
}

#[tokio::test]
async fn what_does_not_speak_postgresql_is_named() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let _ = tokio::io::AsyncWriteExt::write_all(&mut stream, b"HTTP/1.1 400 Bad Request\r\n\r\n").await;
        }
    });
    for mode in ["disable", "prefer", "require"] {
        let error = refused(&parse(&format!("postgres://u@127.0.0.1:{port}?sslmode={mode}"))).await;
        assert_eq!(error.code(), Code::CONNECT, "{mode}: {}", error.report());
    }
}
