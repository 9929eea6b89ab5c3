//! `/api/v1/projects`: the key's own project.

use axum::{extract::State, http::HeaderMap};
use domain::{DomainError as Refusal, accounts::Role, ids::ProjectId, projects};
use serde::Serialize;
use service::{
    keys,
    state::{App, AppState},
};
use utoipa::ToSchema;
use uuid::Uuid;

use super::{caller::ApiCaller, problem::ApiHandlerResult, request::PathIds, write_outcome};

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
            created_at: project.created_at.rfc3339(),
        }
    }
}

async fn own(app: &App, caller: &ApiCaller, id: ProjectId) -> ApiHandlerResult<Project> {
    let scope = keys::scope(&caller.key, id, Role::Viewer)?;
    Ok(app.store.project_by_id(scope.project()).await?.ok_or(Refusal::NotFound)?.into())
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
