//! Secret ticket links: creation, verification and renewal, and their form in e-mails.

use domain::{
    DomainError as Refusal,
    accounts::{Role, Scope},
    history::HistoryChange,
    ids::TicketId,
    projects::Project,
    tickets::{Ticket, TicketState},
};
use store::{Act, Fingerprint, IdempotencyScope, IdempotentWrite};

use crate::{
    error::Result,
    mail::{TicketMailBuilder, TicketMailDetails, ticket_link},
    state::App,
};

/// The signed text of a ticket's link. The first generation has no number, as in links of older programs.
fn link_text(ticket: TicketId, generation: i64) -> String {
    if generation == 0 { ticket.to_string() } else { format!("{ticket} {generation}") }
}

/// Returns the end of a ticket's secret address: its id, the generation of its link, and our signature. Nothing of it is stored.
///
/// # Errors
/// Never in practice.
pub fn link_token(app: &App, ticket: TicketId, generation: i64) -> Result<String> {
    let number = if generation == 0 { String::new() } else { format!(".{generation}") };
    Ok(format!("{}{number}-{}", ticket.0.simple(), app.sign("ticket", &link_text(ticket, generation))?))
}

/// As [`link_token`], for a ticket whose link was never renewed.
///
/// # Errors
/// Never in practice.
pub fn token(app: &App, ticket: TicketId) -> Result<String> {
    link_token(app, ticket, 0)
}

/// Returns the ticket of a project for a `token`.
///
/// # Errors
/// Not found, also for a wrong token, one renewed since, or another project.
pub async fn by_token(app: &App, project: &Project, wanted: &str) -> Result<Ticket> {
    let (named, proof) = wanted.split_once('-').ok_or(Refusal::NotFound)?;
    let (id, generation) = match named.split_once('.') {
        None => (named, 0),
        Some((id, number)) => (id, number.parse().ok().filter(|n: &i64| *n > 0 && n.to_string() == number).ok_or(Refusal::NotFound)?),
    };
    let ticket: TicketId = id.parse().map_err(|_| Refusal::NotFound)?;
    if !app.verify("ticket", &link_text(ticket, generation), proof)? {
        return Err(Refusal::NotFound.into());
    }
    let found = app.store.ticket(&Scope::system(project.id), ticket).await?;
    Ok(found.filter(|ticket| ticket.link_generation == generation).ok_or(Refusal::NotFound)?)
}

/// Returns the path of a ticket's conversation for queued e-mails: with the ticket's id only. See [`link_at_send_time`].
pub(super) fn unsigned_path(project: &Project, ticket: TicketId) -> String {
    format!("/p/{}/t/{}", project.slug, ticket.0.simple())
}

/// Returns the link of a ticket e-mail at the time it is sent: signed for the current generation, so that an e-mail that waited for the
/// mail server does not contain an outdated link. E-mails of older programs contain complete links; those stay.
///
/// # Errors
/// When the database fails.
pub async fn link_at_send_time(app: &App, link: &str) -> Result<String> {
    let Some((front, ticket)) = link.rsplit_once('/').and_then(|(front, id)| Some((front, id.parse::<TicketId>().ok()?))) else {
        return Ok(link.to_owned());
    };
    let generation = app.store.link_generation(ticket).await?.unwrap_or_default();
    Ok(format!("{front}/{}", link_token(app, ticket, generation)?))
}

/// Placeholder for the requester's link in a reply. It is replaced only where the requester reads the answer: the team
/// does not need to see the link.
pub const LINK_PLACEHOLDER: &str = "{link}";

/// Renews a ticket's link, once for each `key`, and returns the new generation; earlier links no longer work. With `shown`, the new link
/// is shown to the person renewing it; otherwise the requester gets it by e-mail.
///
/// # Errors
/// A role too low; not found; [`Refusal::Conflict`] if it must be e-mailed and no mail server is configured.
pub async fn renew_link(app: &App, scope: &Scope, ticket: TicketId, key: &str, shown: bool) -> Result<i64> {
    scope.require(Role::Triager)?;
    let project = app.store.project_by_id(scope.project()).await?.ok_or(Refusal::NotFound)?;
    let language = app.store.ticket(scope, ticket).await?.ok_or(Refusal::NotFound)?.language;
    let post = TicketMailBuilder::new(&app.settings, &project, &language).filter(|_| !shown);
    if post.is_none() && !shown {
        return Err(
            Refusal::Conflict("E-mail is not configured, so nothing can be sent. Show the new link and share it yourself.".into()).into()
        );
    }
    let path = unsigned_path(&project, ticket);
    let content = Fingerprint::of([if shown { "show" } else { "mail" }]);
    let generation = app
        .store
        .act_once(app.context(scope), IdempotentWrite::form(&IdempotencyScope::TicketLink(ticket), key, content), move |act| {
            Box::pin(async move {
                act.ensure_authorized(Role::Triager).await?;
                let (ticket, mut feedback) = act.lock_ticket(ticket).await?.ok_or(Refusal::NotFound)?;
                let generation = ticket.link_generation + 1;
                act.set_link(&ticket, generation, shown).await?;
                act.record_on_feedback(&mut feedback, &HistoryChange::LinkRenewed).await?;
                if let Some(post) = post {
                    act.queue_mail(&ticket_link(&post, mail_about(&ticket, &path))).await?;
                }
                Ok(generation)
            })
        })
        .await?;
    app.wake_jobs();
    Ok(generation)
}

/// Builder for e-mails with renewed links, used inside the transaction that renews them.
pub struct LinkMailBuilder {
    project: Project,
    base: Option<String>,
}

impl LinkMailBuilder {
    /// Creates a builder for the scope's project.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn new(app: &App, scope: &Scope) -> Result<Self> {
        let project = app.store.project_by_id(scope.project()).await?.ok_or(Refusal::NotFound)?;
        Ok(Self { project, base: app.settings.mail.as_ref().map(|mail| mail.base.clone()) })
    }
}

/// Renews the project's links that team members may have seen, and returns their number. Requesters of tickets that are
/// not closed get an e-mail.
///
/// # Errors
/// When the database fails.
pub async fn renew_shown_links(act: &mut Act<'_, '_>, post: LinkMailBuilder) -> Result<u64> {
    let LinkMailBuilder { project, base } = post;
    let renewed = act.renew_exposed_links(project.id).await?;
    if let Some(base) = base {
        for ticket in renewed.iter().filter(|ticket| ticket.state != TicketState::Closed) {
            let path = unsigned_path(&project, ticket.id);
            let post = TicketMailBuilder::with(base.clone(), &project, &ticket.language);
            act.queue_mail(&ticket_link(&post, mail_about(ticket, &path))).await?;
        }
    }
    Ok(u64::try_from(renewed.len()).unwrap_or(u64::MAX))
}

/// Returns the ticket data for e-mails; `path` is the path of its conversation.
pub(super) fn mail_about<'a>(ticket: &'a Ticket, path: &'a str) -> TicketMailDetails<'a> {
    TicketMailDetails { ticket: ticket.id.0, number: ticket.number, subject: &ticket.subject, to: &ticket.email, path }
}
