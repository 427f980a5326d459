//! A disk that takes no more.

use std::process::Command;

use waltap_tests::{Kit, Result, ensure, run};

use super::{DEADLINE, SMALL_MEMORY, server};

/// More rows than a disk of four megabytes takes.
const ROWS: &str = "INSERT INTO t SELECT g, repeat('x', 100) FROM generate_series(1, 100000) g";

/// Becomes its other arguments, with a small disk at the first one that nobody else sees and that goes with the process.
const ON_A_SMALL_DISK: &str = r#"mount -t tmpfs -o size=4m tmpfs "$1" && shift && exec setpriv --pdeathsig KILL -- "$@""#;

/// Becomes its arguments, where no file may be larger than some megabytes: in units of 512 bytes or of 1,024, by the shell. Of the signal that
/// comes with it nothing is to be heard.
const WITH_SMALL_FILES: &str = r#"trap "" XFSZ; ulimit -f 4096 && exec "$@""#;

/// How to start something by a shell that may mount what nobody else sees: root may, and others in a namespace of their own users.
fn unshared(script: &str) -> Vec<&str> {
    let users: &[&str] = if rustix::process::geteuid().is_root() { &[] } else { &["--user", "--map-root-user"] };
    [&["unshare", "--mount"], users, &["sh", "-c", script, "sh"]].concat()
}

/// Streams more than there is room for, with a waltap that is started by another program.
async fn fill(kit: &Kit, outer: &[&str], directory: &str) -> Result {
    let postgres = server(kit, 18).await?;
    let kafka = kit.kafka().await?;
    let shop = postgres.create_database("shop").await?;
    shop.run("CREATE TABLE t (id int PRIMARY KEY, v text)").await?;
    let flags = [&["--database", "shop", "--spill-directory", directory], &SMALL_MEMORY[..]].concat();
    let mut waltap = kit.capture_within(outer, &postgres, &kafka, &flags)?;
    waltap.wait_streaming().await?;
    shop.run(ROWS).await?;
    let code = waltap.wait_exit(DEADLINE).await?;
    let log = waltap.log();
    ensure!(code == 1 && log.contains("WT0047") && log.contains(directory), "exit code {code}:\n{log}");
    ensure!(log.contains("no more room") && log.contains("--spill-directory"), "{log}");
    // The server keeps it instead.
    let mut waltap = kit.capture(&postgres, &kafka, &["--database", "shop", "--streaming", "off"])?;
    waltap.wait_streaming().await?;
    postgres.wait_confirmed(&["shop"], DEADLINE).await?;
    waltap.stop_cleanly().await?;
    waltap_tests::oracle::ensure_equal(&postgres, &kafka.topics(), &["shop"]).await?;
    Ok(())
}

#[test]
fn a_full_disk_stops_the_tap_with_the_remedy_and_loses_nothing() -> Result {
    run("streaming_disk", async |kit| {
        let disk = kit.folder().join("disk");
        std::fs::create_dir_all(&disk)?;
        let directory = disk.display().to_string();
        let outer = [&unshared(ON_A_SMALL_DISK)[..], &[&directory]].concat();
        let tried = Command::new(outer[0]).args(&outer[1..]).arg("true").output()?;
        if !tried.status.success() {
            // Not everybody may mount, in a container hardly anybody. What follows from an error of the disk is shown by the limit on files,
            // which everybody may set.
            println!("NOT SHOWN HERE: a full disk, since none can be mounted: {}", String::from_utf8_lossy(&tried.stderr).trim());
            return Ok(());
        }
        fill(kit, &outer, &directory).await
    })
}

#[test]
fn a_limit_on_files_stops_the_tap_with_the_remedy_and_loses_nothing() -> Result {
    run("streaming_file_limit", async |kit| {
        let directory = kit.folder().join("small-files");
        std::fs::create_dir_all(&directory)?;
        fill(kit, &["sh", "-c", WITH_SMALL_FILES, "sh"], &directory.display().to_string()).await?;
        let left = std::fs::read_dir(directory)?.count();
        ensure!(left == 0, "{left} files were left behind");
        Ok(())
    })
}
