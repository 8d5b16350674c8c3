//! The metrics of the process: those of each GARM that it scales.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard};

use serde_json::Value;

use super::exposition;
use super::snapshot::ReloadResult;
use super::state::{HtmlPage, MetricsState, PageRequest};
use crate::domain::name::{GarmName, PoolName};
use crate::domain::poison::IgnorePoison;
use crate::render::decision::several_decisions;
use crate::render::page::{self, GarmRow, GarmsPage, SECURITY_POLICY};

/// What a status page is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PageSubject {
    /// All GARMs, or the only one.
    Home,
    Garm(String),
    Pool(String),
}

/// The answer of `/readyz`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProcessReadiness {
    pub is_ready: bool,
    /// Why a GARM is not ready, one line per reason.
    pub reasons: Vec<String>,
}

/// Why there is no page for a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NoPage {
    /// No GARM has this name.
    UnknownGarm,
    /// `watch` starts or stops, or has not decided anything yet.
    NotYet,
}

/// The GARMs by name. A fleet file without `garms` has one without a name, and its pages have no
/// label `garm`.
type GarmStates = BTreeMap<Option<GarmName>, Arc<MetricsState>>;

/// The current metrics of all GARMs.
pub struct ProcessMetrics {
    fleet: String,
    garms: Mutex<GarmStates>,
}

impl ProcessMetrics {
    /// Starts without a GARM. `fleet` is the name of the fleet.
    pub fn new(fleet: String) -> Self {
        Self { fleet, garms: Mutex::default() }
    }

    /// Adds a GARM, or replaces the one of this name.
    pub fn insert(&self, garm: Option<GarmName>, state: Arc<MetricsState>) {
        self.garms().insert(garm, state);
    }

    /// Removes a GARM with all its series.
    pub fn remove(&self, garm: Option<&GarmName>) {
        self.garms().remove(&garm.cloned());
    }

    /// Sets the result of the last reload of the files.
    pub fn config(&self, config: ReloadResult) {
        self.garms().values().for_each(|state| state.config(config));
    }

    /// Renders `/metrics`. Takes several milliseconds for a thousand pools, too long for an async
    /// task.
    pub fn metrics_page(&self) -> String {
        let garms = self.garms().clone();
        exposition::page(garms.into_iter().map(|(name, state)| state.values(name)).collect())
    }

    /// Renders `/decisions`, of one GARM if it is named: the fleet file without `garms` has only one,
    /// and ignores the name.
    pub fn decisions_page(&self, garm: Option<&str>) -> Result<Value, NoPage> {
        let garms = self.garms().clone();
        if let Some(state) = find(&garms, garm)? {
            return state.decisions_page().ok_or(NoPage::NotYet);
        }
        let decided = garms
            .into_iter()
            .filter_map(|(name, state)| Some((name?.to_string(), state.decisions_page()?)));
        let decided: Vec<(String, Value)> = decided.collect();
        if decided.is_empty() { Err(NoPage::NotYet) } else { Ok(several_decisions(decided)) }
    }

    /// Renders a status page. Takes several milliseconds for a thousand pools, too long for an async
    /// task.
    pub fn html_page(&self, subject: &PageSubject, is_refreshed: bool) -> Result<HtmlPage, NoPage> {
        let garms = self.garms().clone();
        let request =
            |pool: Option<&str>| PageRequest { pool: pool.map(str::to_owned), is_refreshed };
        let state = match subject {
            PageSubject::Home => find(&garms, None)?,
            PageSubject::Garm(_) if garms.contains_key(&None) => return Err(NoPage::UnknownGarm),
            PageSubject::Garm(name) => find(&garms, Some(name))?,
            PageSubject::Pool(name) => with_pool(&garms, name),
        };
        let pool = match subject {
            PageSubject::Pool(name) => Some(name.as_str()),
            PageSubject::Home | PageSubject::Garm(_) => None,
        };
        if let Some(state) = state {
            return state.html_page(&request(pool)).ok_or(NoPage::NotYet);
        }
        let rows = garms.iter().filter_map(|(name, state)| {
            Some(GarmRow { name: name.as_ref()?.to_string(), state: state.overview() })
        });
        let page = GarmsPage { fleet: &self.fleet, garms: rows.collect(), is_refreshed };
        let (is_found, html) = match pool {
            None => (true, page::garms(&page)),
            Some(pool) => (false, page::missing_pool_of_all(&page, pool)),
        };
        Ok(HtmlPage { is_found, html, security_policy: &SECURITY_POLICY })
    }

    /// Errors with the reason if the last pass of a loop was too long ago.
    pub fn health(&self) -> Result<(), String> {
        let garms = self.garms().clone();
        let unwell: Vec<String> = garms
            .iter()
            .filter_map(|(name, state)| Some(of_garm(name.as_ref(), &state.health().err()?)))
            .collect();
        if unwell.is_empty() { Ok(()) } else { Err(unwell.join("\n")) }
    }

    /// The readiness of one GARM if it is named, else of all. The process is ready while one of them
    /// is: it does not cease to serve them because another one does not answer.
    pub fn readiness(&self, garm: Option<&str>) -> Result<ProcessReadiness, NoPage> {
        let garms = self.garms().clone();
        if let Some(state) = find(&garms, garm)? {
            let reasons = state.readiness().err().unwrap_or_default();
            return Ok(ProcessReadiness { is_ready: reasons.is_empty(), reasons });
        }
        let mut readiness = ProcessReadiness { is_ready: false, reasons: Vec::new() };
        for (name, state) in &garms {
            match state.readiness() {
                Ok(()) => readiness.is_ready = true,
                Err(reasons) => {
                    let reasons = reasons.iter().map(|why| of_garm(name.as_ref(), why));
                    readiness.reasons.extend(reasons);
                }
            }
        }
        Ok(readiness)
    }

    fn garms(&self) -> MutexGuard<'_, GarmStates> {
        self.garms.lock().ignoring_poison()
    }
}

/// The GARM of this name, or the only one; `None` if no name is given and there are several.
fn find<'a>(
    garms: &'a GarmStates,
    name: Option<&str>,
) -> Result<Option<&'a Arc<MetricsState>>, NoPage> {
    if let Some(only) = garms.get(&None) {
        return Ok(Some(only));
    }
    let Some(name) = name else { return Ok(None) };
    let found = GarmName::new(name).ok().and_then(|name| garms.get(&Some(name)));
    found.map(Some).ok_or(NoPage::UnknownGarm)
}

/// The GARM that has this pool, or the only one.
fn with_pool<'a>(garms: &'a GarmStates, pool: &str) -> Option<&'a Arc<MetricsState>> {
    if let Some(only) = garms.get(&None) {
        return Some(only);
    }
    let pool = PoolName::new(pool).ok()?;
    garms.values().find(|state| state.has_pool(&pool))
}

fn of_garm(name: Option<&GarmName>, why: &str) -> String {
    name.map_or_else(|| why.to_owned(), |name| format!("GARM `{name}`: {why}"))
}
