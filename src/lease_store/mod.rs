//! The stores of the lease record: a row in PostgreSQL, a key in etcd, a Lease in Kubernetes.
//!
//! Decides how a record is stored and what each failure means. Knows nothing of time or terms: it
//! reads a record, and replaces it if the store still has the version that the caller has seen.

mod codec;
mod etcd;
mod http;
mod kept_token;
mod kubernetes;
mod postgres_tls;
mod postgresql;
mod tls;

use std::future::Future;
use std::path::Path;
use std::pin::Pin;
use std::sync::Arc;

use jiff::Timestamp;
use secrecy::SecretString;

use crate::config::{LeaderEngine, LeaderSettings};
use crate::election::{
    LeaseRecord, MembersRecord, StoreFault, StoredLease, StoredMembers, SwapResult,
};

pub type StoreFuture<'a, T> = Pin<Box<dyn Future<Output = Result<T, StoreFault>> + Send + 'a>>;

/// Resolves the secret of the store, again at each call: it may have been rotated. Errors with one
/// sentence.
pub type StoreSecret = Arc<
    dyn Fn() -> Pin<Box<dyn Future<Output = Result<SecretString, String>> + Send>> + Send + Sync,
>;

/// The store of one lease. Dropping a future abandons the request, which the store may still carry
/// out.
pub trait LeaseStore: Send + Sync {
    /// The record, if there is one; never an older one than the last that was written.
    fn read(&self) -> StoreFuture<'_, Option<StoredLease>>;

    /// Writes `record` if the store still has version `expected`; `None`: if it has no record.
    fn swap<'a>(
        &'a self,
        expected: Option<&'a str>,
        record: &'a LeaseRecord,
    ) -> StoreFuture<'a, SwapResult>;

    /// What and where it is, in a few words, without secrets.
    fn describe(&self) -> String;
}

/// The store of the record of all processes.
pub trait MembersStore: Send + Sync {
    /// See [`LeaseStore::read`].
    fn read(&self) -> StoreFuture<'_, Option<StoredMembers>>;

    /// See [`LeaseStore::swap`].
    fn swap<'a>(
        &'a self,
        expected: Option<&'a str>,
        record: &'a MembersRecord,
    ) -> StoreFuture<'a, SwapResult>;
}

/// A record as text, with the store's version of it.
struct StoredText {
    text: String,
    version: String,
}

/// A record to be written.
#[derive(Debug)]
struct NewRecord {
    text: String,
    /// What `kubectl get lease` shows.
    shown: ShownLease,
}

#[derive(Debug)]
struct ShownLease {
    holder: String,
    term: u64,
    since: Option<Timestamp>,
    written_at: Option<Timestamp>,
}

/// A store of records by their names. Its requests share connections.
trait RecordStore: Send + Sync {
    fn read<'a>(&'a self, name: &'a str) -> StoreFuture<'a, Option<StoredText>>;

    fn swap<'a>(
        &'a self,
        name: &'a str,
        expected: Option<&'a str>,
        record: NewRecord,
    ) -> StoreFuture<'a, SwapResult>;

    fn describe(&self, name: &str) -> String;
}

/// The stores of any number of leases in one engine, which share connections.
#[derive(Clone)]
pub struct LeaseStores(Arc<dyn RecordStore>);

impl LeaseStores {
    /// The stores in the engine of these settings. Sends no request; errors if a file is missing or
    /// invalid.
    pub fn open(
        settings: &LeaderSettings,
        secret: Option<StoreSecret>,
    ) -> Result<Self, StoreFault> {
        Ok(Self(match &settings.engine {
            LeaderEngine::PostgreSql(engine) => {
                Arc::new(postgresql::PostgresStore::open(engine, secret)?)
            }
            LeaderEngine::Etcd(engine) => Arc::new(etcd::EtcdStore::open(engine, secret)?),
            LeaderEngine::Kubernetes(engine) => {
                Arc::new(kubernetes::KubernetesStore::open(engine, secret)?)
            }
        }))
    }

    /// The store of the lease of this name.
    pub fn lease(&self, name: String) -> Arc<dyn LeaseStore> {
        Arc::new(NamedRecord { store: Arc::clone(&self.0), name })
    }

    /// The store of the record of all processes of this name.
    pub fn members(&self, name: String) -> Arc<dyn MembersStore> {
        Arc::new(NamedRecord { store: Arc::clone(&self.0), name })
    }
}

/// One record of a store.
struct NamedRecord {
    store: Arc<dyn RecordStore>,
    name: String,
}

impl LeaseStore for NamedRecord {
    fn read(&self) -> StoreFuture<'_, Option<StoredLease>> {
        Box::pin(async move {
            let Some(stored) = self.store.read(&self.name).await? else { return Ok(None) };
            let record = codec::decode(&stored.text)?;
            Ok(Some(StoredLease { record, version: stored.version }))
        })
    }

    fn swap<'a>(
        &'a self,
        expected: Option<&'a str>,
        record: &'a LeaseRecord,
    ) -> StoreFuture<'a, SwapResult> {
        let shown = ShownLease {
            holder: record.holder.clone(),
            term: record.term,
            since: Some(record.since),
            written_at: Some(record.written_at),
        };
        let record = NewRecord { text: codec::encode(record), shown };
        self.store.swap(&self.name, expected, record)
    }

    fn describe(&self) -> String {
        self.store.describe(&self.name)
    }
}

impl MembersStore for NamedRecord {
    fn read(&self) -> StoreFuture<'_, Option<StoredMembers>> {
        Box::pin(async move {
            let Some(stored) = self.store.read(&self.name).await? else { return Ok(None) };
            let record = codec::decode_members(&stored.text)?;
            Ok(Some(StoredMembers { record, version: stored.version }))
        })
    }

    fn swap<'a>(
        &'a self,
        expected: Option<&'a str>,
        record: &'a MembersRecord,
    ) -> StoreFuture<'a, SwapResult> {
        let shown = ShownLease { holder: String::new(), term: 0, since: None, written_at: None };
        let record = NewRecord { text: codec::encode_members(record), shown };
        self.store.swap(&self.name, expected, record)
    }
}

fn fault(message: impl Into<String>) -> StoreFault {
    StoreFault { message: message.into(), help: "" }
}

fn unreadable(path: &Path, why: impl std::fmt::Display) -> StoreFault {
    fault(format!("cannot read {}: {why}", crate::domain::text::code(path.to_string_lossy())))
}
