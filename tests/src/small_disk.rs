//! A disk of little room, in memory, that can be filled and freed while a server writes to it.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::{Failure, Launch, Process, Result, TempFolder, wait_for};

/// Mounts the disk where nobody else sees it, fills it with what the folder held, says so and waits.
const HOLD: &str = r#"set -e; cp -a "$1" "$2/copy"
    mount -t tmpfs -o "size=$3,mode=700" tmpfs "$1"; chown --reference="$2/copy" "$1"; cp -a "$2/copy/." "$1"
    rm -rf "$2/copy"; touch "$2/held"; exec sleep infinity"#;

/// A disk that takes the place of a folder for those who enter it.
#[derive(Debug)]
pub struct SmallDisk {
    path: PathBuf,
    holder: Process,
    _folder: TempFolder,
}

impl SmallDisk {
    /// Puts a disk of so many bytes in the place of a folder. None: this machine does not let us mount, for the reason that is printed.
    pub async fn mount(path: &Path, bytes: u64, log: PathBuf) -> Result<Option<Self>> {
        let tried = Command::new("unshare").args(["--mount", "mount", "-t", "tmpfs", "tmpfs", "/mnt"]).output()?;
        if !tried.status.success() {
            println!("NOT SHOWN HERE: a full disk, since none can be mounted: {}", String::from_utf8_lossy(&tried.stderr).trim());
            return Ok(None);
        }
        let folder = TempFolder::new()?;
        let (own, at, size) = (folder.path().display().to_string(), path.display().to_string(), bytes.to_string());
        let launch = Launch::new("unshare", log).arguments(&["--mount", "sh", "-c", HOLD, "sh", &at, &own, &size]);
        let mut holder = Process::start("the small disk", &launch)?;
        let held = folder.path().join("held");
        wait_for("the small disk is there", std::time::Duration::from_secs(20), async || {
            holder.ensure_running()?;
            Ok(held.exists().then_some(()))
        })
        .await?;
        Ok(Some(SmallDisk { path: path.to_owned(), holder, _folder: folder }))
    }

    /// What a program is started by to see it.
    pub fn enter(&self) -> Vec<String> {
        ["nsenter".to_owned(), format!("--mount=/proc/{}/ns/mnt", self.holder.id()), "--".to_owned()].to_vec()
    }

    fn ballast(&self) -> PathBuf {
        let inside = self.path.strip_prefix("/").unwrap_or(&self.path);
        Path::new("/proc").join(self.holder.id().to_string()).join("root").join(inside).join("ballast")
    }

    /// Takes all the room that is left.
    pub fn fill(&self) -> Result {
        let mut ballast = fs::File::create(self.ballast())?;
        let block = vec![0; 4096];
        loop {
            match std::io::Write::write(&mut ballast, &block) {
                Ok(0) => return Ok(()),
                Ok(_) => {}
                Err(error) if error.kind() == std::io::ErrorKind::StorageFull => return Ok(()),
                Err(error) => return Err(Failure::from(error)),
            }
        }
    }

    /// Gives it back.
    pub fn free(&self) -> Result {
        Ok(fs::remove_file(self.ballast())?)
    }
}
