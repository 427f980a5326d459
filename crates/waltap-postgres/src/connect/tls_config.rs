//! What a source's TLS options mean to rustls.

use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::sync::Arc;

use rustls::client::WantsClientCert;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{CertificateError, ClientConfig, ConfigBuilder, RootCertStore, version};
use waltap_error::{Code, Error, Result};

use super::verifier::{Roots, Trust, Verifier};
use crate::source::{Authorities, SslMode, TlsOptions};

/// The protocol's name within TLS (ALPN). PostgreSQL 17 demands it where TLS begins without a request; older ones do not look.
const PROTOCOL: &[u8] = b"postgresql";

/// Reads the files that the options name and builds a configuration. Blocks.
pub(super) fn build(options: &TlsOptions) -> Result<ClientConfig> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let verifier = Verifier::new(trust(options)?, provider.signature_verification_algorithms);
    let versions: &[_] = if options.tls13_only { &[&version::TLS13] } else { &[&version::TLS13, &version::TLS12] };
    let builder = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(versions)
        .map_err(|error| Error::configuration(Code::TLS, "preparing TLS").source(error))?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(verifier));
    let mut config = identified(builder, options)?;
    config.alpn_protocols = vec![PROTOCOL.to_vec()];
    config.enable_sni = options.server_name_indication;
    Ok(config)
}

/// Whom to believe, with libpq's meaning: `require` checks nothing, unless a file of authorities is there, and then it is `verify-ca`.
fn trust(options: &TlsOptions) -> Result<Trust> {
    let demanded = matches!(options.mode, SslMode::VerifyCa | SslMode::VerifyFull);
    let roots = match &options.authorities {
        Authorities::System => system_roots()?,
        Authorities::File(file) if demanded || options.mode == SslMode::Require => roots_of(file)?,
        Authorities::DefaultFile(file) if file.exists() && (demanded || options.mode == SslMode::Require) => roots_of(file)?,
        _ if demanded => {
            return Err(Error::configuration(Code::TLS, "sslmode asks for a verified certificate, and no authority is known")
                .remedy(
                    "add sslrootcert=/path/to/authority.pem to the source URL, or sslrootcert=system for the operating system's",
                ));
        }
        _ => return Ok(Trust::Anyone),
    };
    Ok(if options.mode == SslMode::VerifyFull { Trust::ChainAndName(roots) } else { Trust::Chain(roots) })
}

fn system_roots() -> Result<Roots> {
    let found = rustls_native_certs::load_native_certs();
    let roots = Roots::new(found.certs);
    if roots.is_empty() {
        let error = Error::configuration(Code::TLS, "the operating system has no certificate authorities");
        let error = error.remedy("install the package ca-certificates, or name a file by sslrootcert");
        return Err(match found.errors.into_iter().next() {
            Some(cause) => error.source(cause),
            None => error,
        });
    }
    Ok(roots)
}

fn roots_of(file: &Path) -> Result<Roots> {
    let roots = Roots::new(certificates_of(file, "sslrootcert")?);
    if roots.is_empty() {
        return Err(Error::configuration(Code::TLS, format!("sslrootcert {} holds no certificate", file.display())));
    }
    Ok(roots)
}

/// Adds our own certificate, if there is one.
fn identified(builder: ConfigBuilder<ClientConfig, WantsClientCert>, options: &TlsOptions) -> Result<ClientConfig> {
    let Some(client) = options.client.as_ref().filter(|client| client.named || client.certificate.exists()) else {
        return Ok(builder.with_no_client_auth());
    };
    let chain = certificates_of(&client.certificate, "sslcert")?;
    let bad_key = |error| {
        Error::configuration(Code::TLS, format!("sslkey {} cannot be used", client.key.display()))
            .source(error)
            .remedy("it must be an unencrypted key in PEM form that waltap may read")
    };
    if std::fs::metadata(&client.key).is_ok_and(|data| data.mode() & 0o037 != 0) {
        tracing::warn!(file = %client.key.display(), "others may read the key of the client certificate: chmod 0600 mends that");
    }
    let key = PrivateKeyDer::from_pem_file(&client.key).map_err(bad_key)?;
    builder.with_client_auth_cert(chain, key).map_err(|error| {
        Error::configuration(Code::TLS, "the client certificate and its key cannot be used together")
            .source(error)
            .remedy("check that sslcert and sslkey belong to each other")
    })
}

fn certificates_of(file: &Path, parameter: &str) -> Result<Vec<CertificateDer<'static>>> {
    let certificates = CertificateDer::pem_file_iter(file).and_then(Iterator::collect);
    certificates.map_err(|error| {
        Error::configuration(Code::TLS, format!("{parameter} {} cannot be read", file.display()))
            .source(error)
            .remedy("it must be a file of certificates in PEM form that waltap may read")
    })
}

/// What to do about a certificate that was not accepted.
pub(super) fn certificate_remedy(cause: &CertificateError) -> &'static str {
    match cause {
        CertificateError::UnknownIssuer => "put the certificate of the authority that signed the server's into sslrootcert",
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
            "connect by the name that the certificate is for, or issue one with that name in subjectAltName; sslmode=verify-ca leaves names out"
        }
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => "renew the server's certificate",
        CertificateError::Other(_) => {
            "issue the server's certificate as X.509 version 3 with a subjectAltName (openssl: -extfile), or use sslmode=require"
        }
        _ => "check the server's certificate: openssl s_client -starttls postgres -connect host:port",
    }
}

impl Roots {
    fn new(certificates: Vec<CertificateDer<'static>>) -> Roots {
        let mut store = RootCertStore::empty();
        // A file may hold certificates that cannot be authorities; they do no harm, and the count is of no use.
        let _ = store.add_parsable_certificates(certificates.iter().cloned());
        Roots { store, certificates }
    }
}
