//! A portal request: the reader's properties, and the portal's project.

use app::respond::{DisplayMode, RespondentPageContext, texts as respond};
use axum::{
    extract::Query,
    http::{HeaderMap, header},
};
use domain::{DomainError as Refusal, projects::Project};
use serde::Deserialize;
use service::{error::Result, state::App};

use crate::http::{WebState, assets, respond::is_own, security::Nonce};

/// Query parameters of a portal page.
#[derive(Debug, Default, Deserialize)]
pub struct PortalQuery {
    /// Language of our texts.
    pub(super) lang: Option<String>,
    /// The page that the visitor came from, reported by the widget.
    pub(super) page_url: Option<String>,
    /// The release that the visitor used there.
    pub(super) release: Option<String>,
    /// The environment.
    pub(super) environment: Option<String>,
    /// Set after a ticket was sent.
    pub(super) sent: Option<String>,
    /// Show only messages of a conversation before this one.
    pub(super) before: Option<String>,
}

/// Properties of a request and its reader.
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
    /// The page context for this project; `language` is the reader's, if known.
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

    /// Whether a page of another site sent this form. Pages with `no-referrer` send the origin `null` with their forms; those pages have a
    /// secret URL that no other site knows.
    pub(super) fn is_foreign(&self, app: &App) -> bool {
        let text = |name: &str| self.headers.get(name).and_then(|h| h.to_str().ok());
        if let Some(site) = text("sec-fetch-site") {
            return !matches!(site, "same-origin" | "none");
        }
        let Some(origin) = text("origin").filter(|origin| *origin != "null") else { return false };
        !is_own(app, origin, &self.headers)
    }
}

/// The project of a portal, by its slug.
///
/// # Errors
/// Not found, also if the portal is off.
pub async fn project(app: &App, slug: &str) -> Result<Project> {
    let project = project_of(app, slug).await?;
    if project.portal { Ok(project) } else { Err(Refusal::NotFound.into()) }
}

/// The project with a slug, whether or not its portal accepts new tickets.
pub(super) async fn project_of(app: &App, slug: &str) -> Result<Project> {
    // Text that cannot be a slug is not looked up: PostgreSQL fails on NUL.
    if !slug.bytes().all(|b| b.is_ascii_graphic()) {
        return Err(Refusal::NotFound.into());
    }
    Ok(app.store.project_by_slug(slug).await?.ok_or(Refusal::NotFound)?)
}
