//! Routes GARM's settings: templates, endpoints, credentials, and objects that are not simulated.

use super::reply::{ApiRefusal, ApiReply};
use super::routes::ApiRequest;
use super::world::World;

impl World {
    pub(super) fn route_settings(
        &mut self,
        request: ApiRequest<'_>,
        segments: &[&str],
        query: &str,
    ) -> Result<ApiReply, ApiRefusal> {
        match (request.method, segments) {
            (method, ["templates", rest @ ..]) => {
                self.route_templates(method, (rest, query), request.body)
            }
            ("GET", ["credentials"]) => self.route_credentials(request, &[]),
            (_, ["github", "credentials", rest @ ..]) => self.route_credentials(request, rest),
            (method, ["github", "endpoints", rest @ ..]) => {
                self.route_endpoints(method, rest, request.body)
            }
            _ => Err(ApiRefusal::NoRoute),
        }
    }

    /// Gitea and stored objects: none exist, and none can be created here.
    pub(super) fn route_absent(
        &self,
        method: &str,
        segments: &[&str],
    ) -> Result<ApiReply, ApiRefusal> {
        match (method, segments) {
            ("GET", ["forge-instances"]) => Ok(ApiReply::json("[]".into())),
            // Go encodes a nil slice as `null`.
            ("GET", ["gitea", "endpoints" | "credentials"]) => Ok(ApiReply::json("null".into())),
            ("GET", ["objects"]) => {
                let none = r#"{"total_count":0,"pages":0,"current_page":1,"results":[]}"#;
                Ok(ApiReply::json(none.into()))
            }
            _ => Err(ApiRefusal::NoRoute),
        }
    }
}
