//! A host's name that leads to another address than before.

use std::fs;
use std::net::Ipv4Addr;
use std::process::Command;

use waltap_tests::{Proxy, Result, ensure, free_port, oracle, run};

use super::{DEADLINE, fill};

const NAME: &str = "db.waltap.test";

/// The second address of this machine; all that begin with 127 are its own.
const OTHER: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 2);

/// Becomes its other arguments, for whom the first one is the list of hosts.
const WITH_HOSTS: &str = r#"mount --bind "$1" /etc/hosts && shift && exec setpriv --pdeathsig KILL -- "$@""#;

#[test]
fn a_name_that_leads_elsewhere_is_followed_to_the_same_server_alone() -> Result {
    run("names", async |kit| {
        let hosts = kit.folder().join("hosts");
        // Written into the same file, which is the one that is seen.
        let lead = |address: Ipv4Addr| fs::write(&hosts, format!("{address} {NAME}\n127.0.0.1 localhost\n"));
        lead(Ipv4Addr::LOCALHOST)?;
        let file = hosts.display().to_string();
        let users: &[&str] = if rustix::process::geteuid().is_root() { &[] } else { &["--user", "--map-root-user"] };
        let outer = [&["unshare", "--mount"], users, &["sh", "-c", WITH_HOSTS, "sh", &file]].concat();
        let tried = Command::new(outer[0]).args(&outer[1..]).arg("true").output()?;
        if !tried.status.success() {
            let why = String::from_utf8_lossy(&tried.stderr).into_owned();
            println!("NOT SHOWN HERE: a name that leads elsewhere, since none can be given here: {}", why.trim());
            return Ok(());
        }
        let (postgres, stranger, kafka) = (kit.postgres().await?, kit.postgres().await?, kit.kafka().await?);
        fill(&postgres).await?;
        fill(&stranger).await?;
        let port = free_port()?;
        let first = Proxy::start_at(Ipv4Addr::LOCALHOST, port, postgres.port()).await?;
        let second = Proxy::start_at(OTHER, port, postgres.port()).await?;
        let source = format!("postgres://postgres@{NAME}:{port}");
        let mut waltap = kit.capture_from(&outer, &source, &kafka, &["--database", "shop"])?;
        waltap.wait_streaming().await?;
        let shop = postgres.sql("shop").await?;

        // The server has another address.
        lead(OTHER)?;
        first.refuse(true);
        first.cut();
        shop.run("INSERT INTO t VALUES (11)").await?;
        postgres.wait_confirmed(&["shop"], DEADLINE).await?;
        ensure!(second.connections() > 0, "nothing came to the other address");

        // The address is another server's.
        second.lead_to(stranger.port());
        shop.run("INSERT INTO t VALUES (12)").await?;
        ensure!(waltap.wait_exit(DEADLINE).await? == 1, "it goes on:\n{}", waltap.log());
        ensure!(waltap.log().contains("WT0019"), "another error:\n{}", waltap.log());
        let made = "SELECT (SELECT count(*) FROM pg_publication) + (SELECT count(*) FROM pg_replication_slots)";
        ensure!(stranger.sql("shop").await?.number(made).await? == 0, "something was made on a server that was not meant");

        first.heal();
        lead(Ipv4Addr::LOCALHOST)?;
        waltap.start_again()?;
        postgres.wait_confirmed(&["shop"], DEADLINE).await?;
        waltap.stop_cleanly().await?;
        oracle::ensure_equal(&postgres, &kafka.topics(), &["shop"]).await?;
        Ok(())
    })
}
