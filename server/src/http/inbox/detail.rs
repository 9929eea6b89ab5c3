//! What the team sees of one item, and of a rejected form on it.

use app::{
    desk::AnswerDraft,
    inbox::{
        DetailView, RejectedBulkEdit,
        detail::{CommentView, EventView},
        score,
    },
};
use axum::http::StatusCode;
use domain::{
    FieldErrors, ZonedNow,
    accounts::{Role, Scope},
    feedback::{Feedback, FeedbackKind},
    history::HistoryChange,
    identity::Claim,
    ids::FeedbackId,
    triage::TriageQuery,
};
use search::highlight;
use service::error::Result;
use store::triage::{FeedbackContact, FeedbackResponse};

use super::{names::DisplayNames, params::InboxParams, pieces, ticket_view};
use crate::http::{
    backlog::{LinkPanelRequest, link_panel},
    console::ConsoleRequest,
};

/// A rejected form with its errors.
#[derive(Default)]
pub(super) struct RejectedItemForm<'a> {
    /// Status of the response.
    pub status: StatusCode,
    /// Errors at the fields.
    pub errors: FieldErrors,
    /// The comment.
    pub comment: &'a str,
    /// The tag.
    pub tag: &'a str,
    /// Reply and note of a ticket.
    pub ticket: Option<AnswerDraft>,
    /// A bulk change.
    pub bulk: Option<RejectedBulkEdit>,
}

impl RejectedItemForm<'_> {
    pub(super) fn put_on(self, view: &mut DetailView) {
        view.errors = self.errors;
        self.comment.clone_into(&mut view.typed_comment);
        self.tag.clone_into(&mut view.typed_tag);
        if let (Some(ticket), Some(typed)) = (&mut view.ticket, self.ticket) {
            ticket.typed = typed;
        }
    }
}

/// The view of an item; `None` if it is outside the scope. `within` is the list beside it, `link_q` the search among
/// backlog items.
pub(super) async fn view(
    console: &ConsoleRequest,
    scope: &Scope,
    names: &DisplayNames,
    id: FeedbackId,
    query: &TriageQuery,
    within: Option<&InboxParams>,
    link_q: &str,
) -> Result<Option<DetailView>> {
    let store = &console.app.store;
    let Some(item) = store.feedback_by_ids(scope, &[id]).await?.pop() else { return Ok(None) };
    let slug = console.project()?.slug.clone();
    let present = console.present();
    let can_triage = scope.require(Role::Triager).is_ok();
    let here = within.map_or_else(|| format!("/p/{slug}/feedback/{id}"), |params| params.url(&slug, &[]));
    let panel = LinkPanelRequest { feedback: &item, here: &here, return_to: &here, query: link_q };
    let known_tags = async { if can_triage { store.tags_in_use(scope).await } else { Ok(Vec::new()) } };
    let (person, asked, comments, history, links, known_tags) = tokio::try_join!(
        store.contact_of_feedback(scope, &item),
        store.response_of_feedback(scope, &item),
        store.comments_on(scope, id),
        store.history_entries(scope, id),
        link_panel(console, scope, &panel),
        known_tags,
    )?;
    let event = |entry: store::history::HistoryEntry| EventView {
        text: format!("{} {}", entry.by.as_deref().unwrap_or(entry.change.external_actor()), entry.change.sentence()),
        age: present.ago(entry.at),
        at: entry.at.rfc3339(),
    };
    let said = EventView {
        text: format!("Received via {}", names.source(&item)),
        age: present.ago(item.created_at),
        at: item.created_at.rfc3339(),
    };
    let ticket = if item.kind == FeedbackKind::Ticket { ticket_view::view(console, scope, &item, query).await? } else { None };
    Ok(Some(DetailView {
        ticket,
        id: id.to_string(),
        version: item.version,
        can_triage,
        form_key: console.form_key(),
        return_to: here,
        links,
        back: within.map(|params| params.url(&slug, &[("item", "")])),
        status: item.status,
        kind: item.kind.label(),
        score: score(item.score, item.score_max),
        text: pieces(&item.text, &highlight(query, &item.text, &item.language)),
        finished: asked.as_ref().is_none_or(|a| a.finished),
        facts: facts(&item, names, asked.as_ref(), &present),
        answers: asked.map(answers).unwrap_or_default(),
        contact: person.map(|person| contact(person, &item)).unwrap_or_default(),
        page: item.page_url.clone().map(|url| {
            let safe = url::Url::parse(&url).is_ok_and(|u| matches!(u.scheme(), "http" | "https"));
            (url, safe)
        }),
        spam_reasons: item.spam_reasons.clone(),
        assignee: item.assignee.map(|a| a.to_string()).unwrap_or_default(),
        members: names.options(),
        tags: item.tags.clone(),
        known_tags,
        comments: comments
            .into_iter()
            .map(|c| CommentView { name: c.name, body: c.body, age: present.ago(c.at), at: c.at.rfc3339() })
            .collect(),
        // That Earshot created it is what the last line says.
        history: history
            .into_iter()
            .filter(|entry| entry.by.is_some() || entry.change != HistoryChange::Created)
            .map(event)
            .chain([said])
            .collect(),
        age: present.ago(item.created_at),
        at: item.created_at.rfc3339(),
        errors: FieldErrors::default(),
        typed_comment: String::new(),
        typed_tag: String::new(),
        slug,
    }))
}

/// Title and answer of each answered question, in the survey's order.
fn answers(asked: FeedbackResponse) -> Vec<(String, String)> {
    let FeedbackResponse { body, answers, .. } = asked;
    body.questions.iter().filter_map(|q| answers.get(&q.id).map(|a| (q.title.clone(), a.display(q)))).collect()
}

fn contact(person: FeedbackContact, item: &Feedback) -> Vec<(String, String)> {
    let claim = person.claim(item);
    let claimed: serde_json::Map<String, serde_json::Value> =
        person.claimed.as_deref().and_then(|json| serde_json::from_str(json).ok()).unwrap_or_default();
    let plain = |value: &serde_json::Value| value.as_str().map_or_else(|| value.to_string(), ToOwned::to_owned);
    let own = [("Name", person.name), ("E-mail", person.email), ("User ID", person.external_id)];
    let mut out: Vec<(String, String)> = own.into_iter().filter_map(|(label, value)| Some((label.to_owned(), value?))).collect();
    if let Ok(serde_json::Value::Object(attributes)) = serde_json::from_str(&person.attributes) {
        for (name, value) in attributes {
            out.push((name, plain(&value)));
        }
    }
    // Stored contact data is labelled with the trust level of this claim; differing claimed data is listed separately.
    if !out.is_empty() || matches!(claim, Claim::Expired | Claim::Wrong) {
        out.push(("Identity".into(), claim.label().into()));
    }
    for (field, label) in [("id", "Claimed ID"), ("email", "Claimed e-mail"), ("name", "Claimed name")] {
        out.extend(claimed.get(field).map(|value| (format!("{label} (not verified)"), plain(value))));
    }
    for (name, value) in claimed.get("attributes").and_then(serde_json::Value::as_object).into_iter().flatten() {
        out.push((format!("Claimed {name} (not verified)"), plain(value)));
    }
    if out.is_empty() { vec![("Contact".into(), "Anonymous".into())] } else { out }
}

fn facts(item: &Feedback, names: &DisplayNames, asked: Option<&FeedbackResponse>, present: &ZonedNow) -> Vec<(&'static str, String)> {
    let survey = item.survey.and_then(|s| names.surveys.get(&s).cloned());
    let browser = asked.and_then(|a| a.user_agent.clone());
    [
        ("Survey", survey),
        ("Release", item.release.clone()),
        ("Environment", item.environment.clone()),
        ("Language", Some(item.language.clone())),
        ("Browser", browser),
        ("Received", Some(present.readable(item.created_at))),
    ]
    .into_iter()
    .filter_map(|(label, value)| Some((label, value?)))
    .collect()
}
