//! How TLS is wanted.

use std::path::PathBuf;

use waltap_error::Result;

use super::parameters::{Parameters, invalid};

/// libpq's `sslmode`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SslMode {
    /// Never TLS.
    Disable,
    /// TLS when the server refuses a plain session.
    Allow,
    /// TLS when the server has it.
    Prefer,
    /// TLS; whose certificate it is does not matter, unless there is a file of authorities.
    Require,
    /// TLS with a certificate from a known authority.
    VerifyCa,
    /// TLS with a certificate from a known authority, for the host's name.
    VerifyFull,
}

/// libpq's `channel_binding`: whether SCRAM must be tied to the TLS session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ChannelBinding {
    /// Never.
    Disable,
    /// When the server offers it.
    Prefer,
    /// Always: no other way to authenticate is taken.
    Require,
}

/// Where the authorities are that may vouch for the server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Authorities {
    /// In a file that the source names: it must be there.
    File(PathBuf),
    /// In libpq's default place, which may be empty.
    DefaultFile(PathBuf),
    /// In the operating system's store.
    System,
    /// Nowhere: the user has no home folder.
    None,
}

/// A certificate of our own and its key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ClientCertificate {
    pub(crate) certificate: PathBuf,
    pub(crate) key: PathBuf,
    /// Whether the source names it. One in the default place is used only when it is there.
    pub(crate) named: bool,
}

/// How TLS is wanted.
#[derive(Clone, Debug)]
pub(crate) struct TlsOptions {
    pub(crate) mode: SslMode,
    pub(crate) authorities: Authorities,
    pub(crate) client: Option<ClientCertificate>,
    pub(crate) channel_binding: ChannelBinding,
    /// Whether TLS begins without asking for it first (PostgreSQL 17 and later).
    pub(crate) direct: bool,
    /// Whether the host's name is sent in the clear, so that a proxy can route by it.
    pub(crate) server_name_indication: bool,
    /// Whether TLS 1.2 is too old.
    pub(crate) tls13_only: bool,
}

impl TlsOptions {
    pub(super) fn read(parameters: &Parameters<'_>) -> Result<TlsOptions> {
        let folder = parameters.environment().home().map(|home| home.join(".postgresql"));
        let authorities = match (parameters.get("sslrootcert"), &folder) {
            (Some("system"), _) => Authorities::System,
            (Some(file), _) => Authorities::File(file.into()),
            (None, Some(folder)) => Authorities::DefaultFile(folder.join("root.crt")),
            (None, None) => Authorities::None,
        };
        // As in libpq: whoever trusts every authority of the world must at least ask for the right name.
        let default = if authorities == Authorities::System { SslMode::VerifyFull } else { SslMode::Prefer };
        let modes = [
            ("disable", SslMode::Disable),
            ("allow", SslMode::Allow),
            ("prefer", SslMode::Prefer),
            ("require", SslMode::Require),
            ("verify-ca", SslMode::VerifyCa),
            ("verify-full", SslMode::VerifyFull),
        ];
        let mode = parameters.choice("sslmode", &modes, default)?;
        if authorities == Authorities::System && mode != SslMode::VerifyFull {
            return Err(invalid("sslrootcert=system needs sslmode=verify-full"));
        }
        let direct = parameters.choice("sslnegotiation", &[("postgres", false), ("direct", true)], false)?;
        if direct && matches!(mode, SslMode::Disable | SslMode::Allow | SslMode::Prefer) {
            return Err(invalid("sslnegotiation=direct needs sslmode=require, verify-ca or verify-full"));
        }
        let bindings =
            [("disable", ChannelBinding::Disable), ("prefer", ChannelBinding::Prefer), ("require", ChannelBinding::Require)];
        let versions = [("TLSv1", false), ("TLSv1.1", false), ("TLSv1.2", false), ("TLSv1.3", true)];
        Ok(TlsOptions {
            mode,
            authorities,
            client: client_certificate(parameters, folder)?,
            channel_binding: parameters.choice("channel_binding", &bindings, ChannelBinding::Prefer)?,
            direct,
            server_name_indication: parameters.choice("sslsni", &[("0", false), ("1", true)], true)?,
            tls13_only: parameters.choice("ssl_min_protocol_version", &versions, false)?,
        })
    }
}

fn client_certificate(parameters: &Parameters<'_>, folder: Option<PathBuf>) -> Result<Option<ClientCertificate>> {
    let default = |name: &str| folder.as_ref().map(|folder| folder.join(name));
    let named = parameters.get("sslcert").map(PathBuf::from);
    let key = parameters.get("sslkey").map(PathBuf::from);
    let is_named = named.is_some();
    if is_named && key.is_none() && folder.is_none() {
        return Err(invalid("the source has sslcert and not its key").remedy("add sslkey"));
    }
    match (named.or_else(|| default("postgresql.crt")), key.or_else(|| default("postgresql.key"))) {
        (Some(certificate), Some(key)) => Ok(Some(ClientCertificate { certificate, key, named: is_named })),
        _ => Ok(None),
    }
}
