//! One connection to a service. Each attempt has its own: a connection that ends says something
//! about one attempt only.

use std::io;
use std::sync::Arc;

use hyper::client::conn::http1::{SendRequest, handshake};
use hyper::rt::{Read, Write};
use hyper_util::rt::TokioIo;
use tokio::net::{TcpStream, UnixStream};
use tokio::task::JoinHandle;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::pki_types::ServerName;
use tokio_rustls::rustls::{ClientConfig, RootCertStore};

use super::call::Body;
use super::target::{Address, Target};

/// An open connection. It is closed when this is dropped, also in the middle of an answer.
pub(super) struct Connection {
    pub(super) requests: SendRequest<Body>,
    driver: JoinHandle<()>,
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.driver.abort();
    }
}

/// Opens a connection.
///
/// # Errors
/// The service cannot be reached.
pub(super) async fn connect(target: &Target, tls: &Tls) -> io::Result<Connection> {
    match &target.address {
        Address::Unix(path) => open(UnixStream::connect(path).await?).await,
        Address::Tcp { host, port, tls: is_tls } => {
            let stream = TcpStream::connect((host.as_str(), *port)).await?;
            stream.set_nodelay(true)?;
            if !is_tls {
                return open(stream).await;
            }
            let name = ServerName::try_from(host.clone()).map_err(io::Error::other)?;
            open(TlsConnector::from(tls.config()?).connect(name, stream).await?).await
        }
    }
}

async fn open<S>(stream: S) -> io::Result<Connection>
where
    TokioIo<S>: Read + Write + Unpin + Send + 'static,
{
    let (requests, connection) = handshake(TokioIo::new(stream)).await.map_err(io::Error::other)?;
    let driver = tokio::spawn(async move {
        // The request or its answer has the error too.
        let _ = connection.await;
    });
    Ok(Connection { requests, driver })
}

/// Whom a worker trusts behind `https`: the certificates of the machine, or those of one file.
#[derive(Debug, Clone, Default)]
pub(crate) struct Tls {
    config: Option<Arc<ClientConfig>>,
}

impl Tls {
    /// The certificates of the machine, or those of this PEM file.
    ///
    /// # Errors
    /// The file cannot be read, or the machine has no certificates.
    pub(crate) fn new(ca_file: Option<&std::path::Path>) -> io::Result<Self> {
        use tokio_rustls::rustls::pki_types::CertificateDer;
        use tokio_rustls::rustls::pki_types::pem::PemObject;

        let mut roots = RootCertStore::empty();
        match ca_file {
            Some(path) => {
                let certs = CertificateDer::pem_file_iter(path).map_err(io::Error::other)?;
                for cert in certs {
                    let cert = cert.map_err(io::Error::other)?;
                    roots.add(cert).map_err(io::Error::other)?;
                }
            }
            None => {
                roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
            }
        }
        if roots.is_empty() {
            return Err(io::Error::other("there are no certificates of authorities to trust"));
        }
        let config = ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
        Ok(Self { config: Some(Arc::new(config)) })
    }

    fn config(&self) -> io::Result<Arc<ClientConfig>> {
        self.config.clone().ok_or_else(|| io::Error::other("there is no TLS configuration"))
    }
}
