//! TLS to the recovery server: whom to believe, and the token to show.

use std::fmt;
use std::sync::Arc;

use rustls::crypto::ring::default_provider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, InvalidDnsNameError, ServerName, pem};
use rustls::version::TLS13;
use rustls::{ClientConfig, RootCertStore};
use thiserror::Error;
use tickcast_wire::Token;

/// How to know the recovery server over TLS 1.3, and how to be known by it.
#[derive(Clone)]
pub struct ClientTls {
    pub(crate) config: Arc<ClientConfig>,
    pub(crate) name: Option<ServerName<'static>>,
    pub(crate) token: Option<Token>,
}

/// Why a subscriber cannot speak TLS.
#[derive(Debug, Error)]
pub enum TlsError {
    /// The certificates cannot be read.
    #[error("the certificate is not in PEM form: {0}")]
    Certificate(pem::Error),
    /// There is no certificate where there should be one.
    #[error("there is no certificate in it: expected a section BEGIN CERTIFICATE")]
    NoCertificate,
    /// The name cannot be one of a server.
    #[error("{name:?} is neither a DNS name nor an address")]
    Name {
        /// The name.
        name: String,
        /// Why not.
        source: InvalidDnsNameError,
    },
    /// The certificate is of a kind that is not known.
    #[error("the certificate cannot be used: {0}")]
    Unusable(#[from] rustls::Error),
}

impl ClientTls {
    /// Believes servers whose certificate one of these authorities (in PEM) has signed for `name`,
    /// by default for the address of the server; shows them the token if there is one. A server
    /// asks clients on its own host for none.
    ///
    /// # Errors
    /// See [`TlsError`].
    pub fn new(
        authorities: &[u8],
        name: Option<&str>,
        token: Option<Token>,
    ) -> Result<ClientTls, TlsError> {
        let mut roots = RootCertStore::empty();
        for certificate in CertificateDer::pem_slice_iter(authorities) {
            roots.add(certificate.map_err(TlsError::Certificate)?)?;
        }
        if roots.is_empty() {
            return Err(TlsError::NoCertificate);
        }
        let name = name.map(|name| {
            ServerName::try_from(name.to_owned()).map_err(|source| TlsError::Name {
                name: name.to_owned(),
                source,
            })
        });
        let config = ClientConfig::builder_with_provider(Arc::new(default_provider()))
            .with_protocol_versions(&[&TLS13])?
            .with_root_certificates(roots)
            .with_no_client_auth();
        Ok(ClientTls {
            config: Arc::new(config),
            name: name.transpose()?,
            token,
        })
    }
}

impl fmt::Debug for ClientTls {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut formatter = formatter.debug_struct("ClientTls");
        formatter.field("name", &self.name).finish_non_exhaustive()
    }
}
