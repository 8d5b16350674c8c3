//! Reads `garm` and `garms`, and derives the settings that each GARM has for itself.

use std::collections::HashMap;

use super::{
    Code, Diagnostic, Diagnostics, GarmSettings, Mapping, SettingsReader, Value, host_ports,
};
use crate::config::settings::{TlsFiles, WatchSettings};
use crate::config::text_rules::LEASE_NAME_MAX;
use crate::domain::name::GarmName;

impl SettingsReader<'_> {
    /// The GARM of `garm`; with `garms`, those by their names, and that of `garm` as `default`.
    pub(super) fn garms(&self, file: &Mapping, diagnostics: &mut Diagnostics) -> Vec<GarmSettings> {
        let single = file.mapping("garm").and_then(|garm| self.garm(garm));
        let Some(Value::Named(named, _)) = file.value("garms") else {
            return single.into_iter().collect();
        };
        long_lease_name(file, diagnostics);
        same_garm(file, diagnostics);
        let usual = GarmName::default_name();
        let mut garms: Vec<GarmSettings> = single
            .map(|garm| GarmSettings { name: Some(usual.clone()), ..garm })
            .into_iter()
            .collect();
        for (name, at, item) in named {
            if let (Some(first), true) = (file.key_at("garm"), name == usual.as_str()) {
                let message = "two GARMs are named `default`: `garm` is, too";
                let diagnostic = Diagnostic::error(Code::DuplicateName, *at, message);
                diagnostics.report(diagnostic.context(first, "first here").help("rename this one"));
                continue;
            }
            let Value::Mapping(fields) = &item.value else { continue };
            let garm = GarmName::new(name).ok().zip(self.garm(fields));
            garms.extend(garm.map(|(name, garm)| GarmSettings { name: Some(name), ..garm }));
        }
        garms.sort_by(|one, other| one.name.cmp(&other.name));
        garms
    }

    /// The settings of one GARM, without its name.
    fn garm(&self, mapping: &Mapping) -> Option<GarmSettings> {
        let tls = mapping.mapping("tls");
        Some(GarmSettings {
            name: None,
            url: mapping.text("url")?,
            insecure_http: mapping.flag("insecure_http").unwrap_or(false),
            username: mapping.text("username").unwrap_or_else(|| "admin".to_owned()),
            password: self.reference(mapping, "password")?,
            tls: tls.map(|tls| TlsFiles { ca: self.path(tls, "ca"), client: self.cert(tls) }),
            backend: host_ports(mapping, "backend"),
            probe_runner_cert: mapping
                .mapping("probe_runner_cert")
                .and_then(|cert| self.cert(cert)),
            crls: mapping
                .texts("crls")
                .unwrap_or_default()
                .iter()
                .map(|path| self.folder.join(path))
                .collect(),
        })
    }
}

impl WatchSettings {
    /// The settings for one of several GARMs: each has its own audit log, file of anchors and lease.
    pub(super) fn for_garm(&self, garm: Option<&GarmName>) -> Self {
        let Some(garm) = garm else { return self.clone() };
        let mut own = self.clone();
        let anchors = own.audit_anchor.as_mut().and_then(|anchor| anchor.file.as_mut());
        for path in own.audit.as_mut().into_iter().chain(anchors) {
            *path = garm.in_file_name(path);
        }
        if let Some(leader) = &mut own.leader {
            leader.name = format!("{}-{garm}", leader.name);
        }
        own
    }
}

/// Reports GARMs with the same URL: `apply` at one name would delete the pools of the other.
fn same_garm(file: &Mapping, diagnostics: &mut Diagnostics) {
    let Some(Value::Named(named, _)) = file.value("garms") else { return };
    let single = file.mapping("garm").and_then(|garm| garm.get("url"));
    let named = named.iter().filter_map(|(_, _, item)| match &item.value {
        Value::Mapping(fields) => fields.get("url"),
        _ => None,
    });
    let mut seen = HashMap::new();
    for url in single.into_iter().chain(named) {
        let Some(text) = url.text() else { continue };
        if let Some(first) = seen.insert(text.to_lowercase(), url.at) {
            let diagnostic =
                Diagnostic::error(Code::SameGarm, url.at, "two GARMs have the same URL");
            diagnostics.report(
                diagnostic
                    .context(first, "first here")
                    .help("name each GARM once, or correct the URL"),
            );
        }
    }
}

/// Reports the name of a lease that is too long with the longest name of a GARM appended.
fn long_lease_name(file: &Mapping, diagnostics: &mut Diagnostics) {
    let Some(leader) = file.mapping("watch").and_then(|watch| watch.mapping("leader")) else {
        return;
    };
    let engines = leader.iter().filter_map(|(key, _)| leader.mapping(key));
    for name in engines.filter_map(|engine| engine.get("name")) {
        let own = name.text().unwrap_or_default();
        let Some(Value::Named(garms, _)) = file.value("garms") else { return };
        let Some((garm, _, _)) = garms.iter().max_by_key(|garm| garm.0.len()) else { return };
        if own.len() + 1 + garm.len() <= LEASE_NAME_MAX {
            continue;
        }
        let message = format!(
            "the lease of the GARM `{garm}` would be named `{own}-{garm}`, which is too long"
        );
        let room = LEASE_NAME_MAX - 1 - garm.len();
        let diagnostic = Diagnostic::error(Code::LongLeaseName, name.at, message);
        diagnostics.report(diagnostic.help(format!("use at most {room} characters")));
    }
}
