//! Whether a server's certificate is believed.

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{verify_server_cert_signed_by_trust_anchor, verify_server_name};
use rustls::crypto::{WebPkiSupportedAlgorithms, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{CertificateError, DigitallySignedStruct, Error, RootCertStore, SignatureScheme};

use super::server_name;

/// The authorities that are believed.
#[derive(Debug)]
pub(super) struct Roots {
    pub(super) store: RootCertStore,
    /// The same, whole: a server's own certificate may be among them.
    pub(super) certificates: Vec<CertificateDer<'static>>,
}

impl Roots {
    pub(super) fn is_empty(&self) -> bool {
        self.certificates.is_empty()
    }
}

/// Whose certificates are believed.
#[derive(Debug)]
pub(super) enum Trust {
    /// Everybody's: `sslmode=require`.
    Anyone,
    /// Those from an authority: `verify-ca`.
    Chain(Roots),
    /// Those from an authority for the host's name: `verify-full`.
    ChainAndName(Roots),
}

/// Gives rustls libpq's three degrees of trust.
#[derive(Debug)]
pub(super) struct Verifier {
    trust: Trust,
    algorithms: WebPkiSupportedAlgorithms,
}

impl Verifier {
    pub(super) fn new(trust: Trust, algorithms: WebPkiSupportedAlgorithms) -> Verifier {
        Verifier { trust, algorithms }
    }

    fn verify_chain(
        &self,
        roots: &Roots,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<(), Error> {
        // PostgreSQL's manual makes a self-signed server certificate and gives it to the clients as their authority. OpenSSL takes that.
        if roots.certificates.contains(end_entity) {
            return server_name::verify_dates(end_entity, now);
        }
        let certificate = ParsedCertificate::try_from(end_entity)?;
        verify_server_cert_signed_by_trust_anchor(&certificate, &roots.store, intermediates, now, self.algorithms.all)
    }

    /// Takes a handshake whose signature cannot be checked, because webpki cannot read the certificate (such as one of X.509 version 1,
    /// which `openssl x509 -req` makes), if everybody is believed anyway. A signature that was checked and is wrong is never taken.
    fn or_unreadable(&self, verified: Result<HandshakeSignatureValid, Error>) -> Result<HandshakeSignatureValid, Error> {
        match (verified, &self.trust) {
            (Err(Error::InvalidCertificate(CertificateError::Other(_))), Trust::Anyone) => {
                Ok(HandshakeSignatureValid::assertion())
            }
            (verified, _) => verified,
        }
    }
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        match &self.trust {
            Trust::Anyone => {}
            Trust::Chain(roots) => self.verify_chain(roots, end_entity, intermediates, now)?,
            Trust::ChainAndName(roots) => {
                self.verify_chain(roots, end_entity, intermediates, now)?;
                match verify_server_name(&ParsedCertificate::try_from(end_entity)?, server_name) {
                    Err(_) if server_name::verify_common_name(end_entity, server_name) => {}
                    verified => verified?,
                }
            }
        }
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.or_unreadable(verify_tls12_signature(message, certificate, signature, &self.algorithms))
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.or_unreadable(verify_tls13_signature(message, certificate, signature, &self.algorithms))
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}
