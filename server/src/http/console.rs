//! Extractor for console pages: the actor, the project, and helpers to respond with a page.

use std::collections::HashMap;

use app::{
    render,
    shell::{ConsoleAssets, ConsoleDocument, ConsoleFrame, ConsoleShell, Flash, Nav, ProjectRef, Undo},
};
use axum::{
    extract::{FromRequestParts, Path},
    http::{Method, StatusCode, request::Parts},
    response::{Html, IntoResponse, Redirect, Response},
};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use domain::{
    ZonedNow,
    accounts::{Role, Scope, TeamMember},
    ids::{StaffId, UndoId},
    projects::Project,
    text::shorten,
};
use leptos::prelude::*;
use service::{
    error::{Error, Result},
    state::AppState,
};
use store::{
    sessions::{RENEWED_AT_KEY, STAFF, session_hash},
    staff::StaffRow,
};
use tower_sessions::Session;

use super::{assets, cookies, error::PageError, security::Nonce};
use crate::http::WebState;

const FLASH: &str = "earshot_flash";
/// Lifetime of a flash, in milliseconds.
const FLASH_MS: i64 = 60_000;
/// Cookie with the last visited project: a convenience, not a secret, and not worth a write to the database.
const LAST_PROJECT: &str = "earshot_project";
/// Minimum time between two renewals of a session, in milliseconds.
const RENEW_AFTER_MS: i64 = 3_600_000;

/// A request of a signed-in person. A handler with this argument requires sign-in and, if the path has a `{slug}`, membership of that
/// project.
pub struct ConsoleRequest {
    /// The application.
    pub app: AppState,
    /// The person with their roles.
    pub member: TeamMember,
    /// Their own record.
    pub staff: StaffRow,
    /// All their projects.
    pub projects: Vec<Project>,
    /// Their session.
    pub session: Session,
    project: Option<Project>,
    nonce: String,
    flash: Option<Flash>,
    last_project: Option<String>,
}

impl FromRequestParts<WebState> for ConsoleRequest {
    type Rejection = PageError;

    async fn from_request_parts(parts: &mut Parts, web: &WebState) -> Result<Self, PageError> {
        let app = &web.app;
        let session = Session::from_request_parts(parts, web).await.map_err(|(_, text)| Error::internal("session", text))?;
        let staff: Option<StaffId> = session.get(STAFF).await?;
        let staff = staff.ok_or(domain::DomainError::SignedOut)?;
        if parts.method != Method::GET {
            renew(app, &session).await?;
        }
        let (row, member, projects) =
            tokio::try_join!(app.store.staff_by_id(staff), app.store.team_member(staff), app.store.projects_of(staff))?;
        let row = row.ok_or(domain::DomainError::SignedOut)?;
        super::limits::of_the_team(&parts.extensions);
        let params: HashMap<String, String> = Path::from_request_parts(parts, web).await.map(|Path(p)| p).unwrap_or_default();
        let project = match params.get("slug") {
            None => None,
            Some(slug) => Some(projects.iter().find(|p| p.slug == *slug).cloned().ok_or(domain::DomainError::NotFound)?),
        };
        let Nonce(nonce) = Nonce::from_request_parts(parts, web).await.unwrap_or_else(|never| match never {});
        let flash = read_flash(app, staff, parts);
        let last_project = cookies::value(app, &parts.headers, LAST_PROJECT).map(ToOwned::to_owned);
        Ok(Self { app: app.clone(), member, staff: row, projects, session, project, nonce, flash, last_project })
    }
}

/// Extends a session that is in use. Only on requests that write anyway.
async fn renew(app: &AppState, session: &Session) -> Result<()> {
    let last: i64 = session.get(RENEWED_AT_KEY).await?.unwrap_or_default();
    let now = app.now();
    if now.0 - last >= RENEW_AFTER_MS {
        session.insert(RENEWED_AT_KEY, now.0).await?;
    }
    Ok(())
}

impl ConsoleRequest {
    /// The project of the path; otherwise the last visited one, otherwise the first.
    #[must_use]
    pub fn current_project(&self) -> Option<&Project> {
        let last = || self.projects.iter().find(|p| Some(&p.slug) == self.last_project.as_ref());
        self.project.as_ref().or_else(last).or_else(|| self.projects.first())
    }

    /// The project of the path.
    ///
    /// # Errors
    /// [`domain::DomainError::NotFound`] on routes without a `{slug}`.
    pub fn project(&self) -> Result<&Project> {
        self.project.as_ref().ok_or_else(|| domain::DomainError::NotFound.into())
    }

    /// The CSP nonce of this request.
    #[must_use]
    pub fn nonce(&self) -> &str {
        &self.nonce
    }

    /// The current time in the zone of the path's project; in UTC on pages without a project.
    #[must_use]
    pub fn present(&self) -> ZonedNow {
        ZonedNow { now: self.app.now(), zone: self.project.as_ref().map(|project| project.zone.clone()).unwrap_or_default() }
    }

    /// The scope for working in the path's project with at least the role `need`.
    ///
    /// # Errors
    /// Not found or forbidden; see [`TeamMember::scope`].
    pub fn scope(&self, need: Role) -> Result<Scope> {
        Ok(self.member.scope(self.project()?.id, need)?)
    }

    /// The hash of the session, for work that must end with it.
    #[must_use]
    pub fn session_hash(&self) -> Option<String> {
        self.session.id().map(|id| session_hash(&id))
    }

    /// Checks that the person is an operator of the installation.
    ///
    /// # Errors
    /// [`domain::DomainError::NotFound`] for anyone else.
    pub fn operator(&self) -> Result<()> {
        if self.staff.operator == 1 { Ok(()) } else { Err(domain::DomainError::NotFound.into()) }
    }

    /// The button that undoes a change and then leads to `back`; none without a token.
    ///
    /// # Errors
    /// As [`ConsoleRequest::project`].
    pub fn undo(&self, token: Option<UndoId>, back: &str) -> Result<Option<Undo>> {
        let Some(token) = token else { return Ok(None) };
        let fields = vec![("token".to_owned(), token.to_string()), ("return_to".to_owned(), back.to_owned())];
        Ok(Some(Undo { url: format!("/p/{}/undo", self.project()?.slug), fields }))
    }

    /// A new idempotency key for a form.
    #[must_use]
    pub fn form_key(&self) -> String {
        self.app.ids.uuid().to_string()
    }

    /// Responds with a page inside the console's frame.
    pub fn page<V: IntoView + 'static>(&self, title: &str, nav: Nav, view: impl FnOnce() -> V + Send + 'static) -> Response {
        self.page_with(StatusCode::OK, title, nav, view)
    }

    /// As [`ConsoleRequest::page`], with another status: 422 for a rejected form.
    pub fn page_with<V: IntoView + 'static>(
        &self,
        status: StatusCode,
        title: &str,
        nav: Nav,
        view: impl FnOnce() -> V + Send + 'static,
    ) -> Response {
        let reference = |p: &Project| ProjectRef { slug: p.slug.clone(), name: p.name.clone() };
        let may = |need| self.current_project().is_some_and(|p| self.member.scope(p.id, need).is_ok());
        let title = self.project.as_ref().map_or_else(|| title.to_owned(), |p| format!("{title} · {}", p.name));
        let shell = ConsoleShell {
            title,
            nonce: self.nonce.clone(),
            theme: self.staff.theme.clone(),
            assets: console_assets(),
            chrome: Some(ConsoleFrame {
                staff_id: self.staff.id.clone(),
                staff_name: self.staff.name.clone(),
                staff_email: self.staff.email.clone(),
                project: self.current_project().map(reference),
                projects: self.projects.iter().map(reference).collect(),
                is_operator: self.staff.operator == 1,
                may_create: self.member.runs_a_project(),
                can_triage: may(Role::Triager),
                is_admin: may(Role::Admin),
            }),
            nav,
            flash: self.flash.clone(),
            idempotency_key: self.form_key(),
        };
        let html = render::document(move || view! { <ConsoleDocument shell=shell>{view()}</ConsoleDocument> });
        let mut response = (status, Html(html)).into_response();
        if self.flash.is_some() {
            cookies::set(&self.app, &mut response, FLASH, "", 0);
        }
        if let Some(project) = self.project.as_ref().filter(|p| Some(&p.slug) != self.last_project.as_ref()) {
            cookies::set(&self.app, &mut response, LAST_PROJECT, &project.slug, 31_536_000);
        }
        response
    }

    /// Responds to a successful post: redirects (303) to `url`, which shows `message` once.
    pub fn redirect_with_message(&self, url: &str, message: &str) -> Response {
        self.redirect(url, &Flash { message: message.into(), is_error: false, undo: None })
    }

    /// Responds to a post: redirects (303) to `url`, which shows `flash` once.
    pub fn redirect(&self, url: &str, flash: &Flash) -> Response {
        redirect_with(&self.app, self.member.staff, url, flash)
    }
}

/// Redirects (303) to `url`, which shows `flash` once to `staff`. For handlers that have just signed the person in.
pub fn redirect_with(app: &AppState, staff: StaffId, url: &str, flash: &Flash) -> Response {
    let mut response = Redirect::to(url).into_response();
    if let Ok(value) = flash_value(app, staff, flash) {
        cookies::set(app, &mut response, FLASH, &value, FLASH_MS / 1000);
    }
    response
}

/// A page for people who are not signed in: set-up, sign-in, an invitation.
pub fn plain_page<V: IntoView + 'static>(
    app: &AppState,
    nonce: &Nonce,
    status: StatusCode,
    title: &str,
    view: impl FnOnce() -> V + Send + 'static,
) -> Response {
    let shell = ConsoleShell {
        title: title.into(),
        nonce: nonce.0.clone(),
        theme: "auto".into(),
        assets: console_assets(),
        chrome: None,
        nav: Nav::Account,
        flash: None,
        idempotency_key: app.ids.uuid().to_string(),
    };
    (status, Html(render::document(move || view! { <ConsoleDocument shell=shell>{view()}</ConsoleDocument> }))).into_response()
}

fn console_assets() -> ConsoleAssets {
    ConsoleAssets {
        css: assets::url("console.css"),
        js: assets::url("console.js"),
        wasm: assets::find("earshot.js")
            .zip(assets::find("earshot_bg.wasm"))
            .map(|_| (assets::url("earshot.js"), assets::url("earshot_bg.wasm"))),
    }
}

/// Maximum characters of a flash message in its cookie: browsers drop cookies of more than 4096 bytes.
const FLASH_MESSAGE: usize = 300;
/// Maximum bytes of the return path of an undo. A longer one, such as a percent-encoded query, is left out, and the undo returns to the
/// inbox.
const FLASH_PLACE: usize = 1200;

/// Shortens the flash to fit its cookie: a truncated message, or an undo that returns elsewhere, is better than none.
fn fitted(flash: &Flash) -> Flash {
    let mut flash = flash.clone();
    flash.message = shorten(&flash.message, FLASH_MESSAGE);
    if let Some(undo) = &mut flash.undo {
        undo.fields.retain(|(name, value)| name != "return_to" || value.len() <= FLASH_PLACE);
    }
    flash
}

// The flash is in a signed cookie rather than in the session, so that showing it writes nothing. It is valid for one person and one minute:
// it may hold a form, and another person may use the browser next.

fn flash_text(staff: StaffId, until: i64, body: &str) -> String {
    format!("{staff} {until} {body}")
}

fn flash_value(app: &AppState, staff: StaffId, flash: &Flash) -> Result<String> {
    let body = URL_SAFE_NO_PAD.encode(serde_json::to_vec(&fitted(flash))?);
    let until = app.now().plus_ms(FLASH_MS).0;
    let signature = app.sign("flash", &flash_text(staff, until, &body))?;
    Ok(format!("{body}.{until}.{signature}"))
}

fn read_flash(app: &AppState, staff: StaffId, parts: &Parts) -> Option<Flash> {
    let value = cookies::value(app, &parts.headers, FLASH)?;
    let (body, rest) = value.split_once('.')?;
    let (until, signature) = rest.split_once('.')?;
    let until: i64 = until.parse().ok()?;
    if app.now().0 > until || !app.verify("flash", &flash_text(staff, until, body), signature).ok()? {
        return None;
    }
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(body).ok()?).ok()
}
