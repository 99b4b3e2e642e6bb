//! TLS in host mode: with given files, or with a throw-away authority.
//!
//! Without the feature `tls` only [`Security::Plain`] is left.

use std::io;

use tokio::net::TcpStream;

/// Whether a listener speaks TLS, and with which certificate.
#[derive(Debug, Clone, Default)]
pub(crate) enum Security {
    /// No TLS.
    #[default]
    Plain,
    /// A new authority and certificate; `ca.pem` goes to this folder.
    #[cfg(feature = "tls")]
    Generated(std::path::PathBuf),
    /// PEM files of a certificate chain and its key.
    #[cfg(feature = "tls")]
    Given {
        chain: std::path::PathBuf,
        key: std::path::PathBuf,
    },
}

impl Security {
    pub(crate) const fn is_tls(&self) -> bool {
        !matches!(self, Self::Plain)
    }

    /// Prepares the listener's side.
    #[cfg_attr(
        not(feature = "tls"),
        expect(clippy::unnecessary_wraps, reason = "fails only with TLS")
    )]
    pub(crate) fn wire(&self, names: Vec<String>) -> io::Result<Wire> {
        match self {
            Self::Plain => {
                drop(names);
                Ok(Wire::Plain)
            }
            #[cfg(feature = "tls")]
            Self::Generated(folder) => secured::generate(folder, names).map(Wire::Tls),
            #[cfg(feature = "tls")]
            Self::Given { chain, key } => secured::from_files(chain, key).map(Wire::Tls),
        }
    }
}

/// How bytes reach a connection.
#[derive(Clone)]
pub(crate) enum Wire {
    Plain,
    #[cfg(feature = "tls")]
    Tls(tokio_rustls::TlsAcceptor),
}

/// A connection of either kind.
pub(crate) enum Stream {
    Plain(TcpStream),
    #[cfg(feature = "tls")]
    Tls(Box<tokio_rustls::server::TlsStream<TcpStream>>),
}

impl Wire {
    /// Shakes hands where that is needed; `None` if the client did not go through with it.
    #[cfg_attr(
        not(feature = "tls"),
        expect(clippy::unused_async, reason = "waits only with TLS")
    )]
    pub(crate) async fn open(self, stream: TcpStream) -> Option<Stream> {
        match self {
            Self::Plain => Some(Stream::Plain(stream)),
            #[cfg(feature = "tls")]
            Self::Tls(acceptor) => acceptor
                .accept(stream)
                .await
                .ok()
                .map(|stream| Stream::Tls(Box::new(stream))),
        }
    }
}

#[cfg(feature = "tls")]
mod secured {
    use std::io;
    use std::path::Path;
    use std::sync::Arc;

    use rcgen::{
        BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair,
        KeyUsagePurpose,
    };
    use rustls::ServerConfig;
    use rustls::pki_types::pem::PemObject;
    use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
    use tokio_rustls::TlsAcceptor;

    fn other(error: impl std::error::Error + Send + Sync + 'static) -> io::Error {
        io::Error::other(error)
    }

    pub(super) fn generate(folder: &Path, names: Vec<String>) -> io::Result<TlsAcceptor> {
        let mut authority = CertificateParams::new(Vec::new()).map_err(other)?;
        authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        authority.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        authority
            .distinguished_name
            .push(DnType::CommonName, "microcms-sim throw-away authority");
        let authority_key = KeyPair::generate().map_err(other)?;
        let authority = CertifiedIssuer::self_signed(authority, authority_key).map_err(other)?;
        let key = KeyPair::generate().map_err(other)?;
        let leaf = CertificateParams::new(names).map_err(other)?;
        let leaf = leaf.signed_by(&key, &authority).map_err(other)?;
        std::fs::create_dir_all(folder)?;
        // The keys stay in memory: nobody can sign with this authority again.
        std::fs::write(folder.join("ca.pem"), authority.pem())?;
        let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
        acceptor(vec![leaf.der().clone()], key)
    }

    pub(super) fn from_files(chain: &Path, key: &Path) -> io::Result<TlsAcceptor> {
        let chain: Result<Vec<_>, _> = CertificateDer::pem_file_iter(chain)
            .map_err(other)?
            .collect();
        let key = PrivateKeyDer::from_pem_file(key).map_err(other)?;
        acceptor(chain.map_err(other)?, key)
    }

    fn acceptor(
        chain: Vec<CertificateDer<'static>>,
        key: PrivateKeyDer<'static>,
    ) -> io::Result<TlsAcceptor> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config =
            ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
        let mut config = config
            .map_err(other)?
            .with_no_client_auth()
            .with_single_cert(chain, key)
            .map_err(other)?;
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        Ok(TlsAcceptor::from(Arc::new(config)))
    }
}

#[cfg(all(test, feature = "tls"))]
mod tests {
    use super::*;

    #[test]
    fn given_files_are_read_and_wrong_ones_refused() {
        let folder = tempfile::tempdir().unwrap();
        let (chain, key) = (
            folder.path().join("cert.pem"),
            folder.path().join("key.pem"),
        );
        let made = rcgen::generate_simple_self_signed(vec!["demo.microcms.io".into()]).unwrap();
        std::fs::write(&chain, made.cert.pem()).unwrap();
        std::fs::write(&key, made.signing_key.serialize_pem()).unwrap();
        let good = Security::Given {
            chain: chain.clone(),
            key: key.clone(),
        };
        assert!(matches!(good.wire(Vec::new()), Ok(Wire::Tls(_))));
        let swapped = Security::Given {
            chain: key,
            key: chain,
        };
        assert!(swapped.wire(Vec::new()).is_err());
        let missing = Security::Given {
            chain: folder.path().join("no"),
            key: folder.path().join("no"),
        };
        assert!(missing.wire(Vec::new()).is_err());
    }
}
