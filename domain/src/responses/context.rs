//! Who gave a response, and where.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use crate::{
    email,
    identity::{Claim, SignedClaim},
    ids::ResponseId,
};

/// Longest id of a person that a site gives, in characters.
pub const MAX_ID: usize = 200;
/// Longest e-mail address, in characters (RFC 5321, 4.5.3.1.3, with its brackets).
pub const MAX_EMAIL: usize = 254;

/// A short text from a page as it is stored: without control characters and surrounding spaces, cut off after `max` characters; `None` when
/// nothing is left.
#[must_use]
pub fn clean_line(text: &str, max: usize) -> Option<String> {
    let text: String = text.chars().filter(|c| !c.is_control()).take(max).collect();
    let text = text.trim();
    (!text.is_empty()).then(|| text.to_owned())
}

/// Where and by whom a response was given. All of it is hearsay from the page, cut to size; none of it is needed.
#[derive(Debug, Clone, Default)]
pub struct ResponseContext {
    /// `link`, `popover`, `inline`, `frame`, `api`.
    pub source: String,
    /// The page it was given on.
    pub page_url: Option<String>,
    /// The page before that.
    pub referrer: Option<String>,
    /// The release in use.
    pub release: Option<String>,
    /// The environment.
    pub environment: Option<String>,
    /// The browser.
    pub user_agent: Option<String>,
    /// Who, as the site says.
    pub contact: ClaimedContact,
    /// The signature of that, not checked yet.
    pub signed: Option<SignedClaim>,
}

/// A contact as a site or an answer names them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ClaimedContact {
    /// The site's own id of them.
    pub external_id: Option<String>,
    /// In lower case.
    pub email: Option<String>,
    /// What they are called.
    pub name: Option<String>,
    /// A JSON object of further properties.
    pub attributes: Option<String>,
    /// What that is worth.
    pub claim: Claim,
}

impl ClaimedContact {
    /// Whether nothing tells who it is.
    #[must_use]
    pub fn is_anonymous(&self) -> bool {
        self.external_id.is_none() && self.email.is_none()
    }

    /// The same person with their address in its one form.
    #[must_use]
    pub fn canonical(&self) -> Cow<'_, Self> {
        match self.email.as_deref().map(email::canonical) {
            Some(one) if self.email.as_ref() != Some(&one) => Cow::Owned(Self { email: Some(one), ..self.clone() }),
            _ => Cow::Borrowed(self),
        }
    }

    /// What the claim is worth, if it says anything about anyone or had a signature that does not hold.
    #[must_use]
    pub fn identity(&self) -> Option<Claim> {
        let says = !self.is_anonymous() || self.name.is_some() || self.attributes.is_some();
        (says || matches!(self.claim, Claim::Expired | Claim::Wrong)).then_some(self.claim)
    }
}

/// A response that exists.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct ResponseReceipt {
    /// Which.
    pub id: ResponseId,
    /// Whether it is finished.
    pub finished: bool,
}

#[cfg(test)]
mod tests {
    use super::clean_line;

    #[test]
    fn texts_from_outside_are_tidied() {
        assert_eq!(clean_line(" a\0b\n ", 10).as_deref(), Some("ab"));
        assert_eq!(clean_line("äöü", 2).as_deref(), Some("äö"));
        assert_eq!(clean_line("\0", 2), None);
    }
}
