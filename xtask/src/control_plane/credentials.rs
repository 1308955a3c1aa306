//! Keys, tokens and kubeconfigs, made anew for each control plane.

use std::fs::{self, File};
use std::io::Write as _;
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::Path;

use anyhow::{Context as _, Result};
use aws_lc_rs::encoding::{AsDer as _, PublicKeyX509Der};
use aws_lc_rs::rand::{self, SystemRandom};
use aws_lc_rs::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, KeyPair as _};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use serde_json::json;

/// A token that cannot be guessed.
pub(super) fn random_token() -> Result<String> {
    let mut bytes = [0; 24];
    rand::fill(&mut bytes).context("asking for random bytes for the admin's token")?;
    Ok(URL_SAFE_NO_PAD.encode(bytes))
}

/// Writes an ECDSA P-256 key pair, which signs and verifies the tokens of service accounts.
pub(super) fn write_key_pair(private: &Path, public: &Path) -> Result<()> {
    let document = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, &SystemRandom::new())
        .context("making the key pair for service accounts")?;
    let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, document.as_ref())
        .context("reading the key pair for service accounts")?;
    let der: PublicKeyX509Der<'_> = pair.public_key().as_der().context("encoding the public key")?;
    write_private(private, &pem("PRIVATE KEY", document.as_ref()))?;
    write_private(public, &pem("PUBLIC KEY", der.as_ref()))
}

fn pem(label: &str, der: &[u8]) -> String {
    let encoded = STANDARD.encode(der);
    let mut text = format!("-----BEGIN {label}-----\n");
    let mut rest = encoded.as_str();
    while let Some((line, tail)) = rest.split_at_checked(64) {
        text.push_str(line);
        text.push('\n');
        rest = tail;
    }
    if !rest.is_empty() {
        text.push_str(rest);
        text.push('\n');
    }
    text + &format!("-----END {label}-----\n")
}

/// Writes a file that only this user can read.
pub(super) fn write_private(path: &Path, text: &str) -> Result<()> {
    let write = || {
        let mut file = File::options().write(true).create(true).truncate(true).mode(0o600).open(path)?;
        // The mode above counts only for a file that did not exist.
        fs::set_permissions(path, fs::Permissions::from_mode(0o600))?;
        file.write_all(text.as_bytes())
    };
    write().with_context(|| format!("writing {}", path.display()))
}

/// What a client needs in order to talk to the API server as one user.
pub(super) struct Kubeconfig<'a> {
    pub(super) server: String,
    pub(super) certificate: String,
    pub(super) user: &'a str,
    pub(super) token: &'a str,
    pub(super) namespace: &'a str,
}

impl Kubeconfig<'_> {
    /// Written as JSON, which is YAML too and needs no quoting rules.
    pub(super) fn write(&self, path: &Path) -> Result<()> {
        let config = json!({
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": "loopback", "cluster": {
                "server": self.server,
                "certificate-authority-data": STANDARD.encode(&self.certificate),
            }}],
            "users": [{"name": self.user, "user": {"token": self.token}}],
            "contexts": [{"name": "loopback", "context": {
                "cluster": "loopback", "user": self.user, "namespace": self.namespace,
            }}],
            "current-context": "loopback",
        });
        write_private(path, &format!("{config:#}\n"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_differ() {
        assert_ne!(random_token().unwrap(), random_token().unwrap());
    }

    #[test]
    fn pem_lines_are_64_long() {
        assert_eq!(pem("X", b"abc"), "-----BEGIN X-----\nYWJj\n-----END X-----\n");
        let long = pem("X", &[0; 48 * 2]);
        assert_eq!(long.lines().map(str::len).collect::<Vec<_>>(), [17, 64, 64, 15]);
    }

    #[test]
    fn secrets_are_private_to_the_user() {
        let folder = tempfile::tempdir().unwrap();
        let (private, public) = (folder.path().join("sa.key"), folder.path().join("sa.pub"));
        write_key_pair(&private, &public).unwrap();
        assert!(fs::read_to_string(&private).unwrap().starts_with("-----BEGIN PRIVATE KEY-----\n"));
        assert!(fs::read_to_string(&public).unwrap().starts_with("-----BEGIN PUBLIC KEY-----\n"));
        assert_eq!(fs::metadata(&private).unwrap().permissions().mode() & 0o777, 0o600);
    }
}
