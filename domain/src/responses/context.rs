//! Origin of a response: the person and the page.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use crate::{
    email,
    identity::{Claim, SignedClaim},
    ids::ResponseId,
};

/// Origin of a response. All values are unverified claims of the page, cut to size; none is required.
#[derive(Debug, Clone, Default)]
pub struct ResponseContext {
    /// `link`, `popover`, `inline`, `frame`, `api`.
    pub source: String,
    /// The page of the survey.
    pub page_url: Option<String>,
    /// The page's referrer.
    pub referrer: Option<String>,
    /// The release in use.
    pub release: Option<String>,
    /// The environment.
    pub environment: Option<String>,
    /// The browser.
    pub user_agent: Option<String>,
    /// The person, according to the site.
    pub contact: ClaimedContact,
    /// The signature of that claim, not checked yet.
    pub signed: Option<SignedClaim>,
}

/// A contact as named by a site or an answer.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ClaimedContact {
    /// The site's own id for them.
    pub external_id: Option<String>,
    /// In lower case.
    pub email: Option<String>,
    /// Their name.
    pub name: Option<String>,
    /// A JSON object of further properties.
    pub attributes: Option<String>,
    /// The trust in the claim.
    pub claim: Claim,
}

impl ClaimedContact {
    /// Returns whether nothing identifies the person.
    #[must_use]
    pub fn is_anonymous(&self) -> bool {
        self.external_id.is_none() && self.email.is_none()
    }

    /// The same contact with the e-mail address in canonical form.
    #[must_use]
    pub fn canonical(&self) -> Cow<'_, Self> {
        match self.email.as_deref().map(email::canonical) {
            Some(one) if self.email.as_ref() != Some(&one) => Cow::Owned(Self { email: Some(one), ..self.clone() }),
            _ => Cow::Borrowed(self),
        }
    }

    /// The trust in the claim, if it contains anything or had an invalid signature.
    #[must_use]
    pub fn identity(&self) -> Option<Claim> {
        let says = !self.is_anonymous() || self.name.is_some() || self.attributes.is_some();
        (says || matches!(self.claim, Claim::Expired | Claim::Wrong)).then_some(self.claim)
    }
}

/// A stored response.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct ResponseReceipt {
    /// Its id.
    pub id: ResponseId,
    /// Whether it is finished.
    pub finished: bool,
}
