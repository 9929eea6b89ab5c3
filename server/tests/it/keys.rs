//! API keys: the page, creation by the command line, and authentication.

use axum::{
    body::Body,
    http::{Method, StatusCode, header},
};
use domain::{
    accounts::{Role, Scope, key::Access},
    projects::Project,
};
use service::keys::ApiKeyInput;
use store::keys::ApiKey;

use crate::{
    on_both,
    support::{Client, Page, TestApp},
};

/// A client with a key.
pub struct Program {
    client: Client,
    pub secret: String,
}

impl Program {
    /// A client whose key was created by the command line.
    pub async fn new(t: &TestApp, project: &Project, access: Access) -> Self {
        Self::lasting(t, project, access, None).await
    }

    pub async fn lasting(t: &TestApp, project: &Project, access: Access, days: Option<i64>) -> Self {
        let wanted = ApiKeyInput { name: "Night train", access, days };
        let once = t.app.ids.uuid().to_string();
        let made = service::keys::create(&t.app, &Scope::system(project.id), &wanted, &once).await.unwrap().unwrap();
        Self { client: t.anonymous(), secret: made.secret }
    }

    pub fn with(t: &TestApp, secret: &str) -> Self {
        Self { client: t.anonymous(), secret: secret.into() }
    }

    pub async fn get(&self, path: &str) -> Page {
        self.send(Method::GET, path, &[], "").await
    }

    pub async fn send(&self, method: Method, path: &str, headers: &[(&str, &str)], body: &str) -> Page {
        let mut all = Vec::new();
        if !body.is_empty() && !headers.iter().any(|(name, _)| *name == "content-type") {
            all.push(("content-type", "application/json"));
        }
        all.extend_from_slice(headers);
        self.send_body(method, path, &all, Body::from(body.to_owned())).await
    }

    pub async fn send_body(&self, method: Method, path: &str, headers: &[(&str, &str)], body: Body) -> Page {
        let authorization = format!("Bearer {}", self.secret);
        let mut all = vec![("authorization", authorization.as_str())];
        all.extend_from_slice(headers);
        self.client.send(method, path, &all, body).await
    }
}

async fn stored(t: &TestApp, project: &Project) -> Vec<ApiKey> {
    t.app.store.api_keys(&Scope::system(project.id)).await.unwrap()
}

/// The key that a page shows.
fn shown(page: &Page) -> String {
    let start = page.body.find("eas_").expect("a key is shown");
    page.body[start..].chars().take_while(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-')).collect()
}

on_both!(a_key_is_made_shown_once_used_and_revoked, |t: TestApp| async move {
    let (project, owner) = t.owner().await;
    let page = owner.get("/p/my-app/keys").await;
    assert!(page.body.contains("No API keys yet"));
    let fields = [("name", " Nightly  export "), ("scope", "read"), ("days", "30"), ("idempotency_key", "form-12345")];
    let made = owner.post("/p/my-app/keys", &fields).await;
    assert_eq!(made.status, StatusCode::OK);
    let secret = shown(&made);
    assert_eq!(secret.len(), 47);
    // Submitting the form again shows and creates nothing.
    let again = owner.post("/p/my-app/keys", &fields).await;
    assert_eq!((again.status, again.location()), (StatusCode::SEE_OTHER, "/p/my-app/keys"));
    let page = owner.get("/p/my-app/keys").await;
    assert!(!page.body.contains(&secret) && page.body.contains(&secret[..12]) && page.body.contains("Nightly export"));
    assert!(page.body.contains("Never"));
    assert_eq!(stored(&t, &project).await.len(), 1);

    let program = Program::with(&t, &secret);
    let me = program.get("/api/v1/me").await;
    assert_eq!(me.status, StatusCode::OK, "{}", me.body);
    let json = me.json();
    assert_eq!(
        (json["name"].as_str(), json["scope"].as_str(), json["project_id"].as_str()),
        (Some("Nightly export"), Some("read"), Some(project.id.to_string().as_str()))
    );
    assert!(!me.body.contains(&secret));

    let id = json["id"].as_str().unwrap();
    let done = owner.post("/p/my-app/keys/revoke", &[("key", id)]).await;
    assert_eq!(done.status, StatusCode::SEE_OTHER);
    let refused = program.get("/api/v1/me").await;
    assert_eq!(refused.status, StatusCode::UNAUTHORIZED);
    assert!(refused.headers[header::WWW_AUTHENTICATE].to_str().unwrap().contains("invalid_token"));
    assert_eq!(owner.post("/p/my-app/keys/revoke", &[("key", id)]).await.status, StatusCode::NOT_FOUND);
    assert!(owner.get("/p/my-app/keys").await.body.contains("Revoked just now"));
});

on_both!(only_admins_manage_keys_and_only_those_of_their_project, |t: TestApp| async move {
    let (project, _) = t.owner().await;
    let other = service::projects::create(&t.app, "Other", vec![], None).await.unwrap();
    let (_, triager) = t.member(&project, "tri@example.com", Role::Triager).await;
    let (_, admin) = t.member(&project, "adm@example.com", Role::Admin).await;
    Program::new(&t, &other, Access::Read).await;
    let foreign = stored(&t, &other).await[0].id.to_string();
    Program::new(&t, &project, Access::Read).await;
    let own = stored(&t, &project).await[0].id.to_string();

    let page = triager.get("/p/my-app/keys").await;
    assert!(page.body.contains("Only admins and owners") && !page.body.contains("Night train"));
    let fields = [("name", "x"), ("scope", "admin"), ("days", "")];
    assert_eq!(triager.post("/p/my-app/keys", &fields).await.status, StatusCode::FORBIDDEN);
    assert_eq!(triager.post("/p/my-app/keys/revoke", &[("key", &own)]).await.status, StatusCode::FORBIDDEN);
    for key in [foreign.as_str(), "nonsense", ""] {
        assert_eq!(admin.post("/p/my-app/keys/revoke", &[("key", key)]).await.status, StatusCode::NOT_FOUND);
    }
    assert_eq!(admin.post("/p/other/keys", &fields).await.status, StatusCode::NOT_FOUND);
    for (fields, word) in [
        ([("name", " "), ("scope", "read"), ("days", "")], "Enter the name of the program"),
        ([("name", "x"), ("scope", "owner"), ("days", "")], "Choose a scope for the key"),
        ([("name", "x"), ("scope", "read"), ("days", "9999")], "Choose one of the listed times"),
    ] {
        let page = admin.post("/p/my-app/keys", &fields).await;
        assert_eq!(page.status, StatusCode::UNPROCESSABLE_ENTITY);
        assert!(page.body.contains(word), "{word}");
    }
    assert!(stored(&t, &other).await[0].revoked_at.is_none());
});

on_both!(what_opens_nothing_is_refused_alike, |t: TestApp| async move {
    let (project, owner) = t.owner().await;
    let program = Program::lasting(&t, &project, Access::Admin, Some(1)).await;
    assert_eq!(program.get("/api/v1/me").await.status, StatusCode::OK);
    // Only the key counts: a signed-in browser is not authenticated here.
    let anonymous = owner.get("/api/v1/me").await;
    assert_eq!(anonymous.status, StatusCode::UNAUTHORIZED);
    assert_eq!(anonymous.headers[header::WWW_AUTHENTICATE], "Bearer realm=\"Earshot\"");
    assert_eq!(anonymous.headers[header::CONTENT_TYPE], "application/problem+json");
    let mut answers = Vec::new();
    for wrong in ["", "x", "eas_", &format!("{}x", program.secret), &program.secret[..46], &project.key, "eas_' OR 1=1 --"] {
        let page = Program::with(&t, wrong).get("/api/v1/me").await;
        assert_eq!(page.status, StatusCode::UNAUTHORIZED, "{wrong}");
        answers.push(page.body);
    }
    assert!(answers.windows(2).all(|two| two[0] == two[1]));
    t.clock.advance_ms(86_400_000 - 1);
    assert_eq!(program.get("/api/v1/me").await.status, StatusCode::OK);
    t.clock.advance_ms(1);
    assert_eq!(program.get("/api/v1/me").await.status, StatusCode::UNAUTHORIZED);
    // The actor of a key has no account and cannot sign in.
    let key = stored(&t, &project).await.remove(0);
    let email = format!("key:{}", key.id);
    for password in ["", "0123456789"] {
        let page = t.anonymous().post("/sign-in", &[("email", &email), ("password", password)]).await;
        assert_eq!(page.status, StatusCode::UNPROCESSABLE_ENTITY);
    }
    assert!(!owner.get("/p/my-app/members").await.body.contains("Night train"));
});

on_both!(the_last_use_is_written_beside_the_request_and_once_a_minute, |t: TestApp| async move {
    let (project, owner) = t.owner().await;
    let program = Program::new(&t, &project, Access::Read).await;
    let first = t.app.now();
    let used = async |at| {
        let found = async {
            while stored(&t, &project).await[0].used_at != Some(at) {
                tokio::time::sleep(std::time::Duration::from_millis(2)).await;
            }
        };
        tokio::time::timeout(std::time::Duration::from_secs(20), found).await.is_ok()
    };
    assert_eq!(program.get("/api/v1/me").await.status, StatusCode::OK);
    assert!(used(first).await);
    t.clock.advance_ms(59_000);
    assert_eq!(program.get("/api/v1/me").await.status, StatusCode::OK);
    t.clock.advance_ms(1_000);
    let later = t.app.now();
    assert_eq!(program.get("/api/v1/me").await.status, StatusCode::OK);
    assert!(used(later).await);
    assert!(owner.get("/p/my-app/keys").await.body.contains("just now"));
    // A request does not wait for this write: the write queue is full.
    let queue = t.full_queue().await;
    t.clock.advance_ms(60_000);
    assert_eq!(program.get("/api/v1/me").await.status, StatusCode::OK);
    queue.release().await;
});

on_both!(a_key_alone_is_no_set_up, |t: TestApp| async move {
    let project = service::projects::create(&t.app, "My app", vec![], None).await.unwrap();
    Program::new(&t, &project, Access::Read).await;
    assert!(!t.app.store.has_staff().await.unwrap());
});

on_both!(
    who_tries_many_wrong_keys_waits_and_right_ones_work,
    |config: &mut server::config::Config| config.http.trusted_proxies = server::config::TrustedProxies::Hops(1),
    |t: TestApp| async move {
        let (project, _) = t.owner().await;
        let right = Program::new(&t, &project, Access::Read).await;
        let wrong = Program::with(&t, "eas_wrong");
        let from =
            async |program: &Program, address: &str| program.send(Method::GET, "/api/v1/me", &[("x-forwarded-for", address)], "").await;
        for _ in 0..60 {
            assert_eq!(from(&wrong, "192.0.2.1").await.status, StatusCode::UNAUTHORIZED);
        }
        let page = from(&wrong, "192.0.2.1").await;
        assert_eq!(page.status, StatusCode::TOO_MANY_REQUESTS, "{}", page.body);
        assert!(page.headers.contains_key("retry-after"));
        assert_eq!(from(&right, "192.0.2.1").await.status, StatusCode::OK, "a key that works is not in question");
        assert_eq!(from(&wrong, "192.0.2.2").await.status, StatusCode::UNAUTHORIZED);
    }
);
