//! `GET /p/{slug}/events`: changes of the project's feedback as server-sent events.
//!
//! `changed` has one line per item, `id version new name`: its current version, whether it was announced before (`new` or `known`), and the
//! name of the person who last changed it. `resync` means that events were missed and the page must reload its list. The stream ends when
//! the session is revoked or the person leaves the project, which is checked before each event and every [`CHECK`].

use std::{convert::Infallible, time::Duration};

use axum::{
    extract::State,
    http::HeaderMap,
    response::{
        IntoResponse, Response,
        sse::{Event, Sse},
    },
};
use domain::{
    accounts::{Role, Scope},
    ids::StaffId,
};
use futures_util::stream;
use search::NewlySearchable;
use service::{error::Result, state::AppState};
use store::sessions::session_hash;
use tokio::{
    sync::{
        broadcast::{Receiver, error::RecvError},
        watch,
    },
    time::{Interval, MissedTickBehavior, interval},
};

use crate::http::{WebState, console::ConsoleRequest, error::PageResult, streams::EventStreamGuard};

/// Interval of session checks; also keeps the connection alive.
const CHECK: Duration = Duration::from_secs(15);
/// Maximum items in one event; if there are more, the event is only `resync`.
const MOST: usize = 200;

struct EventListener {
    app: AppState,
    scope: Scope,
    staff: StaffId,
    session: Option<String>,
    arrivals: Receiver<NewlySearchable>,
    clock: Interval,
    closing: watch::Receiver<bool>,
    _open: EventStreamGuard,
    /// The first event, sent at once.
    greeting: Option<Event>,
}

/// `GET /p/{slug}/events`.
pub async fn stream(State(web): State<WebState>, console: ConsoleRequest, headers: HeaderMap) -> PageResult {
    let scope = console.scope(Role::Viewer)?;
    let open = web.streams.open(console.member.staff)?;
    // Subscribe before responding, so that no event is missed in between.
    let arrivals = console.app.search.subscribe_new_records();
    let mut clock = interval(CHECK);
    clock.set_missed_tick_behavior(MissedTickBehavior::Delay);
    clock.reset();
    let missed = headers.contains_key("last-event-id");
    let greeting = if missed { Event::default().event("resync").data("reconnected") } else { Event::default().comment("listening") };
    let listener = EventListener {
        session: console.session.id().map(|id| session_hash(&id)),
        staff: console.member.staff,
        app: console.app.clone(),
        scope,
        arrivals,
        clock,
        closing: web.closing.subscribe(),
        _open: open,
        greeting: Some(greeting.retry(Duration::from_secs(3))),
    };
    let events = stream::unfold(listener, |mut listener| async move {
        let event = listener.next().await?;
        Some((Ok::<_, Infallible>(event), listener))
    });
    let mut response: Response = Sse::new(events).into_response();
    // Keeps proxies from buffering the stream.
    response.headers_mut().insert("x-accel-buffering", axum::http::HeaderValue::from_static("no"));
    Ok(response)
}

impl EventListener {
    /// The next event; `None` ends the stream.
    async fn next(&mut self) -> Option<Event> {
        if let Some(greeting) = self.greeting.take() {
            return Some(greeting);
        }
        loop {
            tokio::select! {
                arrived = self.arrivals.recv() => match arrived {
                    Ok(arrived) if arrived.project == self.scope.project() => {
                        if matches!(self.may_listen().await, Ok(false)) {
                            return None;
                        }
                        let id = format!("{}.{}", arrived.at.tx, arrived.at.seq);
                        return Some(self.event_for(&arrived).await.id(id));
                    }
                    Ok(_) => {}
                    Err(RecvError::Lagged(_)) => return Some(Event::default().event("resync").data("behind")),
                    Err(RecvError::Closed) => return None,
                },
                _ = self.closing.changed() => return None,
                _ = self.clock.tick() => {
                    return match self.may_listen().await {
                        Ok(false) => None,
                        Ok(true) | Err(_) => Some(Event::default().comment("")),
                    };
                }
            }
        }
    }

    async fn event_for(&self, arrived: &NewlySearchable) -> Event {
        if arrived.feedback.len() > MOST {
            return Event::default().event("resync").data("many");
        }
        match self.app.store.feedback_heads(&self.scope, &arrived.feedback).await {
            Ok(heads) => {
                let line = |head: &store::triage::FeedbackHead| {
                    let by = head.by.as_deref().unwrap_or_default().replace(['\r', '\n'], " ");
                    // A response may be updated before its first event, so the version alone does not show whether it is new.
                    let new = arrived.new.contains(&head.id) || head.version == 1;
                    format!("{} {} {} {by}", head.id, head.version, if new { "new" } else { "known" })
                };
                Event::default().event("changed").data(heads.iter().map(line).collect::<Vec<_>>().join("\n"))
            }
            Err(error) => {
                tracing::warn!(error = %error, "a live event could not be sent");
                Event::default().event("resync").data("fault")
            }
        }
    }

    async fn may_listen(&self) -> Result<bool> {
        let Some(session) = &self.session else { return Ok(false) };
        let alive = self.app.store.sessions_of(self.staff, self.app.now()).await?.iter().any(|s| s.id_hash == *session);
        Ok(alive && self.app.store.team_member(self.staff).await?.role(self.scope.project()).is_some())
    }
}
