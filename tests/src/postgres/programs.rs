//! Where PostgreSQL's server programs are, and whom they run as.

use std::fs;
use std::path::{Path, PathBuf};

use crate::{Failure, Result};

/// The major version that is taken first when several are there.
const USUAL_MAJOR: u32 = 15;

/// The folder of one major version's programs.
#[derive(Clone, Debug)]
pub(super) struct Programs {
    folder: PathBuf,
    user: Option<(u32, u32)>,
}

impl Programs {
    /// Finds them: `E2E_PG_BIN`, Debian's folder of the version, or what `scripts/install-postgres.sh` put in `.cache/`.
    pub(super) fn find(major: Option<u32>) -> Result<Self> {
        let mut folders = Vec::new();
        if major.is_none() {
            folders.extend(std::env::var_os("E2E_PG_BIN").map(PathBuf::from));
        }
        let majors: Vec<u32> =
            major.map_or_else(|| std::iter::once(USUAL_MAJOR).chain((13..=19).rev()).collect(), |major| vec![major]);
        for major in majors {
            folders.push(PathBuf::from(format!("/usr/lib/postgresql/{major}/bin")));
            folders.push(repository().join(format!(".cache/postgres-{major}/bin")));
        }
        let folder = folders.into_iter().find(|folder| folder.join("postgres").exists() && folder.join("initdb").exists());
        let folder = folder.ok_or_else(|| {
            let wanted = major.map_or_else(String::new, |major| format!(" {major}"));
            Failure::new(format!("no PostgreSQL{wanted} is installed: run scripts/install-postgres.sh, or set E2E_PG_BIN"))
        })?;
        // The user they run as may not get through the repository's folder, but through that of a link's target.
        Ok(Programs { folder: folder.canonicalize()?, user: server_user()? })
    }

    /// Where they are.
    pub(super) fn folder(&self) -> &Path {
        &self.folder
    }

    /// One of the programs.
    pub(super) fn path(&self, program: &str) -> PathBuf {
        self.folder.join(program)
    }

    /// Whom they run as: another user when this process is root, which PostgreSQL refuses to be.
    pub(super) fn user(&self) -> Option<(u32, u32)> {
        self.user
    }
}

/// The root of the repository: where `.cache/` and `target/` are.
pub fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().map_or_else(|| PathBuf::from("."), Path::to_owned)
}

fn server_user() -> Result<Option<(u32, u32)>> {
    if !rustix::process::geteuid().is_root() {
        return Ok(None);
    }
    let users = fs::read_to_string("/etc/passwd")?;
    let find = |name: &str| {
        users.lines().find_map(|line| {
            let mut fields = line.split(':');
            (fields.next() == Some(name)).then_some(())?;
            Some((fields.nth(1)?.parse().ok()?, fields.next()?.parse().ok()?))
        })
    };
    let user = find("postgres").or_else(|| find("nobody"));
    user.map(Some).ok_or_else(|| Failure::new("PostgreSQL refuses to run as root, and there is no user postgres or nobody"))
}
