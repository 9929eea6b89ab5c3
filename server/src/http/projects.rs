//! New project, settings, embedding.

use app::{
    projects::{
        embed::{EmbedPage, EmbedView, LiveSurvey},
        new::{NewProjectPage, NewProjectView, NoProject},
        settings::{ProjectSettingsView as View, SettingsPage},
    },
    shell::Nav,
};
use axum::{Router, http::StatusCode, response::Response, routing::get};
use domain::{
    FieldErrors, Timestamp, Zone,
    accounts::Role,
    colour::{DARK_BACKGROUND, LIGHT_BACKGROUND, contrast},
    projects::{Project, ThemeMode},
};
use leptos::prelude::*;
use service::{
    error::{Error, Result},
    projects::{self, ProjectSettings},
};

use super::{address::BaseUrl, console::ConsoleRequest, error::PageResult, forms::Form};
use crate::http::WebState;

/// This capability's routes.
pub fn routes() -> Router<WebState> {
    Router::new()
        .route("/projects/new", get(new).post(create))
        .route("/p/{slug}/settings", get(settings).post(change))
        .route("/p/{slug}/embed", get(embed))
}

fn new_page(console: &ConsoleRequest, status: StatusCode, model: NewProjectView) -> Response {
    let key = console.form_key();
    let model = NewProjectView { nonce: console.nonce().to_owned(), ..model };
    console.page_with(status, "New project", Nav::Account, move || view! { <NewProjectPage model=model idempotency_key=key /> })
}

/// `GET /projects/new`.
async fn new(console: ConsoleRequest) -> PageResult {
    if !projects::may_create(&console.app, &console.member).await? {
        let is_member = !console.projects.is_empty();
        return Ok(console.page_with(StatusCode::FORBIDDEN, "Projects", Nav::Account, move || view! { <NoProject is_member /> }));
    }
    Ok(new_page(&console, StatusCode::OK, NewProjectView::default()))
}

/// `POST /projects/new`.
async fn create(console: ConsoleRequest, form: Form) -> PageResult {
    let key = form.idempotency_key()?;
    let (name, origins) = (form.get("name"), form.get("origins"));
    match projects::create_once(&console.app, name, origins, form.get("time_zone"), &console.member, key).await {
        Ok(project) => Ok(console.redirect_with_message(
            &format!("/p/{}/surveys", project.slug),
            &format!("{} is ready. Create its first survey.", project.name),
        )),
        Err(Error::Domain(domain::DomainError::Invalid(errors))) => {
            let model = NewProjectView { name: name.into(), origins: origins.into(), errors, ..NewProjectView::default() };
            Ok(new_page(&console, StatusCode::UNPROCESSABLE_ENTITY, model))
        }
        Err(error) => Err(error.into()),
    }
}

/// All time zones, each with its current offset from UTC.
fn zones(now: Timestamp) -> Vec<(String, String)> {
    Zone::all().iter().map(|zone| (zone.name().to_owned(), zone.offset(now))).collect()
}

/// A warning about an accent colour with too little contrast on the pages that use it.
fn accent_warning(project: &Project) -> Option<String> {
    let (light, dark) = ((LIGHT_BACKGROUND, "a white page"), (DARK_BACKGROUND, "a dark page"));
    let grounds = match project.theme {
        ThemeMode::Light => vec![light],
        ThemeMode::Dark => vec![dark],
        ThemeMode::Auto => vec![light, dark],
    };
    let found = grounds.into_iter().filter_map(|(ground, name)| Some((contrast(&project.accent, ground)?, name)));
    let (least, name) = found.min_by(|a, b| a.0.total_cmp(&b.0))?;
    (least < 3.0)
        .then(|| format!("This color is hard to see on {name}: its contrast ratio is {least:.1}, and buttons and icons need at least 3."))
}

fn settings_page(console: &ConsoleRequest, status: StatusCode, typed: Option<(&ProjectSettings, FieldErrors)>) -> Result<Response> {
    let project = console.project()?;
    let mut model = View {
        slug: project.slug.clone(),
        name: project.name.clone(),
        origins: project.origins.join("\n"),
        language: project.language.clone(),
        time_zone: project.zone.name().to_owned(),
        time_zones: zones(console.app.now()),
        time_now: console.present().readable(console.app.now()),
        accent: project.accent.clone(),
        theme: project.theme.as_str().into(),
        portal: project.portal,
        kept_parameters: project.kept_parameters.join(", "),
        accent_warning: accent_warning(project),
        seen: projects::settings_fingerprint(project),
        may_change: console.scope(Role::Admin).is_ok(),
        errors: FieldErrors::default(),
    };
    if let Some((typed, errors)) = typed {
        model.name.clone_from(&typed.name);
        model.origins.clone_from(&typed.origins);
        model.language.clone_from(&typed.language);
        if !typed.time_zone.is_empty() {
            model.time_zone.clone_from(&typed.time_zone);
        }
        model.theme.clone_from(&typed.theme);
        model.kept_parameters.clone_from(&typed.kept_parameters);
        model.portal = if typed.portal.is_empty() { model.portal } else { typed.portal == "on" };
        // Any other text would turn the colour field black.
        if domain::projects::parse_accent(&typed.accent).is_ok() {
            model.accent.clone_from(&typed.accent);
        }
        model.errors = errors;
    }
    let key = console.form_key();
    Ok(console.page_with(status, "Settings", Nav::Settings, move || view! { <SettingsPage model=model idempotency_key=key /> }))
}

/// `GET /p/{slug}/settings`.
async fn settings(console: ConsoleRequest) -> PageResult {
    console.scope(Role::Viewer)?;
    Ok(settings_page(&console, StatusCode::OK, None)?)
}

/// `POST /p/{slug}/settings`.
async fn change(console: ConsoleRequest, form: Form) -> PageResult {
    let scope = console.scope(Role::Admin)?;
    form.idempotency_key()?;
    let input: ProjectSettings = form.read()?;
    match projects::change(&console.app, &scope, input.clone()).await {
        Ok(project) => Ok(console.redirect_with_message(&format!("/p/{}/settings", project.slug), "Settings saved.")),
        Err(Error::Domain(domain::DomainError::Invalid(errors))) => {
            Ok(settings_page(&console, StatusCode::UNPROCESSABLE_ENTITY, Some((&input, errors)))?)
        }
        Err(error) => Err(error.into()),
    }
}

/// `GET /p/{slug}/embed`.
async fn embed(console: ConsoleRequest, BaseUrl(base): BaseUrl) -> PageResult {
    let scope = console.scope(Role::Viewer)?;
    let project = console.project()?;
    let surveys = console.app.store.surveys(&scope).await?;
    let buttons = console.app.store.live_buttons(&scope).await?;
    let surveys = surveys
        .into_iter()
        .filter(|s| s.survey.status == domain::surveys::SurveyStatus::Live)
        .map(|s| LiveSurvey {
            note: match buttons.split_first() {
                Some((first, hidden)) if hidden.iter().any(|b| b.id == s.survey.id) => Some(format!(
                    "Its button is not shown: a site shows only the button of the newest survey, “{}”. Pause that survey, or open this one another way.",
                    first.name
                )),
                _ => None,
            },
            id: s.survey.id.to_string(),
            name: s.survey.name,
        })
        .collect();
    let model = EmbedView {
        slug: project.slug.clone(),
        base,
        key: project.key.clone(),
        origins: project.origins.clone(),
        is_admin: console.scope(Role::Admin).is_ok(),
        portal: project.portal,
        kept_parameters: project.kept_parameters.clone(),
        surveys,
    };
    Ok(console.page("Embed", Nav::Settings, move || view! { <EmbedPage model=model /> }))
}
