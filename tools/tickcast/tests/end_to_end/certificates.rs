//! Certificates and tokens for recovery over TLS.

use std::fs;
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use rustls::pki_types::CertificateDer;

/// The files of a publisher and of the subscribers that believe it.
pub struct Files {
    pub authority: PathBuf,
    pub certificate: PathBuf,
    pub key: PathBuf,
    pub token: PathBuf,
    authority_der: CertificateDer<'static>,
}

impl Files {
    /// A certificate that is good for a server of this name.
    pub fn new(folder: &Path, name: &str) -> Files {
        Files::with(folder, name, |_| {})
    }

    /// The same but for what `change` does to the certificate before it is signed.
    pub fn with(folder: &Path, name: &str, change: impl FnOnce(&mut CertificateParams)) -> Files {
        let authority_key = KeyPair::generate().expect("a key");
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let authority = params.self_signed(&authority_key).expect("a certificate");
        let issuer = Issuer::new(params, authority_key);

        let key = KeyPair::generate().expect("a key");
        let mut params = CertificateParams::new(vec![name.to_owned()]).expect("a name");
        change(&mut params);
        let certificate = params.signed_by(&key, &issuer).expect("a certificate");

        let write = |file: &str, label: &str, der: &[u8]| {
            let path = folder.join(file);
            let body = STANDARD.encode(der);
            let pem = format!("-----BEGIN {label}-----\n{body}\n-----END {label}-----\n");
            fs::write(&path, pem).expect("a file");
            path
        };
        let token = folder.join("token");
        fs::write(&token, format!("{}\n", "5a".repeat(24))).expect("a file");
        Files {
            authority: write("authority.pem", "CERTIFICATE", authority.der()),
            certificate: write("certificate.pem", "CERTIFICATE", certificate.der()),
            key: write("key.pem", "PRIVATE KEY", &key.serialize_der()),
            token,
            authority_der: authority.der().clone(),
        }
    }

    /// What the publisher needs.
    pub fn server(&self) -> [&str; 6] {
        [
            "--recovery-cert",
            text(&self.certificate),
            "--recovery-key",
            text(&self.key),
            "--recovery-token",
            text(&self.token),
        ]
    }

    /// What a subscriber needs.
    pub fn client(&self) -> [&str; 4] {
        [
            "--recovery-ca",
            text(&self.authority),
            "--recovery-token",
            text(&self.token),
        ]
    }

    pub fn authority(&self) -> CertificateDer<'static> {
        self.authority_der.clone()
    }
}

fn text(path: &Path) -> &str {
    path.to_str().expect("UTF-8 path")
}
