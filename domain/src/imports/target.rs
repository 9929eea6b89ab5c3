//! The possible targets of a file's columns, and the usual column names of each.

use super::words;

words! {
    /// A target for a column.
    Target {
        /// The text. The only target that every import needs.
        Text = "text" / "Text",
        /// One or several tags.
        Tag = "tag" / "Tags",
        /// A score.
        Score = "score" / "Score",
        /// The maximum of the score's scale.
        ScoreMax = "score_max" / "Score out of",
        /// Submission time.
        CreatedAt = "created_at" / "Date",
        /// The person's id in the source system.
        ContactId = "contact_id" / "Person: ID",
        /// The person's e-mail address.
        ContactEmail = "contact_email" / "Person: e-mail",
        /// The person's name.
        ContactName = "contact_name" / "Person: name",
        /// The page it was given on.
        PageUrl = "page_url" / "Page address",
        /// The release it is about.
        Release = "release" / "Release",
        /// The environment it was given in.
        Environment = "environment" / "Environment",
        /// The language of the text.
        Language = "language" / "Language",
        /// The kind of feedback.
        Kind = "kind" / "Kind",
        /// The triage status.
        Status = "status" / "Status",
        /// The row's own id, which identifies it if the file is imported again.
        ExternalId = "external_id" / "Row ID",
    }
}

impl Target {
    /// Column names that imply this target, in normal form (see [`normal`]), the likeliest first.
    pub(super) fn names(self) -> &'static [&'static str] {
        match self {
            Self::Text => &[
                "text",
                "message",
                "comment",
                "body",
                "feedback",
                "content",
                "description",
                "review",
                "answer",
                "verbatim",
                "query",
                "question",
                "nachricht",
                "kommentar",
                "texte",
            ],
            Self::Tag => {
                &["tag", "tags", "category", "categories", "label", "labels", "topic", "intent", "type", "kategorie", "schlagwort"]
            }
            Self::Score => &["score", "rating", "stars", "nps", "csat", "ces", "grade", "bewertung", "note"],
            Self::ScoreMax => &["scoremax", "maxscore", "outof", "scale"],
            Self::CreatedAt => &["createdat", "created", "date", "time", "timestamp", "submittedat", "submitted", "datum"],
            Self::ContactId => &["contactid", "userid", "customerid", "accountid", "clientid"],
            Self::ContactEmail => &["contactemail", "email", "emailaddress", "useremail", "customeremail", "mail"],
            Self::ContactName => &[
                "contactname",
                "name",
                "username",
                "customername",
                "fullname",
                "author",
                "reviewer",
                "customer",
                "user",
                "client",
                "kunde",
                "person",
                "requester",
                "respondent",
            ],
            Self::PageUrl => &["pageurl", "url", "page", "link"],
            Self::Release => &["release", "version", "appversion"],
            Self::Environment => &["environment", "env", "stage"],
            Self::Language => &["language", "lang", "locale", "sprache"],
            Self::Kind => &["kind"],
            Self::Status => &["status", "state"],
            Self::ExternalId => &["externalid", "id", "rowid", "responseid", "respondentid", "feedbackid", "ticketid", "uuid"],
        }
    }
}

/// A name without case, spaces and punctuation: `E-Mail address` is `emailaddress`.
pub(super) fn normal(name: &str) -> String {
    name.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect()
}
