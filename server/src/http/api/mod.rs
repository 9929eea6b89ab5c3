//! `/api/v1`: the API for other programs. An operation is a handler with `#[utoipa::path]` and an entry in the list of operations below.
//! That list generates both the routes and the document, so that they always match.

#![expect(unused_qualifications, reason = "what utoipa's macro writes")]

mod backlog;
mod bad_lines;
mod bulk;
mod caller;
mod comments;
mod contact;
mod contacts;
mod deliveries;
mod desk;
mod document;
mod draft;
mod events;
mod export;
mod feedback;
mod history;
mod identity_secrets;
mod import_mapping;
mod imports;
mod invitations;
mod keys;
mod lists;
mod me;
mod members;
mod page;
mod problem;
mod projects;
mod reference;
mod replies;
mod request;
mod responses;
mod survey_drafts;
mod survey_results;
mod survey_versions;
mod surveys;
mod tags;
mod ticket_files;
mod tickets;
mod webhooks;
mod write_outcome;

use std::convert::Infallible;

use axum::{
    Extension, Router,
    extract::DefaultBodyLimit,
    routing::{MethodFilter, MethodRouter, get, on},
};
use utoipa::OpenApi;

use crate::http::WebState;

/// Base path of the API.
const BASE: &str = "/api/v1";

/// Generates `Operations`, the document's part that comes from the handlers, and `handlers`, the handlers by operation name.
macro_rules! operations {
    ($($module:ident: $($handler:ident),+;)+) => {
        #[derive(OpenApi)]
        #[openapi(paths($($($module::$handler),+),+), components(schemas(problem::Problem, export::Format, feedback::Order, responses::Spam, schemas::Event, schemas::EventData)))]
        struct Operations;

        fn handlers() -> Vec<(&'static str, fn(MethodFilter) -> MethodRouter<WebState>)> {
            vec![$($((stringify!($handler), |method| on(method, $module::$handler))),+),+]
        }
    };
}

operations! {
    export: export_feedback, export_responses, export_backlog;
    me: read_current_key;
    keys: list_keys;
    projects: list_projects, read_project, update_project;
    surveys: list_surveys, read_survey;
    survey_drafts: create_survey, update_survey, duplicate_survey, read_draft, update_draft, publish_survey;
    survey_versions: list_survey_versions, read_survey_version;
    survey_results: read_survey_results;
    responses: list_responses, create_response, read_response;
    feedback: list_feedback, create_feedback, read_feedback, update_feedback;
    bulk: bulk_update_feedback, undo_change;
    history: read_feedback_history, read_backlog_item_history;
    comments: list_comments, create_comment, read_comment;
    tags: list_tags;
    contacts: list_contacts, read_contact;
    backlog: list_backlog_items, create_backlog_item, read_backlog_item, update_backlog_item, list_links, link_feedback, unlink_feedback;
    tickets: list_tickets, create_ticket, read_ticket, create_ticket_message, update_ticket;
    ticket_files: download_attachment, renew_ticket_link;
    desk: read_desk_report;
    replies: list_replies, create_reply, read_reply, update_reply, delete_reply;
    webhooks: list_webhooks, create_webhook, read_webhook, update_webhook, delete_webhook, rotate_webhook_secret;
    deliveries: list_deliveries, read_delivery, retry_delivery, retry_deliveries, test_webhook;
    members: list_members, read_member, update_member, remove_member;
    invitations: list_invitations, create_invitation, read_invitation, revoke_invitation;
    identity_secrets: list_identity_secrets, read_identity_secret, create_identity_secret, retire_identity_secret;
    imports: list_imports, create_import, read_import, preview_import, start_import, cancel_import, resume_import, reopen_import, revert_import, delete_import;
    bad_lines: list_bad_lines;
}

/// Operations with larger bodies than others, which may take longer to arrive, and the limit of each in bytes.
const UPLOADS: [(&str, usize); 2] = [("create_ticket_message", ticket_files::MESSAGE_LIMIT), ("create_import", imports::UPLOAD_LIMIT)];

/// All routes: those that need a key, the document, and its reference page.
pub fn routes(web: &WebState) -> Router<WebState> {
    let api = operation_routes(false).method_not_allowed_fallback(problem::no_such_method).fallback(problem::unknown_path);
    let open = Router::new()
        .route("/api/v1/openapi.json", get(document::json))
        .route("/api/docs", get(reference::show))
        .method_not_allowed_fallback(problem::no_such_method);
    open.nest(BASE, for_programs(api, web))
}

/// The routes that take files, which are not subject to the limits of other requests.
pub fn uploads(web: &WebState) -> Router<WebState> {
    Router::new().nest(BASE, for_programs(operation_routes(true), web))
}

/// The routes of the operations that are in [`UPLOADS`], or of those that are not.
fn operation_routes(uploads: bool) -> Router<WebState> {
    let mut api = Router::new();
    let operations = document::operations();
    // The router merges several methods of one path into one route.
    for (name, handler) in handlers() {
        let Some(at) = operations.iter().find(|o| o.name == name) else { continue };
        let Some(filter) = method_filter(&at.method) else { continue };
        let limit = UPLOADS.iter().find(|(upload, _)| *upload == name).map(|(_, limit)| *limit);
        let handler = match limit {
            None if uploads => continue,
            None => handler(filter),
            Some(limit) if uploads => {
                let handler = handler(filter).layer::<_, Infallible>(DefaultBodyLimit::max(limit));
                handler.layer::<_, Infallible>(Extension(request::BodyLimit(limit)))
            }
            // Only refuses other methods.
            Some(_) => MethodRouter::new(),
        };
        api = api.route(at.path.trim_start_matches(BASE), handler);
    }
    api
}

/// Routes that need an API key.
fn for_programs(api: Router<WebState>, web: &WebState) -> Router<WebState> {
    api.layer(axum::middleware::from_fn_with_state(web.clone(), caller::identify))
}

fn method_filter(method: &str) -> Option<MethodFilter> {
    match method {
        "get" => Some(MethodFilter::GET),
        "post" => Some(MethodFilter::POST),
        "put" => Some(MethodFilter::PUT),
        "patch" => Some(MethodFilter::PATCH),
        "delete" => Some(MethodFilter::DELETE),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_handler_is_described_and_every_description_has_a_handler() {
        let described: BTreeSet<String> = document::operations().into_iter().map(|o| o.name).collect();
        let handled: BTreeSet<String> = handlers().into_iter().map(|(name, _)| name.to_owned()).collect();
        assert_eq!(described, handled);
        assert!(document::operations().iter().all(|o| method_filter(&o.method).is_some() && o.path.starts_with(BASE)));
    }
}
