//! Passwords: how they are asked for, and where they come from.

use waltap_error::{Code, Kind};
use waltap_postgres::{Environment, Source};

use super::{open, refused, value};
use crate::fixture::{Cluster, file, parse};

/// A server on which each role has to authenticate in its own way. Every password is `se:cr\et`.
fn server() -> Cluster {
    let mut options = Cluster::with().tls();
    for (role, method) in [("scram", "scram-sha-256"), ("md5", "md5"), ("clear", "password"), ("refused", "reject")] {
        options = options.hba(&format!("host all {role} all {method}"));
    }
    let cluster = options.start();
    for (role, encryption) in [("scram", "scram-sha-256"), ("md5", "md5"), ("clear", "scram-sha-256"), ("refused", "md5")] {
        cluster.psql(
            "postgres",
            &format!("SET password_encryption = '{encryption}'; CREATE ROLE {role} LOGIN SUPERUSER PASSWORD E'se:cr\\\\et'"),
        );
    }
    cluster
}

fn source(cluster: &Cluster, user: &str, rest: &str) -> Source {
    parse(&format!("postgres://{user}@localhost:{}/?{rest}", cluster.port()))
}

#[tokio::test]
async fn every_method_with_the_right_and_the_wrong_password() {
    let cluster = server();
    for user in ["scram", "md5", "clear"] {
        for tls in ["disable", "require"] {
            let sql = open(&source(&cluster, &format!("{user}:se%3Acr%5Cet"), &format!("sslmode={tls}"))).await;
            let sql = sql.unwrap_or_else(|error| panic!("{user} {tls}: {}", error.report()));
            assert_eq!(value(&sql, "SELECT current_user::text").await, user);

            let error = refused(&source(&cluster, &format!("{user}:wrong"), &format!("sslmode={tls}"))).await;
            assert_eq!((error.code(), error.kind()), (Code::AUTHENTICATION, Kind::Configuration), "{user}: {}", error.report());
            assert!(!format!("{error:?} {}", error.report()).contains("wrong"), "the password is in the error");

            let error = refused(&source(&cluster, user, &format!("sslmode={tls}"))).await;
            assert_eq!((error.code(), error.kind()), (Code::AUTHENTICATION, Kind::Configuration), "{user}: {}", error.report());
            assert!(error.remedy_text().unwrap().contains("--source-password-file"), "{error:?}");
        }
    }
    assert_eq!(refused(&source(&cluster, "refused:x", "")).await.code(), Code::AUTHENTICATION);
    assert_eq!(refused(&source(&cluster, "nobody:x", "")).await.code(), Code::AUTHENTICATION);
}

#[tokio::test]
async fn scram_is_bound_to_the_channel() {
    let cluster = server();
    let bound = |user: &str, rest: &str| source(&cluster, &format!("{user}:se%3Acr%5Cet"), rest);
    for rest in ["sslmode=require&channel_binding=require", "sslmode=require&channel_binding=disable", "sslmode=require"] {
        open(&bound("scram", rest)).await.unwrap_or_else(|error| panic!("{rest}: {}", error.report()));
    }
    // Nothing else binds, and neither does a plain session.
    for (user, rest) in [
        ("md5", "sslmode=require&channel_binding=require"),
        ("clear", "sslmode=require&channel_binding=require"),
        ("scram", "sslmode=disable&channel_binding=require"),
        ("postgres", "sslmode=require&channel_binding=require"),
    ] {
        let error = refused(&bound(user, rest)).await;
        assert_eq!((error.code(), error.kind()), (Code::AUTHENTICATION, Kind::Configuration), "{user} {rest}");
        assert!(error.message().contains("channel_binding"), "{user} {rest}: {error}");
    }
}

#[tokio::test]
async fn the_binding_follows_the_certificates_digest() {
    let cluster = server();
    for digest in ["-sha384", "-sha512", "-sha1"] {
        let (certificate, key) = cluster.certificates().issue_server("localhost", "", digest);
        cluster.use_certificate(&certificate, &key);
        let bound = source(&cluster, "scram:se%3Acr%5Cet", "sslmode=require&channel_binding=require");
        open(&bound).await.unwrap_or_else(|error| panic!("{digest}: {}", error.report()));
    }
    // What nobody vouches for and cannot be checked binds nothing.
    let (certificate, key) = cluster.certificates().issue_plain("localhost");
    cluster.use_certificate(&certificate, &key);
    let error = refused(&source(&cluster, "scram:se%3Acr%5Cet", "sslmode=require&channel_binding=require")).await;
    assert_eq!(error.code(), Code::AUTHENTICATION);
    open(&source(&cluster, "scram:se%3Acr%5Cet", "sslmode=require")).await.unwrap();
}

#[tokio::test]
async fn a_password_comes_from_five_places() {
    let cluster = server();
    let url = format!("postgres://scram@localhost:{}", cluster.port());
    let with_wrong = format!("postgres://scram:wrong@localhost:{}", cluster.port());
    let empty = Environment::empty();
    let variable = Environment::empty().with("PGPASSWORD", r"se:cr\et");

    open(&Source::parse_with(&url, &variable).unwrap()).await.unwrap();
    assert_eq!(refused(&Source::parse_with(&with_wrong, &variable).unwrap()).await.code(), Code::AUTHENTICATION);

    let alone = file(&cluster, "password", "se:cr\\et\n", 0o600);
    let source = Source::parse_with(&with_wrong, &empty).unwrap();
    open(&source.with_password_file(&alone).unwrap()).await.unwrap();
    let error = Source::parse_with(&url, &empty).unwrap().with_password_file("/nowhere").unwrap_err();
    assert_eq!((error.code(), error.kind()), (Code::AUTHENTICATION, Kind::Configuration));

    let line = format!("other:*:*:*:no\nlocalhost:{}:postgres:scram:se\\:cr\\\\et\n*:*:*:*:no\n", cluster.port());
    let pgpass = file(&cluster, "pgpass", &line, 0o600);
    let named = Environment::empty().with("PGPASSFILE", pgpass.display().to_string());
    open(&Source::parse_with(&url, &named).unwrap()).await.unwrap();
    open(&Source::parse_with(&format!("{url}?passfile={}", pgpass.display()), &empty).unwrap()).await.unwrap();

    file(&cluster, ".pgpass", &line, 0o600);
    let home = Environment::empty().with("HOME", cluster.folder().display().to_string());
    open(&Source::parse_with(&url, &home).unwrap()).await.unwrap();
    // A file that others may read is left alone.
    file(&cluster, ".pgpass", &line, 0o640);
    assert_eq!(refused(&Source::parse_with(&url, &home).unwrap()).await.code(), Code::AUTHENTICATION);
}

#[tokio::test]
async fn a_rotated_password_is_picked_up() {
    let cluster = server();
    let alone = file(&cluster, "password", "old", 0o600);
    let source = source(&cluster, "scram", "").with_password_file(&alone).unwrap();
    assert_eq!(refused(&source).await.code(), Code::AUTHENTICATION);
    file(&cluster, "password", "se:cr\\et", 0o600);
    open(&source).await.unwrap();
}

#[tokio::test]
async fn rights_and_databases_that_are_missing() {
    let cluster = Cluster::start();
    cluster.psql("postgres", "CREATE ROLE plain LOGIN");
    cluster.psql("postgres", "CREATE DATABASE closed");
    cluster.psql("postgres", "REVOKE CONNECT ON DATABASE closed FROM PUBLIC");
    let plain = parse(&format!("postgres://plain@127.0.0.1:{}", cluster.port()));
    plain.sql("postgres").await.expect("it may log in");
    let error = plain.replication("postgres").await.err().unwrap();
    assert_eq!((error.code(), error.kind()), (Code::REPLICATION_RIGHT, Kind::Configuration), "{}", error.report());
    assert_eq!(error.remedy_text(), Some("ALTER ROLE \"plain\" REPLICATION;"));

    let error = plain.sql("closed").await.err().unwrap();
    assert_eq!((error.code(), error.kind()), (Code::AUTHENTICATION, Kind::Configuration), "{}", error.report());
    assert_eq!(error.remedy_text(), Some("GRANT CONNECT ON DATABASE \"closed\" TO \"plain\";"));
    cluster.psql("postgres", "ALTER ROLE plain REPLICATION");
    assert_eq!(plain.replication("closed").await.err().unwrap().remedy_text(), error.remedy_text());

    for error in [plain.sql("nowhere").await.err().unwrap(), plain.replication("nowhere").await.err().unwrap()] {
        assert_eq!((error.code(), error.kind()), (Code::NO_DATABASE, Kind::Configuration), "{}", error.report());
    }
}
