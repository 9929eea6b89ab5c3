//! The members of a project and the open invitations.

use domain::{FieldErrors, accounts::Role, email::MAX_EMAIL};
use leptos::prelude::*;

use crate::{
    components::{
        forms::{ErrorSummary, IdempotencyKey, SelectField, TextField},
        layout::PageHead,
    },
    islands::copy::Copy,
    projects::{CopyBox, SettingsTab, SettingsTabs},
};

/// A member in the list.
#[derive(Debug, Clone)]
pub struct MemberView {
    /// Their id.
    pub id: String,
    /// Their name.
    pub name: String,
    /// Their address.
    pub email: String,
    /// Their role.
    pub role: Role,
    /// The roles that the current user can assign; may be empty.
    pub choices: Vec<Role>,
    /// Whether the current user can remove them.
    pub removable: bool,
    /// Whether it is the current user.
    pub is_you: bool,
}

/// An open invitation.
#[derive(Debug, Clone)]
pub struct InvitationView {
    /// Its id.
    pub id: String,
    /// The invited address, if one was given.
    pub email: Option<String>,
    /// The role it grants.
    pub role: Role,
    /// Its creator.
    pub by: String,
    /// When it expires.
    pub expires: String,
    /// Delivery state of its e-mail if that is undelivered; and whether sending has failed permanently.
    pub mail: Option<(String, bool)>,
}

/// View model of the members page.
#[derive(Debug, Clone)]
pub struct MembersView {
    /// For URLs.
    pub slug: String,
    /// All members, highest role first.
    pub members: Vec<MemberView>,
    /// Empty unless the current user can invite.
    pub invitations: Vec<InvitationView>,
    /// The roles that the current user can grant; empty: they cannot invite.
    pub grantable: Vec<Role>,
    /// The link just created; shown once.
    pub link: Option<String>,
    /// The address the link was also e-mailed to.
    pub mailed: Option<String>,
    /// Whether that invitation replaced an open one for the same address.
    pub replaced: bool,
    /// Whether e-mail is configured.
    pub mail: bool,
    /// The invitation as typed.
    pub email: String,
    /// The role as chosen.
    pub role: Role,
    /// Validation errors.
    pub errors: FieldErrors,
}

/// Value and description of a role, for a select.
fn option(role: Role) -> (String, String) {
    let meaning = match role {
        Role::Viewer => "Viewer: can read everything",
        Role::Triager => "Triager: can also triage and edit the backlog",
        Role::Admin => "Admin: can also manage surveys, settings and members",
        Role::Owner => "Owner: can also add and remove owners",
    };
    (role.as_str().into(), meaning.into())
}

/// The members page.
#[component]
pub fn MembersPage(
    /// Its content.
    model: MembersView,
    /// Base of the idempotency keys of its forms.
    idempotency_key: String,
) -> impl IntoView {
    let MembersView { slug, members, invitations, grantable, link, mailed, replaced, mail, email, role, errors } = model;
    let base = format!("/p/{slug}/members");
    let key = move |part: &str| format!("{idempotency_key}-{part}");
    let may_invite = !grantable.is_empty();
    let action = base.clone();
    view! {
        <div id="members" data-part class="narrow">
            <PageHead title="Members" lead="Who works in this project and what they can do." />
            <SettingsTabs slug=slug.clone() current=SettingsTab::Members />
            <ErrorSummary errors=errors.clone() />
            {link.map(|link| view! {
                <div class="notice notice-good" role="status">
                    {match mailed {
                        Some(to) => view! {
                            <p><strong>"We are e-mailing the invitation to "{to}"."</strong>" This is its link. It works once, expires after 7 days, and is shown only now."</p>
                        }.into_any(),
                        None => view! {
                            <p><strong>"Here is the invitation link."</strong>" It works once, expires after 7 days, and is shown only now. Send it to the person yourself."</p>
                        }.into_any(),
                    }}
                    {replaced.then(|| view! { <p>"It replaces the earlier invitation for this address. The earlier link no longer works."</p> })}
                    <CopyBox id="invitation-link" label="Invitation link" text=link rows=2 />
                </div>
            }.into_any())}
            <div class="table-wrap">
                <table class="table table-cards">
                    <thead><tr><th scope="col">"Person"</th><th scope="col">"Role"</th><th scope="col"><span class="visually-hidden">"Action"</span></th></tr></thead>
                    <tbody>
                        {members.into_iter().map(|m| {
                            let role_key = key(&format!("{}-role", m.id));
                            let remove_key = key(&format!("{}-remove", m.id));
                            view! {
                                <tr>
                                    <th scope="row">
                                        {m.name.clone()}{m.is_you.then(|| view! { " "<span class="badge">"You"</span> })}
                                        <div class="muted small">{m.email}</div>
                                    </th>
                                    <td>{if m.choices.is_empty() {
                                        view! { <span>{m.role.label()}</span> }.into_any()
                                    } else {
                                        view! {
                                            <form method="post" action=format!("{base}/role") class="cluster" data-enhance>
                                                <IdempotencyKey key=role_key />
                                                <input type="hidden" name="staff" value=m.id.clone() />
                                                <select name="role" aria-label=format!("Role of {}", m.name) class="role-select">
                                                    {m.choices.iter().map(|r| view! {
                                                        <option value=r.as_str() selected={*r == m.role}>{r.label()}</option>
                                                    }).collect_view()}
                                                </select>
                                                <button type="submit" class="button button-small" aria-label=format!("Save the role of {}", m.name)>"Save"</button>
                                            </form>
                                        }.into_any()
                                    }}</td>
                                    <td class="num">{m.removable.then(|| view! {
                                        <form method="post" action=format!("{base}/remove") data-enhance={!m.is_you}>
                                            <IdempotencyKey key=remove_key />
                                            <input type="hidden" name="staff" value=m.id.clone() />
                                            <button type="submit" class="button button-small button-danger" aria-label=if m.is_you { "Leave this project".to_owned() } else { format!("Remove {}", m.name) }>
                                                {if m.is_you { "Leave" } else { "Remove" }}
                                            </button>
                                        </form>
                                    })}
                                    {(m.is_you && !m.removable).then(|| view! { <span class="muted small">"The only owner cannot leave. Make someone else an owner first."</span> })}</td>
                                </tr>
                            }.into_any()
                        }).collect_view()}
                    </tbody>
                </table>
            </div>
            {may_invite.then(|| view! {
                <section class="card" aria-labelledby="invite">
                    <h2 id="invite">"Invite a member"</h2>
                    <form method="post" action=action.clone() data-enhance>
                        <IdempotencyKey key=key("invite") />
                        <SelectField name="role" label="Role" options=grantable.into_iter().map(option).collect() value=role.as_str() errors=errors.clone() />
                        <TextField name="email" label="E-mail address (optional)" kind="email" value=email maxlength=MAX_EMAIL
                            hint=if mail { "We e-mail the invitation to this address. Leave empty to share the link yourself." } else { "For your reference. We don’t send e-mail; share the link yourself." } errors=errors />
                        <div class="form-actions"><button type="submit" class="button button-primary">"Create invitation link"</button></div>
                    </form>
                </section>
                <section class="card" aria-labelledby="open-invitations">
                    <h2 id="open-invitations">"Open invitations"</h2>
                    {if invitations.is_empty() {
                        view! { <p class="muted">"No open invitations. Links expire after 7 days."</p> }.into_any()
                    } else {
                        view! {
                            <div class="table-wrap"><table class="table table-cards">
                                <thead><tr>
                                    <th scope="col">"For"</th><th scope="col">"Role"</th><th scope="col">"Created by"</th><th scope="col">"Expires"</th>
                                    <th scope="col"><span class="visually-hidden">"Action"</span></th>
                                </tr></thead>
                                <tbody>{invitations.into_iter().map(|i| {
                                    let whom = i.email.unwrap_or_else(|| "Anyone with the link".into());
                                    view! {
                                        <tr>
                                            <th scope="row">{whom.clone()}{i.mail.map(|(text, dead)| view! { <div class=if dead { "field-error" } else { "muted small" }>{text}</div> })}</th><td data-label="Role">{i.role.label()}</td><td data-label="Created by">{i.by}</td><td data-label="Expires">{i.expires}</td>
                                            <td class="num">
                                                <form method="post" action=format!("{action}/revoke") data-enhance>
                                                    <IdempotencyKey key=key(&i.id) />
                                                    <input type="hidden" name="invitation" value=i.id.clone() />
                                                    <button type="submit" class="button button-small button-danger" aria-label=format!("Revoke the invitation for {whom}")>"Revoke"</button>
                                                </form>
                                            </td>
                                        </tr>
                                    }
                                }).collect_view()}</tbody>
                            </table></div>
                        }.into_any()
                    }}
                </section>
            }.into_any())}
        </div>
        <Copy />
    }
}
