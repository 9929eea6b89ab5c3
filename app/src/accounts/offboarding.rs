//! Objects that act with a member's authority, shown before the member is removed or gets a lower role.

use domain::{FieldErrors, accounts::Role};
use leptos::prelude::*;

use crate::components::{
    forms::{ErrorSummary, IdempotencyKey},
    layout::PageHead,
};

/// An API key, webhook or invitation that acts for the member.
#[derive(Debug, Clone)]
pub struct OffboardingItemView {
    /// Its id.
    pub id: String,
    /// Its name.
    pub name: String,
    /// Its permissions, or its target URL.
    pub detail: String,
    /// People who can take it over: form value and label. Empty if there are none.
    pub heirs: Vec<(String, String)>,
    /// The current choice.
    pub chosen: String,
}

/// View model of the page.
#[derive(Debug, Clone)]
pub struct OffboardingView {
    /// For URLs.
    pub slug: String,
    /// The member's id.
    pub staff: String,
    /// Their name.
    pub name: String,
    /// Whether it is the current user.
    pub is_you: bool,
    /// The new role; `None` if the member is removed.
    pub to: Option<Role>,
    /// Keys that act for them.
    pub keys: Vec<OffboardingItemView>,
    /// Webhooks that act for them.
    pub webhooks: Vec<OffboardingItemView>,
    /// Their open invitations.
    pub invitations: Vec<OffboardingItemView>,
    /// Whether the current user can hand over.
    pub may_hand_over: bool,
    /// Number of tickets whose secret link members of the team may have seen.
    pub links: i64,
    /// Whether requesters get a renewed link by e-mail.
    pub mail: bool,
    /// Validation errors.
    pub errors: FieldErrors,
}

fn count(n: usize, one: &str, many: &str) -> Option<String> {
    match n {
        0 => None,
        1 => Some(format!("1 {one}")),
        n => Some(format!("{n} {many}")),
    }
}

/// `1 API key, 2 webhooks and 1 invitation`
fn summary(view: &OffboardingView) -> String {
    let parts = [
        count(view.keys.len(), "API key", "API keys"),
        count(view.webhooks.len(), "webhook", "webhooks"),
        count(view.invitations.len(), "open invitation", "open invitations"),
    ];
    let parts: Vec<String> = parts.into_iter().flatten().collect();
    match parts.as_slice() {
        [] => "nothing".into(),
        [one] => one.clone(),
        [before @ .., last] => format!("{} and {last}", before.join(", ")),
    }
}

fn list(heading: &'static str, default_outcome: &'static str, left: Vec<OffboardingItemView>) -> AnyView {
    if left.is_empty() {
        return ().into_any();
    }
    let row = |one: OffboardingItemView| {
        let OffboardingItemView { id, name, detail, heirs, chosen } = one;
        let field = format!("hand:{id}");
        let choice = if heirs.is_empty() {
            view! { <span>{default_outcome}</span> }.into_any()
        } else {
            let options = heirs.into_iter().map(|(value, label)| {
                let selected = value == chosen;
                view! { <option value=value selected=selected>{label}</option> }
            });
            let options = options.collect_view();
            view! {
                <select name=field aria-label=format!("What happens to {name}")>
                    <option value="">{default_outcome}</option>
                    {options}
                </select>
            }
            .into_any()
        };
        view! {
            <tr>
                <th scope="row">{name}<div class="muted small hook-url">{detail}</div></th>
                <td>{choice}</td>
            </tr>
        }
    };
    view! {
        <section class="stack-s">
            <h2>{heading}</h2>
            <div class="table-wrap"><table class="table table-cards">
                <thead><tr><th scope="col">"Name"</th><th scope="col">"What happens to it"</th></tr></thead>
                <tbody>{left.into_iter().map(row).collect_view()}</tbody>
            </table></div>
        </section>
    }
    .into_any()
}

/// The page.
#[component]
pub fn OffboardingPage(
    /// Its content.
    view: OffboardingView,
    /// Idempotency key of the form.
    idempotency_key: String,
) -> impl IntoView {
    let sum = summary(&view);
    let nothing = view.keys.is_empty() && view.webhooks.is_empty() && view.invitations.is_empty();
    let OffboardingView { slug, staff, name, is_you, to, keys, webhooks, invitations, may_hand_over, links, mail, errors } = view;
    let back = format!("/p/{slug}/members");
    let whose = if is_you { "you".to_owned() } else { name.clone() };
    let (title, action, button) = match to {
        None if is_you => ("Leave this project".to_owned(), format!("{back}/remove"), "Leave".to_owned()),
        None => (format!("Remove {name}"), format!("{back}/remove"), "Remove".to_owned()),
        Some(role) => (
            format!("Change the role of {name} to {}", role.label()),
            format!("{back}/role"),
            format!("Change the role to {}", role.label()),
        ),
    };
    let lead = match to {
        None if is_you && nothing => "You lose access immediately. Only an admin of this project can invite you again.".to_owned(),
        None if is_you => {
            format!(
                "You lose access immediately, and only an admin can invite you again. These also stop working unless you hand them over: {sum}."
            )
        }
        None if nothing => format!("No API keys, webhooks or invitations act for {whose}."),
        None => format!("Acting for {whose}: {sum}. All of this stops working when the membership ends, unless it is handed over."),
        Some(role) => format!("Acting for {whose} with more permissions than the role {} has: {sum}.", role.label()),
    };
    let key_fate = if to.is_some() { "Keep with the lower role" } else { "Revoke" };
    let handing = if may_hand_over {
        "Anything you hand over keeps working. Anyone who has a key’s secret can still use it; a webhook gets a new secret."
    } else {
        "Only an owner of the project can hand these over."
    };
    view! {
        <div id="leaving" data-part class="narrow stack">
            <PageHead title=title lead=lead />
            <ErrorSummary errors=errors />
            <form method="post" action=action class="stack" id="leaving-form">
                <IdempotencyKey key=idempotency_key />
                <input type="hidden" name="staff" value=staff />
                <input type="hidden" name="confirmed" value="yes" />
                {to.map(|role| view! { <input type="hidden" name="role" value=role.as_str() /> })}
                {list("API keys", key_fate, keys)}
                {list("Webhooks", "Turn off", webhooks)}
                {list("Open invitations", "Revoke", invitations)}
                {(!nothing).then(|| view! { <p class="muted">{handing}</p> })}
                {(links > 0).then(|| {
                    let what = if links == 1 {
                        "Also renew the secret link of 1 ticket that the team may have seen".to_owned()
                    } else {
                        format!("Also renew the secret links of {links} tickets that the team may have seen")
                    };
                    let then = if mail {
                        "Requesters of open tickets get the new link by e-mail. The old links stop working."
                    } else {
                        "E-mail is off: requesters lose access to these tickets until you send them a new link yourself."
                    };
                    view! {
                        <div class="field">
                            <label class="check"><input type="checkbox" name="renew_links" value="yes" checked=mail aria-describedby="renew-hint" /> <span>{what}</span></label>
                            <p class="hint" id="renew-hint">{then}</p>
                        </div>
                    }
                })}
                <div class="form-actions">
                    <button type="submit" class="button button-danger">{button}</button>
                    <a class="button" href=back>"Cancel"</a>
                </div>
            </form>
        </div>
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_left_is_counted() {
        let one =
            OffboardingItemView { id: String::new(), name: String::new(), detail: String::new(), heirs: vec![], chosen: String::new() };
        let mut view = OffboardingView {
            slug: String::new(),
            staff: String::new(),
            name: String::new(),
            is_you: false,
            to: None,
            keys: vec![one.clone(); 3],
            webhooks: vec![one.clone()],
            invitations: vec![one.clone(), one],
            may_hand_over: false,
            links: 0,
            mail: false,
            errors: FieldErrors::default(),
        };
        assert_eq!(summary(&view), "3 API keys, 1 webhook and 2 open invitations");
        (view.webhooks, view.invitations) = (vec![], vec![]);
        assert_eq!(summary(&view), "3 API keys");
    }
}
