//! Converts the decoded fleet file to typed settings and checks that they agree.

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::alert_series::AlertSeries;
use super::diagnostic_code::Code;
use super::diagnostics::{Diagnostic, Diagnostics, FileSpan};
use super::settings::{
    AlertRule, AuditAnchor, CertFiles, CredentialSettings, FleetFile, GarmSettings, HostPort,
    ListenerTls, NetworkRule, PolicySettings, Receiver, ReceiverKind, RunnerCertificate,
    RunnerMtls, Threshold, TlsFiles, WatchSettings, WebhookUrl,
};
use super::suggest;
use super::value::{LocatedValue, Mapping, Value};
use crate::domain::desired::ControllerSettings;
use crate::domain::name::FleetName;
use crate::domain::secret::SecretRef;
use crate::domain::text::quote;

/// The settings of a fleet file. Returns `None` if a vital part is missing or broken, which has
/// been reported then.
pub(super) fn settings(
    record: &Mapping,
    path: &str,
    diagnostics: &mut Diagnostics,
) -> Option<FleetFile> {
    let folder = Path::new(path).parent().unwrap_or(Path::new(""));
    let reader = SettingsReader { folder };
    let receivers = receivers(&reader, record);
    let alerts = alerts(record, &receivers, diagnostics);
    let credentials = credentials(&reader, record, diagnostics);
    let watch = record.record("watch").map(|it| reader.watch(it));
    anchor_goes_somewhere(record, diagnostics);
    if let Some(at) = record.key_at("watch").filter(|_| !has_receiver(record)) {
        let draft =
            Diagnostic::warning(Code::NoReceiver, at, "no receiver is configured for alerts");
        diagnostics.report(draft.help(
            "add one under `receivers:`; the built-in alert `QueueDepthHigh` is always active",
        ));
    }
    let garm = reader.garm(record.record("garm")?);
    Some(FleetFile {
        path: path.to_owned(),
        fleet: FleetName::new(&record.text("fleet")?).ok()?,
        garm: garm?,
        controller: controller(record),
        watch,
        alerts,
        receivers,
        policy: record.record("policy").map(policy).unwrap_or_default(),
        runner_mtls: record.record("runner_mtls").and_then(|it| reader.runner_mtls(it)),
        credentials,
    })
}

/// Whether the file has a receiver, valid or not.
fn has_receiver(record: &Mapping) -> bool {
    match record.get("receivers").map(|it| &it.value) {
        Some(Value::Named(named, _)) => !named.is_empty(),
        Some(_) => true,
        None => false,
    }
}

fn controller(record: &Mapping) -> ControllerSettings {
    let Some(controller) = record.record("controller") else {
        return ControllerSettings::default();
    };
    ControllerSettings {
        minimum_job_age_backoff: controller.duration("minimum_job_age_backoff"),
        shared: controller.flag("shared").unwrap_or(false),
    }
}

/// Resolves paths relative to the fleet file.
struct SettingsReader<'p> {
    folder: &'p Path,
}

impl SettingsReader<'_> {
    fn path(&self, record: &Mapping, key: &str) -> Option<PathBuf> {
        Some(self.folder.join(record.text(key)?))
    }

    fn secret(&self, reference: SecretRef) -> SecretRef {
        match reference {
            SecretRef::File(path) => {
                SecretRef::File(self.folder.join(path).to_string_lossy().into_owned())
            }
            SecretRef::Env(_) | SecretRef::Vault { .. } | SecretRef::Exec(_) => reference,
        }
    }

    fn reference(&self, record: &Mapping, key: &str) -> Option<SecretRef> {
        record.reference(key).map(|it| self.secret(it))
    }

    fn references(&self, record: &Mapping, key: &str) -> Vec<SecretRef> {
        let items = record.list(key).unwrap_or(&[]);
        let references = items.iter().filter_map(|it| match &it.value {
            Value::Reference(reference) => Some(reference.clone()),
            _ => None,
        });
        references.map(|it| self.secret(it)).collect()
    }

    fn webhook_url(&self, item: Option<&LocatedValue>) -> Option<WebhookUrl> {
        match &item?.value {
            Value::Text(url) => Some(WebhookUrl::Plain(url.clone())),
            Value::Reference(it) => Some(WebhookUrl::Secret(self.secret(it.clone()))),
            _ => None,
        }
    }

    fn anchor(&self, record: &Mapping) -> Option<AuditAnchor> {
        Some(AuditAnchor {
            key: self.reference(record, "key")?,
            every: record.duration("every").unwrap_or(Duration::from_mins(5)),
            file: self.path(record, "file"),
            webhook: self.webhook_url(record.get("webhook")),
            alerts: record.flag("alerts").unwrap_or(false),
        })
    }

    fn cert(&self, record: &Mapping) -> Option<CertFiles> {
        Some(CertFiles { cert: self.path(record, "cert")?, key: self.path(record, "key")? })
    }

    fn garm(&self, record: &Mapping) -> Option<GarmSettings> {
        let tls = record.record("tls");
        Some(GarmSettings {
            url: record.text("url")?,
            username: record.text("username").unwrap_or_else(|| "admin".to_owned()),
            password: self.reference(record, "password")?,
            tls: tls.map(|it| TlsFiles { ca: self.path(it, "ca"), client: self.cert(it) }),
            backend: host_ports(record, "backend"),
            probe_runner_cert: record.record("probe_runner_cert").and_then(|it| self.cert(it)),
            crls: record
                .texts("crls")
                .unwrap_or_default()
                .iter()
                .map(|it| self.folder.join(it))
                .collect(),
        })
    }

    fn watch(&self, record: &Mapping) -> WatchSettings {
        let tls = record.record("tls").and_then(|it| {
            Some(ListenerTls { server: self.cert(it)?, client_ca: self.path(it, "client_ca") })
        });
        let usual = WatchSettings::default();
        let listen = match record.get("listen").map(|it| &it.value) {
            Some(Value::Listen(address)) => *address,
            _ => usual.listen,
        };
        WatchSettings {
            listen,
            resync: record.duration("resync").unwrap_or(usual.resync),
            audit: self.path(record, "audit"),
            audit_key: self.reference(record, "audit_key"),
            previous_audit_keys: self.references(record, "previous_audit_keys"),
            audit_required: record.flag("audit_required").unwrap_or(false),
            audit_anchor: record.record("audit_anchor").and_then(|it| self.anchor(it)),
            tls,
        }
    }

    fn runner_mtls(&self, record: &Mapping) -> Option<RunnerMtls> {
        let certificate = match record.text("signer") {
            Some(signer) => RunnerCertificate::Signed { signer },
            None => RunnerCertificate::Shared {
                cert: self.path(record, "cert")?,
                key: self.reference(record, "key")?,
            },
        };
        Some(RunnerMtls { certificate, ca: self.path(record, "ca")? })
    }

    fn credential(&self, record: &Mapping) -> Option<CredentialSettings> {
        Some(CredentialSettings {
            name: record.text("name")?,
            endpoint: record.text("endpoint").unwrap_or_else(|| "github.com".to_owned()),
            app_id: record.number("app_id")?,
            installation_id: record.number("installation_id")?,
            private_key: self.reference(record, "private_key")?,
        })
    }
}

fn records<'r>(record: &'r Mapping, key: &str) -> impl Iterator<Item = &'r Mapping> {
    record.list(key).unwrap_or(&[]).iter().filter_map(|it| match &it.value {
        Value::Mapping(record) => Some(record),
        _ => None,
    })
}

/// GARM ignores the case of the names of credentials (measured).
fn credentials(
    reader: &SettingsReader<'_>,
    record: &Mapping,
    diagnostics: &mut Diagnostics,
) -> Vec<CredentialSettings> {
    distinct(records(record, "credentials"), ("credentials", str::to_lowercase), diagnostics);
    records(record, "credentials").filter_map(|it| reader.credential(it)).collect()
}

/// The locations of the fields of each entry of `credentials`, by its name.
pub(super) fn credential_places(
    record: &Mapping,
) -> HashMap<String, HashMap<&'static str, FileSpan>> {
    let places = |it: &Mapping| it.iter().map(|(key, item)| (key, item.at)).collect();
    records(record, "credentials").filter_map(|it| Some((it.text("name")?, places(it)))).collect()
}

fn host_ports(record: &Mapping, key: &str) -> Vec<HostPort> {
    let items: &[LocatedValue] = record.list(key).unwrap_or(&[]);
    items
        .iter()
        .filter_map(|it| match &it.value {
            Value::HostPort(host_port) => Some(host_port.clone()),
            _ => None,
        })
        .collect()
}

/// Reports duplicate names in a list. `folded` maps names that count as equal to the same string.
fn distinct<'r>(
    records: impl Iterator<Item = &'r Mapping>,
    (list, folded): (&str, fn(&str) -> String),
    diagnostics: &mut Diagnostics,
) {
    let mut seen: BTreeMap<String, FileSpan> = BTreeMap::new();
    for item in records.filter_map(|it| it.get("name")) {
        let Some(name) = item.text() else { continue };
        match seen.get(&folded(name)) {
            Some(first) => {
                let message = format!("two entries of `{list}` are named `{}`", quote(name));
                let draft = Diagnostic::error(Code::DuplicateName, item.at, message);
                diagnostics.report(draft.context(*first, "first here"));
            }
            None => drop(seen.insert(folded(name), item.at)),
        }
    }
}

fn receivers(reader: &SettingsReader<'_>, record: &Mapping) -> Vec<Receiver> {
    let Some(Value::Named(named, _)) = record.get("receivers").map(|it| &it.value) else {
        return Vec::new();
    };
    let mut receivers = Vec::new();
    for (name, _, item) in named {
        let Value::Mapping(fields) = &item.value else { continue };
        let alertmanager = fields
            .record("alertmanager")
            .and_then(|it| Some(ReceiverKind::Alertmanager { url: it.text("url")? }));
        let webhook = || {
            let url = reader.webhook_url(fields.record("webhook")?.get("url"))?;
            Some(ReceiverKind::Webhook { url })
        };
        if let Some(kind) = alertmanager.or_else(webhook) {
            receivers.push(Receiver { name: name.clone(), kind });
        }
    }
    receivers
}

/// Reports an anchor without a destination, which would prove nothing.
fn anchor_goes_somewhere(record: &Mapping, diagnostics: &mut Diagnostics) {
    let Some(watch) = record.record("watch") else { return };
    let (Some(anchor), Some(at)) = (watch.record("audit_anchor"), watch.key_at("audit_anchor"))
    else {
        return;
    };
    let is_named = ["file", "webhook"].iter().any(|it| anchor.get(it).is_some());
    if !is_named && anchor.flag("alerts") != Some(true) {
        let message = "`audit_anchor` has no destination";
        let draft = Diagnostic::error(Code::MissingKey, at, message);
        diagnostics.report(draft.help("add `file: PATH`, `webhook: URL`, or `alerts: true`"));
    }
}

fn alerts(
    record: &Mapping,
    receivers: &[Receiver],
    diagnostics: &mut Diagnostics,
) -> Vec<AlertRule> {
    distinct(records(record, "alerts"), ("alerts", str::to_owned), diagnostics);
    let known: Vec<&str> = match record.get("receivers").map(|it| &it.value) {
        Some(Value::Named(named, _)) => named.iter().map(|it| it.0.as_str()).collect(),
        Some(Value::Broken) => return Vec::new(),
        _ => receivers.iter().map(|it| it.name.as_str()).collect(),
    };
    let mut alerts = Vec::new();
    for item in record.list("alerts").unwrap_or(&[]) {
        let Value::Mapping(fields) = &item.value else { continue };
        known_receivers(fields, &known, diagnostics);
        let rule = alert(fields);
        if let Some(rule) = &rule {
            replaces_built_in(rule, item.at, diagnostics);
        }
        alerts.extend(rule);
    }
    alerts
}

/// A rule with the name of a built-in one replaces it, so it must watch the same series in the same
/// direction: any other rule would silently switch the built-in one off.
fn replaces_built_in(rule: &AlertRule, at: FileSpan, diagnostics: &mut Diagnostics) {
    let built_in = AlertRule::built_in().into_iter().find(|it| it.name == rule.name);
    let Some(built_in) = built_in else { return };
    let is_above = |it: &AlertRule| matches!(it.bound, Threshold::Above(_));
    if (rule.when, is_above(rule)) == (built_in.when, is_above(&built_in)) {
        return;
    }
    let (name, when) = (quote(&built_in.name), built_in.when.word());
    let message =
        format!("`{name}` is a built-in alert for `{when}`, which this rule would switch off");
    let help = format!("use `when: {when}` with `above`, or rename the rule");
    diagnostics.report(Diagnostic::error(Code::BuiltInAlert, at, message).help(help));
}

fn known_receivers(alert: &Mapping, known: &[&str], diagnostics: &mut Diagnostics) {
    for item in alert.list("notify").unwrap_or(&[]) {
        let Some(name) = item.text().filter(|it| !known.contains(it)) else { continue };
        let message = format!("there is no receiver named `{}`", quote(name));
        let help = match suggest::near(name, known) {
            Some(near) => format!("did you mean `{}`?", quote(near)),
            None => "define it under `receivers:`".to_owned(),
        };
        diagnostics.report(Diagnostic::error(Code::UnknownReceiver, item.at, message).help(help));
    }
}

fn alert(fields: &Mapping) -> Option<AlertRule> {
    let when = fields.text("when")?;
    let number = |key| fields.number(key).and_then(|it| u32::try_from(it).ok());
    let bound = match (number("above"), number("below")) {
        (Some(above), _) => Threshold::Above(above),
        (None, Some(below)) => Threshold::Below(below),
        (None, None) => return None,
    };
    Some(AlertRule {
        name: fields.text("name")?,
        when: *AlertSeries::ALL.iter().find(|series| series.word() == when)?,
        bound,
        lasting: fields.duration("for").unwrap_or_default(),
        notify: fields.texts("notify").unwrap_or_default(),
    })
}

pub(super) fn policy(record: &Mapping) -> PolicySettings {
    let (networks, must_not_reach) = match record.get("networks").map(|it| &it.value) {
        Some(Value::Named(named, fixed)) => {
            (named.iter().filter_map(network).collect(), host_ports(fixed, "must_not_reach"))
        }
        _ => (Vec::new(), Vec::new()),
    };
    let specs = record.record("extra_specs");
    PolicySettings {
        networks,
        must_not_reach,
        extra_specs_allow_keys: specs.and_then(|it| it.texts("allow_keys")),
        extra_specs_show: specs.and_then(|it| it.texts("show")).unwrap_or_default(),
        allowed_providers: record.texts("allowed_providers"),
        allowed_instance_types: record.texts("allowed_instance_types"),
        allowed_images: record.texts("allowed_images"),
        allowed_labels: record.texts("allowed_labels"),
        allowed_entities: record.texts("allowed_entities"),
        allowed_runner_groups: record.texts("allowed_runner_groups"),
        allowed_templates: record.texts("allowed_templates"),
        max_total_runners: record.number("max_total_runners").and_then(|it| it.try_into().ok()),
        forbid_enable_shell: record.flag("forbid_enable_shell").unwrap_or(false),
        protected_pools: record.texts("protected_pools").unwrap_or_default(),
        require_mtls: record.flag("require_mtls").unwrap_or(false),
        accept: record.texts("accept").unwrap_or_default(),
    }
}

fn network((provider, _, item): &(String, FileSpan, LocatedValue)) -> Option<NetworkRule> {
    let Value::Mapping(rule) = &item.value else { return None };
    Some(NetworkRule {
        provider: provider.clone(),
        keys: rule.texts("keys")?,
        allow: rule.texts("allow")?,
        required: rule.flag("required").unwrap_or(false),
    })
}

#[cfg(test)]
mod tests {
    use crate::config::{SourceFile, load};

    /// A service is started in `/`: a reference that was not resolved would be looked for there.
    #[test]
    fn file_references_are_relative_to_the_fleet_file() {
        let text = "\
fleet: acme
garm: { url: https://garm.example.com, password: file:secret }
watch: { audit_key: file:secret }
receivers: { oncall: { webhook: { url: file:secret } } }
runner_mtls: { cert: c.pem, key: file:secret, ca: ca.pem }
credentials:
  - { name: a, app_id: 1, installation_id: 2, private_key: file:secret }
";
        let source = SourceFile { path: "etc/runnerctl.yaml".into(), text: text.into() };
        let file = format!("{:?}", load(Some(&source), &[]).fleet_file.unwrap());
        let count = |what: &str| file.matches(what).count();
        assert_eq!(count("etc/secret"), text.matches("file:secret").count(), "{file}");
        assert_eq!(count("secret"), count("etc/secret"), "{file}");
    }
}
