//! TLS for the recovery server, and the token that clients must show inside it.

use std::fmt;
use std::sync::Arc;

use rustls::ServerConfig;
use rustls::crypto::ring::default_provider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, pem};
use rustls::server::NoServerSessionStorage;
use rustls::version::TLS13;
use subtle::ConstantTimeEq;
use thiserror::Error;
use tickcast_wire::Token;
use zerocopy::IntoBytes;

/// A certificate, its key, and the token: what a recovery server needs to speak TLS 1.3.
#[derive(Clone)]
pub struct ServerTls {
    pub(crate) config: Arc<ServerConfig>,
    token: Token,
}

/// Why a server cannot speak TLS.
#[derive(Debug, Error)]
pub enum TlsError {
    /// The certificates cannot be read.
    #[error("the certificate is not in PEM form: {0}")]
    Certificate(pem::Error),
    /// There is no certificate where there should be one.
    #[error("there is no certificate in it: expected a section BEGIN CERTIFICATE")]
    NoCertificate,
    /// The key cannot be read.
    #[error("the private key is not in PEM form: {0}")]
    Key(pem::Error),
    /// The certificate and the key do not go together, or are of a kind that is not known.
    #[error("the certificate and its key cannot be used: {0}")]
    Unusable(#[from] rustls::Error),
}

impl ServerTls {
    /// Reads a chain of certificates, that of the server first, and its private key, both in PEM.
    ///
    /// # Errors
    /// See [`TlsError`].
    pub fn new(certificates: &[u8], key: &[u8], token: Token) -> Result<ServerTls, TlsError> {
        let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(certificates).collect();
        let chain = chain.map_err(TlsError::Certificate)?;
        if chain.is_empty() {
            return Err(TlsError::NoCertificate);
        }
        let key = PrivateKeyDer::from_pem_slice(key).map_err(TlsError::Key)?;
        let mut config = ServerConfig::builder_with_provider(Arc::new(default_provider()))
            .with_protocol_versions(&[&TLS13])?
            .with_no_client_auth()
            .with_single_cert(chain, key)?;
        // Connections last: to resume one is not worth what the server would have to remember.
        config.send_tls13_tickets = 0;
        config.session_storage = Arc::new(NoServerSessionStorage {});
        Ok(ServerTls {
            config: Arc::new(config),
            token,
        })
    }

    /// Whether this is the token. How long it takes does not depend on where they differ.
    pub(crate) fn is_token(&self, shown: &Token) -> bool {
        self.token.as_bytes().ct_eq(shown.as_bytes()).into()
    }
}

impl fmt::Debug for ServerTls {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("ServerTls").finish_non_exhaustive()
    }
}
