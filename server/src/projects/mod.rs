//! Use cases of projects.

use domain::{
    Error as Refusal,
    accounts::Role,
    ids::{ProjectId, StaffId},
    projects::{DEFAULT_ACCENT, Project, ThemeMode, slug},
};

use crate::{error::Result, state::App, store::Tx};

/// A project that is not stored yet.
///
/// # Errors
/// When the name is empty or too long.
pub fn draft(app: &App, name: &str, origins: Vec<String>) -> Result<Project> {
    let name = checked_name(name)?;
    let mut key = app.token();
    key.truncate(20);
    Ok(Project {
        id: app.id::<ProjectId>(),
        slug: slug(&name),
        name,
        key: format!("pk_{key}"),
        origins,
        language: "en".into(),
        accent: DEFAULT_ACCENT.into(),
        theme: ThemeMode::Auto,
        created_at: app.now(),
    })
}

fn checked_name(name: &str) -> Result<String, Refusal> {
    let name = name.trim();
    if name.is_empty() || name.chars().count() > 80 {
        return Err(Refusal::field("name", "length", "Give the project a name of 1 to 80 characters."));
    }
    Ok(name.to_owned())
}

/// Stores a draft with its owners, under a name in URLs that is free.
///
/// # Errors
/// When the database fails.
pub async fn insert(tx: &mut Tx<'_>, mut project: Project, owners: &[StaffId]) -> Result<Project> {
    let wanted = project.slug.clone();
    let mut n = 2;
    while tx.slug_taken(&project.slug).await? {
        project.slug = format!("{wanted}-{n}");
        n += 1;
    }
    tx.insert_project(&project).await?;
    for owner in owners {
        tx.set_role(project.id, *owner, Role::Owner, project.created_at).await?;
    }
    Ok(project)
}

/// Makes a project, with `owner` as its owner when given.
///
/// # Errors
/// When the name is empty or too long.
pub async fn create(app: &App, name: &str, origins: Vec<String>, owner: Option<StaffId>) -> Result<Project> {
    let project = draft(app, name, origins)?;
    app.store.write(move |tx| Box::pin(async move { insert(tx, project, owner.as_slice()).await })).await
}

/// Makes a project whose owners are those who run the installation.
///
/// # Errors
/// As [`create`].
pub async fn create_for_operators(app: &App, name: &str, origins: Vec<String>) -> Result<Project> {
    let project = draft(app, name, origins)?;
    app.store
        .write(move |tx| {
            Box::pin(async move {
                let owners = tx.operators().await?;
                insert(tx, project, &owners).await
            })
        })
        .await
}

/// The project that somebody at the command line means: by id, by its name in URLs, or by its name if only one has it.
///
/// # Errors
/// When there is none, or more than one.
pub async fn by_name_or_id(app: &App, text: &str) -> Result<Project> {
    if let Ok(id) = text.parse::<ProjectId>() {
        return app.store.project_by_id(id).await?.ok_or_else(|| Refusal::NotFound.into());
    }
    let mut all = app.store.all_projects().await?;
    if let Some(at) = all.iter().position(|p| p.slug == text) {
        return Ok(all.swap_remove(at));
    }
    all.retain(|p| p.name.to_lowercase() == text.trim().to_lowercase());
    match all.len() {
        0 => Err(Refusal::field("project", "unknown", format!("There is no project “{text}”.")).into()),
        1 => Ok(all.swap_remove(0)),
        n => Err(Refusal::field("project", "ambiguous", format!("{n} projects are called “{text}”. Give the id instead.")).into()),
    }
}
