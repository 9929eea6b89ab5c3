//! Use cases of projects.

use domain::{
    DomainError as Refusal, FieldErrors, Zone,
    accounts::{Role, Scope, TeamMember},
    identity::UnsignedClaimPolicy,
    ids::{ProjectId, StaffId},
    projects::{MAX_NAME, Project, ThemeMode, parse_accent, parse_language, parse_origins, parse_parameters, parse_zone, slug},
    text::{self, is_same_name},
};
use serde::Deserialize;
use store::{Fingerprint, IdempotencyScope, IdempotentWrite, Tx, hash::hash_token, projects::NewProject};

use crate::{error::Result, state::App};

/// Checks a project before it is stored.
///
/// # Errors
/// Returns an error if the name is empty or too long.
pub fn new_project(app: &App, name: &str, origins: Vec<String>, zone: Zone) -> Result<NewProject> {
    let name = checked_name(name).map_err(Refusal::Invalid)?;
    let mut key = app.token();
    key.truncate(20);
    Ok(NewProject { name, key: format!("pk_{key}"), origins, zone, created_at: app.now() })
}

fn checked_name(name: &str) -> Result<String, FieldErrors> {
    text::name("name", name, MAX_NAME, "project name")
}

/// Stores a new project with its owners, under an unused slug.
///
/// # Errors
/// When the database fails.
pub async fn insert(tx: &mut Tx<'_>, new: NewProject, owners: &[StaffId]) -> Result<Project> {
    let wanted = slug(&new.name);
    let (mut slug, mut n) = (wanted.clone(), 2);
    while tx.slug_taken(&slug).await? {
        slug = format!("{wanted}-{n}");
        n += 1;
    }
    let project = tx.insert_project(new, slug).await?;
    for owner in owners {
        tx.set_role(project.id, *owner, Role::Owner, project.created_at).await?;
    }
    Ok(project)
}

/// Creates a project, with `owner` as its owner if given.
///
/// # Errors
/// Returns an error if the name is empty or too long.
pub async fn create(app: &App, name: &str, origins: Vec<String>, owner: Option<StaffId>) -> Result<Project> {
    let project = new_project(app, name, origins, Zone::default())?;
    app.store.write(move |tx| Box::pin(async move { insert(tx, project, owner.as_slice()).await })).await
}

/// Creates a project for a person who already runs one or runs the installation, once for each form key.
///
/// # Errors
/// As [`create`]; [`Refusal::Forbidden`] for everyone else.
pub async fn create_once(app: &App, name: &str, origins: &str, zone: &str, member: &TeamMember, key: &str) -> Result<Project> {
    if !may_create(app, member).await? {
        return Err(Refusal::Forbidden.into());
    }
    let owner = member.staff;
    let mut errors = FieldErrors::default();
    if let Err(found) = checked_name(name) {
        errors.0.extend(found.0);
    }
    let origins = parse_origins(origins).unwrap_or_else(|found| {
        errors.0.extend(found.0);
        Vec::new()
    });
    errors.into_result(())?;
    // Guessed by the browser: an unknown zone is not the person's mistake.
    let project = new_project(app, name, origins, Zone::parse(zone).unwrap_or_default())?;
    let content = std::iter::once(project.name.as_str()).chain(project.origins.iter().map(String::as_str));
    let once = IdempotentWrite::form(&IdempotencyScope::Project(owner), key, Fingerprint::of(content));
    app.store.write_idempotent(once, app.now(), move |tx| Box::pin(async move { insert(tx, project, &[owner]).await })).await
}

/// Whether a person may create a project: an account alone is not enough, since everyone who was ever invited has one.
///
/// # Errors
/// When the database fails.
pub async fn may_create(app: &App, member: &TeamMember) -> Result<bool> {
    Ok(member.runs_a_project() || app.store.is_operator(member.staff).await?)
}

/// Project settings that people can change, as typed.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct ProjectSettings {
    /// The display name; the slug stays.
    pub name: String,
    /// Origins that may embed, one per line.
    pub origins: String,
    /// Default language of texts.
    pub language: String,
    /// Time zone, by its name in the IANA database.
    pub time_zone: String,
    /// Accent colour.
    pub accent: String,
    /// Theme of respondent pages.
    pub theme: String,
    /// Whether people may write tickets: `on` or `off`; any other value changes nothing.
    pub portal: String,
    /// Names of query parameters to keep in page addresses.
    pub kept_parameters: String,
    /// The policy for claims without a valid signature; `None` changes nothing. The form has no such field.
    #[serde(skip)]
    pub unsigned_identity: Option<UnsignedClaimPolicy>,
    /// The [`settings_fingerprint`] from when the form was rendered.
    pub seen: String,
}

/// Returns a fingerprint for detecting changes between rendering and submitting a settings form.
#[must_use]
pub fn settings_fingerprint(project: &Project) -> String {
    let Project { name, origins, language, zone, accent, theme, portal, kept_parameters, unsigned_identity, .. } = project;
    let (theme, unsigned) = (theme.as_str(), unsigned_identity.as_str());
    hash_token(&format!("{name}\n{origins:?}\n{language}\n{zone}\n{accent}\n{theme}\n{portal}\n{kept_parameters:?}\n{unsigned}"))
}

/// Returns an error for each field that someone else changed meanwhile.
fn changed_meanwhile(now: &Project, wanted: &Project) -> FieldErrors {
    let mut errors = FieldErrors::default();
    let mut compare = |field: &str, now: &str, wanted: &str| {
        if now != wanted {
            let now = if now.is_empty() { "nothing" } else { now };
            errors.add(
                field,
                "conflict",
                format!("Someone else changed the settings. The current value is: {now}. Save again to keep yours."),
            );
        }
    };
    compare("name", &now.name, &wanted.name);
    compare("origins", &now.origins.join(", "), &wanted.origins.join(", "));
    compare("language", &now.language, &wanted.language);
    compare("time_zone", now.zone.name(), wanted.zone.name());
    compare("accent", &now.accent, &wanted.accent);
    compare("theme", now.theme.as_str(), wanted.theme.as_str());
    let word = |on: bool| if on { "on" } else { "off" };
    compare("portal", word(now.portal), word(wanted.portal));
    compare("unsigned_identity", now.unsigned_identity.as_str(), wanted.unsigned_identity.as_str());
    compare("kept_parameters", &now.kept_parameters.join(", "), &wanted.kept_parameters.join(", "));
    errors
}

/// Changes a project's settings.
///
/// # Errors
/// [`Refusal::Forbidden`] below admin; a message for each field that is invalid, or that someone else changed since the form was rendered.
pub async fn change(app: &App, scope: &Scope, input: ProjectSettings) -> Result<Project> {
    scope.require(Role::Admin)?;
    let mut project = app.store.project_by_id(scope.project()).await?.ok_or(Refusal::NotFound)?;
    let mut errors = FieldErrors::default();
    let mut take = |read: Result<String, FieldErrors>, into: &mut String| match read {
        Ok(value) => *into = value,
        Err(found) => errors.0.extend(found.0),
    };
    take(checked_name(&input.name), &mut project.name);
    take(parse_language(&input.language), &mut project.language);
    take(parse_accent(&input.accent), &mut project.accent);
    // A form without this field leaves it unchanged.
    if !input.time_zone.is_empty() {
        match parse_zone(&input.time_zone) {
            Ok(zone) => project.zone = zone,
            Err(found) => errors.0.extend(found.0),
        }
    }
    match parse_origins(&input.origins) {
        Ok(origins) => project.origins = origins,
        Err(found) => errors.0.extend(found.0),
    }
    match parse_parameters(&input.kept_parameters) {
        Ok(names) => project.kept_parameters = names,
        Err(found) => errors.0.extend(found.0),
    }
    project.theme = ThemeMode::parse(&input.theme);
    project.portal = match input.portal.as_str() {
        "on" => true,
        "off" => false,
        _ => project.portal,
    };
    errors.into_result(())?;
    app.store
        .write(move |tx| {
            Box::pin(async move {
                tx.lock_project(project.id).await?;
                let now = tx.project(project.id).await?.ok_or(Refusal::NotFound)?;
                project.unsigned_identity = input.unsigned_identity.unwrap_or(now.unsigned_identity);
                if settings_fingerprint(&now) != input.seen {
                    changed_meanwhile(&now, &project).into_result(())?;
                }
                tx.update_project(&project).await?;
                Ok(project)
            })
        })
        .await
}

/// Creates a project owned by the operators of the installation.
///
/// # Errors
/// As [`create`].
pub async fn create_for_operators(app: &App, name: &str, origins: Vec<String>) -> Result<Project> {
    let project = new_project(app, name, origins, Zone::default())?;
    app.store
        .write(move |tx| {
            Box::pin(async move {
                let owners = tx.operators().await?;
                insert(tx, project, &owners).await
            })
        })
        .await
}

/// Finds a project named on the command line: by id, by slug, or by name if it is unique.
///
/// # Errors
/// Returns an error if there is none, or more than one.
pub async fn by_name_or_id(app: &App, text: &str) -> Result<Project> {
    if let Ok(id) = text.parse::<ProjectId>() {
        return app.store.project_by_id(id).await?.ok_or_else(|| Refusal::NotFound.into());
    }
    let mut all = app.store.all_projects().await?;
    if let Some(at) = all.iter().position(|p| p.slug == text) {
        return Ok(all.swap_remove(at));
    }
    all.retain(|p| is_same_name(&p.name, text));
    match all.len() {
        0 => Err(Refusal::field("project", "unknown", format!("There is no project “{text}”.")).into()),
        1 => Ok(all.swap_remove(0)),
        n => Err(Refusal::field("project", "ambiguous", format!("{n} projects are named “{text}”. Use the ID instead.")).into()),
    }
}
