//! Each record as a row in PostgreSQL.
//!
//! One statement for each request, unprepared, so that poolers which share connections between
//! transactions can be used.

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use rustls::ClientConfig;
use secrecy::ExposeSecret;
use tokio::sync::Mutex;
use tokio_postgres::config::{Host, SslMode};
use tokio_postgres::error::SqlState;
use tokio_postgres::types::Type;
use tokio_postgres::{Client, Config, Error, NoTls, Row};
use tokio_util::task::AbortOnDropHandle;

use super::postgres_tls::TlsConnect;
use super::{NewRecord, RecordStore, StoreFuture, StoreSecret, StoredText, fault, tls};
use crate::config::PostgresLeader;
use crate::domain::text::innermost;
use crate::election::{StoreFault, SwapResult};

const TABLE: &str = "CREATE TABLE IF NOT EXISTS runnerctl_leader (\
    name text PRIMARY KEY, version bigint NOT NULL, record text NOT NULL)";

const READ: &str = "SELECT version, record FROM runnerctl_leader WHERE name = $1";

const UPDATE: &str = "UPDATE runnerctl_leader SET version = version + 1, record = $2 \
    WHERE name = $1 AND version = $3 RETURNING version";

/// The first version is a time, so that a row that was deleted does not come back with a version that
/// it had before.
const INSERT: &str = "INSERT INTO runnerctl_leader (name, version, record) \
    VALUES ($1, (extract(epoch FROM clock_timestamp()) * 1000000)::bigint, $2) \
    ON CONFLICT (name) DO NOTHING RETURNING version";

/// How the connection shows itself in `pg_stat_activity`.
const APPLICATION: &str = "runnerctl";

pub(super) struct PostgresStore {
    url: StoreSecret,
    tls: Arc<ClientConfig>,
    /// All requests share it. Absent until it is needed, and after a failure: each request begins on a
    /// sound connection.
    connection: Mutex<Option<Arc<Connection>>>,
}

struct Connection {
    client: Client,
    /// A request failed, or was abandoned: it may have been sent to a server that no longer answers.
    is_suspect: AtomicBool,
    _task: AbortOnDropHandle<()>,
}

/// A request under way. Dropped before [`RequestGuard::done`], it makes its connection suspect.
struct RequestGuard<'a>(Option<&'a Connection>);

impl RequestGuard<'_> {
    fn done(mut self) {
        self.0 = None;
    }
}

impl Drop for RequestGuard<'_> {
    fn drop(&mut self) {
        if let Some(connection) = self.0 {
            connection.is_suspect.store(true, Ordering::Relaxed);
        }
    }
}

impl PostgresStore {
    pub(super) fn open(
        settings: &PostgresLeader,
        secret: Option<StoreSecret>,
    ) -> Result<Self, StoreFault> {
        let url = secret.ok_or_else(|| fault("`url` is required"))?;
        let tls = Arc::new(tls::configuration(&settings.tls)?);
        Ok(Self { url, tls, connection: Mutex::default() })
    }

    /// Runs one statement, beside those of other requests. If the future is dropped or the statement
    /// fails, the next request begins on another connection.
    async fn run(
        &self,
        statement: &str,
        parameters: &[(&(dyn tokio_postgres::types::ToSql + Sync), Type)],
    ) -> Result<Vec<Row>, StoreFault> {
        let connection = self.connection().await?;
        let request = RequestGuard(Some(&connection));
        let mut rows = connection.client.query_typed(statement, parameters).await;
        if rows.as_ref().is_err_and(|error| error.code() == Some(&SqlState::UNDEFINED_TABLE)) {
            connection.client.batch_execute(TABLE).await.map_err(|error| refused(&error))?;
            rows = connection.client.query_typed(statement, parameters).await;
        }
        let rows = rows.map_err(|error| refused(&error))?;
        request.done();
        Ok(rows)
    }

    async fn connection(&self) -> Result<Arc<Connection>, StoreFault> {
        let mut kept = self.connection.lock().await;
        let is_sound = |kept: &&Arc<Connection>| {
            !kept.client.is_closed() && !kept.is_suspect.load(Ordering::Relaxed)
        };
        if let Some(sound) = kept.as_ref().filter(is_sound) {
            return Ok(Arc::clone(sound));
        }
        let fresh = Arc::new(self.connect().await?);
        *kept = Some(Arc::clone(&fresh));
        Ok(fresh)
    }

    async fn connect(&self) -> Result<Connection, StoreFault> {
        let url = (self.url)().await.map_err(fault)?;
        // The parser's error could quote a part of the password.
        let mut config: Config = url.expose_secret().parse().map_err(|_| StoreFault {
            help: "the secret is to be `postgresql://USER:PASSWORD@HOST:PORT/DATABASE`",
            ..fault("the secret of `watch.leader.postgresql.url` is not a URL of PostgreSQL")
        })?;
        config.application_name(APPLICATION);
        if config.get_hosts().iter().all(is_local) {
            if config.get_ssl_mode() != SslMode::Require {
                let connected = config.connect(NoTls).await.map_err(|error| refused(&error))?;
                return Ok(Connection::of(connected.0, connected.1));
            }
        } else {
            config.ssl_mode(SslMode::Require);
        }
        let connector = TlsConnect(Arc::clone(&self.tls));
        let connected = config.connect(connector).await.map_err(|error| refused(&error))?;
        Ok(Connection::of(connected.0, connected.1))
    }
}

impl Connection {
    fn of(
        client: Client,
        connection: impl Future<Output = Result<(), Error>> + Send + 'static,
    ) -> Self {
        // Its error also ends the request that waits for it.
        let task = tokio::spawn(async move { drop(connection.await) });
        let is_suspect = AtomicBool::new(false);
        Self { client, is_suspect, _task: AbortOnDropHandle::new(task) }
    }
}

/// Whether a host is this machine; any other is only talked to over TLS.
fn is_local(host: &Host) -> bool {
    match host {
        Host::Tcp(name) => {
            name == "localhost" || name.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
        }
        Host::Unix(_) => true,
    }
}

/// A failure in PostgreSQL's own words, which contain no secret.
fn refused(error: &Error) -> StoreFault {
    let help = match error.code() {
        Some(code) if *code == SqlState::INSUFFICIENT_PRIVILEGE => {
            "grant the user SELECT, INSERT and UPDATE on the table `runnerctl_leader`, and create it \
             or grant CREATE on its schema"
        }
        Some(code) if *code == SqlState::READ_ONLY_SQL_TRANSACTION => {
            "add `target_session_attrs=read-write` to the URL, so that a replica is not used"
        }
        Some(_) | None => "",
    };
    StoreFault { help, ..fault(format!("PostgreSQL: {}", innermost(error))) }
}

fn version(row: &Row) -> Result<String, StoreFault> {
    row.try_get::<_, i64>(0).map(|version| version.to_string()).map_err(|error| refused(&error))
}

impl RecordStore for PostgresStore {
    fn read<'a>(&'a self, name: &'a str) -> StoreFuture<'a, Option<StoredText>> {
        Box::pin(async move {
            let rows = self.run(READ, &[(&name, Type::TEXT)]).await?;
            let Some(row) = rows.first() else { return Ok(None) };
            let text = row.try_get(1).map_err(|error| refused(&error))?;
            Ok(Some(StoredText { text, version: version(row)? }))
        })
    }

    fn swap<'a>(
        &'a self,
        name: &'a str,
        expected: Option<&'a str>,
        record: NewRecord,
    ) -> StoreFuture<'a, SwapResult> {
        Box::pin(async move {
            let record = record.text;
            let rows = match expected {
                None => self.run(INSERT, &[(&name, Type::TEXT), (&record, Type::TEXT)]).await?,
                Some(expected) => {
                    let Ok(expected) = expected.parse::<i64>() else {
                        return Ok(SwapResult::Conflict);
                    };
                    let parameters: [(&(dyn tokio_postgres::types::ToSql + Sync), Type); 3] =
                        [(&name, Type::TEXT), (&record, Type::TEXT), (&expected, Type::INT8)];
                    self.run(UPDATE, &parameters).await?
                }
            };
            rows.first().map_or(Ok(SwapResult::Conflict), |row| version(row).map(SwapResult::Done))
        })
    }

    fn describe(&self, name: &str) -> String {
        format!("the row `{name}` in PostgreSQL")
    }
}
