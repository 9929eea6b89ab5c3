//! A visit of the portal: what a request says of its reader, and which project's portal it is.

use app::respond::{DisplayMode, RespondentPageContext, texts as respond};
use axum::{
    extract::Query,
    http::{HeaderMap, header},
};
use domain::{DomainError as Refusal, projects::Project};
use serde::Deserialize;
use service::{error::Result, state::App};

use crate::http::{WebState, assets, respond::is_own, security::Nonce};

/// How a page is asked for.
#[derive(Debug, Default, Deserialize)]
pub struct PortalQuery {
    /// The language of our texts.
    pub(super) lang: Option<String>,
    /// The page that led here, as the widget says.
    pub(super) page_url: Option<String>,
    /// The release in use there.
    pub(super) release: Option<String>,
    /// The environment.
    pub(super) environment: Option<String>,
    /// Set after a ticket was sent.
    pub(super) sent: Option<String>,
    /// Only messages of a conversation before this one.
    pub(super) before: Option<String>,
}

/// What a request says of its reader and where it came from.
pub struct PortalRequest {
    nonce: Nonce,
    pub(super) headers: HeaderMap,
    pub(super) asked: PortalQuery,
}

impl axum::extract::FromRequestParts<WebState> for PortalRequest {
    type Rejection = std::convert::Infallible;

    async fn from_request_parts(parts: &mut axum::http::request::Parts, web: &WebState) -> std::result::Result<Self, Self::Rejection> {
        let asked = Query::<PortalQuery>::try_from_uri(&parts.uri).map(|Query(asked)| asked).unwrap_or_default();
        Ok(Self { nonce: Nonce::from_request_parts(parts, web).await?, headers: parts.headers.clone(), asked })
    }
}

impl PortalRequest {
    /// The looks of a page of this project; `language` is the reader's, where it is known.
    pub(super) fn look(&self, project: &Project, language: Option<&str>) -> RespondentPageContext {
        let accept = self.headers.get(header::ACCEPT_LANGUAGE).and_then(|h| h.to_str().ok());
        let texts = respond::pick_for_reader(self.asked.lang.as_deref().or(language), accept, &project.language);
        RespondentPageContext {
            mode: DisplayMode::Hosted,
            accent: project.accent.clone(),
            theme: project.theme,
            language: texts.code.into(),
            texts,
            nonce: self.nonce.0.clone(),
            css: assets::url("portal.css"),
            js: String::new(),
        }
    }

    /// Whether a page of another site sent this form. Pages without a referrer send no origin with their forms (`null`); those are behind a
    /// secret that no other site has.
    pub(super) fn is_foreign(&self, app: &App) -> bool {
        let text = |name: &str| self.headers.get(name).and_then(|h| h.to_str().ok());
        if let Some(site) = text("sec-fetch-site") {
            return !matches!(site, "same-origin" | "none");
        }
        let Some(origin) = text("origin").filter(|origin| *origin != "null") else { return false };
        !is_own(app, origin, &self.headers)
    }
}

/// The project of a portal.
///
/// # Errors
/// Not found, also where the portal is off.
pub async fn project(app: &App, slug: &str) -> Result<Project> {
    let project = named(app, slug).await?;
    if project.portal { Ok(project) } else { Err(Refusal::NotFound.into()) }
}

/// The project of a name, whether or not its portal takes new tickets.
pub(super) async fn named(app: &App, slug: &str) -> Result<Project> {
    // What cannot be a slug is not looked up: PostgreSQL would fault on NUL.
    if !slug.bytes().all(|b| b.is_ascii_graphic()) {
        return Err(Refusal::NotFound.into());
    }
    Ok(app.store.project_by_slug(slug).await?.ok_or(Refusal::NotFound)?)
}
