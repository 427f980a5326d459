//! Certificates for servers on 127.0.0.1, made by `openssl`.

use std::fs::OpenOptions;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::{Result, ensure};

/// For how many days they are valid.
const DAYS: &str = "2";

/// An authority, and a certificate that it signed.
#[derive(Clone, Debug)]
pub struct Certificates {
    folder: PathBuf,
}

impl Certificates {
    /// Makes them, in a folder.
    pub fn make(folder: &Path) -> Result<Self> {
        let script = "set -e; cd \"$1\"
            openssl req -x509 -newkey rsa:2048 -nodes -days \"$2\" -subj /CN=waltap-tests -keyout authority.key -out authority.pem
            openssl req -newkey rsa:2048 -nodes -subj /CN=127.0.0.1 -keyout server.key -out server.csr
            echo subjectAltName=IP:127.0.0.1 >extensions
            openssl x509 -req -days \"$2\" -in server.csr -CA authority.pem -CAkey authority.key -CAcreateserial -out server.crt \
                -extfile extensions
            openssl pkcs8 -topk8 -nocrypt -in server.key -out server.pem
            cat server.crt >>server.pem";
        let log = OpenOptions::new().create(true).append(true).open(folder.join("openssl.log"))?;
        let made = Command::new("sh").args(["-c", script, "sh"]).arg(folder).arg(DAYS).stderr(log).status()?;
        ensure!(made.success(), "openssl made no certificates: see {}", folder.join("openssl.log").display());
        Ok(Certificates { folder: folder.to_owned() })
    }

    /// The authority's certificate.
    pub fn authority(&self) -> PathBuf {
        self.folder.join("authority.pem")
    }

    /// The server's.
    pub fn server(&self) -> PathBuf {
        self.folder.join("server.crt")
    }

    /// Its key.
    pub fn key(&self) -> PathBuf {
        self.folder.join("server.key")
    }

    /// Both in one file, as Kafka wants them.
    pub fn both(&self) -> PathBuf {
        self.folder.join("server.pem")
    }
}
