//! Identifiers: one newtype over a UUIDv7 per kind of record, so that they cannot be mixed up.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};
use uuid::Uuid;

macro_rules! ids {
    ($($(#[$doc:meta])* $name:ident),+ $(,)?) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub Uuid);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }

        impl FromStr for $name {
            type Err = uuid::Error;
            fn from_str(text: &str) -> Result<Self, Self::Err> {
                Uuid::try_parse(text).map(Self)
            }
        }

        impl From<Uuid> for $name {
            fn from(id: Uuid) -> Self {
                Self(id)
            }
        }
    )+};
}

ids! {
    /// One product that collects feedback.
    ProjectId,
    /// A signed-in member of the team.
    StaffId,
    /// An actor: the id of a person, an API key, a rule or an integration.
    ActorId,
    /// An API key.
    ApiKeyId,
    /// Automation that the team has set up in Earshot.
    RuleId,
    /// Another system that is connected to a project.
    IntegrationId,
    /// A secret that a project's own servers sign identities with.
    IdentitySecretId,
    /// An invitation for a member of the team.
    InvitationId,
    /// A survey, over all its versions.
    SurveyId,
    /// One immutable published version of a survey.
    VersionId,
    /// A person who gave feedback.
    ContactId,
    /// One contact's answers to one survey version.
    ResponseId,
    /// A triageable record.
    FeedbackId,
    /// A unit of work for the product team.
    BacklogItemId,
    /// A link between feedback and a backlog item.
    LinkId,
    /// A team comment on feedback.
    CommentId,
    /// A prepared text for answering tickets.
    CannedReplyId,
    /// One entry of an item's history.
    HistoryId,
    /// An action that can be undone.
    UndoId,
    /// One import of a file.
    ImportId,
    /// One unit of background work.
    JobId,
    /// A support conversation.
    TicketId,
    /// One message of a support conversation.
    MessageId,
    /// A file of a message.
    AttachmentId,
    /// An outgoing e-mail.
    MailId,
    /// A webhook endpoint: an address that receives events.
    EndpointId,
    /// An event that webhooks deliver.
    EventId,
}
