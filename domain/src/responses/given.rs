//! Who gave a response, and where.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use crate::{
    email,
    identity::{Claim, Signed},
    ids::ResponseId,
};

/// Where and by whom a response was given. All of it is hearsay from the page, cut to size; none of it is needed.
#[derive(Debug, Clone, Default)]
pub struct Context {
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
    pub contact: Person,
    /// The signature of that, not checked yet.
    pub signed: Option<Signed>,
}

/// A contact as a site or an answer names them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Person {
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

impl Person {
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

    /// What the claim is worth, if it says anything about anybody or had a signature that does not hold.
    #[must_use]
    pub fn identity(&self) -> Option<Claim> {
        let says = !self.is_anonymous() || self.name.is_some() || self.attributes.is_some();
        (says || matches!(self.claim, Claim::Expired | Claim::Wrong)).then_some(self.claim)
    }
}

/// A response that exists.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Begun {
    /// Which.
    pub id: ResponseId,
    /// Whether it is finished.
    pub finished: bool,
}
