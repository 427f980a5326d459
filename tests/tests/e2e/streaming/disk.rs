//! A disk that is full.

use std::path::{Path, PathBuf};
use std::process::Command;

use waltap_tests::{Failure, Result, ensure, run};

use super::{DEADLINE, SMALL_MEMORY, server};

/// A file system of four megabytes, in memory. Mounting needs root, or a runner that lets users have namespaces of their own.
struct SmallDisk(PathBuf);

impl SmallDisk {
    fn mount(at: &Path) -> Result<Self> {
        std::fs::create_dir_all(at)?;
        let mounted = Command::new("mount").args(["-t", "tmpfs", "-o", "size=4m", "tmpfs"]).arg(at).output()?;
        match mounted.status.success() {
            true => Ok(SmallDisk(at.to_owned())),
            false => Err(Failure::new(format!("mounting a small disk: {}", String::from_utf8_lossy(&mounted.stderr)))),
        }
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("--lazy").arg(&self.0).status();
    }
}

#[test]
fn a_full_disk_stops_the_tap_with_the_remedy_and_loses_nothing() -> Result {
    run("streaming_disk", async |kit| {
        if !rustix::process::geteuid().is_root() {
            println!("not run: only root may mount a small disk");
            return Ok(());
        }
        let disk = match SmallDisk::mount(&kit.folder().join("disk")) {
            Ok(disk) => disk,
            Err(failure) => {
                println!("not run: {failure}");
                return Ok(());
            }
        };
        let postgres = server(kit, 18).await?;
        let kafka = kit.kafka().await?;
        let shop = postgres.create_database("shop").await?;
        shop.run("CREATE TABLE t (id int PRIMARY KEY, v text)").await?;
        let directory = disk.0.display().to_string();
        let flags = [&["--database", "shop", "--spill-directory", &directory], &SMALL_MEMORY[..]].concat();
        let mut waltap = kit.capture(&postgres, &kafka, &flags)?;
        waltap.wait_streaming().await?;
        shop.run("INSERT INTO t SELECT g, repeat('x', 100) FROM generate_series(1, 100000) g").await?;
        let code = waltap.wait_exit(DEADLINE).await?;
        let log = waltap.log();
        ensure!(code == 1 && log.contains("WT0047") && log.contains(&directory), "exit code {code}:\n{log}");
        ensure!(log.contains("no more room") && log.contains("--spill-directory"), "{log}");
        let left = std::fs::read_dir(&disk.0)?.count();
        ensure!(left == 0, "{left} files were left behind");
        // The server keeps it instead.
        let mut waltap = kit.capture(&postgres, &kafka, &["--database", "shop", "--streaming", "off"])?;
        waltap.wait_streaming().await?;
        postgres.wait_confirmed(&["shop"], DEADLINE).await?;
        ensure!(waltap.terminate().await? == 0, "waltap did not stop as asked");
        waltap_tests::oracle::ensure_equal(&postgres, &kafka.topics(), &["shop"]).await?;
        Ok(())
    })
}
