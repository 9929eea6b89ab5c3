//! The demonstration's site: pages of a different owner on another origin, under the strictest Content-Security-Policy that the
//! widget supports. It uses nothing of Earshot except the snippet that people paste.

use axum::{
    Router,
    http::header,
    response::{Html, IntoResponse},
    routing::{MethodRouter, get},
};

const PAGE: &str = include_str!("page.html");
const VIEWS: &str = include_str!("views.html");
const CSS: &str = include_str!("site.css");
const JS: &str = include_str!("site.js");
const ICON: &str = "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 16 16\"><path fill=\"#1f6b4a\" \
                    d=\"M1 2h9v3H1zm3 5h10v3H4zm3 5h6v3H7z\"/></svg>";

/// The site with the widget of the project `project_key` at `earshot_origin`; two pages embed the survey `survey_id` inline.
pub fn router(earshot_origin: &str, project_key: &str, survey_id: &str) -> Router {
    let origin = earshot_origin.trim_end_matches('/').to_owned();
    let policy = format!(
        "default-src 'none'; script-src 'self' {origin}; connect-src {origin}; frame-src {origin}; style-src 'self'; img-src 'self'; base-uri 'none'"
    );
    let widget = format!(
        r#"<script async src="{origin}/embed.js" data-project="{project_key}" data-release="4.2.0" data-environment="production"></script>"#
    );
    let page = |main: &str, with_widget: bool| {
        let html = PAGE.replace("{widget}", if with_widget { &widget } else { "" }).replace("{main}", main);
        let policy = policy.clone();
        get(move || std::future::ready(([(header::CONTENT_SECURITY_POLICY, policy.clone())], Html(html.clone())).into_response()))
    };
    let inline = format!(
        "<h1>How are we doing?</h1><p class=\"lead\">The survey is part of this page.</p><earshot-survey survey=\"{survey_id}\"></earshot-survey>"
    );
    let frame = format!(
        "<h1>How are we doing?</h1><p class=\"lead\">A plain frame, without any script of ours.</p>\
         <iframe class=\"frame\" src=\"{origin}/s/{survey_id}?embed=1\" title=\"Survey\"></iframe>"
    );
    // The first three form one single-page site; each URL also loads by itself.
    let app = ["/", "/prices", "/account"].into_iter().fold(Router::new(), |router, path| router.route(path, page(VIEWS, true)));
    app.route("/inline", page(&inline, true))
        .route("/frame", page(&frame, false))
        .route("/site.css", file("text/css; charset=utf-8", CSS))
        .route("/site.js", file("text/javascript; charset=utf-8", JS))
        .route("/icon.svg", file("image/svg+xml", ICON))
}

fn file(mime: &'static str, text: &'static str) -> MethodRouter {
    get(move || async move { ([(header::CONTENT_TYPE, mime)], text) })
}
