//! The settings of `watch.leader`: the store of the lease by which one of several `watch` leads.

use std::path::PathBuf;

use super::settings::TlsFiles;
use crate::domain::secret::SecretRef;

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LeaderSettings {
    /// The name of the lease; `runnerctl-FLEET` by default.
    pub name: String,
    pub engine: LeaderEngine,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LeaderEngine {
    PostgreSql(PostgresLeader),
    Etcd(EtcdLeader),
    Kubernetes(KubernetesLeader),
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PostgresLeader {
    /// `postgresql://USER:PASSWORD@HOST:PORT/DATABASE`.
    pub url: SecretRef,
    pub tls: TlsFiles,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EtcdLeader {
    /// The URLs of the cluster's members, at least one.
    pub endpoints: Vec<String>,
    pub user: Option<EtcdUser>,
    pub tls: TlsFiles,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EtcdUser {
    pub name: String,
    pub password: SecretRef,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KubernetesLeader {
    /// `None` for the pod's own.
    pub namespace: Option<String>,
    /// `None` for the cluster that runs this pod, with its service account.
    pub server: Option<KubernetesServer>,
    /// The CA of the server; the pod's own without a server, else the system's.
    pub ca: Option<PathBuf>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KubernetesServer {
    pub url: String,
    pub token: SecretRef,
}

impl LeaderSettings {
    /// The secret of the store, if it has one.
    pub fn secret(&self) -> Option<&SecretRef> {
        match &self.engine {
            LeaderEngine::PostgreSql(engine) => Some(&engine.url),
            LeaderEngine::Etcd(engine) => engine.user.as_ref().map(|user| &user.password),
            LeaderEngine::Kubernetes(engine) => engine.server.as_ref().map(|server| &server.token),
        }
    }
}
