//! First-run set-up of an empty installation: the first owner and project, protected by a one-time token from the log.

use domain::{
    DomainError as Refusal, FieldErrors, Zone,
    ids::StaffId,
    projects::{Project, parse_origins},
};
use serde::Deserialize;
use store::hash::hash_token;
use subtle::ConstantTimeEq;

use super::{NewStaff, require_name};
use crate::{
    error::{Error, Result},
    projects,
    state::App,
};

/// The set-up form.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct SetupInput {
    /// The owner's name.
    pub name: String,
    /// The owner's e-mail address.
    pub email: String,
    /// The owner's password.
    pub password: String,
    /// The first project's name.
    pub project: String,
    /// Origins that may embed its surveys; empty allows any.
    pub origins: String,
    /// The time zone of the owner's browser, the project's initial zone; an unknown zone counts as UTC.
    #[serde(default)]
    pub time_zone: String,
}

/// Whether there are no accounts yet.
///
/// # Errors
/// When the database fails.
pub async fn is_empty(app: &App) -> Result<bool> {
    Ok(!app.store.has_staff().await?)
}

/// Replaces any earlier one-time token with a new one while there are no accounts; otherwise returns `None`.
///
/// # Errors
/// When the database fails.
pub async fn offer(app: &App) -> Result<Option<String>> {
    if !is_empty(app).await? {
        return Ok(None);
    }
    let token = app.token();
    let hash = hash_token(&token);
    app.store.write(move |tx| Box::pin(async move { tx.set_setup_token(Some(hash)).await })).await?;
    Ok(Some(token))
}

/// Whether the token matches the one written to the log.
///
/// # Errors
/// When the database fails.
pub async fn is_setup_token(app: &App, token: &str) -> Result<bool> {
    let stored = app.store.setup_token_hash().await?;
    Ok(stored.is_some_and(|stored| bool::from(stored.as_bytes().ct_eq(hash_token(token).as_bytes()))))
}

/// Creates the first owner and project and consumes the token.
///
/// # Errors
/// The problems in the input; [`Refusal::NotFound`] if the token is not valid (any more).
pub async fn run(app: &App, token: &str, input: SetupInput) -> Result<(StaffId, Project)> {
    // Check the token before hashing: requests without it must not cost work.
    if !is_setup_token(app, token).await? {
        return Err(Refusal::NotFound.into());
    }
    let mut errors = FieldErrors::default();
    let mut collect = |error: Error, rename: Option<&str>| match error {
        Error::Domain(Refusal::Invalid(found)) => {
            errors.0.extend(found.0.into_iter().map(|mut e| {
                e.field = rename.map_or(e.field, ToOwned::to_owned);
                e
            }));
            Ok(())
        }
        other => Err(other),
    };
    require_name(&input.name).or_else(|e| collect(Refusal::Invalid(e).into(), None))?;
    let staff = NewStaff::check(app, &input.email, &input.name, &input.password, Some(&input.project))
        .await
        .map_or_else(|e| collect(e, None).map(|()| None), |s| Ok(Some(s)))?;
    let origins = parse_origins(&input.origins).map_or_else(|e| collect(Refusal::Invalid(e).into(), None).map(|()| Vec::new()), Ok)?;
    let zone = Zone::parse(&input.time_zone).unwrap_or_default();
    let project = projects::new_project(app, &input.project, origins, zone)
        .map_or_else(|e| collect(e, Some("project")).map(|()| None), |p| Ok(Some(p)))?;
    errors.into_result(())?;
    let (Some(staff), Some(project)) = (staff, project) else { return Err(Refusal::NotFound.into()) };
    let hash = hash_token(token);
    app.store
        .write(move |tx| {
            Box::pin(async move {
                if !tx.consume_setup_token(&hash).await? {
                    return Err(Refusal::NotFound.into());
                }
                let id = staff.insert(tx).await?;
                tx.set_operator(id).await?;
                let project = projects::insert(tx, project, &[id]).await?;
                Ok((id, project))
            })
        })
        .await
}
