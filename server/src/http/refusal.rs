//! Refusals as people see them: every failed response of the console is a page with the reason, marked `data-refusal` for the scripts, and
//! with the text of the rejected form. The browser's Back button does not always restore that: Firefox forgets the fields of `no-store`
//! pages, and all console pages are `no-store`.

use std::sync::{Arc, Mutex, PoisonError};

use axum::{
    body::Body,
    extract::Request,
    http::{HeaderValue, StatusCode, header},
    middleware::Next,
    response::Response,
};

use super::error_page::{RefusalReason, SubmittedForm, error_page};

/// The fields of a form, put into the request's extensions by [`RefusalExplainer`] and filled in when the form is read.
#[derive(Debug, Clone, Default)]
pub struct CapturedForm(Arc<Mutex<Option<SubmittedForm>>>);

impl CapturedForm {
    /// Remembers the fields of a form. `complete`: it has all of them, and may be sent again as it is.
    pub fn keep(&self, pairs: &[(String, String)], complete: bool) {
        let posted = SubmittedForm { action: String::new(), pairs: pairs.to_vec(), complete };
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(posted);
    }

    /// The form, unless it contains something that must not be shown again.
    fn take(&self, action: String) -> Option<SubmittedForm> {
        let posted = self.0.lock().unwrap_or_else(PoisonError::into_inner).take()?;
        let is_secret = |name: &str| name.contains("password") || name.contains("token") || name.contains("secret");
        (!posted.pairs.iter().any(|(name, _)| is_secret(name))).then_some(SubmittedForm { action, ..posted })
    }
}

/// Adds an explanation to the response of a request if that is a refusal.
pub struct RefusalExplainer {
    sent: CapturedForm,
    action: String,
}

impl RefusalExplainer {
    /// Records the URL of the request, and adds a place for its form.
    pub fn begin(request: &mut Request) -> Self {
        let sent = request.extensions_mut().get_or_insert_default::<CapturedForm>().clone();
        Self { sent, action: request.uri().path_and_query().map_or("/", |p| p.as_str()).to_owned() }
    }

    /// The response; replaces a failed one without a page of its own by one that explains why and shows the submitted texts.
    pub fn explained(self, response: Response) -> Response {
        let status = response.status();
        if !status.is_client_error() && !status.is_server_error() {
            return response;
        }
        let reason = response.extensions().get::<RefusalReason>().map(|reason| reason.0.clone());
        let is_page = response.headers().get(header::CONTENT_TYPE).is_some_and(|kind| kind.as_bytes().starts_with(b"text/html"));
        let posted = self.sent.take(self.action);
        if is_page && (reason.is_none() || posted.is_none()) {
            return response;
        }
        let page = error_page(status, reason.as_deref().unwrap_or(unexplained(status)), posted);
        with_page(response, page)
    }
}

/// A response with another page as its body. Keeps its status, other headers and extensions.
pub fn with_page(response: Response, page: impl Into<Body>) -> Response {
    let (mut parts, _) = response.into_parts();
    // Both describe the replaced body.
    parts.headers.remove(header::CONTENT_LENGTH);
    parts.headers.remove(header::CONTENT_ENCODING);
    parts.headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));
    Response::from_parts(parts, page.into())
}

/// A layer around everything that may refuse a request of the console, including layers outside its handlers.
pub async fn explain(mut request: Request, next: Next) -> Response {
    let watched = RefusalExplainer::begin(&mut request);
    watched.explained(next.run(request).await)
}

/// Messages for layers that respond with a bare status.
fn unexplained(status: StatusCode) -> &'static str {
    match status {
        // The origin check is the only one that refuses without a message.
        StatusCode::FORBIDDEN => {
            "This form was sent from another site, so nothing was changed. Open Earshot at its usual address and send the form from there."
        }
        StatusCode::NOT_FOUND => "This page does not exist, or you don’t have access.",
        StatusCode::METHOD_NOT_ALLOWED => "This address does not accept such requests. Start from the page with the form.",
        StatusCode::REQUEST_TIMEOUT => "This took too long to arrive, so nothing was changed. Check your connection and send it again.",
        StatusCode::PAYLOAD_TOO_LARGE => "This is larger than the form allows. Shorten it and send it again.",
        StatusCode::TOO_MANY_REQUESTS => "Too many requests. Wait a minute and try again.",
        StatusCode::SERVICE_UNAVAILABLE => "The server is busy. Try again in a moment.",
        status if status.is_client_error() => "This request could not be read. Open the page in a new tab and try again from there.",
        _ => "Something went wrong on our side. Try again in a moment.",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sent(pairs: &[(&str, &str)]) -> Option<SubmittedForm> {
        let sent = CapturedForm::default();
        let pairs: Vec<_> = pairs.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect();
        sent.keep(&pairs, true);
        sent.take("/x".into())
    }

    #[test]
    fn what_was_typed_is_shown_and_what_was_not_is_left_out() {
        let key = "0199c0de-0000-7000-8000-000000000001";
        let posted = sent(&[("idempotency_key", key), ("assignee", key), ("version", "3"), ("body", "A long\ncomment"), ("add", "till")]);
        assert_eq!(posted.unwrap().texts().collect::<Vec<_>>(), ["A long\ncomment", "till"]);
        let posted = sent(&[("whole", "1"), ("q1-kind", "nps"), ("q1-title", "How likely?")]);
        assert_eq!(posted.unwrap().texts().collect::<Vec<_>>(), ["How likely?"]);
    }

    #[test]
    fn passwords_are_never_shown_again() {
        assert!(sent(&[("email", "a@b.example"), ("password", "x")]).is_none());
        assert!(sent(&[("new_password", "x")]).is_none());
    }
}
