//! The demonstration's tickets.

use domain::{
    Timestamp,
    accounts::Scope,
    projects::Project,
    spam::SpamSignals,
    tickets::{NewTicket, Priority},
};
use service::{
    error::Result,
    tickets::{self, RequesterReply, StaffReply, TicketSubmission},
};

use super::{BackdatedApp, HOUR_MS};

/// A step of a ticket, some hours after its submission.
enum TicketStep {
    /// The team replies.
    Answer(&'static str),
    /// The team replies and closes the ticket.
    Last(&'static str),
    /// The team adds a note.
    Note(&'static str),
    /// The requester sends another message.
    More(&'static str),
    /// The team sets the priority.
    Urgency(Priority),
}

struct DemoTicket {
    hours_ago: i64,
    name: &'static str,
    email: &'static str,
    subject: &'static str,
    message: &'static str,
    steps: &'static [(i64, TicketStep)],
}

const TICKETS: &[DemoTicket] = &[
    DemoTicket {
        hours_ago: 620,
        name: "Petra Novak",
        email: "petra.novak@northpier.example",
        subject: "Invoice for October is missing",
        message: "Our accounting department is asking for the October invoice. The invoices page shows only September.",
        steps: &[
            (2, TicketStep::Answer("Hello Petra, I see it: the file was created but not attached. It is there now. Could you check?")),
            (5, TicketStep::More("Yes, there it is. Thank you.")),
            (6, TicketStep::Last("Glad to hear that.")),
        ],
    },
    DemoTicket {
        hours_ago: 480,
        name: "",
        email: "office@hofmann-bau.example",
        subject: "Two people cannot be invited",
        message: "We invite m.klein and t.klein, and both times it says that the address is in use. It is not.",
        steps: &[
            (1, TicketStep::Note("Both were in last year’s trial; the old workspace still has them.")),
            (
                4,
                TicketStep::Last(
                    "Both addresses were still part of your trial workspace. I have released them; the invitations went out again.",
                ),
            ),
        ],
    },
    DemoTicket {
        hours_ago: 390,
        name: "Luis Ortega",
        email: "luis@ortega.example",
        subject: "Export as PDF cuts off the last column",
        message: "With more than twelve weeks, the PDF ends in the middle of week 13.\n\nOn screen everything is fine.",
        steps: &[
            (20, TicketStep::Answer("Hello Luis, I can see it with your plan. Until it is fixed: landscape on A3 shows everything.")),
            (30, TicketStep::More("That helps for now.")),
            (200, TicketStep::Last("Fixed in 4.2.0, which you have had since this morning.")),
        ],
    },
    DemoTicket {
        hours_ago: 260,
        name: "Aiko Tanaka",
        email: "aiko@lanternworks.example",
        subject: "Time zone of the reminders",
        message: "Reminders arrive at 3 in the morning. We are in Osaka.",
        steps: &[(
            9,
            TicketStep::Last("Your workspace was set to UTC. I have set it to Asia/Tokyo; you can change that under Settings, Region."),
        )],
    },
    DemoTicket {
        hours_ago: 150,
        name: "Greta Holm",
        email: "greta@fjordline.example",
        subject: "Dependencies vanish after moving a phase",
        message: "When I move a whole phase by a week, the arrows to the next phase are gone. I had to draw forty of them again.",
        steps: &[
            (1, TicketStep::Urgency(Priority::High)),
            (
                3,
                TicketStep::Answer(
                    "Hello Greta, that must not happen, and I am sorry for the work. I have brought back the arrows from this morning. Which browser do you use?",
                ),
            ),
            (7, TicketStep::Note("Same cause as the undo bug, see the backlog.")),
            (22, TicketStep::More("Firefox, the current one.")),
        ],
    },
    DemoTicket {
        hours_ago: 75,
        name: "Sam Whitfield",
        email: "sam@whitfield.example",
        subject: "Can a plan have two owners?",
        message: "My colleague and I share one plan. Only I can change who sees it.",
        steps: &[(
            26,
            TicketStep::Answer(
                "Hello Sam, not yet, but you can make your colleague an admin of the plan: Share, then the menu beside the name. Does that do?",
            ),
        )],
    },
    DemoTicket {
        hours_ago: 20,
        name: "Petra Novak",
        email: "petra.novak@northpier.example",
        subject: "Nobody can sign in since this morning",
        message: "All of us get “session expired” right after signing in. We have a review with our client at noon.",
        steps: &[(1, TicketStep::Urgency(Priority::Urgent)), (1, TicketStep::Note("Clock of their single sign-on is six minutes off."))],
    },
    DemoTicket {
        hours_ago: 3,
        name: "",
        email: "it@stadtwerke-lind.example",
        subject: "List of sub-processors",
        message: "For our yearly review we need the current list of sub-processors and the date of the last change.",
        steps: &[],
    },
];

/// Fills the help desk with tickets in all states.
pub(super) async fn fill(past: &mut BackdatedApp, project: &Project, owner: &Scope, others: &[Scope], now: Timestamp) -> Result<()> {
    for (n, ticket) in TICKETS.iter().enumerate() {
        let at = now.plus_ms(-ticket.hours_ago * HOUR_MS - 7 * 60_000);
        let submission = TicketSubmission {
            ticket: NewTicket {
                subject: ticket.subject.into(),
                message: ticket.message.into(),
                email: ticket.email.into(),
                name: ticket.name.into(),
            },
            signals: Some(SpamSignals { elapsed_ms: Some(90_000), ..SpamSignals::default() }),
            context: tickets::TicketContext { language: "en".into(), ..tickets::TicketContext::default() },
            ..TicketSubmission::default()
        };
        let key = past.key();
        let made = tickets::submit(past.at(at), project, &key, submission).await?;
        let scope = others.get(n % others.len().max(1)).unwrap_or(owner);
        for (hours, step) in ticket.steps {
            let key = past.key();
            let app = past.at(at.plus_ms(hours * HOUR_MS + 11 * 60_000));
            let reply = |body: &str, close| StaffReply { body: body.into(), close, ..StaffReply::default() };
            match step {
                TicketStep::Answer(body) => {
                    tickets::staff_reply(app, scope, made.ticket, &key, reply(body, false)).await?;
                }
                TicketStep::Last(body) => {
                    tickets::staff_reply(app, scope, made.ticket, &key, reply(body, true)).await?;
                }
                TicketStep::Note(body) => {
                    tickets::add_note(app, scope, made.ticket, &key, body, Vec::new()).await?;
                }
                TicketStep::More(body) => {
                    let addition = RequesterReply { body: (*body).to_owned(), ..RequesterReply::default() };
                    tickets::requester_reply(app, project, made.ticket, &key, addition).await?;
                }
                TicketStep::Urgency(priority) => {
                    tickets::set_priority(app, scope, made.ticket, *priority).await?;
                }
            }
        }
    }
    Ok(())
}
