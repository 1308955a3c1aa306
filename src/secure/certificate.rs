//! The certificate of `/metrics`: from a folder, whose files may change, or made at the start.

use std::{
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use anyhow::Context as _;
use tokio_rustls::rustls::{
    ServerConfig,
    crypto::{CryptoProvider, aws_lc_rs},
    pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer, pem::PemObject as _},
    server::{ClientHello, ResolvesServerCert},
    sign::CertifiedKey,
};

use crate::polled::{self, Polled};

/// The files' names, as cert-manager and `kubernetes.io/tls` Secrets have them.
const FILES: [&str; 2] = ["tls.crt", "tls.key"];

/// The certificate that is shown to those who connect.
#[derive(Debug)]
pub struct Certificates {
    config: Arc<ServerConfig>,
    shown: Arc<Shown>,
    folder: PathBuf,
    /// `None`: it was made by this process.
    files: Option<Polled<2>>,
}

/// The certificate of the moment.
#[derive(Debug)]
struct Shown(Mutex<Arc<CertifiedKey>>);

impl Shown {
    fn current(&self) -> MutexGuard<'_, Arc<CertifiedKey>> {
        // A poisoned lock only means that another thread ended while it held the pointer, which is whole at any moment.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl ResolvesServerCert for Shown {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(Arc::clone(&self.current()))
    }
}

impl Certificates {
    /// Those in a folder: `tls.crt`, the certificate and its chain, and `tls.key`, both PEM.
    ///
    /// # Errors
    /// When one is missing, or they do not go together.
    pub fn of_folder(folder: &Path) -> anyhow::Result<Self> {
        let mut files = Polled::new(FILES.map(|name| folder.join(name)));
        let provider = aws_lc_rs::default_provider();
        let context =
            || format!("taking the certificate for /metrics from {} (--metrics-tls-cert-dir)", folder.display());
        // They have not been read before, so that they have changed.
        let [certificate, key] = files.changed().with_context(context)?.cloned().unwrap_or_default();
        let certified = parse(&certificate, &key, &provider).with_context(context)?;
        Self::new(provider, certified, folder.to_path_buf(), Some(files))
    }

    /// One that signs itself, made now. It hides what is read, and proves nothing about who serves it.
    ///
    /// # Errors
    /// When none can be made, which has no cause in practice.
    pub fn self_signed(names: &[String]) -> anyhow::Result<Self> {
        let context = "making a certificate for /metrics";
        let key = rcgen::KeyPair::generate().context(context)?;
        let mut parameters = rcgen::CertificateParams::new(names.to_vec()).context(context)?;
        parameters.distinguished_name.push(rcgen::DnType::CommonName, "bedrock-throughput-operator");
        let certificate = parameters.self_signed(&key).context(context)?;
        let provider = aws_lc_rs::default_provider();
        let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.serialize_der()));
        let certified = CertifiedKey::from_der(vec![certificate.der().clone()], key, &provider).context(context)?;
        Self::new(provider, certified, PathBuf::new(), None)
    }

    fn new(
        provider: CryptoProvider,
        certified: CertifiedKey,
        folder: PathBuf,
        files: Option<Polled<2>>,
    ) -> anyhow::Result<Self> {
        let shown = Arc::new(Shown(Mutex::new(Arc::new(certified))));
        let mut config = ServerConfig::builder_with_provider(Arc::new(provider))
            .with_safe_default_protocol_versions()
            .context("choosing the versions of TLS for /metrics")?
            .with_no_client_auth()
            .with_cert_resolver(Arc::clone(&shown) as Arc<dyn ResolvesServerCert>);
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(Self { config: Arc::new(config), shown, folder, files })
    }

    /// What connections are accepted with.
    #[must_use]
    pub fn server_config(&self) -> Arc<ServerConfig> {
        Arc::clone(&self.config)
    }

    /// Takes up what changes in the folder, without end. What does not go together is told, and what was there before stays.
    pub async fn follow(self) {
        let Self { config, shown, folder, files } = self;
        let Some(mut files) = files else { return std::future::pending().await };
        let provider = Arc::clone(config.crypto_provider());
        loop {
            tokio::time::sleep(polled::EVERY).await;
            let taken = match files.changed() {
                Ok(None) => continue,
                Ok(Some([certificate, key])) => parse(certificate, key, &provider),
                Err(error) => Err(error.into()),
            };
            match taken {
                Ok(certified) => {
                    *shown.current() = Arc::new(certified);
                    tracing::info!(folder = %folder.display(), "the certificate of /metrics has changed");
                }
                Err(error) => {
                    let error = format!("{error:#}");
                    tracing::warn!(folder = %folder.display(), error, "the certificate of /metrics stays as it was");
                }
            }
        }
    }
}

fn parse(certificate: &[u8], key: &[u8], provider: &CryptoProvider) -> anyhow::Result<CertifiedKey> {
    let chain = CertificateDer::pem_slice_iter(certificate)
        .collect::<Result<Vec<_>, _>>()
        .context("tls.crt is not a chain of certificates in PEM")?;
    anyhow::ensure!(!chain.is_empty(), "tls.crt has no certificate");
    let key = PrivateKeyDer::from_pem_slice(key).context("tls.key is not a private key in PEM")?;
    CertifiedKey::from_der(chain, key, provider).context("tls.key is not the key of tls.crt")
}
