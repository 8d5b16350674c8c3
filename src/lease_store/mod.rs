//! The stores of the lease record: a row in PostgreSQL, a key in etcd, a Lease in Kubernetes.
//!
//! Decides how the record is stored and what each failure means. Knows nothing of time or terms: it
//! reads one record, and replaces it if the store still has the version that the caller has seen.

mod codec;
mod etcd;
mod http;
mod kubernetes;
mod postgres_tls;
mod postgresql;
mod tls;

use std::future::Future;
use std::path::Path;
use std::pin::Pin;
use std::sync::Arc;

use secrecy::SecretString;

use crate::config::{LeaderEngine, LeaderSettings};
use crate::election::{LeaseRecord, StoreFault, StoredLease, SwapResult};

pub type StoreFuture<'a, T> = Pin<Box<dyn Future<Output = Result<T, StoreFault>> + Send + 'a>>;

/// Resolves the secret of the store, again at each call: it may have been rotated. Errors with one
/// sentence.
pub type StoreSecret = Arc<
    dyn Fn() -> Pin<Box<dyn Future<Output = Result<SecretString, String>> + Send>> + Send + Sync,
>;

/// The store of one record. Dropping a future abandons the request, which the store may still carry
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

/// The store of these settings. Sends no request; errors if a file is missing or invalid.
pub fn open(
    settings: &LeaderSettings,
    secret: Option<StoreSecret>,
) -> Result<Arc<dyn LeaseStore>, StoreFault> {
    let name = settings.name.clone();
    Ok(match &settings.engine {
        LeaderEngine::PostgreSql(engine) => {
            Arc::new(postgresql::PostgresStore::open(name, engine, secret)?)
        }
        LeaderEngine::Etcd(engine) => Arc::new(etcd::EtcdStore::open(&name, engine, secret)?),
        LeaderEngine::Kubernetes(engine) => {
            Arc::new(kubernetes::KubernetesStore::open(name, engine, secret)?)
        }
    })
}

fn fault(message: impl Into<String>) -> StoreFault {
    StoreFault { message: message.into(), help: "" }
}

fn unreadable(path: &Path, why: impl std::fmt::Display) -> StoreFault {
    fault(format!("cannot read {}: {why}", crate::domain::text::code(path.to_string_lossy())))
}
