//! Reads `watch.leader`.

use super::{Mapping, SettingsReader};
use crate::config::leader::{
    EtcdLeader, EtcdUser, KubernetesLeader, KubernetesServer, LeaderEngine, LeaderSettings,
    PostgresLeader,
};
use crate::config::settings::TlsFiles;

impl SettingsReader<'_> {
    /// The name of the fleet in `file` is part of the default name.
    pub(super) fn leader(&self, mapping: &Mapping, file: &Mapping) -> Option<LeaderSettings> {
        let (engine, keys) = if let Some(keys) = mapping.mapping("postgresql") {
            let (url, tls) = (self.reference(keys, "url")?, self.tls(keys));
            (LeaderEngine::PostgreSql(PostgresLeader { url, tls }), keys)
        } else if let Some(keys) = mapping.mapping("etcd") {
            let user = keys.text("username").zip(self.reference(keys, "password"));
            let user = user.map(|(name, password)| EtcdUser { name, password });
            let endpoints = keys.texts("endpoints")?;
            (LeaderEngine::Etcd(EtcdLeader { endpoints, user, tls: self.tls(keys) }), keys)
        } else {
            let keys = mapping.mapping("kubernetes")?;
            let server = keys.text("server").zip(self.reference(keys, "token"));
            let engine = KubernetesLeader {
                namespace: keys.text("namespace"),
                server: server.map(|(url, token)| KubernetesServer { url, token }),
                ca: self.path(keys, "ca"),
            };
            (LeaderEngine::Kubernetes(engine), keys)
        };
        let usual = || Some(format!("runnerctl-{}", file.text("fleet")?));
        Some(LeaderSettings { name: keys.text("name").or_else(usual)?, engine })
    }

    fn tls(&self, keys: &Mapping) -> TlsFiles {
        let files = |tls| TlsFiles { ca: self.path(tls, "ca"), client: self.cert(tls) };
        keys.mapping("tls").map(files).unwrap_or_default()
    }
}
