//! Members and invitations through the API, and the limits of a key's authority.

use axum::http::{Method, StatusCode};
use domain::{
    accounts::{Role, Scope, key::Access},
    ids::StaffId,
    projects::Project,
};
use serde_json::{Value, json};

use crate::{
    api::{both, patch, places, post, tag},
    keys::Program,
    on_both,
    support::{Client, TestApp},
};

const UNPROCESSABLE: StatusCode = StatusCode::UNPROCESSABLE_ENTITY;

/// A program with a key that a person created on the page, and that acts for them.
pub async fn key_of(t: &TestApp, client: &Client, scope: &str) -> Program {
    let page = client.post("/p/my-app/keys", &[("name", "Deploys"), ("scope", scope), ("days", "")]).await;
    assert_eq!(page.status, StatusCode::OK, "{}", page.body);
    let start = page.body.find("eas_").expect("a key is shown");
    let secret: String = page.body[start..].chars().take_while(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-')).collect();
    Program::with(t, &secret)
}

async fn role(t: &TestApp, project: &Project, staff: StaffId) -> Option<Role> {
    t.app.store.team_member(staff).await.unwrap().role(project.id)
}

/// The path of an invitation's link.
fn path(link: &Value) -> String {
    link.as_str().unwrap().strip_prefix("http://earshot.test").unwrap().to_owned()
}

on_both!(members_are_listed_given_roles_and_removed, |t: TestApp| async move {
    let (project, _, program) = both(&t, Access::Admin).await;
    let (ann, client) = t.member(&project, "ann@example.com", Role::Admin).await;
    let hers = key_of(&t, &client, "write").await;
    let list = program.get("/api/v1/members").await.json();
    let names: Vec<(&str, &str)> =
        list["items"].as_array().unwrap().iter().map(|m| (m["email"].as_str().unwrap(), m["role"].as_str().unwrap())).collect();
    assert_eq!(names, [("ann@example.com", "admin"), ("owner@example.com", "owner")], "keys are no members");
    let first = program.get("/api/v1/members?limit=1").await.json();
    let rest = program.get(&format!("/api/v1/members?limit=1&cursor={}", first["next_cursor"].as_str().unwrap())).await.json();
    assert_eq!((&first["items"][0], &rest["items"][0], &rest["next_cursor"]), (&list["items"][0], &list["items"][1], &Value::Null));

    let path = format!("/api/v1/members/{ann}");
    let read = program.get(&path).await;
    assert_eq!(read.json(), list["items"][0]);
    let change = json!({ "role": "viewer" });
    assert_eq!(
        places(&program.send(Method::PATCH, &path, &[], &change.to_string()).await, StatusCode::PRECONDITION_REQUIRED),
        ["If-Match"]
    );
    let done = patch(&program, &path, &tag(&read), change.clone()).await;
    assert_eq!((done.status, &done.json()["role"]), (StatusCode::OK, &json!("viewer")), "{}", done.body);
    assert_eq!(role(&t, &project, ann).await, Some(Role::Viewer));
    assert_eq!(hers.get("/api/v1/me").await.json()["scope"], "read", "her key does no more than she may");
    assert_eq!(patch(&program, &path, &tag(&read), change).await.status, StatusCode::PRECONDITION_FAILED);
    for (body, place) in [(json!({}), "/role"), (json!({ "role": "owner" }), "/role"), (json!({ "role": "viewer", "name": "X" }), "/name")]
    {
        assert_eq!(places(&patch(&program, &path, "*", body).await, UNPROCESSABLE), [place]);
    }

    let remove = async |once: &str| program.send(Method::DELETE, &path, &[("idempotency-key", once)], "").await;
    assert_eq!(remove("remove-key-1").await.status, StatusCode::NO_CONTENT);
    let replayed = remove("remove-key-1").await;
    assert_eq!((replayed.status, replayed.headers["idempotency-replayed"].to_str().unwrap()), (StatusCode::NO_CONTENT, "true"));
    assert_eq!(remove("remove-key-2").await.status, StatusCode::NOT_FOUND);
    assert_eq!((role(&t, &project, ann).await, hers.get("/api/v1/me").await.status), (None, StatusCode::UNAUTHORIZED));
});

on_both!(no_key_touches_owners_other_projects_or_its_own_authority, |t: TestApp| async move {
    let (project, owner) = t.owner().await;
    let other = service::projects::create(&t.app, "Other", vec![], None).await.unwrap();
    let (stranger, _) = t.member(&other, "eve@example.com", Role::Viewer).await;
    let (ann, client) = t.member(&project, "ann@example.com", Role::Admin).await;
    let boss = t.app.store.staff_by_email("owner@example.com").await.unwrap().unwrap().id().unwrap();
    let patch_of = |staff: StaffId| format!("/api/v1/members/{staff}");
    // Even a key that acts for an owner has at most the admin role.
    let of_owner = key_of(&t, &owner, "admin").await;
    let of_admin = key_of(&t, &client, "admin").await;
    let writes = key_of(&t, &owner, "write").await;
    for program in [&of_owner, &of_admin] {
        places(&patch(program, &patch_of(boss), "*", json!({ "role": "viewer" })).await, StatusCode::FORBIDDEN);
        places(&program.send(Method::DELETE, &patch_of(boss), &[], "").await, StatusCode::FORBIDDEN);
        places(&patch(program, &patch_of(stranger), "*", json!({ "role": "admin" })).await, StatusCode::NOT_FOUND);
        places(&program.get(&patch_of(stranger)).await, StatusCode::NOT_FOUND);
        places(&program.send(Method::DELETE, &patch_of(stranger), &[], "").await, StatusCode::NOT_FOUND);
        // The key itself cannot be given a role.
        let own = program.get("/api/v1/me").await.json()["id"].as_str().unwrap().to_owned();
        places(&patch(program, &format!("/api/v1/members/{own}"), "*", json!({ "role": "admin" })).await, StatusCode::NOT_FOUND);
    }
    // A lower scope stays lower, whatever the role of its creator.
    places(&patch(&writes, &patch_of(ann), "*", json!({ "role": "viewer" })).await, StatusCode::FORBIDDEN);
    places(&writes.send(Method::DELETE, &patch_of(ann), &[], "").await, StatusCode::FORBIDDEN);
    places(&post(&writes, "/api/v1/invitations", "key-number-1", json!({ "role": "viewer" })).await, StatusCode::FORBIDDEN);
    places(&writes.get("/api/v1/invitations").await, StatusCode::FORBIDDEN);
    assert_eq!(writes.get("/api/v1/members").await.status, StatusCode::OK);
    // A key can lower the role of the person it acts for; then it cannot restore the role.
    assert_eq!(patch(&of_admin, &patch_of(ann), "*", json!({ "role": "triager" })).await.status, StatusCode::OK);
    places(&patch(&of_admin, &patch_of(ann), "*", json!({ "role": "admin" })).await, StatusCode::FORBIDDEN);
    assert_eq!((role(&t, &project, boss).await, role(&t, &project, ann).await), (Some(Role::Owner), Some(Role::Triager)));
    assert_eq!(role(&t, &other, stranger).await, Some(Role::Viewer));
    // No operation creates or changes a key.
    let document = t.anonymous().get("/api/v1/openapi.json").await.json();
    let of_keys: Vec<_> = document["paths"].as_object().unwrap().iter().filter(|(path, _)| path.contains("key")).collect();
    assert!(!of_keys.is_empty());
    for (path, item) in of_keys {
        assert!(item.as_object().unwrap().keys().all(|verb| verb == "get"), "{path}");
    }
});

on_both!(an_invitation_is_made_shown_once_used_and_revoked, |t: TestApp| async move {
    let (project, other, program) = both(&t, Access::Admin).await;
    let foreign = Program::new(&t, &other, Access::Admin).await;
    let body = json!({ "role": "triager", "email": "New@Example.com" });
    let made = post(&program, "/api/v1/invitations", "key-number-1", body.clone()).await;
    assert_eq!(made.status, StatusCode::CREATED, "{}", made.body);
    let invitation = made.json();
    assert_eq!(
        (&invitation["role"], &invitation["email"], &invitation["invited_by"]),
        (&json!("triager"), &json!("new@example.com"), &json!("Night train"))
    );
    let link = path(&invitation["link"]);
    assert_eq!(t.anonymous().get(&link).await.status, StatusCode::OK);
    // The link is not stored, so a retry does not return it.
    let again = post(&program, "/api/v1/invitations", "key-number-1", body).await;
    assert_eq!((again.status, &again.json()["id"], &again.json()["link"]), (StatusCode::CREATED, &invitation["id"], &Value::Null));
    let outcomes: Vec<String> = sqlx::query_scalar("SELECT outcome FROM idempotency").fetch_all(t.app.store.reader()).await.unwrap();
    assert!(outcomes.iter().all(|outcome| !outcome.contains(link.trim_start_matches("/invite/"))));

    let read = program.get(made.location()).await.json();
    assert_eq!(program.get("/api/v1/invitations").await.json()["items"], json!([read]));
    assert!(read.get("link").is_none() && read["id"] == invitation["id"]);
    places(&foreign.get(made.location()).await, StatusCode::NOT_FOUND);
    places(&foreign.send(Method::DELETE, made.location(), &[], "").await, StatusCode::NOT_FOUND);
    // Each address has at most one open invitation.
    let second = post(&program, "/api/v1/invitations", "key-number-2", json!({ "role": "viewer", "email": "new@example.com" })).await;
    assert_eq!(t.anonymous().get(&link).await.status, StatusCode::NOT_FOUND);
    assert_eq!(program.get("/api/v1/invitations").await.json()["items"].as_array().unwrap().len(), 1);
    assert_eq!(program.send(Method::DELETE, second.location(), &[], "").await.status, StatusCode::NO_CONTENT);
    assert_eq!(t.anonymous().get(&path(&second.json()["link"])).await.status, StatusCode::NOT_FOUND);
    assert_eq!(program.send(Method::DELETE, second.location(), &[], "").await.status, StatusCode::NOT_FOUND);
    for (n, (body, place)) in [
        (json!({}), "/role"),
        (json!({ "role": "owner" }), "/role"),
        (json!({ "role": "viewer", "email": "nobody" }), "/email"),
        (json!({ "role": "viewer", "link": "x" }), "/link"),
    ]
    .into_iter()
    .enumerate()
    {
        assert_eq!(places(&post(&program, "/api/v1/invitations", &format!("wrong-key-{n}"), body).await, UNPROCESSABLE), [place]);
    }

    // Anyone with an unbound link can join, with the link's role.
    let open = post(&program, "/api/v1/invitations", "key-number-3", json!({ "role": "viewer" })).await.json();
    let (eve, client) = t.member(&other, "eve@example.com", Role::Viewer).await;
    let joined = client.post(&path(&open["link"]), &[]).await;
    assert_eq!(joined.status, StatusCode::SEE_OTHER, "{}", joined.body);
    assert_eq!(role(&t, &project, eve).await, Some(Role::Viewer));
});

on_both!(an_invitation_does_not_outlive_the_authority_of_its_key, |t: TestApp| async move {
    let (project, owner) = t.owner().await;
    let other = service::projects::create(&t.app, "Other", vec![], None).await.unwrap();
    let (eve, client) = t.member(&other, "eve@example.com", Role::Viewer).await;
    let (ann, hers) = t.member(&project, "ann@example.com", Role::Admin).await;
    let program = key_of(&t, &hers, "admin").await;
    let invite = async |once: &str| {
        let made = post(&program, "/api/v1/invitations", once, json!({ "role": "admin" })).await;
        assert_eq!(made.status, StatusCode::CREATED, "{}", made.body);
        path(&made.json()["link"])
    };
    let (first, second) = (invite("key-number-1").await, invite("key-number-2").await);
    // As earlier versions lowered roles: only the membership changes. The link checks the inviter's current role.
    let (id, now) = (project.id, t.app.now());
    t.app.store.write(move |tx| Box::pin(async move { tx.set_role(id, ann, Role::Triager, now).await })).await.unwrap();
    assert_eq!(client.post(&first, &[]).await.status, StatusCode::NOT_FOUND);
    t.app.store.write(move |tx| Box::pin(async move { tx.set_role(id, ann, Role::Admin, now).await })).await.unwrap();
    // Lowering a role through the service revokes them.
    let staff = ann.to_string();
    let page = owner.get(&format!("/p/my-app/members/role?staff={staff}&role=triager")).await;
    assert!(page.body.contains("Anyone with the link"), "{}", page.body);
    owner.post("/p/my-app/members/role", &[("staff", &staff), ("role", "triager"), ("confirmed", "yes")]).await;
    assert_eq!(t.anonymous().get(&second).await.status, StatusCode::NOT_FOUND);
    owner.post("/p/my-app/members/role", &[("staff", &staff), ("role", "admin"), ("confirmed", "yes")]).await;
    // Revoking the key does too.
    let third = invite("key-number-3").await;
    assert_eq!(t.anonymous().get(&third).await.status, StatusCode::OK);
    let key = program.get("/api/v1/me").await.json()["id"].as_str().unwrap().to_owned();
    owner.post("/p/my-app/keys/revoke", &[("key", &key)]).await;
    assert_eq!(t.anonymous().get(&third).await.status, StatusCode::NOT_FOUND);
    assert_eq!(role(&t, &project, eve).await, None);
    assert!(t.app.store.open_invitations(&Scope::system(project.id), t.app.now()).await.unwrap().is_empty());
});
