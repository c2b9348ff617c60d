//! One connection to PostgreSQL for each environment of the function, made again when it broke.

use std::sync::Arc;
use std::time::Duration;

use lambda_runtime::Error;
use rustls::pki_types::{CertificateDer, pem::PemObject};
use rustls::{ClientConfig, RootCertStore};
use tokio::sync::Mutex;
use tokio_postgres::config::{Host, SslMode};
use tokio_postgres::types::ToSql;
use tokio_postgres::{Client, Config};
use tokio_postgres_rustls::MakeRustlsConnect;

use crate::event::Detail;

const UPSERT: &str = include_str!("upsert.sql");

pub(crate) struct Database {
    config: Config,
    tls: MakeRustlsConnect,
    client: Mutex<Option<Client>>,
}

impl Database {
    /// `DATABASE_URL` says where; `CA_FILE` is the PEM file of the authorities that may have signed its certificate.
    pub(crate) fn from_environment() -> Result<Self, Error> {
        // The parser's own error could quote the address, and so the password.
        let mut config: Config =
            std::env::var("DATABASE_URL")?.parse().map_err(|_| "DATABASE_URL is no address of PostgreSQL")?;
        let on_this_machine = config.get_hosts().iter().all(|host| match host {
            Host::Tcp(name) => matches!(name.as_str(), "127.0.0.1" | "localhost"),
            Host::Unix(_) => true,
        });
        // Orders are personal data: they cross a network encrypted, or not at all.
        if !on_this_machine {
            config.ssl_mode(SslMode::Require);
        }
        config.connect_timeout(Duration::from_secs(5)).tcp_user_timeout(Duration::from_secs(5));
        let mut roots = RootCertStore::empty();
        if let Ok(file) = std::env::var("CA_FILE") {
            for certificate in CertificateDer::pem_file_iter(file)? {
                roots.add(certificate?)?;
            }
        }
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let tls = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions()?;
        let tls = MakeRustlsConnect::new(tls.with_root_certificates(roots).with_no_client_auth());
        Ok(Self { config, tls, client: Mutex::new(None) })
    }

    /// Writes an order unless the table has this revision or a newer one. Tells whether it wrote.
    pub(crate) async fn upsert(&self, order: &Detail) -> Result<bool, Error> {
        let body = order.order.as_ref().map(|order| order.get());
        let values: [&(dyn ToSql + Sync); 4] = [&order.connection, &order.revision, &order.recorded_at, &body];
        let mut client = self.client.lock().await;
        // A connection can have died while Lambda kept the environment frozen. To write twice does no harm.
        if let Some(known) = client.as_ref() {
            match known.execute(UPSERT, &values).await {
                Err(error) if error.code().is_none() => *client = None,
                answer => return Ok(answer.map_err(reason)? == 1),
            }
        }
        let (connected, connection) = self.config.connect(self.tls.clone()).await.map_err(reason)?;
        tokio::spawn(connection);
        let written = connected.execute(UPSERT, &values).await.map_err(reason)?;
        *client = Some(connected);
        Ok(written == 1)
    }
}

/// What went wrong, without PostgreSQL's own text: that can quote a value of the order.
fn reason(error: tokio_postgres::Error) -> Error {
    match error.code() {
        Some(code) => format!("PostgreSQL answered SQLSTATE {}", code.code()).into(),
        None => "PostgreSQL cannot be reached, or the connection broke".into(),
    }
}
