//! Install templates (GARM.md §i).

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::body::Body;
use super::config::GarmVersion;
use super::entity::TemplateRow;
use super::json::list;
use super::query;
use super::reply::{ApiRefusal, ApiReply};
use super::rest_view::Depth;
use super::seed;
use super::world::World;

const UPDATING: &str = "failed to update template: failed to update template";
const DELETING: &str = "failed to delete template: failed to delete template";

impl World {
    pub(super) fn route_templates(
        &mut self,
        method: &str,
        (rest, query): (&[&str], &str),
        body: &[u8],
    ) -> Result<ApiReply, ApiRefusal> {
        match (method, rest) {
            ("GET", []) => Ok(ApiReply::json(self.list_templates(query))),
            ("POST", []) => self.create_template(body),
            ("POST", ["restore"]) => self.restore_templates(body),
            ("GET", [id]) => {
                let found = self.templates.get(&number(id)?).ok_or_else(|| {
                    let details = "failed to get template: failed to get template: not found";
                    ApiRefusal::NotFound(details.into())
                })?;
                Ok(ApiReply::json(self.show_template(found, Depth::One)))
            }
            ("PUT", [id]) => self.update_template(id, body),
            ("DELETE", [id]) => self.delete_template(id),
            _ => Err(ApiRefusal::NoRoute),
        }
    }

    /// Adds a template of a user.
    pub fn add_template(&mut self, name: &str, os_type: &str) {
        let id = self.templates.keys().last().map_or(1, |id| id + 1);
        let template = TemplateRow {
            id,
            name: name.into(),
            description: String::new(),
            os_type: os_type.into(),
            forge_type: "github".into(),
            owner: "admin".into(),
            body: String::new(),
            created_at: self.now,
            updated_at: self.now,
        };
        self.templates.insert(id, template);
    }

    fn list_templates(&self, query: &str) -> String {
        let fits = |key: &str, value: &str| {
            query::value(query, key).is_none_or(|wanted| wanted.is_empty() || wanted == value)
        };
        let part = query::value(query, "partialName").unwrap_or_default().to_lowercase();
        let rows = self.templates.values().filter(|template| {
            fits("osType", &template.os_type)
                && fits("forgeType", &template.forge_type)
                && template.name.to_lowercase().contains(&part)
        });
        list(rows.map(|row| self.show_template(row, Depth::List)))
    }

    /// Names are unique among users' templates; built-in ones do not count (measured).
    fn create_template(&mut self, body: &[u8]) -> Result<ApiReply, ApiRefusal> {
        let body = Body::read(body)?;
        let text = |key| body.text(key).map(Option::unwrap_or_default);
        let (name, description) = (text("name")?, text("description")?);
        let (os_type, forge_type) = (text("os_type")?, text("forge_type")?);
        let data = data(&body)?.unwrap_or_default();
        let invalid = |what: &str| ApiRefusal::bad(format!("invalid create params {what:?}"));
        if name.is_empty() {
            return Err(invalid("name cannot be empty"));
        }
        if data.is_empty() {
            return Err(invalid("template data is empty"));
        }
        if !["linux", "windows"].contains(&os_type.as_str()) {
            return Err(invalid(&format!("invalid OS type: {os_type:?}")));
        }
        if !["github", "gitea"].contains(&forge_type.as_str()) {
            return Err(invalid(&format!("invalid forge type: {forge_type:?}")));
        }
        self.check_data(&data)?;
        if self.is_template_taken(&name, None) {
            let details = "failed to create template: a template name already exists with the \
                           specified name";
            return Err(ApiRefusal::Conflict(details.into()));
        }
        let id = self.templates.keys().last().map_or(1, |id| id + 1);
        let template = TemplateRow {
            id,
            name,
            description,
            os_type,
            forge_type,
            owner: self.config.username.clone(),
            body: data,
            created_at: self.now,
            updated_at: self.now,
        };
        let shown = self.show_template(&template, Depth::Write);
        self.templates.insert(id, template);
        Ok(ApiReply::json(shown))
    }

    /// The release accepts any text (measured).
    fn check_data(&self, text: &str) -> Result<(), ApiRefusal> {
        match self.config.variant.version {
            GarmVersion::V0_1_8 | GarmVersion::V0_2_1 => Ok(()),
            GarmVersion::Main => check_data(text),
        }
    }

    fn is_template_taken(&self, name: &str, but: Option<u64>) -> bool {
        let mut users = self.templates.values().filter(|template| template.owner != seed::SYSTEM);
        users.any(|other| other.name == name && Some(other.id) != but)
    }

    /// Updates name, description and text, but never OS and forge. A name in use is a 500.
    fn update_template(&mut self, id: &str, body: &[u8]) -> Result<ApiReply, ApiRefusal> {
        let id = number(id)?;
        let body = Body::read(body)?;
        let (name, description) = (body.text("name")?, body.text("description")?);
        let data = data(&body)?.filter(|data| !data.is_empty());
        if name.as_deref() == Some("") {
            let what = "name cannot be empty";
            return Err(ApiRefusal::bad(format!("invalid update params: {what:?}")));
        }
        data.as_deref().map_or(Ok(()), |data| self.check_data(data))?;
        let found = self.templates.get(&id).ok_or_else(|| {
            ApiRefusal::NotFound(format!("{UPDATING}: failed to get template: not found"))
        })?;
        let is_users = found.owner != seed::SYSTEM;
        if is_users && name.as_ref().is_some_and(|name| self.is_template_taken(name, Some(id))) {
            return Err(ApiRefusal::Server);
        }
        let now = self.now;
        let found = self.templates.get_mut(&id).ok_or(ApiRefusal::Server)?;
        if name.is_some() || description.is_some() || data.is_some() {
            found.updated_at = now;
        }
        found.name = name.unwrap_or_else(|| found.name.clone());
        found.description = description.unwrap_or_else(|| found.description.clone());
        found.body = data.unwrap_or_else(|| found.body.clone());
        let found = self.templates.get(&id).ok_or(ApiRefusal::Server)?;
        Ok(ApiReply::json(self.show_template(found, Depth::Write)))
    }

    /// Returns 200 even if there is none. A template that a pool uses cannot be deleted.
    fn delete_template(&mut self, id: &str) -> Result<ApiReply, ApiRefusal> {
        let id = number(id)?;
        if self.pools.values().any(|pool| pool.template == id) {
            let what = "cannot delete template while in use by pools or scale sets";
            return Err(ApiRefusal::bad(format!("{DELETING}: {what}")));
        }
        self.templates.remove(&id);
        Ok(ApiReply::done())
    }

    /// Restores all built-in templates, or one.
    fn restore_templates(&mut self, body: &[u8]) -> Result<ApiReply, ApiRefusal> {
        let body = Body::read(body)?;
        let text = |key| body.text(key).map(Option::unwrap_or_default);
        let (forge, os_type) = (text("forge")?, text("os_type")?);
        let is_all = body.truth("restore_all")?.unwrap_or_default();
        let system = seed::templates(self.now);
        let is_meant = |template: &&TemplateRow| {
            is_all || (template.forge_type == forge && template.os_type == os_type)
        };
        if !system.values().any(|template| is_meant(&template)) {
            return Err(ApiRefusal::NotFound(format!(
                "failed to get template content for {forge}/{os_type}: could not find template \
                 for forge type: {forge:?}"
            )));
        }
        let restored =
            system.values().filter(is_meant).map(|template| (template.id, template.clone()));
        self.templates.extend(restored.collect::<Vec<_>>());
        Ok(ApiReply::done())
    }
}

fn number(id: &str) -> Result<u64, ApiRefusal> {
    id.parse().map_err(|_| ApiRefusal::bad(format!("invalid value for \"templateID\": \"{id}\"")))
}

/// The text of a template, decoded from base64.
fn data(body: &Body<'_>) -> Result<Option<String>, ApiRefusal> {
    let Some(encoded) = body.text("data")? else { return Ok(None) };
    let bytes = STANDARD.decode(encoded).map_err(|_| ApiRefusal::body())?;
    Ok(Some(String::from_utf8_lossy(&bytes).into_owned()))
}

/// GARM parses a template with Go's `text/template`. The simulator only checks that each action is
/// closed and starts with something that Go's parser knows.
fn check_data(text: &str) -> Result<(), ApiRefusal> {
    const KNOWN: [&str; 12] = [
        "if", "else", "end", "range", "with", "define", "template", "block", "break", "continue",
        "printf", "len",
    ];
    for (at, _) in text.match_indices("{{") {
        let line = line_of(text, at);
        let invalid = |line: usize, what: String| {
            let whole =
                format!("failed to validate template: invalid template: line {line}: {what}");
            Err(ApiRefusal::bad(whole))
        };
        let action = text[at + 2..].trim_start_matches('-').trim_start();
        let word: String =
            action.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
        let is_name = word.starts_with(|c: char| c.is_alphabetic() || c == '_');
        if is_name && !KNOWN.contains(&word.as_str()) {
            return invalid(line, format!("function \"{word}\" not defined"));
        }
        if !action.contains("}}") {
            // Go's parser reaches the end of the text first.
            let end = line_of(text, text.len());
            let started = if end == line { String::new() } else { format!(" started at :{line}") };
            return invalid(end, format!("unclosed action{started}"));
        }
    }
    Ok(())
}

/// The line, from 1, that contains the byte at `end`.
fn line_of(text: &str, end: usize) -> usize {
    text[..end].matches('\n').count() + 1
}
