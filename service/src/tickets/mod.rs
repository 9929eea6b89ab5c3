//! Use cases of tickets: people ask for help without an account, the team answers. A ticket's feedback is what is triaged and searched of
//! it; state and status change together, in one transaction, and every step is in the history.

pub mod files;
pub mod patch;
pub mod picture;
pub mod studio;

use domain::{
    Error as Refusal, IdSource, Timestamp,
    accounts::{Role, Scope},
    feedback::{Feedback, Kind, Status},
    history::Change,
    ids::{AttachmentId, EventId, FeedbackId, HistoryId, LetterId, MessageId, TicketId},
    projects::Project,
    responses::{Person, Signals},
    tickets::{
        Attachment, Author, MAX_OWN_MESSAGES, Message, NewTicket, Priority, State, Ticket, check_message, empty_message, spam_reasons,
        status_after_reply, status_after_request,
    },
    webhooks::EventKind,
    zone::UTC,
};
use search::language;
use serde::{Deserialize, Serialize};
use store::{Fingerprint, Once, Tx, numbers::Numbered, tickets::NewAttachment};

use crate::{
    error::{Error, Result},
    limits::budget::Payer,
    mail::{TicketLetter, TicketPost, ticket_confirmation, ticket_link, ticket_reply},
    responses::proves,
    state::App,
};

/// Where a ticket was written; hearsay from the page, cut to size.
#[derive(Debug, Clone, Default)]
pub struct Context {
    /// The language that the portal was read in.
    pub language: String,
    /// The page that led here.
    pub page_url: Option<String>,
    /// The release in use there.
    pub release: Option<String>,
    /// The environment.
    pub environment: Option<String>,
    /// The browser.
    pub user_agent: Option<String>,
}

/// A ticket as it is sent.
#[derive(Debug, Clone, Default)]
pub struct Submission {
    /// What the form says, as typed.
    pub ticket: NewTicket,
    /// Its files.
    pub files: Vec<NewAttachment>,
    /// Files that wait for this form and come along; see [`hold_files`].
    pub kept: Vec<AttachmentId>,
    /// How it came about, for the portal's rules against spam. `None`: a program with a key sent it, which those rules do not judge.
    pub signals: Option<Signals>,
    /// Where.
    pub context: Context,
    /// Whether no confirmation is mailed: strangers of this network, or of this project, had too many letters sent of late.
    pub without_letter: bool,
}

/// What the requester adds to their ticket.
#[derive(Debug, Clone, Default)]
pub struct Addition {
    /// The text, as typed.
    pub body: String,
    /// Files.
    pub files: Vec<NewAttachment>,
    /// Files that wait for this form and come along; see [`hold_files`].
    pub kept: Vec<AttachmentId>,
}

/// A ticket that was taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Submitted {
    /// Which.
    pub ticket: TicketId,
    /// Its number.
    pub number: i64,
    /// Its feedback.
    pub feedback: FeedbackId,
}

/// A ticket with what was said.
#[derive(Debug, Clone)]
pub struct Conversation {
    /// The ticket.
    pub ticket: Ticket,
    /// Its messages, oldest first.
    pub messages: Vec<Message>,
}

/// What the team says to the requester.
#[derive(Debug, Clone, Default)]
pub struct Reply {
    /// The text, as typed.
    pub body: String,
    /// Whether it also closes the ticket.
    pub close: bool,
    /// The feedback's version that was read before; `None` where nobody looked. What others said since is not talked over.
    pub seen: Option<i64>,
    /// Files.
    pub files: Vec<NewAttachment>,
    /// The key under which more files wait for this answer; see [`hold_files`].
    pub held: String,
}

/// What is signed of a ticket's link. The first generation has no number, as in links of older programs.
fn link_text(ticket: TicketId, generation: i64) -> String {
    if generation == 0 { ticket.to_string() } else { format!("{ticket} {generation}") }
}

/// The end of a ticket's secret address: its id, the generation of its link, and the proof that we made the address. Nothing of it is stored.
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

/// The ticket of a project that `token` leads to.
///
/// # Errors
/// Not found, also for a wrong token, one that was renewed since, or another project.
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

/// A time, signed for a project's portal: when its form was made.
///
/// # Errors
/// Never in practice.
pub fn start_token(app: &App, project: &Project, now: Timestamp) -> Result<String> {
    Ok(format!("{}.{}", now.0, app.sign("ticket-started", &format!("{} {}", project.id, now.0))?))
}

/// The signals of a form: its signed time, and the field that people do not see.
#[must_use]
pub fn signals(app: &App, project: &Project, start: &str, honeypot: bool) -> Signals {
    let at = start.split_once('.').and_then(|(ms, _)| ms.parse().ok()).map(Timestamp);
    let genuine = at.filter(|at| proves(app, "ticket-started", &format!("{} {}", project.id, at.0), start));
    Signals { honeypot, forged_start: genuine.is_none(), elapsed_ms: genuine.map(|at| app.now().0 - at.0) }
}

/// What the requester may read of a ticket: everything but notes.
///
/// # Errors
/// When the database fails.
pub async fn public_conversation(app: &App, ticket: Ticket) -> Result<Conversation> {
    let messages = app.store.ticket_messages(&Scope::system(ticket.project), ticket.id, false).await?;
    Ok(Conversation { ticket, messages })
}

/// The ticket behind feedback, notes included; `None` for feedback that is none.
///
/// # Errors
/// A role too low; the database.
pub async fn read(app: &App, scope: &Scope, feedback: FeedbackId) -> Result<Option<Conversation>> {
    scope.require(Role::Viewer)?;
    let Some(ticket) = app.store.ticket_of(scope, feedback).await? else { return Ok(None) };
    let messages = app.store.ticket_messages(scope, ticket.id, true).await?;
    Ok(Some(Conversation { ticket, messages }))
}

/// The key under which files wait for a form to be sent.
#[must_use]
pub fn held_for(project: &Project, place: &str, key: &str) -> String {
    store::hash::hash_token(&format!("{}\n{place}\n{key}", project.id))
}

/// Keeps files of a form that comes back with its faults, so that nobody chooses them again. Strangers' files are kept only as long as not too
/// many wait; gives whether these are.
///
/// # Errors
/// When the database fails.
pub async fn hold_files(app: &App, payer: Payer, project: &Project, form: &str, files: Vec<NewAttachment>) -> Result<bool> {
    if files.is_empty() {
        return Ok(true);
    }
    let (project, form, now) = (project.id, form.to_owned(), app.now());
    let most = match payer {
        Payer::Team => i64::MAX,
        Payer::Stranger(_) => app.budget.held_bytes,
    };
    let size: i64 = files.iter().map(|file| file.file.size).sum();
    app.store
        .write(move |tx| {
            Box::pin(async move {
                if tx.held_bytes().await?.saturating_add(size) > most {
                    return Ok(false);
                }
                for file in &files {
                    tx.insert_attachment(project, None, Some(&form), file, now).await?;
                }
                Ok(true)
            })
        })
        .await
}

/// The files that wait for a form, after those that the person does not keep are gone.
///
/// # Errors
/// When the database fails.
pub async fn keep_held(app: &App, project: &Project, form: &str, keep: &[AttachmentId]) -> Result<Vec<Attachment>> {
    let scope = Scope::system(project.id);
    let held = app.store.held_files(&scope, form, app.now()).await?;
    let (kept, gone): (Vec<_>, Vec<_>) = held.into_iter().partition(|file| keep.contains(&file.id));
    if !gone.is_empty() {
        app.store
            .write(move |tx| {
                Box::pin(async move {
                    for file in &gone {
                        tx.drop_held_file(&scope, file.id).await?;
                    }
                    Ok(())
                })
            })
            .await?;
    }
    Ok(kept)
}

/// The fingerprint of a message: its words, the files that wait for it, and the bytes of those that came with it.
async fn fingerprint(mut words: Vec<String>, kept: &[AttachmentId], files: &[NewAttachment]) -> Result<Fingerprint> {
    // What is waiting is named by what was sent: after the first attempt it waits no more.
    let kept = Fingerprint::of(kept.iter().map(ToString::to_string));
    let files = files.to_vec();
    // Ten megabytes take a while.
    let files = tokio::task::spawn_blocking(move || {
        Fingerprint::of(files.iter().flat_map(|new| [new.file.name.as_bytes(), new.file.media_type.as_bytes(), &new.bytes]))
    });
    words.push(kept.as_str().to_owned());
    words.push(files.await.map_err(|e| Error::internal("fingerprint", e))?.as_str().to_owned());
    Ok(Fingerprint::of(words))
}

/// Takes a ticket, once for each `key` and content: a retry gets the first answer, and another message from the same form is another ticket.
/// Suspected spam is stored as that.
///
/// # Errors
/// A message for each field that does not fit.
pub async fn submit(app: &App, project: &Project, key: &str, submission: Submission) -> Result<Submitted> {
    let Submission { ticket, files, kept, signals, context, without_letter } = submission;
    let new = ticket.checked().map_err(Refusal::Invalid)?;
    let reasons = signals.map(|signals| spam_reasons(signals, &new)).unwrap_or_default();
    let place = [&context.page_url, &context.release, &context.environment].map(|of| of.clone().unwrap_or_default());
    let words = [&new.subject, &new.message, &new.email, &new.name].map(Clone::clone);
    let content = fingerprint([words.to_vec(), place.to_vec()].concat(), &kept, &files).await?;
    let once = Once::form(format!("ticket:{}", project.id), key, content);
    let now = app.now();
    let scope = Scope::system(project.id);
    let text = new.text();
    let form = held_for(project, "new", key);
    let mut feedback = Feedback {
        id: app.id(),
        project: project.id,
        kind: Kind::Ticket,
        language: language::detect(&text, &project.language),
        text,
        score: None,
        score_max: None,
        contact: None,
        survey: None,
        response: None,
        page_url: context.page_url.map(|address| project.stored_address(&address)),
        release: context.release,
        environment: context.environment,
        status: if reasons.is_empty() { Status::New } else { Status::Spam },
        assignee: None,
        tags: Vec::new(),
        spam_reasons: reasons,
        created_at: now,
        updated_at: now,
        version: 1,
    };
    let name = Some(new.name).filter(|name| !name.is_empty());
    let mut ticket = Ticket {
        id: app.id(),
        project: project.id,
        number: 0,
        feedback: feedback.id,
        subject: new.subject,
        email: new.email.clone(),
        name: name.clone(),
        language: context.language,
        user_agent: context.user_agent,
        priority: Priority::Normal,
        state: State::Open,
        first_response_at: None,
        resolved_at: None,
        link_generation: 0,
        created_at: now,
        updated_at: now,
    };
    let person = Person { email: Some(new.email), name, ..Person::default() };
    // What looks like spam gets no letter: whoever is named as its sender most likely knows nothing of it.
    let post = TicketPost::new(app, project, &ticket.language).filter(|_| feedback.status != Status::Spam && !without_letter);
    let path = unsigned_path(project, ticket.id);
    let (contact, message, entry, event) = (app.id(), app.id(), app.id(), app.id());
    let taken = app
        .store
        .write_once(once, now, move |tx| {
            Box::pin(async move {
                feedback.contact = Some(tx.contact_for(&scope, &person, contact, now).await?);
                tx.insert_feedback(&feedback, None).await?;
                ticket.number = tx.next_number(ticket.project, Numbered::Ticket).await?;
                tx.insert_ticket(&ticket).await?;
                tx.insert_ticket_message(message, &ticket, Author::Requester, None, &new.message, now).await?;
                keep_files(tx, &ticket, message, (&form, kept.len()), &files, now).await?;
                tx.insert_history(entry, ticket.project, feedback.id, None, &Change::Created, now).await?;
                if let Some(post) = post {
                    tx.queue_letter(&ticket_confirmation(&post, letter_about(&ticket, &path)), now).await?;
                }
                tx.ticket_event(event, EventKind::TicketCreated, &ticket, Some((Author::Requester, &new.message)), now).await?;
                Ok(Submitted { ticket: ticket.id, number: ticket.number, feedback: feedback.id })
            })
        })
        .await?;
    app.wake_jobs();
    Ok(taken)
}

/// The path of a ticket's conversation as letters hold it until they leave: with the ticket's id alone. See [`link_when_sent`].
fn unsigned_path(project: &Project, ticket: TicketId) -> String {
    format!("/p/{}/t/{}", project.slug, ticket.0.simple())
}

/// The link of a letter about a ticket as it is sent: signed for the generation that works then, so that a letter that waited for the mail
/// server does not carry a link that was renewed meanwhile. Letters of older programs hold whole links; those stay.
///
/// # Errors
/// When the database fails.
pub async fn link_when_sent(app: &App, link: &str) -> Result<String> {
    let Some((front, ticket)) = link.rsplit_once('/').and_then(|(front, id)| Some((front, id.parse::<TicketId>().ok()?))) else {
        return Ok(link.to_owned());
    };
    let generation = app.store.link_generation(ticket).await?.unwrap_or_default();
    Ok(format!("{front}/{}", link_token(app, ticket, generation)?))
}

/// What stands in an answer for the requester's link. It becomes the link where the requester reads the answer, and nowhere else: nobody of
/// the team needs to see it.
pub const LINK_PLACEHOLDER: &str = "{link}";

/// Gives a ticket's link a new generation, once for each `key`, and gives that; what was sent before does not work any more. With `shown`, the
/// person who asks is to see the new link; else the requester gets it by mail.
///
/// # Errors
/// A role too low; not found; [`Refusal::Conflict`] when it is to be mailed and no mail server is set.
pub async fn renew_link(app: &App, scope: &Scope, ticket: TicketId, key: &str, shown: bool) -> Result<i64> {
    scope.require(Role::Triager)?;
    let project = app.store.project_by_id(scope.project()).await?.ok_or(Refusal::NotFound)?;
    let language = app.store.ticket(scope, ticket).await?.ok_or(Refusal::NotFound)?.language;
    let post = TicketPost::new(app, &project, &language).filter(|_| !shown);
    if post.is_none() && !shown {
        return Err(Refusal::Conflict("Mail is off: nothing can be sent. Show the new link and pass it on yourself.".into()).into());
    }
    let path = unsigned_path(&project, ticket);
    let (scope, now, entry) = (*scope, app.now(), app.id());
    let content = Fingerprint::of([if shown { "show" } else { "mail" }]);
    let generation = app
        .store
        .write_once(Once::form(format!("ticket-link:{ticket}"), key, content), now, move |tx| {
            Box::pin(async move {
                tx.still(&scope, Role::Triager, now).await?;
                let (ticket, mut feedback) = tx.hold_ticket(&scope, ticket).await?.ok_or(Refusal::NotFound)?;
                let generation = ticket.link_generation + 1;
                tx.set_link(&ticket, generation, shown).await?;
                tx.note_on_feedback(&mut feedback, scope.staff(), entry, now, &Change::LinkRenewed).await?;
                if let Some(post) = post {
                    tx.queue_letter(&ticket_link(&post, letter_about(&ticket, &path)), now).await?;
                }
                Ok(generation)
            })
        })
        .await?;
    app.wake_jobs();
    Ok(generation)
}

/// What letters with renewed links are written with, inside the transaction that renews them.
pub struct LinkPost {
    project: Project,
    base: Option<String>,
    ids: std::sync::Arc<dyn IdSource>,
}

impl LinkPost {
    /// For the scope's project.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn new(app: &App, scope: &Scope) -> Result<Self> {
        let project = app.store.project_by_id(scope.project()).await?.ok_or(Refusal::NotFound)?;
        Ok(Self { project, base: app.settings.mail.as_ref().map(|mail| mail.base.clone()), ids: std::sync::Arc::clone(&app.ids) })
    }
}

/// Renews the links of a project that members of the team may have seen, and gives how many. Requesters of tickets that are not closed hear of it.
///
/// # Errors
/// When the database fails.
pub async fn renew_shown_links(tx: &mut Tx<'_>, post: LinkPost, now: Timestamp) -> Result<u64> {
    let LinkPost { project, base, ids } = post;
    let renewed = tx.renew_shown_links(project.id).await?;
    if let Some(base) = base {
        for ticket in renewed.iter().filter(|ticket| ticket.state != State::Closed) {
            let path = unsigned_path(&project, ticket.id);
            let post = TicketPost::with(LetterId(ids.uuid()), base.clone(), &project, &ticket.language);
            tx.queue_letter(&ticket_link(&post, letter_about(ticket, &path)), now).await?;
        }
    }
    Ok(u64::try_from(renewed.len()).unwrap_or(u64::MAX))
}

/// What letters say of a ticket; `path` is that of its conversation.
fn letter_about<'a>(ticket: &'a Ticket, path: &'a str) -> TicketLetter<'a> {
    TicketLetter { ticket: ticket.id.0, number: ticket.number, subject: &ticket.subject, to: &ticket.email, path }
}

/// Stores the files of a message: new ones, and those that waited for its form. Gives how many there are.
///
/// # Errors
/// [`Refusal::Invalid`] when fewer waited than the form believes.
async fn keep_files(
    tx: &mut Tx<'_>,
    ticket: &Ticket,
    message: MessageId,
    (form, expected): (&str, usize),
    files: &[NewAttachment],
    now: Timestamp,
) -> Result<usize> {
    let waited = usize::try_from(tx.release_held_files(ticket, message, form, now).await?).unwrap_or(usize::MAX);
    if waited < expected {
        let text = "Some of the files that were kept for this form are no longer there. Choose your files again.";
        return Err(Refusal::field("files", "gone", text).into());
    }
    for file in files {
        tx.insert_attachment(ticket.project, Some((ticket.id, message)), None, file, now).await?;
    }
    Ok(waited + files.len())
}

/// Ids of the entries that one step may write.
#[derive(Clone, Copy)]
struct Entries {
    said: HistoryId,
    moved: HistoryId,
    told: [EventId; 2],
}

impl Entries {
    fn new(app: &App) -> Self {
        Self { said: app.id(), moved: app.id(), told: [app.id(), app.id()] }
    }
}

/// Writes a step down: what was said, and the status if that goes with it.
#[expect(clippy::too_many_arguments, reason = "one place for every step")]
async fn note(
    tx: &mut Tx<'_>,
    scope: &Scope,
    ticket: &Ticket,
    feedback: &mut Feedback,
    entries: Entries,
    said: Option<&Change>,
    status: Status,
    now: Timestamp,
) -> Result<()> {
    if status != Status::Spam {
        tx.tell_withheld_ticket(feedback, now).await?;
    }
    // Before the status, which would move the ticket by itself: what happened says more.
    tx.update_ticket(ticket).await?;
    let before = feedback.status;
    feedback.status = status;
    if let Some(said) = said {
        tx.note_on_feedback(feedback, scope.staff(), entries.said, now, said).await?;
    }
    if before != status {
        let moved = Change::Status { from: before.label().into(), to: status.label().into() };
        tx.note_on_feedback(feedback, scope.staff(), entries.moved, now, &moved).await?;
    }
    Ok(())
}

/// Adds what the requester says to their ticket, once for each `key` and content; a closed one is open again.
///
/// # Errors
/// A message that does not fit; [`Refusal::Conflict`] when there are too many; not found.
pub async fn requester_reply(app: &App, project: &Project, ticket: TicketId, key: &str, addition: Addition) -> Result<()> {
    let Addition { body, files, kept } = addition;
    let form = held_for(project, &ticket.to_string(), key);
    let (scope, now, message, entries) = (Scope::system(project.id), app.now(), app.id(), Entries::new(app));
    // Whether a file comes along is known once the key is: what a first attempt took waits no more.
    let body = check_message(&body, true)?;
    let content = fingerprint(vec![body.clone()], &kept, &files).await?;
    app.store
        .write_once(Once::form(format!("ticket-answer:{ticket}"), key, content), now, move |tx| {
            Box::pin(async move {
                let (mut ticket, mut feedback) = tx.hold_ticket(&scope, ticket).await?.ok_or(Refusal::NotFound)?;
                if usize::try_from(tx.requester_messages(&ticket).await?).unwrap_or(usize::MAX) >= MAX_OWN_MESSAGES {
                    return Err(Refusal::Conflict("This ticket has too many messages. Write a new one.".into()).into());
                }
                tx.insert_ticket_message(message, &ticket, Author::Requester, None, &body, now).await?;
                let files = keep_files(tx, &ticket, message, (&form, kept.len()), &files, now).await?;
                if files == 0 && body.is_empty() {
                    return Err(empty_message().into());
                }
                if !body.is_empty() {
                    tx.extend_feedback_text(&mut feedback, &body).await?;
                }
                let linked = tx.link_count(feedback.id).await? > 0;
                let status = status_after_request(feedback.status, linked);
                let was_closed = ticket.state == State::Closed;
                (ticket.state, ticket.resolved_at, ticket.updated_at) = (State::Open, None, now);
                note(tx, &scope, &ticket, &mut feedback, entries, Some(&Change::Wrote), status, now).await?;
                let [said, opened] = entries.told;
                tx.ticket_event(said, EventKind::TicketMessageAdded, &ticket, Some((Author::Requester, &body)), now).await?;
                if was_closed {
                    tx.ticket_event(opened, EventKind::TicketReopened, &ticket, None, now).await?;
                }
                Ok(())
            })
        })
        .await
}

/// The requester says that their ticket is solved; nothing happens to one that is closed.
///
/// # Errors
/// Not found.
pub async fn requester_close(app: &App, project: &Project, ticket: TicketId) -> Result<()> {
    let (scope, now, entries) = (Scope::system(project.id), app.now(), Entries::new(app));
    app.store
        .write(move |tx| {
            Box::pin(async move {
                let (mut ticket, mut feedback) = tx.hold_ticket(&scope, ticket).await?.ok_or(Refusal::NotFound)?;
                if ticket.state == State::Closed {
                    return Ok(());
                }
                (ticket.state, ticket.resolved_at, ticket.updated_at) = (State::Closed, Some(now), now);
                // What is taken for spam stays where the team put it.
                let status = if feedback.status == Status::Spam { Status::Spam } else { Status::Resolved };
                note(tx, &scope, &ticket, &mut feedback, entries, Some(&Change::Solved), status, now).await?;
                tx.ticket_event(entries.told[0], EventKind::TicketClosed, &ticket, None, now).await
            })
        })
        .await
}

/// The requester opens their ticket again; nothing happens to one that is open.
///
/// # Errors
/// Not found.
pub async fn requester_reopen(app: &App, project: &Project, ticket: TicketId) -> Result<()> {
    let (scope, now, entries) = (Scope::system(project.id), app.now(), Entries::new(app));
    app.store
        .write(move |tx| {
            Box::pin(async move {
                let (mut ticket, mut feedback) = tx.hold_ticket(&scope, ticket).await?.ok_or(Refusal::NotFound)?;
                if ticket.state != State::Closed {
                    return Ok(());
                }
                let linked = tx.link_count(feedback.id).await? > 0;
                let status = status_after_request(feedback.status, linked);
                (ticket.state, ticket.resolved_at, ticket.updated_at) = (State::Open, None, now);
                note(tx, &scope, &ticket, &mut feedback, entries, Some(&Change::Reopened), status, now).await?;
                tx.ticket_event(entries.told[0], EventKind::TicketReopened, &ticket, None, now).await
            })
        })
        .await
}

/// Refuses to talk over what others said after `seen`.
async fn unheard(tx: &mut Tx<'_>, scope: &Scope, feedback: &Feedback, seen: Option<i64>, now: Timestamp) -> Result<()> {
    let Some(seen) = seen.filter(|seen| *seen < feedback.version) else { return Ok(()) };
    let since = tx.history_since(feedback.project, feedback.id, seen).await?;
    let other = since.into_iter().find(|event| match event.change {
        Change::Replied => event.by.is_none() || event.by != scope.staff(),
        Change::Wrote | Change::Solved | Change::Reopened => true,
        _ => false,
    });
    match other {
        None => Ok(()),
        Some(event) => {
            let why = format!("{} {} {}. Read that first, then send yours.", event.name, event.change.sentence(), UTC.ago(event.at, now));
            Err(Refusal::Conflict(why).into())
        }
    }
}

/// Answers the requester, once for each `key` and content, and closes the ticket if asked to.
///
/// # Errors
/// A message that does not fit; [`Refusal::Conflict`] when somebody else answered or the requester wrote since; a role too low; not found.
pub async fn staff_reply(app: &App, scope: &Scope, ticket: TicketId, key: &str, reply: Reply) -> Result<MessageId> {
    scope.require(Role::Triager)?;
    let Reply { body, close, seen, files, held } = reply;
    let body = check_message(&body, true)?;
    let content = fingerprint(vec![body.clone(), close.to_string()], &[], &files).await?;
    let project = app.store.project_by_id(scope.project()).await?.ok_or(Refusal::NotFound)?;
    let language = app.store.ticket(scope, ticket).await?.ok_or(Refusal::NotFound)?.language;
    let post = TicketPost::new(app, &project, &language);
    let path = unsigned_path(&project, ticket);
    let (scope, now, message, entries) = (*scope, app.now(), app.id::<MessageId>(), Entries::new(app));
    let sent = app
        .store
        .write_once(Once::form(format!("ticket-reply:{ticket}"), key, content), now, move |tx| {
            Box::pin(async move {
                tx.still(&scope, Role::Triager, now).await?;
                let (mut ticket, mut feedback) = tx.hold_ticket(&scope, ticket).await?.ok_or(Refusal::NotFound)?;
                unheard(tx, &scope, &feedback, seen, now).await?;
                // Before the message, which is told by itself.
                let linked = tx.link_count(feedback.id).await? > 0;
                let status = status_after_reply(feedback.status, linked, close);
                if status != Status::Spam {
                    tx.tell_withheld_ticket(&feedback, now).await?;
                }
                tx.insert_ticket_message(message, &ticket, Author::Staff, scope.staff(), &body, now).await?;
                if keep_files(tx, &ticket, message, (&held, 0), &files, now).await? == 0 && body.is_empty() {
                    return Err(empty_message().into());
                }
                ticket.first_response_at = ticket.first_response_at.or(Some(now));
                let was_closed = ticket.state == State::Closed;
                ticket.state = if close { State::Closed } else { State::Answered };
                ticket.resolved_at = close.then(|| ticket.resolved_at.unwrap_or(now));
                ticket.updated_at = now;
                note(tx, &scope, &ticket, &mut feedback, entries, Some(&Change::Replied), status, now).await?;
                if let Some(post) = post {
                    let by = tx.staff_name(scope.staff()).await?.filter(|name| !name.is_empty()).unwrap_or(project.name);
                    tx.queue_letter(&ticket_reply(&post, letter_about(&ticket, &path), &by, &body, close), now).await?;
                }
                let [said, moved] = entries.told;
                tx.ticket_event(said, EventKind::TicketMessageAdded, &ticket, Some((Author::Staff, &body)), now).await?;
                if close && !was_closed {
                    tx.ticket_event(moved, EventKind::TicketClosed, &ticket, None, now).await?;
                } else if was_closed && !close {
                    tx.ticket_event(moved, EventKind::TicketReopened, &ticket, None, now).await?;
                }
                Ok(message)
            })
        })
        .await?;
    app.wake_jobs();
    Ok(sent)
}

/// Leaves a note for the team, once for each `key` and content. The requester never sees it.
///
/// # Errors
/// A text that does not fit; a role too low; not found.
pub async fn add_note(app: &App, scope: &Scope, ticket: TicketId, key: &str, body: &str, files: Vec<NewAttachment>) -> Result<MessageId> {
    scope.require(Role::Triager)?;
    let body = check_message(body, !files.is_empty())?;
    let content = fingerprint(vec![body.clone()], &[], &files).await?;
    let (scope, now, message, entry) = (*scope, app.now(), app.id::<MessageId>(), app.id());
    app.store
        .write_once(Once::form(format!("ticket-note:{ticket}"), key, content), now, move |tx| {
            Box::pin(async move {
                let (ticket, mut feedback) = tx.hold_ticket(&scope, ticket).await?.ok_or(Refusal::NotFound)?;
                tx.insert_ticket_message(message, &ticket, Author::Note, scope.staff(), &body, now).await?;
                keep_files(tx, &ticket, message, ("", 0), &files, now).await?;
                tx.note_on_feedback(&mut feedback, scope.staff(), entry, now, &Change::Noted).await?;
                Ok(message)
            })
        })
        .await
}

/// A ticket that is more or less urgent than before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Prioritised {
    /// How urgent it was.
    pub from: Priority,
    /// The feedback's version now.
    pub version: i64,
}

/// Says how urgent a ticket is, whatever others said; `false` when it was so already.
///
/// # Errors
/// A role too low; not found.
pub async fn set_priority(app: &App, scope: &Scope, ticket: TicketId, priority: Priority) -> Result<bool> {
    Ok(prioritise(app, scope, ticket, priority, None).await?.is_some())
}

/// Says how urgent a ticket is; `None` when it was so already. `seen` is the feedback's version that was read before, where somebody looked.
///
/// # Errors
/// [`Refusal::Conflict`] when somebody else changed the priority since; a role too low; not found.
pub async fn prioritise(app: &App, scope: &Scope, ticket: TicketId, priority: Priority, seen: Option<i64>) -> Result<Option<Prioritised>> {
    scope.require(Role::Triager)?;
    let (scope, now, entry) = (*scope, app.now(), app.id());
    app.store
        .write(move |tx| {
            Box::pin(async move {
                let (mut ticket, mut feedback) = tx.hold_ticket(&scope, ticket).await?.ok_or(Refusal::NotFound)?;
                if ticket.priority == priority {
                    return Ok(None);
                }
                if let Some(seen) = seen.filter(|seen| *seen < feedback.version) {
                    let since = tx.history_since(feedback.project, feedback.id, seen).await?;
                    if let Some(event) = since.into_iter().find(|e| matches!(e.change, Change::Prioritised { .. })) {
                        let why = format!("{} {} {}.", event.name, event.change.sentence(), UTC.ago(event.at, now));
                        return Err(Refusal::Conflict(format!("{why} Your change was not applied.")).into());
                    }
                }
                let from = std::mem::replace(&mut ticket.priority, priority);
                let change = Change::Prioritised { from: from.label().into(), to: priority.label().into() };
                ticket.updated_at = now;
                tx.update_ticket(&ticket).await?;
                let version = tx.note_on_feedback(&mut feedback, scope.staff(), entry, now, &change).await?;
                Ok(Some(Prioritised { from, version }))
            })
        })
        .await
}

/// Closes a ticket without a word; `false` when it was closed already.
///
/// # Errors
/// A role too low; not found.
pub async fn close(app: &App, scope: &Scope, ticket: TicketId) -> Result<bool> {
    turn(app, scope, ticket, true).await
}

/// Opens a ticket again; `false` when it was open already.
///
/// # Errors
/// A role too low; not found.
pub async fn reopen(app: &App, scope: &Scope, ticket: TicketId) -> Result<bool> {
    turn(app, scope, ticket, false).await
}

async fn turn(app: &App, scope: &Scope, ticket: TicketId, closed: bool) -> Result<bool> {
    scope.require(Role::Triager)?;
    let (scope, now, entries) = (*scope, app.now(), Entries::new(app));
    app.store
        .write(move |tx| {
            Box::pin(async move {
                let (mut ticket, mut feedback) = tx.hold_ticket(&scope, ticket).await?.ok_or(Refusal::NotFound)?;
                if closed == (ticket.state == State::Closed) {
                    return Ok(false);
                }
                let linked = tx.link_count(feedback.id).await? > 0;
                let status = status_after_reply(feedback.status, linked, closed);
                ticket.state = if closed { State::Closed } else { State::Open };
                (ticket.resolved_at, ticket.updated_at) = (closed.then_some(now), now);
                note(tx, &scope, &ticket, &mut feedback, entries, None, status, now).await?;
                let kind = if closed { EventKind::TicketClosed } else { EventKind::TicketReopened };
                tx.ticket_event(entries.told[0], kind, &ticket, None, now).await?;
                Ok(true)
            })
        })
        .await
}
