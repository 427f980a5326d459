//! Saying who we are.

use bytes::BytesMut;
use fallible_iterator::FallibleIterator as _;
use postgres_protocol::authentication::md5_hash;
use postgres_protocol::authentication::sasl::{self, ScramSha256};
use postgres_protocol::message::backend::{AuthenticationSaslBody, Message};
use postgres_protocol::message::frontend;
use waltap_error::{Code, Error, Result};

use super::startup::Startup;
use super::{Wire, channel_binding};
use crate::source::{ChannelBinding, Password};

/// What the server asks for after the startup message, until it is satisfied.
impl Startup<'_> {
    pub(super) async fn authenticate(&self, wire: &mut Wire) -> Result<()> {
        match self.message(wire).await? {
            Message::AuthenticationOk => self.unbound(),
            Message::AuthenticationCleartextPassword => {
                self.unbound()?;
                let password = self.password()?;
                self.send_password(wire, password.reveal().as_bytes()).await
            }
            Message::AuthenticationMd5Password(body) => {
                self.unbound()?;
                let password = self.password()?;
                let hash = md5_hash(self.source.user().as_bytes(), password.reveal().as_bytes(), body.salt());
                self.send_password(wire, hash.as_bytes()).await
            }
            Message::AuthenticationSasl(body) => self.scram(wire, &body).await,
            Message::AuthenticationGss
            | Message::AuthenticationKerberosV5
            | Message::AuthenticationSspi
            | Message::AuthenticationScmCredential => Err(self
                .refused("the server asks for a way to authenticate that waltap does not know")
                .remedy("give the role a line in pg_hba.conf with scram-sha-256 or cert")),
            _ => Err(self.unexpected()),
        }
    }

    /// Whether this server may be believed without channel binding.
    fn unbound(&self) -> Result<()> {
        if self.source.tls.channel_binding == ChannelBinding::Require {
            return Err(self.refused("channel_binding=require, and the server does not offer it").remedy(
                "channel binding needs TLS and a password stored as scram-sha-256; otherwise set channel_binding=prefer in the source URL",
            ));
        }
        Ok(())
    }

    fn password(&self) -> Result<Password> {
        self.source.password(self.endpoint, self.database)?.ok_or_else(|| {
            self.refused("the server asks for a password, and none is given")
                .remedy("give it by --source-password-file, PGPASSWORD, ~/.pgpass (chmod 0600) or the source URL")
        })
    }

    async fn send_password(&self, wire: &mut Wire, password: &[u8]) -> Result<()> {
        let mut request = BytesMut::new();
        frontend::password_message(password, &mut request)
            .map_err(|error| self.refused("a password cannot hold a zero byte").source(error))?;
        self.send(wire, &request).await?;
        self.accepted(wire).await
    }

    async fn scram(&self, wire: &mut Wire, offer: &AuthenticationSaslBody) -> Result<()> {
        let mut offered = offer.mechanisms();
        let (mut plain, mut plus) = (false, false);
        loop {
            match offered.next() {
                Ok(None) => break,
                Ok(Some(mechanism)) => {
                    plain |= mechanism == sasl::SCRAM_SHA_256;
                    plus |= mechanism == sasl::SCRAM_SHA_256_PLUS;
                }
                Err(error) => return Err(self.unexpected().source(error)),
            }
        }
        let wanted = self.source.tls.channel_binding != ChannelBinding::Disable;
        let binding = channel_binding::of(wire.transport()).filter(|_| wanted);
        let (mechanism, binding) = match binding {
            Some(end_point) if plus => (sasl::SCRAM_SHA_256_PLUS, sasl::ChannelBinding::tls_server_end_point(end_point)),
            // Says "I could, but you did not offer it", which the server checks: somebody between us may have struck the offer out.
            Some(_) => (sasl::SCRAM_SHA_256, sasl::ChannelBinding::unrequested()),
            None => (sasl::SCRAM_SHA_256, sasl::ChannelBinding::unsupported()),
        };
        if mechanism == sasl::SCRAM_SHA_256 {
            self.unbound()?;
            if !plain {
                return Err(self.refused("the server asks for a way to authenticate that waltap does not know"));
            }
        }
        let odd = |error| self.refused("the server's side of SCRAM does not add up").source(error);
        let mut scram = ScramSha256::new(self.password()?.reveal().as_bytes(), binding);
        let mut request = BytesMut::new();
        frontend::sasl_initial_response(mechanism, scram.message(), &mut request).map_err(odd)?;
        self.send(wire, &request).await?;
        let Message::AuthenticationSaslContinue(challenge) = self.message(wire).await? else { return Err(self.unexpected()) };
        scram.update(challenge.data()).map_err(odd)?;
        request.clear();
        frontend::sasl_response(scram.message(), &mut request).map_err(odd)?;
        self.send(wire, &request).await?;
        let Message::AuthenticationSaslFinal(proof) = self.message(wire).await? else { return Err(self.unexpected()) };
        // The server proves that it knows the password too.
        scram.finish(proof.data()).map_err(odd)?;
        self.accepted(wire).await
    }

    async fn accepted(&self, wire: &mut Wire) -> Result<()> {
        match self.message(wire).await? {
            Message::AuthenticationOk => Ok(()),
            _ => Err(self.unexpected()),
        }
    }

    fn refused(&self, message: &str) -> Error {
        Error::configuration(Code::AUTHENTICATION, format!("{message} ({}, user {})", self.endpoint, self.source.user()))
    }
}
