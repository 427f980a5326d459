//! A clock that steps, as that of a machine does when somebody sets it: by libfaketime, for one program.

use std::fs;
use std::path::{Path, PathBuf};

use crate::{Result, ensure};

/// The clock of a waltap.
#[derive(Debug)]
pub struct Clock {
    library: PathBuf,
    file: PathBuf,
}

impl Clock {
    /// A clock that goes right, set by a file in the folder.
    pub fn new(folder: &Path) -> Result<Self> {
        let library = PathBuf::from(format!("/usr/lib/{}-linux-gnu/faketime/libfaketimeMT.so.1", std::env::consts::ARCH));
        ensure!(library.exists(), "there is no {}: run scripts/install-faketime.sh", library.display());
        let clock = Clock { library, file: folder.join("clock") };
        clock.set(0)?;
        Ok(clock)
    }

    /// Makes it show so many seconds more than the true time, or fewer.
    pub fn set(&self, seconds: i64) -> Result {
        // Put in place as a whole: it is read at any moment.
        let new = self.file.with_extension("new");
        fs::write(&new, format!("{seconds:+}\n"))?;
        Ok(fs::rename(new, &self.file)?)
    }

    /// The variables that put it in the place of a program's clock. What only counts the time that passes goes right, as on a machine
    /// whose clock is set.
    pub fn environment(&self) -> Vec<(String, String)> {
        let (library, file) = (self.library.display().to_string(), self.file.display().to_string());
        let variables = [
            ("LD_PRELOAD", library.as_str()),
            ("FAKETIME_TIMESTAMP_FILE", file.as_str()),
            ("FAKETIME_NO_CACHE", "1"),
            ("FAKETIME_DONT_FAKE_MONOTONIC", "1"),
        ];
        variables.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec()
    }
}
