//! Surveys: templates, the editor as a plain form, undo, conflicts, versions, roles.

use std::collections::BTreeSet;

use axum::http::StatusCode;
use domain::{
    accounts::{Role, Scope},
    surveys::{LaunchTrigger, QuestionKind, QuestionType, SurveyStatus, templates::TEMPLATES},
};
use service::surveys;

use crate::{
    on_both,
    support::{Client, PASSWORD, Page, TestApp},
};

on_both!(every_template_becomes_a_survey_that_people_can_answer, |t: TestApp| async move {
    let project = service::projects::create(&t.app, "My app", vec![], None).await.unwrap();
    let scope = Scope::system(project.id);
    for template in TEMPLATES {
        let key = format!("create-{}", template.key);
        let id = surveys::create(&t.app, &scope, template.key, "", &key).await.unwrap();
        assert_eq!(surveys::create(&t.app, &scope, template.key, "", &key).await.unwrap(), id, "a retry makes no second one");
        assert!(t.app.store.public_survey(id).await.unwrap().is_none());
        let published = surveys::publish(&t.app, &scope, id, 1, &format!("publish-{}", template.key)).await;
        if template.key == "blank" {
            assert!(
                matches!(published.unwrap_err().refusal(), Some(domain::DomainError::Invalid(e)) if e.message_for("add-question").is_some())
            );
            continue;
        }
        let published = published.unwrap();
        let public = t.app.store.public_survey(id).await.unwrap().unwrap();
        assert_eq!((public.version, public.number, public.status), (published.version, 1, SurveyStatus::Live));
        assert_eq!(public.body, (template.body)());
        assert_eq!(public.project, project.id);
        let version = t.app.store.survey_version(&scope, published.version).await.unwrap().unwrap();
        assert_eq!(version.body, public.body);
    }
    assert_eq!(t.app.store.live_surveys(project.id).await.unwrap().len(), TEMPLATES.len() - 1);
    assert_eq!(t.app.store.surveys(&scope).await.unwrap().len(), TEMPLATES.len());
});

on_both!(a_new_survey_speaks_the_projects_language, |t: TestApp| async move {
    let (project, owner) = t.owner().await;
    let seen = service::projects::settings_fingerprint(&project);
    let settings = [("seen", seen.as_str()), ("name", "My app"), ("language", "de"), ("accent", "#3868d8"), ("theme", "auto")];
    assert_eq!(owner.post("/p/my-app/settings", &settings).await.status, StatusCode::SEE_OTHER);
    let scope = Scope::system(project.id);
    let id = surveys::create(&t.app, &scope, "nps", "", "create-nps").await.unwrap();
    surveys::publish(&t.app, &scope, id, 1, "publish-nps").await.unwrap();
    assert_eq!(t.app.store.public_survey(id).await.unwrap().unwrap().body.language, "de");
    let page = t.anonymous().get(&format!("/s/{id}")).await.body;
    assert!(page.contains("<html lang=\"de\"") && page.contains("Absenden"), "{page}");
});

#[tokio::test]
async fn behind_a_proxy_links_are_those_that_people_reached_us_by() {
    let t = TestApp::with_settings(crate::support::Database::Sqlite, |c| c.http.trusted_proxies = server::config::TrustedProxies::Hops(1))
        .await
        .unwrap();
    let (project, owner) = t.owner().await;
    let scope = Scope::system(project.id);
    let id = surveys::create(&t.app, &scope, "nps", "", "create-nps").await.unwrap();
    surveys::publish(&t.app, &scope, id, 1, "publish-nps").await.unwrap();
    for path in [format!("/p/my-app/surveys/{id}/edit"), "/p/my-app/embed".to_owned()] {
        let headers = [("x-forwarded-proto", "https")];
        let page = owner.send(axum::http::Method::GET, &path, &headers, axum::body::Body::empty()).await.body;
        assert!(page.contains(&format!("https://earshot.test/s/{id}")), "{path}: {page}");
    }
}

on_both!(a_second_button_is_told_to_be_hidden, |t: TestApp| async move {
    let (project, owner) = t.owner().await;
    let scope = Scope::system(project.id);
    let make = async |template: &str| {
        t.clock.advance_ms(1_000);
        surveys::create(&t.app, &scope, template, "", &format!("create-{template}")).await.unwrap()
    };
    let (older, newer) = (make("feature").await, make("bug").await);
    let edit = |id| format!("/p/my-app/surveys/{id}/edit");
    assert!(!owner.get(&edit(older)).await.body.contains("button-note"), "nobody else is live");
    surveys::publish(&t.app, &scope, newer, 1, "publish-bug").await.unwrap();
    let note = "“Problem report” is live and has the button.";
    assert!(owner.get(&edit(older)).await.body.contains(note));
    assert!(!owner.get("/p/my-app/embed").await.body.contains("Its button is not shown"));
    let mut fields = form(&owner.get(&edit(older)).await);
    fields.push(("action".into(), "publish".into()));
    let fields: Vec<(&str, &str)> = fields.iter().map(|(n, v)| (n.as_str(), v.as_str())).collect();
    let done = owner.post(&edit(older), &fields).await;
    assert_eq!(done.status, StatusCode::SEE_OTHER, "{}", done.body);
    let page = owner.get(done.location()).await.body;
    assert!(page.contains(&format!("Version 1 is live. {note}")), "{page}");
    let embed = owner.get("/p/my-app/embed").await.body;
    assert_eq!(embed.matches("Its button is not shown").count(), 1, "{embed}");
    assert!(owner.get(&edit(newer)).await.body.contains("“Feature feedback” is also live with a button."));
    // The widget and these pages use the same order.
    assert_eq!(t.app.store.live_surveys(project.id).await.unwrap()[0].id, newer);
    // A paused survey does not block it.
    surveys::set_status(&t.app, &scope, newer, None, SurveyStatus::Paused).await.unwrap();
    assert!(!owner.get(&edit(older)).await.body.contains("button-note"));
    assert!(!owner.get("/p/my-app/embed").await.body.contains("Its button is not shown"));
});

on_both!(only_an_admin_makes_surveys, |t: TestApp| async move {
    let project = service::projects::create(&t.app, "My app", vec![], None).await.unwrap();
    let staff = domain::ids::StaffId(t.app.ids.uuid());
    let actor = domain::accounts::TeamMember { staff, roles: vec![(project.id, Role::Triager)] };
    let scope = actor.scope(project.id, Role::Viewer).unwrap();
    let refused = surveys::create(&t.app, &scope, "nps", "", "key-12345").await.unwrap_err();
    assert_eq!(refused.refusal(), Some(&domain::DomainError::Forbidden));
});

/// The value of an attribute in the text of a tag.
fn attribute(tag: &str, name: &str) -> Option<String> {
    let value = tag.split_once(&format!(" {name}=\""))?.1.split_once('"')?.0;
    Some(unescape(value))
}

fn unescape(text: &str) -> String {
    text.replace("&lt;", "<").replace("&gt;", ">").replace("&quot;", "\"").replace("&#x27;", "'").replace("&amp;", "&")
}

/// The data a browser would send for the editor's form, without a button.
fn form(page: &Page) -> Vec<(String, String)> {
    let html = page.body.split_once("<form id=\"editor\"").unwrap_or_else(|| panic!("{} {}", page.status, page.body)).1;
    let html = html.split_once("</form>").unwrap().0;
    let mut pairs = Vec::new();
    let mut rest = html;
    while let Some((_, after)) = rest.split_once('<') {
        let (tag, inside) = after.split_once('>').unwrap();
        rest = inside;
        let element = tag.split_whitespace().next().unwrap_or_default();
        let Some(name) = attribute(tag, "name") else { continue };
        match element {
            "input" => {
                let kind = attribute(tag, "type").unwrap_or_default();
                let chosen = tag.contains(" checked");
                if !matches!(kind.as_str(), "checkbox" | "radio") || chosen {
                    pairs.push((name, attribute(tag, "value").unwrap_or_else(|| "on".into())));
                }
            }
            "textarea" => pairs.push((name, unescape(inside.split_once("</textarea>").unwrap().0))),
            "select" => {
                let options = inside.split_once("</select>").unwrap().0;
                let chosen = options.split("<option").skip(1).find(|o| o.split_once('>').unwrap().0.contains(" selected"));
                pairs.push((name, attribute(chosen.unwrap(), "value").unwrap()));
            }
            _ => {}
        }
    }
    pairs
}

/// Opens the editor.
async fn open(client: &Client, url: &str) -> Vec<(String, String)> {
    form(&client.get(url).await)
}

/// Presses a button of an open editor.
async fn press(client: &Client, url: &str, pairs: &[(String, String)], action: &str) -> Page {
    let mut all: Vec<(&str, &str)> = pairs.iter().map(|(n, v)| (n.as_str(), v.as_str())).collect();
    all.push(("action", action));
    client.post(url, &all).await
}

/// Presses a button and opens the editor again.
async fn go(client: &Client, url: &str, pairs: &[(String, String)], action: &str) -> Vec<(String, String)> {
    let page = press(client, url, pairs, action).await;
    assert_eq!(page.status, StatusCode::SEE_OTHER, "{action}: {}", page.body);
    open(client, page.location().split('#').next().unwrap()).await
}

fn set(pairs: &mut [(String, String)], name: &str, value: &str) {
    let pair = pairs.iter_mut().find(|(n, _)| n == name).unwrap_or_else(|| panic!("no field {name}"));
    pair.1 = value.into();
}

fn get<'a>(pairs: &'a [(String, String)], name: &str) -> &'a str {
    pairs.iter().find(|(n, _)| n == name).map_or("", |(_, v)| v)
}

fn questions(pairs: &[(String, String)]) -> Vec<&str> {
    pairs.iter().filter(|(n, _)| n == "question").map(|(_, v)| v.as_str()).collect()
}

/// Creates a survey from the gallery; returns the URL of its editor.
async fn make(client: &Client, template: &str) -> String {
    let page = client.post("/p/my-app/surveys/new", &[("template", template)]).await;
    assert_eq!(page.status, StatusCode::SEE_OTHER, "{}", page.body);
    page.location().to_owned()
}

on_both!(a_survey_is_made_edited_and_published_without_javascript, |t: TestApp| async move {
    let (_, owner) = t.owner().await;
    let empty = owner.get("/p/my-app/surveys").await;
    assert!(empty.body.contains("No surveys yet") && empty.body.contains("/p/my-app/surveys/new"), "{}", empty.body);
    let gallery = owner.get("/p/my-app/surveys/new").await;
    assert!(TEMPLATES.iter().all(|t| gallery.body.contains(t.name)));
    let refused = owner.post("/p/my-app/surveys/new", &[("template", "nps"), ("name", &"x".repeat(200))]).await;
    assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(refused.body.contains("1 to 120 characters"));

    let url = make(&owner, "blank").await;
    let mut pairs = open(&owner, &url).await;
    // Nothing to publish yet: the page shows the reasons and keeps the values.
    set(&mut pairs, "intro", "Hello <you>");
    let refused = press(&owner, &url, &pairs, "publish").await;
    assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(
        refused.body.contains("Add at least one question")
            && refused.body.contains("href=\"#add-question\"")
            && refused.body.contains("id=\"add-question\"")
    );
    assert!(refused.body.contains("href=\"#title\"") && refused.body.contains("id=\"title\""));
    let mut pairs = form(&refused);
    assert_eq!(get(&pairs, "intro"), "Hello <you>");

    // Every type, then every operation.
    set(&mut pairs, "title", "Ours");
    for kind in QuestionType::ALL.iter().map(|t| t.as_str()) {
        pairs = go(&owner, &url, &pairs, &format!("add:{kind}:99")).await;
        let id = questions(&pairs).last().unwrap().to_string();
        set(&mut pairs, &format!("{id}-title"), &format!("About {kind}"));
        if let Some((name, choice)) = pairs.iter().find(|(n, _)| *n == format!("{id}-choice")).cloned() {
            assert_eq!(name, format!("{id}-choice"));
            set(&mut pairs, &format!("{id}-{choice}"), "Renamed");
        }
    }
    assert_eq!(questions(&pairs).len(), QuestionType::ALL.len());
    let order = questions(&pairs).iter().map(|q| q.to_string()).collect::<Vec<_>>();
    let (first, last) = (order[0].clone(), order[QuestionType::ALL.len() - 1].clone());
    let pairs = go(&owner, &url, &pairs, &format!("move:{first}:down")).await;
    assert_eq!(questions(&pairs)[1], first);
    let pairs = go(&owner, &url, &pairs, &format!("move:{first}:up")).await;
    assert_eq!(questions(&pairs)[0], first);
    let pairs = go(&owner, &url, &pairs, &format!("move:{last}:0")).await;
    assert_eq!(questions(&pairs)[0], last);
    let pairs = go(&owner, &url, &pairs, &format!("duplicate:{first}")).await;
    assert_eq!(questions(&pairs)[1], first);
    let copy = questions(&pairs)[2].to_owned();
    assert_eq!(get(&pairs, &format!("{copy}-title")), "About nps");
    let deleted = press(&owner, &url, &pairs, &format!("delete:{copy}")).await;
    let page = owner.get(deleted.location().split('#').next().unwrap()).await;
    assert!(page.body.contains("Question deleted.") && page.body.contains(&format!("restore:{copy}")), "{}", page.body);
    let pairs = form(&page);
    assert!(!questions(&pairs).contains(&copy.as_str()));
    // The toast's button sends only its own fields.
    let back = owner.post(&url, &[("action", &format!("restore:{copy}"))]).await;
    assert_eq!(back.status, StatusCode::SEE_OTHER, "{}", back.body);
    let pairs = open(&owner, &url).await;
    assert_eq!(questions(&pairs)[2], copy);

    let single = order[QuestionType::ALL.iter().position(|t| *t == QuestionType::SingleChoice).unwrap()].clone();
    let choices = |pairs: &[(String, String)]| {
        pairs.iter().filter(|(n, _)| *n == format!("{single}-choice")).map(|(_, v)| v.clone()).collect::<Vec<_>>()
    };
    let mut pairs = go(&owner, &url, &pairs, &format!("choice-add:{single}")).await;
    let three = choices(&pairs);
    assert_eq!(three.len(), 3);
    // An empty choice blocks publication, with an error at its field.
    let refused = press(&owner, &url, &pairs, "publish").await;
    let field = format!("{single}-{}", three[2]);
    assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(refused.body.contains(&format!("href=\"#{field}\"")) && refused.body.contains(&format!("id=\"{field}-error\"")));
    set(&mut pairs, &field, "Third");
    set(&mut pairs, "revision", get(&form(&refused), "revision"));
    let pairs = go(&owner, &url, &pairs, &format!("choice-move:{single}:{}:up", three[2])).await;
    assert_eq!(choices(&pairs), [three[0].clone(), three[2].clone(), three[1].clone()]);
    let mut pairs = go(&owner, &url, &pairs, &format!("choice-delete:{single}:{}", three[0])).await;
    assert_eq!(choices(&pairs), [three[2].clone(), three[1].clone()]);
    set(&mut pairs, &format!("{single}-type"), "multiple_choice");
    set(&mut pairs, "name", "Our survey");
    set(&mut pairs, "launch", "event");
    set(&mut pairs, "launch-event", "checkout_done");
    pairs.push((format!("{single}-other"), "on".into()));

    let published = press(&owner, &url, &pairs, "publish").await;
    assert_eq!(published.status, StatusCode::SEE_OTHER, "{}", published.body);
    let page = owner.get(&url).await;
    assert!(page.body.contains("Version 1 is live.") && page.body.contains("/p/my-app/embed#survey-"), "{}", page.body);
    let id: domain::ids::SurveyId = url.split('/').nth(4).unwrap().parse().unwrap();
    assert!(page.body.contains(&format!("http://earshot.test/s/{id}")));
    let public = t.app.store.public_survey(id).await.unwrap().unwrap();
    assert_eq!(public.body.title, "Ours");
    assert_eq!(public.body.launch, LaunchTrigger::Event { name: "checkout_done".into() });
    let kind = &public.body.questions.iter().find(|q| q.id == single).unwrap().kind;
    assert!(matches!(kind, QuestionKind::MultipleChoice { other: true, choices } if choices.len() == 2));

    let list = owner.get("/p/my-app/surveys").await;
    assert!(
        list.body.contains("Our survey") && list.body.contains("Live") && list.body.contains("On the event “checkout_done”"),
        "{}",
        list.body
    );
    // An unknown button changes nothing and is no internal error.
    assert_eq!(press(&owner, &url, &form(&page), "explode:q1").await.status, StatusCode::UNPROCESSABLE_ENTITY);
});

on_both!(undo_and_redo_go_through_what_was_done, |t: TestApp| async move {
    let (_, owner) = t.owner().await;
    let url = make(&owner, "nps").await;
    let pairs = open(&owner, &url).await;
    let first = owner.get(&url).await;
    assert!(
        first.body.contains("id=\"editor-undo\"")
            && first.body.split("id=\"editor-undo\"").nth(1).unwrap().split('>').next().unwrap().contains("disabled")
    );
    let mut pairs = go(&owner, &url, &pairs, "add:rating:0").await;
    let rating = questions(&pairs)[0].to_owned();
    set(&mut pairs, &format!("{rating}-title"), "Stars?");
    let pairs = go(&owner, &url, &pairs, "save").await;
    let pairs = go(&owner, &url, &pairs, "delete:q1").await;
    assert_eq!(questions(&pairs), [rating.as_str(), "q2"]);

    let pairs = go(&owner, &url, &pairs, "undo").await;
    assert_eq!(questions(&pairs), [rating.as_str(), "q1", "q2"]);
    let pairs = go(&owner, &url, &pairs, "undo").await;
    assert_eq!(get(&pairs, &format!("{rating}-title")), "");
    let pairs = go(&owner, &url, &pairs, "undo").await;
    assert_eq!(questions(&pairs), ["q1", "q2"]);
    let pairs = go(&owner, &url, &pairs, "undo").await;
    assert_eq!(questions(&pairs), ["q1", "q2"], "there is nothing before the beginning");
    let pairs = go(&owner, &url, &pairs, "redo").await;
    let mut pairs = go(&owner, &url, &pairs, "redo").await;
    assert_eq!(get(&pairs, &format!("{rating}-title")), "Stars?");
    // Typing after an undo replaces the redo steps; and undo keeps typed text for redo rather than losing it.
    set(&mut pairs, "title", "Other");
    let pairs = go(&owner, &url, &pairs, "undo").await;
    assert_eq!(get(&pairs, "title"), "How are we doing?");
    let pairs = go(&owner, &url, &pairs, "redo").await;
    assert_eq!(get(&pairs, "title"), "Other");
    // Ids are never reused, even after an undo.
    let pairs = go(&owner, &url, &pairs, "undo").await;
    let pairs = go(&owner, &url, &pairs, "undo").await;
    let pairs = go(&owner, &url, &pairs, "undo").await;
    let pairs = go(&owner, &url, &pairs, "add:nps:0").await;
    assert!(!["q1", "q2", &rating].contains(&questions(&pairs)[0]), "{:?}", questions(&pairs));
});

on_both!(typing_in_one_go_is_one_step_of_undo, |t: TestApp| async move {
    let (_, owner) = t.owner().await;
    let url = make(&owner, "nps").await;
    let mut pairs = open(&owner, &url).await;
    for text in ["H", "He", "Hel", "Hello"] {
        set(&mut pairs, "intro", text);
        let page = press(&owner, &url, &pairs, "autosave").await;
        assert_eq!(page.status, StatusCode::OK, "{}", page.body);
        set(&mut pairs, "revision", &page.body);
        t.clock.advance_ms(700);
    }
    t.clock.advance_ms(60_000);
    set(&mut pairs, "intro", "Hello there");
    let page = press(&owner, &url, &pairs, "autosave").await;
    set(&mut pairs, "revision", &page.body);
    let pairs = go(&owner, &url, &pairs, "undo").await;
    assert_eq!(get(&pairs, "intro"), "Hello");
    let pairs = go(&owner, &url, &pairs, "undo").await;
    assert_eq!(get(&pairs, "intro"), "");
});

on_both!(a_retry_of_the_same_save_is_one_save, |t: TestApp| async move {
    let (_, owner) = t.owner().await;
    let url = make(&owner, "nps").await;
    let pairs = open(&owner, &url).await;
    let first = press(&owner, &url, &pairs, "add:email:0").await;
    let second = press(&owner, &url, &pairs, "add:email:0").await;
    assert_eq!(first.location(), second.location());
    assert_eq!(questions(&open(&owner, &url).await).len(), 3);
});

on_both!(two_people_in_one_editor_lose_nothing, |t: TestApp| async move {
    let (project, owner) = t.owner().await;
    let (_, other) = t.member(&project, "ada@example.com", Role::Admin).await;
    let url = make(&owner, "nps").await;
    let mut mine = open(&owner, &url).await;
    let mut theirs = open(&other, &url).await;
    set(&mut theirs, "title", "From Ada");
    go(&other, &url, &theirs, "save").await;

    set(&mut mine, "title", "From Olga");
    let auto = press(&owner, &url, &mine, "autosave").await;
    assert_eq!(auto.status, StatusCode::CONFLICT);
    assert!(auto.body.contains("ada saved this survey on"), "{}", auto.body);
    set(&mut mine, "idempotency_key", "another-key-1");
    let refused = press(&owner, &url, &mine, "add:rating:0").await;
    assert_eq!(refused.status, StatusCode::CONFLICT);
    assert!(refused.body.contains("ada saved this survey on") && refused.body.contains("value=\"overwrite:2\""), "{}", refused.body);
    let still = form(&refused);
    assert_eq!(get(&still, "title"), "From Olga", "what was typed stays");
    assert_eq!(get(&open(&other, &url).await, "title"), "From Ada", "nothing was written");

    let pairs = go(&owner, &url, &still, "overwrite:2").await;
    assert_eq!(get(&pairs, "title"), "From Olga");
    let pairs = go(&owner, &url, &pairs, "undo").await;
    assert_eq!(get(&pairs, "title"), "From Ada", "theirs is one step away");
});

on_both!(a_published_version_never_changes, |t: TestApp| async move {
    let (project, owner) = t.owner().await;
    let scope = Scope::system(project.id);
    let url = make(&owner, "nps").await;
    let id: domain::ids::SurveyId = url.split('/').nth(4).unwrap().parse().unwrap();
    let pairs = open(&owner, &url).await;
    let pairs = go(&owner, &url, &pairs, "publish").await;
    let first = t.app.store.public_survey(id).await.unwrap().unwrap();
    t.clock.advance_ms(60_000);

    let mut pairs = go(&owner, &url, &pairs, "delete:q2").await;
    set(&mut pairs, "title", "Second edition");
    let pairs = go(&owner, &url, &pairs, "save").await;
    assert_eq!(t.app.store.public_survey(id).await.unwrap().unwrap().body, first.body, "people answer what was published");
    assert!(owner.get("/p/my-app/surveys").await.body.contains("Unpublished changes"));
    let pairs = go(&owner, &url, &pairs, "publish").await;
    let second = t.app.store.public_survey(id).await.unwrap().unwrap();
    assert_eq!((second.number, second.body.title.as_str()), (2, "Second edition"));
    let first_version = t.app.store.survey_version(&scope, first.version).await.unwrap().unwrap();
    assert_eq!((first_version.number, &first_version.body), (1, &first.body));

    // Publishing the same draft again creates no version.
    press(&owner, &url, &pairs, "publish").await;
    assert_eq!(t.app.store.survey_versions(&scope, id).await.unwrap().len(), 2);
    let page = owner.get(&url).await;
    assert!(page.body.contains("Nothing has changed since version 2") && page.body.contains("Olga Owner"), "{}", page.body);
    let old = owner.get(&url.replace("edit", &format!("preview?version={}", first.version))).await;
    assert!(old.status == StatusCode::OK && old.body.contains("How are we doing?"));
});

on_both!(the_list_marks_only_surveys_whose_draft_differs_from_what_is_live, |t: TestApp| async move {
    let (project, owner) = t.owner().await;
    let scope = Scope::system(project.id);
    let mut made = Vec::new();
    for (name, publishes, edits) in [("Draft", false, false), ("Same", true, false), ("Edited", true, true), ("Other", true, false)] {
        let id = surveys::create(&t.app, &scope, "nps", name, &format!("create-{name}")).await.unwrap();
        if publishes {
            surveys::publish(&t.app, &scope, id, 1, &format!("publish-{name}")).await.unwrap();
        }
        if edits {
            let url = format!("/p/my-app/surveys/{id}/edit");
            let pairs = open(&owner, &url).await;
            go(&owner, &url, &pairs, "delete:q2").await;
        }
        made.push(id);
    }
    // Another project's live versions are not among them.
    let elsewhere = Scope::system(service::projects::create(&t.app, "Other", vec![], None).await.unwrap().id);
    let foreign = surveys::create(&t.app, &elsewhere, "nps", "Foreign", "create-foreign").await.unwrap();
    surveys::publish(&t.app, &elsewhere, foreign, 1, "publish-foreign").await.unwrap();
    let live: BTreeSet<_> = t.app.store.live_versions(&scope).await.unwrap().values().map(|version| version.survey).collect();
    assert_eq!(live, made[1..].iter().copied().collect());

    let page = owner.get("/p/my-app/surveys").await.body;
    let marked: Vec<_> = page.split("<tr").filter(|row| row.contains("Unpublished changes")).collect();
    assert!(marked.len() == 1 && marked[0].contains(&made[2].to_string()), "{page}");
});

on_both!(a_save_beside_a_publication_does_not_undo_it, |t: TestApp| async move {
    let (project, owner) = t.owner().await;
    let scope = Scope::system(project.id);
    let url = make(&owner, "nps").await;
    let id: domain::ids::SurveyId = url.split('/').nth(4).unwrap().parse().unwrap();
    let seen = t.app.store.survey(&scope, id).await.unwrap().unwrap().revision;
    // A save has read the survey; before it writes, another request publishes.
    let (has_read, reading) = tokio::sync::oneshot::channel();
    let (published, publishing) = tokio::sync::oneshot::channel::<()>();
    let save = t.app.store.write(move |tx| {
        Box::pin(async move {
            let survey = tx.survey(&scope, id).await?.unwrap();
            let _told = has_read.send(());
            // Publishing either waits for this transaction, or completes at once.
            drop(tokio::time::timeout(std::time::Duration::from_millis(300), publishing).await);
            tx.update_survey(&survey, seen).await
        })
    });
    let publish = async {
        reading.await.unwrap();
        let done = surveys::publish(&t.app, &scope, id, seen, "publish-1").await;
        let _told = published.send(());
        done
    };
    let (saved, done) = tokio::join!(save, publish);
    assert!(saved.unwrap() && done.unwrap().is_new);
    assert!(t.app.store.public_survey(id).await.unwrap().is_some(), "it is live");
});

on_both!(pause_resume_close_and_copy, |t: TestApp| async move {
    let (project, owner) = t.owner().await;
    let url = make(&owner, "csat").await;
    let (status_url, copy_url) = (url.replace("edit", "status"), url.replace("edit", "duplicate"));
    assert_eq!(owner.post(&status_url, &[("status", "live")]).await.status, StatusCode::UNPROCESSABLE_ENTITY, "not published yet");
    let pairs = open(&owner, &url).await;
    go(&owner, &url, &pairs, "publish").await;
    for (word, live) in [("paused", 0), ("live", 1), ("closed", 0), ("live", 1)] {
        assert_eq!(owner.post(&status_url, &[("status", word)]).await.status, StatusCode::SEE_OTHER);
        assert_eq!(t.app.store.live_surveys(project.id).await.unwrap().len(), live, "{word}");
    }
    assert_eq!(owner.post(&status_url, &[("status", "draft")]).await.status, StatusCode::UNPROCESSABLE_ENTITY);
    // One person closes it while another tries to pause it.
    owner.post(&status_url, &[("was", "live"), ("status", "closed")]).await;
    let late = owner.post(&status_url, &[("was", "live"), ("status", "paused")]).await;
    assert!(late.status == StatusCode::CONFLICT && late.body.contains("it is now closed"), "{}", late.body);
    assert_eq!(owner.post(&status_url, &[("was", "live"), ("status", "closed")]).await.status, StatusCode::SEE_OTHER, "as wanted already");
    let copy = owner.post(&copy_url, &[("idempotency_key", "copy-key-1")]).await;
    let again = owner.post(&copy_url, &[("idempotency_key", "copy-key-1")]).await;
    assert_eq!(copy.location(), again.location());
    let page = owner.get(copy.location()).await;
    assert!(page.body.contains("(copy)") && page.body.contains("Draft"));
});

on_both!(the_preview_is_the_real_page_and_sends_nothing, |t: TestApp| async move {
    let (_, owner) = t.owner().await;
    let url = make(&owner, "churn").await;
    let page = owner.get(&url.replace("edit", "preview?r=1")).await;
    assert_eq!(page.status, StatusCode::OK);
    assert!(
        page.body.contains("What is the main reason?") && page.body.contains("data-mode=\"preview\"") && !page.body.contains("action="),
        "{}",
        page.body
    );
    let csp = page.headers["content-security-policy"].to_str().unwrap();
    assert!(csp.contains("frame-ancestors 'self'") && !page.headers.contains_key("x-frame-options"), "{csp}");
    let editor = owner.get(&url).await;
    assert!(editor.body.contains("preview?r=1\" title=\"Preview\"") && editor.headers["x-frame-options"] == "DENY");
});

on_both!(low_roles_look_and_strangers_see_nothing, |t: TestApp| async move {
    let (project, owner) = t.owner().await;
    let url = make(&owner, "bug").await;
    let pairs = open(&owner, &url).await;
    for (email, role) in [("v@example.com", Role::Viewer), ("t@example.com", Role::Triager)] {
        let (_, low) = t.member(&project, email, role).await;
        let page = low.get(&url).await;
        assert_eq!(page.status, StatusCode::OK);
        assert!(
            page.body.contains("You have read-only access") && page.body.contains("What happened?") && !page.body.contains("id=\"editor\"")
        );
        assert_eq!(low.get(&url.replace("edit", "preview")).await.status, StatusCode::OK);
        assert!(!low.get("/p/my-app/surveys").await.body.contains("New survey"));
        assert_eq!(low.get("/p/my-app/surveys/new").await.status, StatusCode::FORBIDDEN);
        assert_eq!(low.post("/p/my-app/surveys/new", &[("template", "nps")]).await.status, StatusCode::FORBIDDEN);
        assert_eq!(press(&low, &url, &pairs, "delete:q1").await.status, StatusCode::FORBIDDEN);
        assert_eq!(low.post(&url.replace("edit", "status"), &[("status", "live")]).await.status, StatusCode::FORBIDDEN);
        assert_eq!(low.post(&url.replace("edit", "duplicate"), &[]).await.status, StatusCode::FORBIDDEN);
    }
    // An admin of another project, through their own project's URL.
    let staff = service::accounts::create_staff(&t.app, "eve@example.com", "Eve", PASSWORD).await.unwrap();
    service::projects::create(&t.app, "Other app", vec![], Some(staff)).await.unwrap();
    let eve = t.anonymous();
    eve.post("/sign-in", &[("email", "eve@example.com"), ("password", PASSWORD)]).await;
    let foreign = url.replace("my-app", "other-app");
    for page in ["edit", "preview"] {
        assert_eq!(eve.get(&foreign.replace("edit", page)).await.status, StatusCode::NOT_FOUND, "{page}");
        assert_eq!(eve.get(&url.replace("edit", page)).await.status, StatusCode::NOT_FOUND, "{page}");
    }
    assert_eq!(press(&eve, &foreign, &pairs, "delete:q1").await.status, StatusCode::NOT_FOUND);
    assert_eq!(eve.post(&foreign.replace("edit", "status"), &[("status", "live")]).await.status, StatusCode::NOT_FOUND);
    assert_eq!(eve.post(&foreign.replace("edit", "duplicate"), &[]).await.status, StatusCode::NOT_FOUND);
    assert_eq!(owner.get("/p/my-app/surveys/not-an-id/edit").await.status, StatusCode::NOT_FOUND);
    assert_eq!(t.anonymous().get(&url).await.status, StatusCode::SEE_OTHER, "sign in first");
    assert_eq!(questions(&open(&owner, &url).await).len(), 3, "nothing was changed");
});
