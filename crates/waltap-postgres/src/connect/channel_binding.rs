//! What ties SCRAM to a TLS session: the hash of the server's certificate, `tls-server-end-point` of RFC 5929.

use ring::digest::{Algorithm, SHA256, SHA384, SHA512, digest};
use rustls::pki_types::CertificateDer;
use rustls::server::ParsedCertificate;
use x509_cert::Certificate;
use x509_cert::der::Decode as _;

use super::Transport;

/// Signature algorithms whose digest is fixed by their name, and the hash that goes with them. MD5 and SHA-1 give way to SHA-256. What is
/// not here has no such digest (Ed25519), hides it in its parameters (RSASSA-PSS), or is dead (SHA-224).
const HASHES: &[(&str, &Algorithm)] = &[
    ("1.2.840.113549.1.1.4", &SHA256),
    ("1.2.840.113549.1.1.5", &SHA256),
    ("1.2.840.113549.1.1.11", &SHA256),
    ("1.2.840.113549.1.1.12", &SHA384),
    ("1.2.840.113549.1.1.13", &SHA512),
    ("1.2.840.10045.4.1", &SHA256),
    ("1.2.840.10045.4.3.2", &SHA256),
    ("1.2.840.10045.4.3.3", &SHA384),
    ("1.2.840.10045.4.3.4", &SHA512),
];

/// The binding of a session, where there is one.
pub(super) fn of(transport: &Transport) -> Option<Vec<u8>> {
    let Transport::Tls(stream) = transport else { return None };
    let (_, connection) = stream.get_ref();
    end_point(connection.peer_certificates()?.first()?)
}

fn end_point(certificate: &CertificateDer<'_>) -> Option<Vec<u8>> {
    // A certificate that webpki cannot read let the handshake go unproven (see `Verifier`): anybody could have sent it.
    ParsedCertificate::try_from(certificate).ok()?;
    let algorithm = Certificate::from_der(certificate).ok()?.signature_algorithm.oid.to_string();
    let (_, hash) = HASHES.iter().find(|(known, _)| *known == algorithm)?;
    Some(digest(hash, certificate).as_ref().to_vec())
}
