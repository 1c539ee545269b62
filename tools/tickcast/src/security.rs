//! Who may use the recovery channel, and how each end knows the other: options of `publish`,
//! `subscribe` and `verify`.

use std::fs::Metadata;
use std::net::IpAddr;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use anyhow::Context;
use clap::Args;
use ipnet::IpNet;
use tickcast_publisher::ServerTls;
use tickcast_subscriber::ClientTls;
use tickcast_wire::Token;

/// Options of a publisher.
#[derive(Debug, Args)]
pub struct ServerArgs {
    /// Serve these networks only, as 10.0.0.0/8,fd00::/8; connections from others are closed.
    #[arg(long, value_name = "NETWORK,…", value_delimiter = ',', value_parser = network, help_heading = "Recovery")]
    recovery_allow: Vec<IpNet>,

    /// Speak TLS with this certificate, a PEM file; without it recovery is plain text.
    #[arg(long, value_name = "FILE", requires_all = ["recovery_key", "recovery_token"], help_heading = "Recovery")]
    recovery_cert: Option<PathBuf>,

    /// The private key of the certificate, a PEM file.
    #[arg(
        long,
        value_name = "FILE",
        requires = "recovery_cert",
        help_heading = "Recovery"
    )]
    recovery_key: Option<PathBuf>,

    /// The token that clients on other hosts must show, a file of 48 hex digits.
    #[arg(
        long,
        value_name = "FILE",
        requires = "recovery_cert",
        help_heading = "Recovery"
    )]
    recovery_token: Option<PathBuf>,
}

/// Options of a subscriber.
#[derive(Debug, Args)]
pub struct ClientArgs {
    /// Speak TLS, and believe servers certified by this authority, a PEM file.
    #[arg(long, value_name = "FILE", help_heading = "Recovery")]
    recovery_ca: Option<PathBuf>,

    /// The name that the server's certificate must be for, if not its address.
    #[arg(
        long,
        value_name = "NAME",
        requires = "recovery_ca",
        help_heading = "Recovery"
    )]
    recovery_name: Option<String>,

    /// The token to show to a publisher on another host, a file of 48 hex digits.
    #[arg(
        long,
        value_name = "FILE",
        requires = "recovery_ca",
        help_heading = "Recovery"
    )]
    recovery_token: Option<PathBuf>,
}

impl ServerArgs {
    /// The networks to serve; none means all.
    pub fn allow(&self) -> Vec<IpNet> {
        self.recovery_allow.clone()
    }

    /// TLS, if it was asked for.
    ///
    /// # Errors
    /// When a file cannot be read or is not what it should be; the message names the option.
    pub fn tls(&self) -> anyhow::Result<Option<ServerTls>> {
        let files = (
            &self.recovery_cert,
            &self.recovery_key,
            &self.recovery_token,
        );
        let (Some(cert), Some(key), Some(token)) = files else {
            return Ok(None);
        };
        let certificates = read("--recovery-cert", cert)?;
        let private_key = secret("--recovery-key", key)?;
        let token = self::token(token)?;
        let tls = ServerTls::new(&certificates, &private_key, token).with_context(|| {
            let (cert, key) = (cert.display(), key.display());
            format!("--recovery-cert {cert} --recovery-key {key}")
        })?;
        Ok(Some(tls))
    }
}

impl ClientArgs {
    /// Whether TLS was asked for.
    pub const fn is_given(&self) -> bool {
        self.recovery_ca.is_some()
    }

    /// TLS, if it was asked for.
    ///
    /// # Errors
    /// When a file cannot be read or is not what it should be; the message names the option.
    pub fn tls(&self) -> anyhow::Result<Option<ClientTls>> {
        let Some(ca) = &self.recovery_ca else {
            return Ok(None);
        };
        let authorities = read("--recovery-ca", ca)?;
        let token = self.recovery_token.as_deref().map(token).transpose()?;
        let tls = ClientTls::new(&authorities, self.recovery_name.as_deref(), token);
        tls.map(Some).with_context(|| {
            let name = self.recovery_name.as_deref().unwrap_or("the address");
            format!("--recovery-ca {}, for {name}", ca.display())
        })
    }
}

/// A network with its prefix, or one address.
fn network(text: &str) -> Result<IpNet, String> {
    if let Ok(address) = text.parse::<IpAddr>() {
        return Ok(IpNet::from(address));
    }
    let network: IpNet = text
        .parse()
        .map_err(|_| "expected networks as in 10.0.0.0/8 or fd00::/8, or addresses".to_owned())?;
    if network != network.trunc() {
        let meant = network.trunc();
        return Err(format!(
            "it has bits beyond its prefix: write {meant}, or an address without a prefix"
        ));
    }
    Ok(network)
}

fn read(option: &str, path: &Path) -> anyhow::Result<Vec<u8>> {
    std::fs::read(path).with_context(|| format!("{option}: cannot read {}", path.display()))
}

/// Reads a file that nobody else should be able to read.
fn secret(option: &str, path: &Path) -> anyhow::Result<Vec<u8>> {
    let content = read(option, path)?;
    let others_may = |metadata: Metadata| metadata.permissions().mode() & 0o077 != 0;
    if path.metadata().is_ok_and(others_may) {
        tracing::warn!(
            "{option}: others may read {}; take that right from them with chmod 600",
            path.display()
        );
    }
    Ok(content)
}

fn token(path: &Path) -> anyhow::Result<Token> {
    let content = secret("--recovery-token", path)?;
    let text = String::from_utf8_lossy(&content);
    let token = text.trim().parse::<Token>();
    token.with_context(|| format!("--recovery-token {}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn networks_are_written_with_a_prefix_or_are_one_address() {
        for right in ["10.0.0.0/8", "fd00::/8", "0.0.0.0/0", "10.1.2.3/32"] {
            assert_eq!(network(right).unwrap().to_string(), right);
        }
        assert_eq!(network("10.1.2.3").unwrap().to_string(), "10.1.2.3/32");
        assert_eq!(network("::1").unwrap().to_string(), "::1/128");
        for wrong in [
            "",
            "10.0.0.0/33",
            "10.0.0/8",
            "fd00::/129",
            "all",
            "10.0.0.0/",
        ] {
            assert!(
                network(wrong).unwrap_err().contains("10.0.0.0/8"),
                "{wrong}"
            );
        }
        let beyond = network("10.1.2.3/8").unwrap_err();
        assert!(beyond.contains("write 10.0.0.0/8"), "{beyond}");
    }
}
