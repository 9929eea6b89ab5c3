//! What a column of a file can become, and the names that columns of that kind have.

use super::words;

words! {
    /// What a column can become.
    Target {
        /// What was said. The one that every import needs.
        Text = "text" / "Text",
        /// One or several tags.
        Tag = "tag" / "Tags",
        /// A score.
        Score = "score" / "Score",
        /// The top of the score's scale.
        ScoreMax = "score_max" / "Score out of",
        /// When it was said.
        CreatedAt = "created_at" / "Date",
        /// The person's id in the system the file comes from.
        ContactId = "contact_id" / "Person: ID",
        /// The person's e-mail address.
        ContactEmail = "contact_email" / "Person: e-mail",
        /// The person's name.
        ContactName = "contact_name" / "Person: name",
        /// The page it was said on.
        PageUrl = "page_url" / "Page address",
        /// The release it was said about.
        Release = "release" / "Release",
        /// The environment it was said in.
        Environment = "environment" / "Environment",
        /// The language it was said in.
        Language = "language" / "Language",
        /// What kind of feedback it is.
        Kind = "kind" / "Kind",
        /// How far triage has come.
        Status = "status" / "Status",
        /// The row's own id, by which it is known when the file is imported again.
        ExternalId = "external_id" / "Row ID",
    }
}

impl Target {
    /// Column names that mean this, in normal form (see [`normal`]), the likeliest first.
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
