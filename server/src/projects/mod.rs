//! Use cases of projects.

use domain::{
    Error as Refusal,
    accounts::Role,
    ids::{ProjectId, StaffId},
    projects::{DEFAULT_ACCENT, Project, ThemeMode, slug},
};

use crate::{error::Result, state::App};

/// Makes a project, with `owner` as its owner when given.
///
/// # Errors
/// When the name is empty or too long.
pub async fn create(app: &App, name: &str, origins: Vec<String>, owner: Option<StaffId>) -> Result<Project> {
    let name = name.trim().to_owned();
    if name.is_empty() || name.chars().count() > 80 {
        return Err(Refusal::field("name", "length", "Give the project a name of 1 to 80 characters.").into());
    }
    let mut key = app.token();
    key.truncate(20);
    let mut project = Project {
        id: app.id::<ProjectId>(),
        slug: slug(&name),
        name,
        key: format!("pk_{key}"),
        origins,
        language: "en".into(),
        accent: DEFAULT_ACCENT.into(),
        theme: ThemeMode::Auto,
        created_at: app.now(),
    };
    app.store
        .write(move |tx| {
            Box::pin(async move {
                let wanted = project.slug.clone();
                let mut n = 2;
                while tx.slug_taken(&project.slug).await? {
                    project.slug = format!("{wanted}-{n}");
                    n += 1;
                }
                tx.insert_project(&project).await?;
                if let Some(owner) = owner {
                    tx.set_role(project.id, owner, Role::Owner, project.created_at).await?;
                }
                Ok(project)
            })
        })
        .await
}
