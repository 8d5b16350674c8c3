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

    /// Scale sets, Gitea and stored objects: none exist, and none can be created here.
    pub(super) fn route_absent(
        &self,
        method: &str,
        segments: &[&str],
    ) -> Result<ApiReply, ApiRefusal> {
        const NO_SET: &str = "error fetching scale set: error fetching scale set by ID: not found";
        match (method, segments) {
            ("GET", ["scalesets" | "forge-instances"]) => Ok(ApiReply::json("[]".into())),
            (_, ["scalesets", id, ..]) if id.parse::<u64>().is_err() => Err(ApiRefusal::body()),
            ("GET", ["scalesets", _, "instances"]) => Ok(ApiReply::json("[]".into())),
            ("GET" | "PUT", ["scalesets", _]) => Err(ApiRefusal::NotFound(NO_SET.into())),
            ("DELETE", ["scalesets", _]) => Ok(ApiReply::done()),
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
