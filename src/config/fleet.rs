//! Converts the decoded fleet file to typed settings and checks that they agree.

mod audit_rotation;
mod garm;
mod leader;

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::alert_series::AlertSeries;
use super::diagnostic_code::Code;
use super::diagnostics::{Diagnostic, Diagnostics, FileSpan};
use super::settings::{
    AlertRule, AuditAnchor, CertFiles, CredentialSettings, FleetFile, GarmSettings, HostPort,
    ListenerTls, NetworkRule, PolicySettings, Receiver, ReceiverKind, RunnerCertificate,
    RunnerMtls, Threshold, WatchSettings, WebhookUrl,
};
use super::suggest;
use super::value::{LocatedValue, Mapping, Value};
use crate::domain::desired::ControllerSettings;
use crate::domain::name::FleetName;
use crate::domain::secret::SecretRef;
use crate::domain::text::quote;

/// The settings of a fleet file for each GARM that it names. Returns none if a vital part is missing
/// or broken; that has then been reported.
pub(super) fn settings(
    mapping: &Mapping,
    path: &str,
    diagnostics: &mut Diagnostics,
) -> Vec<FleetFile> {
    let folder = Path::new(path).parent().unwrap_or(Path::new(""));
    let reader = SettingsReader { folder };
    let receivers = receivers(&reader, mapping);
    let alerts = alerts(mapping, &receivers, diagnostics);
    let credentials = credentials(&reader, mapping, diagnostics);
    let watch = mapping.mapping("watch").map(|watch| reader.watch(watch, mapping));
    anchor_goes_somewhere(mapping, diagnostics);
    // `receivers: {}` is deliberate: Prometheus alone sends the alerts.
    let is_decided = mapping.value("receivers").is_some();
    if let Some(at) = mapping.key_at("watch").filter(|_| !is_decided) {
        let diagnostic =
            Diagnostic::warning(Code::NoReceiver, at, "no receiver is configured for alerts");
        diagnostics.report(diagnostic.help(
            "add one under `receivers:`, or write `receivers: {}` if Prometheus sends the alerts",
        ));
    }
    let garms = reader.garms(mapping, diagnostics);
    let Some(fleet) = mapping.text("fleet").and_then(|name| FleetName::new(&name).ok()) else {
        return Vec::new();
    };
    let of_one = |garm: GarmSettings| FleetFile {
        path: path.to_owned(),
        fleet: fleet.clone(),
        watch: watch.as_ref().map(|watch| watch.for_garm(garm.name.as_ref())),
        garm,
        controller: controller(mapping),
        alerts: alerts.clone(),
        receivers: receivers.clone(),
        policy: mapping.mapping("policy").map(policy).unwrap_or_default(),
        runner_mtls: mapping.mapping("runner_mtls").and_then(|kit| reader.runner_mtls(kit)),
        credentials: credentials.clone(),
    };
    garms.into_iter().map(of_one).collect()
}

fn controller(mapping: &Mapping) -> ControllerSettings {
    let Some(controller) = mapping.mapping("controller") else {
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
    fn path(&self, mapping: &Mapping, key: &str) -> Option<PathBuf> {
        Some(self.folder.join(mapping.text(key)?))
    }

    fn secret(&self, reference: SecretRef) -> SecretRef {
        match reference {
            SecretRef::File(path) => {
                SecretRef::File(self.folder.join(path).to_string_lossy().into_owned())
            }
            SecretRef::Env(_) | SecretRef::Vault { .. } | SecretRef::Exec(_) => reference,
        }
    }

    fn reference(&self, mapping: &Mapping, key: &str) -> Option<SecretRef> {
        mapping.reference(key).map(|reference| self.secret(reference))
    }

    fn references(&self, mapping: &Mapping, key: &str) -> Vec<SecretRef> {
        let items = mapping.list(key).unwrap_or(&[]);
        let references = items.iter().filter_map(|item| match &item.value {
            Value::Reference(reference) => Some(reference.clone()),
            _ => None,
        });
        references.map(|reference| self.secret(reference)).collect()
    }

    fn webhook_url(&self, item: Option<&LocatedValue>) -> Option<WebhookUrl> {
        match &item?.value {
            Value::Text(url) => Some(WebhookUrl::Plain(url.clone())),
            Value::Reference(reference) => Some(WebhookUrl::Secret(self.secret(reference.clone()))),
            _ => None,
        }
    }

    fn anchor(&self, mapping: &Mapping) -> Option<AuditAnchor> {
        Some(AuditAnchor {
            key: self.reference(mapping, "key")?,
            every: mapping.duration("every").unwrap_or(Duration::from_mins(5)),
            file: self.path(mapping, "file"),
            webhook: self.webhook_url(mapping.get("webhook")),
            alerts: mapping.flag("alerts").unwrap_or(false),
        })
    }

    fn cert(&self, mapping: &Mapping) -> Option<CertFiles> {
        Some(CertFiles { cert: self.path(mapping, "cert")?, key: self.path(mapping, "key")? })
    }

    fn watch(&self, mapping: &Mapping, file: &Mapping) -> WatchSettings {
        let tls = mapping.mapping("tls").and_then(|tls| {
            Some(ListenerTls { server: self.cert(tls)?, client_ca: self.path(tls, "client_ca") })
        });
        let usual = WatchSettings::default();
        let listen = match mapping.value("listen") {
            Some(Value::Listen(address)) => *address,
            _ => usual.listen,
        };
        WatchSettings {
            listen,
            resync: mapping.duration("resync").unwrap_or(usual.resync),
            audit: self.path(mapping, "audit"),
            audit_key: self.reference(mapping, "audit_key"),
            previous_audit_keys: self.references(mapping, "previous_audit_keys"),
            audit_required: mapping.flag("audit_required").unwrap_or(false),
            audit_rotate: mapping.mapping("audit_rotate").map(audit_rotation::settings),
            audit_anchor: mapping.mapping("audit_anchor").and_then(|anchor| self.anchor(anchor)),
            leader: mapping.mapping("leader").and_then(|leader| self.leader(leader, file)),
            tls,
        }
    }

    fn runner_mtls(&self, mapping: &Mapping) -> Option<RunnerMtls> {
        let certificate = match mapping.text("signer") {
            Some(signer) => RunnerCertificate::Signed { signer },
            None => RunnerCertificate::Shared {
                cert: self.path(mapping, "cert")?,
                key: self.reference(mapping, "key")?,
            },
        };
        Some(RunnerMtls { certificate, ca: self.path(mapping, "ca")? })
    }

    fn credential(&self, mapping: &Mapping) -> Option<CredentialSettings> {
        Some(CredentialSettings {
            name: mapping.text("name")?,
            endpoint: mapping.text("endpoint").unwrap_or_else(|| "github.com".to_owned()),
            app_id: mapping.number("app_id")?,
            installation_id: mapping.number("installation_id")?,
            private_key: self.reference(mapping, "private_key")?,
        })
    }
}

fn mappings<'r>(mapping: &'r Mapping, key: &str) -> impl Iterator<Item = &'r Mapping> {
    mapping.list(key).unwrap_or(&[]).iter().filter_map(|item| match &item.value {
        Value::Mapping(mapping) => Some(mapping),
        _ => None,
    })
}

/// GARM ignores the case of the names of credentials (measured).
fn credentials(
    reader: &SettingsReader<'_>,
    mapping: &Mapping,
    diagnostics: &mut Diagnostics,
) -> Vec<CredentialSettings> {
    distinct(mappings(mapping, "credentials"), ("credentials", str::to_lowercase), diagnostics);
    mappings(mapping, "credentials").filter_map(|entry| reader.credential(entry)).collect()
}

/// The locations of the fields of each entry of `credentials`, by its name.
pub(super) fn credential_places(
    mapping: &Mapping,
) -> HashMap<String, HashMap<&'static str, FileSpan>> {
    let places = |entry: &Mapping| entry.iter().map(|(key, item)| (key, item.at)).collect();
    mappings(mapping, "credentials")
        .filter_map(|entry| Some((entry.text("name")?, places(entry))))
        .collect()
}

fn host_ports(mapping: &Mapping, key: &str) -> Vec<HostPort> {
    let items: &[LocatedValue] = mapping.list(key).unwrap_or(&[]);
    items
        .iter()
        .filter_map(|item| match &item.value {
            Value::HostPort(host_port) => Some(host_port.clone()),
            _ => None,
        })
        .collect()
}

/// Reports duplicate names in a list. `folded` maps names that count as equal to the same string.
fn distinct<'r>(
    mappings: impl Iterator<Item = &'r Mapping>,
    (list, folded): (&str, fn(&str) -> String),
    diagnostics: &mut Diagnostics,
) {
    let mut seen: BTreeMap<String, FileSpan> = BTreeMap::new();
    for item in mappings.filter_map(|entry| entry.get("name")) {
        let Some(name) = item.text() else { continue };
        match seen.get(&folded(name)) {
            Some(first) => {
                let message = format!("two entries of `{list}` are named `{}`", quote(name));
                let diagnostic = Diagnostic::error(Code::DuplicateName, item.at, message);
                diagnostics.report(diagnostic.context(*first, "first here"));
            }
            None => drop(seen.insert(folded(name), item.at)),
        }
    }
}

fn receivers(reader: &SettingsReader<'_>, mapping: &Mapping) -> Vec<Receiver> {
    let Some(Value::Named(named, _)) = mapping.value("receivers") else {
        return Vec::new();
    };
    let mut receivers = Vec::new();
    for (name, _, item) in named {
        let Value::Mapping(fields) = &item.value else { continue };
        let alertmanager = fields.mapping("alertmanager").and_then(|alertmanager| {
            Some(ReceiverKind::Alertmanager { url: alertmanager.text("url")? })
        });
        let webhook = || {
            let url = reader.webhook_url(fields.mapping("webhook")?.get("url"))?;
            Some(ReceiverKind::Webhook { url })
        };
        if let Some(kind) = alertmanager.or_else(webhook) {
            receivers.push(Receiver { name: name.clone(), kind });
        }
    }
    receivers
}

/// Reports an anchor without a destination, which would prove nothing.
fn anchor_goes_somewhere(mapping: &Mapping, diagnostics: &mut Diagnostics) {
    let Some(watch) = mapping.mapping("watch") else { return };
    let (Some(anchor), Some(at)) = (watch.mapping("audit_anchor"), watch.key_at("audit_anchor"))
    else {
        return;
    };
    let is_named = ["file", "webhook"].iter().any(|key| anchor.get(key).is_some());
    if !is_named && anchor.flag("alerts") != Some(true) {
        let message = "`audit_anchor` has no destination";
        let diagnostic = Diagnostic::error(Code::MissingKey, at, message);
        diagnostics.report(diagnostic.help("add `file: PATH`, `webhook: URL`, or `alerts: true`"));
    }
}

fn alerts(
    mapping: &Mapping,
    receivers: &[Receiver],
    diagnostics: &mut Diagnostics,
) -> Vec<AlertRule> {
    distinct(mappings(mapping, "alerts"), ("alerts", str::to_owned), diagnostics);
    let known: Vec<&str> = match mapping.value("receivers") {
        Some(Value::Named(named, _)) => named.iter().map(|receiver| receiver.0.as_str()).collect(),
        Some(Value::Broken) => return Vec::new(),
        _ => receivers.iter().map(|receiver| receiver.name.as_str()).collect(),
    };
    let mut alerts = Vec::new();
    for item in mapping.list("alerts").unwrap_or(&[]) {
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
    let built_in = AlertRule::built_in().into_iter().find(|built_in| built_in.name == rule.name);
    let Some(built_in) = built_in else { return };
    let is_above = |rule: &AlertRule| matches!(rule.bound, Threshold::Above(_));
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
        let Some(name) = item.text().filter(|name| !known.contains(name)) else { continue };
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
    let number = |key| fields.number(key).and_then(|number| u32::try_from(number).ok());
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

pub(super) fn policy(mapping: &Mapping) -> PolicySettings {
    let (networks, must_not_reach) = match mapping.value("networks") {
        Some(Value::Named(named, fixed)) => {
            (named.iter().filter_map(network).collect(), host_ports(fixed, "must_not_reach"))
        }
        _ => (Vec::new(), Vec::new()),
    };
    let specs = mapping.mapping("extra_specs");
    PolicySettings {
        networks,
        must_not_reach,
        extra_specs_allow_keys: specs.and_then(|specs| specs.texts("allow_keys")),
        extra_specs_show: specs.and_then(|specs| specs.texts("show")).unwrap_or_default(),
        allowed_providers: mapping.texts("allowed_providers"),
        allowed_instance_types: mapping.texts("allowed_instance_types"),
        allowed_images: mapping.texts("allowed_images"),
        allowed_labels: mapping.texts("allowed_labels"),
        allowed_entities: mapping.texts("allowed_entities"),
        allowed_runner_groups: mapping.texts("allowed_runner_groups"),
        allowed_templates: mapping.texts("allowed_templates"),
        max_total_runners: mapping
            .number("max_total_runners")
            .and_then(|most| most.try_into().ok()),
        forbid_enable_shell: mapping.flag("forbid_enable_shell").unwrap_or(false),
        protected_pools: mapping.texts("protected_pools").unwrap_or_default(),
        require_mtls: mapping.flag("require_mtls").unwrap_or(false),
        accept: mapping.texts("accept").unwrap_or_default(),
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
        let source =
            SourceFile { path: "etc/runnerctl.yaml".into(), text: text.into(), folder: None };
        let file = format!("{:?}", load(Some(&source), &[]).fleet_file.unwrap());
        let count = |what: &str| file.matches(what).count();
        assert_eq!(count("etc/secret"), text.matches("file:secret").count(), "{file}");
        assert_eq!(count("secret"), count("etc/secret"), "{file}");
    }
}
