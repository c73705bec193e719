//! One connection: encrypted as `sslmode` says, in a transaction that only reads, and ended on the server when it is dropped here.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use phlo_plugin::prelude::*;
use phlo_spec::Redactor;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};
use tokio::task::JoinSet;
use tokio_postgres::tls::MakeTlsConnect;
use tokio_postgres::{CancelToken, Client, NoTls, SimpleQueryMessage, Socket};
use tokio_postgres_rustls::MakeRustlsConnect;
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::config::{PostgresConfig, SslMode, Target};
use crate::error::{Teller, Within};

/// Ending a connection takes no longer than this.
const FAREWELL: Duration = Duration::from_secs(5);

/// How to connect to one database, as often as needed.
pub(crate) struct Connector {
    target: Target,
    tls: Option<MakeRustlsConnect>,
    settings: String,
    pub(crate) teller: Teller,
    pub(crate) cancel: CancellationToken,
}

impl Connector {
    pub(crate) fn new(config: &PostgresConfig, context: &SourceContext) -> Result<Self> {
        let target = config.target()?;
        let redactor = Redactor::default();
        for secret in config.secrets() {
            redactor.add(&secret);
            context.redactor.add(&secret);
        }
        let tls = match target.sslmode {
            SslMode::Disable => None,
            mode => Some(MakeRustlsConnect::new(tls(mode, config.ssl_root_cert.as_deref(), context)?)),
        };
        // The texts of values must not depend on how the server or the user is set up.
        let mut settings = "SET LOCAL TimeZone = 'UTC'; SET LOCAL DateStyle = 'ISO, YMD'; \
                            SET LOCAL IntervalStyle = 'postgres'; SET LOCAL bytea_output = 'hex'; \
                            SET LOCAL extra_float_digits = 1; SET LOCAL standard_conforming_strings = on"
            .to_owned();
        if let Some(timeout) = config.statement_timeout {
            settings += &format!("; SET LOCAL statement_timeout = {}", timeout.0.as_millis());
        }
        let user = target.config.get_user().unwrap_or_default().to_owned();
        let teller = Teller { database: target.shown.clone(), user, redactor };
        Ok(Self { target, tls, settings, teller, cancel: context.cancel.clone() })
    }

    /// For people: `postgresql://host:port/database`.
    pub(crate) fn shown(&self) -> &str {
        &self.target.shown
    }

    /// A connection in a transaction that only reads: one state of the database, that of the `snapshot` if there is one.
    pub(crate) async fn connect(&self, snapshot: Option<&str>) -> Result<Session> {
        let session = match &self.tls {
            None => self.open(NoTls).await?,
            Some(tls) => self.open(tls.clone()).await?,
        };
        let mut begin = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; ".to_owned();
        if let Some(snapshot) = snapshot {
            begin += &format!("SET TRANSACTION SNAPSHOT {}; ", crate::plan::literal(snapshot));
        }
        begin += &self.settings;
        session.told(session.client.batch_execute(&begin).await)?;
        Ok(session)
    }

    /// The work's result, unless the run is interrupted before.
    pub(crate) async fn unless_cancelled<T>(&self, work: impl Future<Output = Result<T>>) -> Result<T> {
        tokio::select! {
            () = self.cancel.cancelled() => Err(interrupted()),
            done = work => done,
        }
    }

    async fn open<T>(&self, tls: T) -> Result<Session>
    where
        T: MakeTlsConnect<Socket> + Clone + Send + 'static,
        T::Stream: Send + 'static,
        T::TlsConnect: Send + 'static,
        <T::TlsConnect as tokio_postgres::tls::TlsConnect<Socket>>::Future: Send,
    {
        let (client, connection) =
            self.target.config.connect(tls.clone()).await.map_err(|err| self.teller.tell(&err, None))?;
        let version = connection.parameter("server_version").and_then(|it| it.split('.').next()?.parse().ok());
        let (ended, busy) = (CancellationToken::new(), Arc::new(AtomicBool::new(false)));
        let (guard, cancel) = (ended.clone().drop_guard(), client.cancel_token());
        let mut task = JoinSet::new();
        task.spawn({
            let busy = busy.clone();
            async move {
                tokio::pin!(connection);
                tokio::select! {
                    _ = &mut connection => return,
                    () = ended.cancelled() => {}
                }
                // A statement that nobody waits for any more would run on until it writes.
                let farewell = async {
                    if busy.load(Ordering::Acquire) {
                        let _ = cancel.cancel_query(tls).await;
                    } else {
                        let _ = connection.await;
                    }
                };
                let _ = tokio::time::timeout(FAREWELL, farewell).await;
            }
        });
        // It must outlive the session by its farewell, and ends itself after that.
        task.detach_all();
        Ok(Session {
            cancel: client.cancel_token(),
            client,
            version: version.unwrap_or(0),
            busy,
            teller: self.teller.clone(),
            _guard: guard,
        })
    }

    /// Ends what a session runs, and waits until the server has heard of it.
    pub(crate) async fn stop(&self, session: Session) {
        let stop = async {
            let _ = match &self.tls {
                None => session.cancel.cancel_query(NoTls).await,
                Some(tls) => session.cancel.cancel_query(tls.clone()).await,
            };
        };
        let _ = tokio::time::timeout(FAREWELL, stop).await;
    }
}

pub(crate) fn interrupted() -> Error {
    Error::new(Code::Interrupted, "interrupted")
}

/// A connection. Dropped, it ends on the server too, with the statement that runs there.
pub(crate) struct Session {
    pub(crate) client: Client,
    /// The server's major version; 0 if it does not say.
    pub(crate) version: u32,
    cancel: CancelToken,
    busy: Arc<AtomicBool>,
    teller: Teller,
    _guard: DropGuard,
}

impl Session {
    /// The database, for people.
    pub(crate) fn database(&self) -> &str {
        &self.teller.database
    }

    /// Says whether a statement runs that must be ended with the session.
    pub(crate) fn set_busy(&self, busy: bool) {
        self.busy.store(busy, Ordering::Release);
    }

    /// The driver's result as ours.
    pub(crate) fn told<T>(&self, result: std::result::Result<T, tokio_postgres::Error>) -> Result<T> {
        result.map_err(|err| self.teller.tell(&err, None))
    }

    /// The same for SQL that a user's query is within.
    pub(crate) fn told_within<T>(
        &self,
        result: std::result::Result<T, tokio_postgres::Error>,
        within: Option<Within<'_>>,
    ) -> Result<T> {
        result.map_err(|err| self.teller.tell(&err, within))
    }

    /// The values of the rows that a statement answers, as texts.
    pub(crate) async fn texts(&self, sql: &str) -> Result<Vec<Vec<Option<String>>>> {
        // It may take as long as a reading.
        self.set_busy(true);
        let answer = self.client.simple_query(sql).await;
        self.set_busy(false);
        let rows = self.told(answer)?.into_iter().filter_map(|message| match message {
            SimpleQueryMessage::Row(row) => Some((0..row.len()).map(|at| row.get(at).map(str::to_owned)).collect()),
            _ => None,
        });
        Ok(rows.collect())
    }
}

/// How rustls is to verify, with the provider that phlo's HTTP client uses too.
fn tls(mode: SslMode, root: Option<&str>, context: &SourceContext) -> Result<ClientConfig> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider.clone())
        .with_safe_default_protocol_versions()
        .map_err(|err| Error::internal("TLS cannot be set up").because(err))?;
    if mode != SslMode::VerifyFull {
        let unverified = Arc::new(Unverified(provider));
        return Ok(builder.dangerous().with_custom_certificate_verifier(unverified).with_no_client_auth());
    }
    let mut roots = RootCertStore::empty();
    match root {
        Some(file) => {
            let unreadable = |why: String| {
                Error::new(Code::UnreadableFile, format!("`ssl_root_cert`: {why}"))
                    .with("file", file)
                    .hint("name a file of certificates in the PEM format, relative to the project")
            };
            let certificates = CertificateDer::pem_file_iter(context.root.join(file))
                .and_then(Iterator::collect::<std::result::Result<Vec<_>, _>>)
                .map_err(|err| unreadable(err.to_string()))?;
            let (added, _) = roots.add_parsable_certificates(certificates);
            if added == 0 {
                return Err(unreadable("there is no certificate in it".to_owned()));
            }
        }
        None => {
            let found = rustls_native_certs::load_native_certs();
            if roots.add_parsable_certificates(found.certs).0 == 0 {
                return Err(Error::new(
                    Code::ConnectionFailed,
                    "this machine has no certificates to verify the server with",
                )
                .hint("install them (Debian: `ca-certificates`), or name the server's authority in `ssl_root_cert`"));
            }
        }
    }
    Ok(builder.with_root_certificates(roots).with_no_client_auth())
}

/// Takes any certificate, for the modes that encrypt and do not verify. That the server has the certificate's key is checked.
#[derive(Debug)]
struct Unverified(Arc<CryptoProvider>);

impl ServerCertVerifier for Unverified {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> std::result::Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> std::result::Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, certificate, signed, &self.0.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> std::result::Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, certificate, signed, &self.0.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
