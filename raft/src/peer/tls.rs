//! Encryption between members, where it is configured.
//!
//! Both ends of a connection show a certificate that the cluster's authority has signed, and the dialler looks whether the other's is
//! for the host that was called. The greeting follows inside: that somebody knows the secret is proven with or without it. Only
//! TLS 1.3 is spoken; members are of our own making, so there is nobody to be polite to.

use std::fmt;
use std::io;
use std::sync::Arc;

use tokio::net::TcpStream;
use tokio_rustls::rustls;
use tokio_rustls::rustls::client::WebPkiServerVerifier;
use tokio_rustls::rustls::crypto::{CryptoProvider, aws_lc_rs};
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use tokio_rustls::rustls::server::WebPkiClientVerifier;
use tokio_rustls::rustls::version::TLS13;
use tokio_rustls::rustls::{ClientConfig, RootCertStore, ServerConfig};
use tokio_rustls::{TlsAcceptor, TlsConnector, TlsStream};

/// A node's certificate, its key, and whom it believes.
#[derive(Clone)]
pub struct Tls {
    acceptor: TlsAcceptor,
    connector: TlsConnector,
}

/// What is wrong with a certificate, a key or an authority.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NoTls {
    /// The certificate cannot be used.
    #[error("{0}")]
    Certificate(String),
    /// The key cannot be used, or belongs to another certificate.
    #[error("{0}")]
    Key(String),
    /// The authority cannot be used.
    #[error("{0}")]
    Authority(String),
}

impl Tls {
    /// From texts in PEM: the node's certificate with whatever stands between it and the authority, its key, and the certificate
    /// of the authority (or of several, while one follows another).
    ///
    /// # Errors
    /// What cannot be read, and that a key belongs to another certificate. Whether the authority has signed the certificate is
    /// for the others to say.
    pub fn from_pem(certificate: &[u8], key: &[u8], authority: &[u8]) -> Result<Tls, NoTls> {
        let chain = certificates(certificate).map_err(NoTls::Certificate)?;
        let key = PrivateKeyDer::from_pem_slice(key)
            .map_err(|why| NoTls::Key(format!("there is no private key in PEM in it: {why}")))?;
        let roots = Arc::new(roots(authority).map_err(NoTls::Authority)?);
        let provider = Arc::new(aws_lc_rs::default_provider());
        let signed = |why: tokio_rustls::rustls::Error| {
            NoTls::Key(format!("it cannot be used with this certificate: {why}"))
        };
        let server = server(provider.clone(), roots.clone())?
            .with_single_cert(chain.clone(), key.clone_key())
            .map_err(signed)?;
        let client = client(provider, roots)?.with_client_auth_cert(chain, key).map_err(signed)?;
        let (server, client) = (Arc::new(server), Arc::new(client));
        Ok(Tls { acceptor: TlsAcceptor::from(server), connector: TlsConnector::from(client) })
    }

    /// The listener's side.
    pub(super) async fn accept(&self, stream: TcpStream) -> io::Result<TlsStream<TcpStream>> {
        self.acceptor.accept(stream).await.map(TlsStream::from)
    }

    /// The dialler's side; `address` is `HOST:PORT`.
    pub(super) async fn connect(
        &self,
        address: &str,
        stream: TcpStream,
    ) -> io::Result<TlsStream<TcpStream>> {
        let host = address.rsplit_once(':').map_or(address, |(host, _)| host);
        let host = host.trim_start_matches('[').trim_end_matches(']');
        let name = ServerName::try_from(host.to_owned()).map_err(io::Error::other)?;
        let met = self.connector.connect(name, stream).await;
        met.map(TlsStream::from).map_err(|why| {
            let told = match why.kind() {
                io::ErrorKind::UnexpectedEof | io::ErrorKind::ConnectionReset => {
                    "it closed the connection; if it runs without TLS, give all nodes peer.tls_cert, peer.tls_key and peer.tls_ca".to_owned()
                }
                _ => why.to_string(),
            };
            io::Error::new(why.kind(), format!("no TLS with {host}: {told}"))
        })
    }
}

/// Whether a connection failed because of what somebody has configured, and not because whoever is there is no peer at all.
pub(super) fn is_mistake(why: &io::Error) -> bool {
    let refused = |fault: &rustls::Error| {
        use rustls::Error as Of;
        matches!(
            fault,
            Of::InvalidCertificate(_) | Of::NoCertificatesPresented | Of::AlertReceived(_)
        )
    };
    let fault = why.get_ref().and_then(|fault| fault.downcast_ref::<rustls::Error>());
    why.kind() == io::ErrorKind::Unsupported || fault.is_some_and(refused)
}

/// In words what went wrong after the keys were agreed on: that the other side refuses this node's certificate shows only then.
pub(super) fn explained(why: io::Error) -> io::Error {
    let fault = why.get_ref().and_then(|fault| fault.downcast_ref::<rustls::Error>());
    match fault {
        Some(rustls::Error::AlertReceived(alert)) => io::Error::new(
            why.kind(),
            format!(
                "it does not accept this node's certificate ({alert:?}): its peer.tls_ca has to know who signed peer.tls_cert here"
            ),
        ),
        _ => why,
    }
}

impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Tls(…)")
    }
}

type ServerBuilder = tokio_rustls::rustls::ConfigBuilder<
    ServerConfig,
    tokio_rustls::rustls::server::WantsServerCert,
>;
type ClientBuilder = tokio_rustls::rustls::ConfigBuilder<
    ClientConfig,
    tokio_rustls::rustls::client::WantsClientCert,
>;

/// Whoever comes shows a certificate of the authority.
fn server(
    provider: Arc<CryptoProvider>,
    roots: Arc<RootCertStore>,
) -> Result<ServerBuilder, NoTls> {
    let guard = WebPkiClientVerifier::builder_with_provider(roots, provider.clone()).build();
    let guard = guard.map_err(|why| NoTls::Authority(why.to_string()))?;
    let builder = ServerConfig::builder_with_provider(provider);
    let builder = builder.with_protocol_versions(&[&TLS13]);
    let builder = builder.map_err(|why| NoTls::Certificate(why.to_string()))?;
    Ok(builder.with_client_cert_verifier(guard))
}

/// Whoever is called shows one for the host that was called.
fn client(
    provider: Arc<CryptoProvider>,
    roots: Arc<RootCertStore>,
) -> Result<ClientBuilder, NoTls> {
    let guard = WebPkiServerVerifier::builder_with_provider(roots, provider.clone()).build();
    let guard = guard.map_err(|why| NoTls::Authority(why.to_string()))?;
    let builder = ClientConfig::builder_with_provider(provider);
    let builder = builder.with_protocol_versions(&[&TLS13]);
    let builder = builder.map_err(|why| NoTls::Certificate(why.to_string()))?;
    Ok(builder.with_webpki_verifier(guard))
}

fn certificates(pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, String> {
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
    match found {
        Ok(found) if found.is_empty() => Err("there is no certificate in PEM in it".to_owned()),
        Ok(found) => Ok(found),
        Err(why) => Err(format!("it is no certificate in PEM: {why}")),
    }
}

fn roots(pem: &[u8]) -> Result<RootCertStore, String> {
    let mut roots = RootCertStore::empty();
    for certificate in certificates(pem)? {
        roots.add(certificate).map_err(|why| format!("it is no authority: {why}"))?;
    }
    Ok(roots)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_wrong_is_said_of_the_right_file() {
        let none = b"nothing of the kind";
        let wrong = Tls::from_pem(none, none, none).expect_err("it is refused");
        assert!(matches!(&wrong, NoTls::Certificate(why) if why.contains("no certificate in PEM")));
    }
}
