//! Projects.

use domain::{
    Timestamp, Zone,
    accounts::Scope,
    identity::UnsignedClaimPolicy,
    ids::{ProjectId, StaffId},
    projects::{DEFAULT_ACCENT, Project, ThemeMode, parse_origin},
};
use sqlx::FromRow;

use super::{Dialect, Store, Tx, id, or_instead};
use crate::error::Result;

/// A project to add.
#[derive(Debug, Clone)]
pub struct NewProject {
    /// Its display name.
    pub name: String,
    /// Its public key.
    pub key: String,
    /// The origins that may embed its surveys.
    pub origins: Vec<String>,
    /// Its time zone.
    pub zone: Zone,
    /// When it is created.
    pub created_at: Timestamp,
}

#[derive(FromRow)]
struct ProjectRow {
    id: String,
    slug: String,
    name: String,
    public_key: String,
    origins: String,
    language: String,
    time_zone: String,
    accent: String,
    theme: String,
    portal: i64,
    kept_parameters: String,
    unsigned_identity: String,
    created_at: i64,
}

impl TryFrom<ProjectRow> for Project {
    type Error = crate::error::Error;

    fn try_from(row: ProjectRow) -> Result<Self> {
        Ok(Self {
            id: id(&row.id)?,
            slug: row.slug,
            name: row.name,
            key: row.public_key,
            origins: origins(&row.origins),
            language: row.language,
            zone: zone(&row.time_zone),
            accent: row.accent,
            theme: ThemeMode::parse(&row.theme),
            portal: row.portal != 0,
            kept_parameters: kept_parameters(&row.kept_parameters),
            unsigned_identity: unsigned(&row.unsigned_identity),
            created_at: Timestamp(row.created_at),
        })
    }
}

/// Parses a time zone; one unknown to this version counts as UTC.
fn zone(stored: &str) -> Zone {
    or_instead("time zone", Zone::parse(stored), Zone::default())
}

/// Parses the policy; an unreadable value is the default.
pub(super) fn unsigned(stored: &str) -> UnsignedClaimPolicy {
    or_instead("setting of unsigned identity", UnsignedClaimPolicy::parse(stored), UnsignedClaimPolicy::Shown)
}

/// Returns origins in the form that browsers send; older versions stored them as typed. An unreadable list allows no site, since an empty
/// one would allow all.
pub(super) fn origins(stored: &str) -> Vec<String> {
    let list: Vec<String> = or_instead("list of origins", serde_json::from_str(stored).ok(), vec!["https://unreadable.invalid".into()]);
    list.into_iter().map(|origin| parse_origin(&origin).unwrap_or(origin)).collect()
}

/// Returns the names of the query parameters to keep; an unreadable list keeps none.
pub(super) fn kept_parameters(stored: &str) -> Vec<String> {
    or_instead("list of kept parameters", serde_json::from_str(stored).ok(), Vec::new())
}

/// The columns of `ProjectRow`.
macro_rules! columns {
    () => {
        "p.id, p.slug, p.name, p.public_key, p.origins, p.language, p.time_zone, p.accent, p.theme, p.portal, p.kept_parameters, p.unsigned_identity, p.created_at"
    };
}

const BY_ID: &str = concat!("SELECT ", columns!(), " FROM projects p WHERE p.id = $1");

impl Store {
    /// Returns the time zone of a scope's project.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn zone(&self, scope: &Scope) -> Result<Zone> {
        let stored: Option<String> = sqlx::query_scalar("SELECT time_zone FROM projects WHERE id = $1")
            .bind(scope.project().to_string())
            .fetch_optional(self.reader())
            .await?;
        Ok(stored.as_deref().map(zone).unwrap_or_default())
    }

    /// Returns a project by the key of its embed snippet. Public: contains no personal data.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn project_by_key(&self, key: &str) -> Result<Option<Project>> {
        let row: Option<ProjectRow> = sqlx::query_as(concat!("SELECT ", columns!(), " FROM projects p WHERE p.public_key = $1"))
            .bind(key.to_owned())
            .fetch_optional(self.reader())
            .await?;
        row.map(Project::try_from).transpose()
    }

    /// Returns a project by id.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn project_by_id(&self, project: ProjectId) -> Result<Option<Project>> {
        let row: Option<ProjectRow> = sqlx::query_as(BY_ID).bind(project.to_string()).fetch_optional(self.reader()).await?;
        row.map(Project::try_from).transpose()
    }

    /// Returns a project by its URL slug. Public: contains no personal data.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn project_by_slug(&self, slug: &str) -> Result<Option<Project>> {
        let row: Option<ProjectRow> = sqlx::query_as(concat!("SELECT ", columns!(), " FROM projects p WHERE p.slug = $1"))
            .bind(slug.to_owned())
            .fetch_optional(self.reader())
            .await?;
        row.map(Project::try_from).transpose()
    }

    /// Returns all projects, by name, for the command line.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn all_projects(&self) -> Result<Vec<Project>> {
        let rows: Vec<ProjectRow> =
            sqlx::query_as(concat!("SELECT ", columns!(), " FROM projects p ORDER BY p.name, p.id")).fetch_all(self.reader()).await?;
        rows.into_iter().map(Project::try_from).collect()
    }

    /// Returns the actor's projects, by name.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn projects_of(&self, staff: StaffId) -> Result<Vec<Project>> {
        let rows: Vec<ProjectRow> = sqlx::query_as(concat!(
            "SELECT ",
            columns!(),
            " FROM projects p JOIN memberships m ON m.project_id = p.id WHERE m.staff_id = $1 ORDER BY p.name, p.id"
        ))
        .bind(staff.to_string())
        .fetch_all(self.reader())
        .await?;
        rows.into_iter().map(Project::try_from).collect()
    }
}

impl Tx<'_> {
    /// Makes concurrent counting or numbering in this project wait until this transaction ends. SQLite has only one writer.
    pub(super) async fn hold_project(&mut self, project: ProjectId) -> Result<()> {
        if self.dialect() == Dialect::Postgres {
            // Not FOR UPDATE: that would also block inserts of rows that reference the project.
            let _: Option<String> = sqlx::query_scalar("SELECT id FROM projects WHERE id = $1 FOR NO KEY UPDATE")
                .bind(project.to_string())
                .fetch_optional(self.conn())
                .await?;
        }
        Ok(())
    }

    /// Returns whether a project has this URL slug.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn slug_taken(&mut self, slug: &str) -> Result<bool> {
        let row: Option<String> =
            sqlx::query_scalar("SELECT id FROM projects WHERE slug = $1").bind(slug.to_owned()).fetch_optional(self.conn()).await?;
        Ok(row.is_some())
    }

    /// Updates the settings of a project: name, origins, language, time zone, accent, theme, portal and kept parameters.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn update_project(&mut self, project: &Project) -> Result<()> {
        sqlx::query(
            "UPDATE projects SET name = $2, origins = $3, language = $4, accent = $5, theme = $6, portal = $7, kept_parameters = $8, \
             time_zone = $9, unsigned_identity = $10 WHERE id = $1",
        )
        .bind(project.id.to_string())
        .bind(project.name.clone())
        .bind(serde_json::to_string(&project.origins)?)
        .bind(project.language.clone())
        .bind(project.accent.clone())
        .bind(project.theme.as_str())
        .bind(i64::from(project.portal))
        .bind(serde_json::to_string(&project.kept_parameters)?)
        .bind(project.zone.name().to_owned())
        .bind(project.unsigned_identity.as_str())
        .execute(self.conn())
        .await?;
        Ok(())
    }

    /// Returns a project, read inside this transaction.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn project(&mut self, project: ProjectId) -> Result<Option<Project>> {
        let row: Option<ProjectRow> = sqlx::query_as(BY_ID).bind(project.to_string()).fetch_optional(self.conn()).await?;
        row.map(Project::try_from).transpose()
    }

    /// Serializes concurrent changes to a project or its memberships.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn lock_project(&mut self, project: ProjectId) -> Result<()> {
        sqlx::query("UPDATE projects SET id = id WHERE id = $1").bind(project.to_string()).execute(self.conn()).await?;
        Ok(())
    }

    /// Returns every project's id.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn project_ids(&mut self) -> Result<Vec<ProjectId>> {
        let rows: Vec<String> = sqlx::query_scalar("SELECT id FROM projects").fetch_all(self.conn()).await?;
        rows.iter().map(|text| id(text)).collect()
    }

    /// Adds a project with the default settings.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn insert_project(&mut self, new: NewProject, slug: String) -> Result<Project> {
        let project = Project {
            id: self.id(),
            slug,
            name: new.name,
            key: new.key,
            origins: new.origins,
            language: "en".into(),
            zone: new.zone,
            accent: DEFAULT_ACCENT.into(),
            theme: ThemeMode::Auto,
            portal: true,
            kept_parameters: Vec::new(),
            unsigned_identity: UnsignedClaimPolicy::Shown,
            created_at: new.created_at,
        };
        sqlx::query(
            "INSERT INTO projects (id, slug, name, public_key, origins, language, accent, theme, portal, kept_parameters, time_zone, created_at) \
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)",
        )
        .bind(project.id.to_string())
        .bind(project.slug.clone())
        .bind(project.name.clone())
        .bind(project.key.clone())
        .bind(serde_json::to_string(&project.origins)?)
        .bind(project.language.clone())
        .bind(project.accent.clone())
        .bind(project.theme.as_str())
        .bind(i64::from(project.portal))
        .bind(serde_json::to_string(&project.kept_parameters)?)
        .bind(project.zone.name().to_owned())
        .bind(project.created_at.0)
        .execute(self.conn())
        .await?;
        Ok(project)
    }
}
