//! `/api/v1/projects`: the key's own project.

use axum::{
    extract::State,
    http::{HeaderMap, StatusCode},
    response::Response,
};
use domain::{
    DomainError as Refusal,
    accounts::{Role, Scope},
    identity::UnsignedClaimPolicy,
    ids::ProjectId,
    projects,
};
use serde::{Deserialize, Serialize};
use service::{
    error::Error,
    keys,
    projects::{ProjectSettings, change, settings_fingerprint},
    state::{App, AppState},
};
use utoipa::ToSchema;
use uuid::Uuid;
use validator::Validate;

use super::{
    caller::ApiCaller,
    problem::{ApiHandlerResult, ApiRejection},
    request::{PathIds, WriteRequest},
    write_outcome::{self, WriteOutcome},
};

/// Light or dark respondent pages.
#[derive(Debug, Clone, Copy, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Theme {
    /// As the visitor's system is set.
    Auto,
    /// Always light.
    Light,
    /// Always dark.
    Dark,
}

impl From<projects::ThemeMode> for Theme {
    fn from(theme: projects::ThemeMode) -> Self {
        match theme {
            projects::ThemeMode::Auto => Self::Auto,
            projects::ThemeMode::Light => Self::Light,
            projects::ThemeMode::Dark => Self::Dark,
        }
    }
}

impl From<Theme> for projects::ThemeMode {
    fn from(theme: Theme) -> Self {
        match theme {
            Theme::Auto => Self::Auto,
            Theme::Light => Self::Light,
            Theme::Dark => Self::Dark,
        }
    }
}

/// What happens to claims about a visitor's identity that no secret of the project signed.
#[derive(Debug, Clone, Copy, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum UnsignedIdentity {
    /// They are stored and shown as unverified.
    Shown,
    /// They are dropped; the feedback is anonymous.
    Off,
}

impl From<UnsignedClaimPolicy> for UnsignedIdentity {
    fn from(policy: UnsignedClaimPolicy) -> Self {
        match policy {
            UnsignedClaimPolicy::Shown => Self::Shown,
            UnsignedClaimPolicy::Off => Self::Off,
        }
    }
}

impl From<UnsignedIdentity> for UnsignedClaimPolicy {
    fn from(policy: UnsignedIdentity) -> Self {
        match policy {
            UnsignedIdentity::Shown => Self::Shown,
            UnsignedIdentity::Off => Self::Off,
        }
    }
}

/// A project.
#[derive(Debug, Serialize, ToSchema)]
pub struct Project {
    id: Uuid,
    /// The name in console URLs.
    #[schema(example = "corner-shop")]
    slug: String,
    #[schema(example = "Corner shop")]
    name: String,
    /// The key of the embed snippet; not a secret.
    public_key: String,
    /// Origins that may embed its surveys; empty means any site.
    origins: Vec<String>,
    /// Default language of texts (BCP 47).
    #[schema(example = "en")]
    language: String,
    /// The time zone of dates in searches, results and exports: an IANA time zone name.
    #[schema(example = "Asia/Tokyo")]
    time_zone: String,
    /// Accent color of respondent pages.
    #[schema(example = "#3868d8")]
    accent: String,
    theme: Theme,
    /// Whether people may open tickets on the project’s portal.
    portal: bool,
    /// Query parameters that stored page URLs keep; all others are removed.
    #[schema(example = json!(["utm_source"]))]
    kept_parameters: Vec<String>,
    unsigned_identity: UnsignedIdentity,
    #[schema(format = DateTime)]
    created_at: String,
}

/// All projects that the key can access.
#[derive(Debug, Serialize, ToSchema)]
pub struct ProjectList {
    items: Vec<Project>,
}

impl From<projects::Project> for Project {
    fn from(project: projects::Project) -> Self {
        Self {
            id: project.id.0,
            slug: project.slug,
            name: project.name,
            public_key: project.key,
            origins: project.origins,
            language: project.language,
            time_zone: project.zone.into(),
            accent: project.accent,
            theme: project.theme.into(),
            portal: project.portal,
            kept_parameters: project.kept_parameters,
            unsigned_identity: project.unsigned_identity.into(),
            created_at: project.created_at.rfc3339(),
        }
    }
}

async fn stored(app: &App, scope: &Scope) -> ApiHandlerResult<projects::Project> {
    Ok(app.store.project_by_id(scope.project()).await?.ok_or(Refusal::NotFound)?)
}

async fn own(app: &App, caller: &ApiCaller, id: ProjectId) -> ApiHandlerResult<Project> {
    Ok(stored(app, &keys::scope(&caller.key, id, Role::Viewer)?).await?.into())
}

/// List projects
///
/// A key can access one project, so the list has one entry.
#[utoipa::path(get, path = "/api/v1/projects", operation_id = "list_projects", tag = "Projects",
    responses((status = 200, description = "The projects.", body = ProjectList)))]
pub async fn list_projects(State(app): State<AppState>, caller: ApiCaller, headers: HeaderMap) -> ApiHandlerResult {
    let project = own(&app, &caller, caller.key.project).await?;
    write_outcome::conditional_response(&headers, &ProjectList { items: vec![project] })
}

/// Read a project
#[utoipa::path(get, path = "/api/v1/projects/{project_id}", operation_id = "read_project", tag = "Projects",
    params(("project_id" = Uuid, Path, description = "The project.")),
    responses((status = 200, description = "The project.", body = Project)))]
pub async fn read_project(
    State(app): State<AppState>,
    caller: ApiCaller,
    PathIds([id]): PathIds<1>,
    headers: HeaderMap,
) -> ApiHandlerResult {
    write_outcome::conditional_response(&headers, &own(&app, &caller, ProjectId(id)).await?)
}

/// Fields to change; omitted fields keep their values.
#[derive(Debug, Deserialize, ToSchema, Validate)]
#[serde(deny_unknown_fields)]
pub struct ProjectPatch {
    /// The display name; the name in URLs stays.
    #[serde(default, deserialize_with = "super::request::set")]
    #[validate(length(max = 80))]
    #[schema(value_type = Option<String>, nullable = false, min_length = 1, max_length = 80, example = "Corner shop")]
    name: Option<String>,
    /// Origins that may embed its surveys, such as `https://shop.example`; an empty list allows any site.
    #[serde(default, deserialize_with = "super::request::set")]
    #[schema(value_type = Option<Vec<String>>, nullable = false, max_items = 100)]
    origins: Option<Vec<String>>,
    /// Default language of texts (BCP 47).
    #[serde(default, deserialize_with = "super::request::set")]
    #[validate(length(max = 35))]
    #[schema(value_type = Option<String>, nullable = false, pattern = "^[A-Za-z]{2,3}(-[A-Za-z0-9]{1,8})*$", max_length = 35, example = "en")]
    language: Option<String>,
    /// An IANA time zone name.
    #[serde(default, deserialize_with = "super::request::set")]
    #[validate(length(max = 100))]
    #[schema(value_type = Option<String>, nullable = false, min_length = 1, max_length = 100, example = "Asia/Tokyo")]
    time_zone: Option<String>,
    /// Accent color of respondent pages.
    #[serde(default, deserialize_with = "super::request::set")]
    #[validate(length(max = 7))]
    #[schema(value_type = Option<String>, nullable = false, pattern = "^#[0-9A-Fa-f]{6}$", example = "#3868d8")]
    accent: Option<String>,
    #[serde(default, deserialize_with = "super::request::set")]
    #[schema(value_type = Option<Theme>, nullable = false)]
    theme: Option<Theme>,
    /// Whether people may open tickets on the project’s portal.
    #[serde(default, deserialize_with = "super::request::set")]
    #[schema(value_type = Option<bool>, nullable = false)]
    portal: Option<bool>,
    /// Query parameters that stored page URLs keep.
    #[serde(default, deserialize_with = "super::request::set")]
    #[schema(value_type = Option<Vec<String>>, nullable = false, max_items = 30)]
    kept_parameters: Option<Vec<String>>,
    #[serde(default, deserialize_with = "super::request::set")]
    #[schema(value_type = Option<UnsignedIdentity>, nullable = false)]
    unsigned_identity: Option<UnsignedIdentity>,
}

impl ProjectPatch {
    /// The settings after the change, as a form would send them.
    fn settings(self, now: &projects::Project) -> ProjectSettings {
        let theme = self.theme.map_or(now.theme, Into::into);
        ProjectSettings {
            name: self.name.unwrap_or_else(|| now.name.clone()),
            origins: self.origins.as_ref().unwrap_or(&now.origins).join("\n"),
            language: self.language.unwrap_or_else(|| now.language.clone()),
            time_zone: self.time_zone.unwrap_or_else(|| now.zone.name().to_owned()),
            accent: self.accent.unwrap_or_else(|| now.accent.clone()),
            theme: theme.as_str().into(),
            portal: if self.portal.unwrap_or(now.portal) { "on" } else { "off" }.into(),
            kept_parameters: self.kept_parameters.as_ref().unwrap_or(&now.kept_parameters).join("\n"),
            unsigned_identity: self.unsigned_identity.map(Into::into),
            seen: settings_fingerprint(now),
        }
    }
}

/// A refusal of the use case. A field that someone changed since it was read is a failed precondition, as for other resources.
fn refused(error: Error) -> ApiRejection {
    match &error {
        Error::Domain(Refusal::Invalid(errors)) if errors.0.iter().any(|e| e.code == "conflict") => {
            let detail = "This has changed since you read it. Fetch it again and retry.";
            ApiRejection::outside(StatusCode::PRECONDITION_FAILED, "changed", detail)
        }
        _ => error.into(),
    }
}

/// Change the settings of a project
///
/// Needs a key with the scope `admin`. If any value is invalid, nothing is changed.
#[utoipa::path(patch, path = "/api/v1/projects/{project_id}", operation_id = "update_project", tag = "Projects", request_body = ProjectPatch,
    params(("project_id" = Uuid, Path, description = "The project.")),
    responses((status = 200, description = "The updated project.", body = Project)))]
pub async fn update_project(
    State(app): State<AppState>,
    PathIds([id]): PathIds<1>,
    sent: WriteRequest<ProjectPatch>,
) -> ApiHandlerResult<Response> {
    let (sent, body) = sent.open();
    let scope = keys::scope(&sent.caller.key, ProjectId(id), Role::Admin)?;
    write_outcome::idempotent(&app, &sent, async {
        if let Some(zone) = &body.time_zone {
            // The use case takes an empty one for a form without this field.
            projects::parse_zone(zone).map_err(Refusal::Invalid)?;
        }
        let now = stored(&app, &scope).await?;
        write_outcome::require_if_match(&sent.headers, &Project::from(now.clone()))?;
        change(&app, &scope, body.settings(&now)).await.map_err(refused)?;
        Ok(WriteOutcome::changed(&Project::from(stored(&app, &scope).await?))?)
    })
    .await
}
