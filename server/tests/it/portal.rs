//! The public ticket portal: permissions and limits of strangers.

use std::io::Cursor;

use axum::{
    body::{Body, to_bytes},
    http::{HeaderMap, Method, StatusCode},
};
use domain::{
    accounts::{Role, Scope},
    feedback::FeedbackStatus,
    projects::Project,
    tickets::{MessageAuthor, Ticket, TicketState},
};
use image::{DynamicImage, ImageFormat, Rgb, RgbImage};
use service::tickets;

use crate::{
    on_both,
    support::{Client, Database, Page, TestApp},
};

const BOUNDARY: &str = "----earshot";

/// A form as sent by a browser; a field with a file name is a file.
fn form(fields: &[(&str, &str)], files: &[(&str, &[u8])]) -> Vec<u8> {
    let mut out = Vec::new();
    for (name, value) in fields {
        out.extend_from_slice(format!("--{BOUNDARY}\r\ncontent-disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n").as_bytes());
    }
    for (name, bytes) in files {
        let head = format!(
            "--{BOUNDARY}\r\ncontent-disposition: form-data; name=\"files\"; filename=\"{name}\"\r\ncontent-type: image/png\r\n\r\n"
        );
        out.extend_from_slice(head.as_bytes());
        out.extend_from_slice(bytes);
        out.extend_from_slice(b"\r\n");
    }
    out.extend_from_slice(format!("--{BOUNDARY}--\r\n").as_bytes());
    out
}

async fn send_from(client: &Client, path: &str, headers: &[(&str, &str)], fields: &[(&str, &str)], files: &[(&str, &[u8])]) -> Page {
    let kind = format!("multipart/form-data; boundary={BOUNDARY}");
    let mut all = vec![("content-type", kind.as_str())];
    all.extend_from_slice(headers);
    client.send(Method::POST, path, &all, Body::from(form(fields, files))).await
}

async fn send(client: &Client, path: &str, fields: &[(&str, &str)], files: &[(&str, &[u8])]) -> Page {
    send_from(client, path, &[], fields, files).await
}

/// The value of a hidden field.
fn hidden(page: &Page, name: &str) -> String {
    let from = page.body.find(&format!("name=\"{name}\" value=\"")).unwrap_or_else(|| panic!("no {name}: {}", page.body));
    page.body[from..].split('"').nth(3).unwrap().to_owned()
}

const WORDS: [(&str, &str); 4] =
    [("subject", "The map stays empty"), ("message", "Nothing <b>is</b> drawn."), ("email", "ann@example.com"), ("name", "Ann")];

/// Opens the form, waits like a person, and sends it.
async fn write(t: &TestApp, key: &str, extra: &[(&str, &str)], files: &[(&str, &[u8])]) -> Page {
    let client = t.anonymous();
    let page = client.get("/p/my-app").await;
    assert_eq!(page.status, StatusCode::OK, "{}", page.body);
    t.clock.advance_ms(30_000);
    let started = hidden(&page, "started");
    let mut fields = WORDS.to_vec();
    fields.extend([("started", started.as_str()), ("idempotency_key", key)]);
    fields.extend_from_slice(extra);
    send(&client, "/p/my-app", &fields, files).await
}

/// The path of the conversation that a sent form redirects to.
fn path(sent: &Page) -> String {
    assert_eq!(sent.status, StatusCode::SEE_OTHER, "{}", sent.body);
    sent.location().strip_suffix("?sent=1").unwrap().to_owned()
}

async fn ticket_at(t: &TestApp, project: &Project, path: &str) -> Ticket {
    tickets::by_token(&t.app, project, path.rsplit('/').next().unwrap()).await.unwrap()
}

async fn bytes(client: &Client, path: &str) -> (StatusCode, HeaderMap, Vec<u8>) {
    let answer = client.open(path, &[]).await;
    let (parts, body) = answer.into_parts();
    (parts.status, parts.headers, to_bytes(body, 64 << 20).await.unwrap().to_vec())
}

fn text<'h>(headers: &'h HeaderMap, name: &str) -> &'h str {
    headers.get(name).map_or("", |h| h.to_str().unwrap())
}

fn encoded(picture: &DynamicImage, format: ImageFormat) -> Vec<u8> {
    let mut out = Cursor::new(Vec::new());
    picture.write_to(&mut out, format).unwrap();
    out.into_inner()
}

fn picture() -> DynamicImage {
    RgbImage::from_fn(8, 4, |x, _| if x < 4 { Rgb([255, 0, 0]) } else { Rgb([0, 0, 255]) }).into()
}

/// A JPEG whose metadata contains a rotation and a location.
fn jpeg_with_place() -> Vec<u8> {
    let mut tiff = b"Exif\0\0II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0\x06\0\0\0\0\0\0\0".to_vec();
    tiff.extend_from_slice(b"GPSLatitude 52.5200 SECRET-PLACE");
    let plain = encoded(&picture(), ImageFormat::Jpeg);
    let mut out = plain[..2].to_vec();
    out.extend_from_slice(&[0xff, 0xe1]);
    out.extend_from_slice(&u16::try_from(tiff.len() + 2).unwrap().to_be_bytes());
    out.extend_from_slice(&tiff);
    out.extend_from_slice(&plain[2..]);
    out
}

on_both!(somebody_writes_reads_answers_and_opens_again, |t: TestApp| async move {
    let (project, _) = t.owner().await;
    let client = t.anonymous();
    let page = client.get("/p/my-app").await;
    assert_eq!(page.status, StatusCode::OK);
    assert!(page.body.contains("Contact My app") && page.body.contains("multipart/form-data"));
    assert!(!page.body.contains("<script") && !page.body.contains("wasm"), "{}", page.body);
    assert!(text(&page.headers, "content-security-policy").contains("frame-ancestors 'none'"));
    assert!(page.headers.get("set-cookie").is_none());

    let sent = write(&t, "key-00000001", &[("page_url", "https://shop.example/map?token=SECRET#x"), ("release", "1.2")], &[]).await;
    let path = path(&sent);
    assert_eq!(text(&sent.headers, "referrer-policy"), "no-referrer");
    let page = client.get(sent.location()).await;
    assert!(page.body.contains("Ticket 1") && page.body.contains(&format!("http://earshot.test{path}")), "{}", page.body);
    assert!(page.body.contains("Waiting for a reply") && page.body.contains("Nothing &lt;b&gt;is&lt;/b&gt; drawn."));
    assert_eq!(text(&page.headers, "referrer-policy"), "no-referrer");
    assert!(text(&page.headers, "cache-control").contains("no-store") && text(&page.headers, "x-robots-tag").contains("noindex"));
    assert!(!client.get(&path).await.body.contains("has arrived"), "only once");

    let ticket = ticket_at(&t, &project, &path).await;
    let scope = Scope::system(project.id);
    let feedback = t.app.store.feedback_by_ids(&scope, &[ticket.feedback]).await.unwrap().remove(0);
    assert_eq!((feedback.status, feedback.page_url.as_deref()), (FeedbackStatus::New, Some("https://shop.example/map")));
    assert_eq!((feedback.release.as_deref(), ticket.name.as_deref()), (Some("1.2"), Some("Ann")));

    let (staff, _) = t.member(&project, "bob@example.com", Role::Triager).await;
    let team = t.app.store.team_member(staff).await.unwrap().scope(project.id, Role::Triager).unwrap();
    let reply = tickets::StaffReply { body: "Which telephone?".into(), ..tickets::StaffReply::default() };
    tickets::staff_reply(&t.app, &team, ticket.id, "reply-000001", reply).await.unwrap();
    tickets::add_note(&t.app, &team, ticket.id, "note-0000001", "An impatient one.", vec![]).await.unwrap();
    let page = client.get(&path).await;
    assert!(page.body.contains("Which telephone?") && page.body.contains("bob") && page.body.contains("Answered"));
    assert!(!page.body.contains("impatient"), "{}", page.body);

    let fields = [("message", "An old one."), ("idempotency_key", "answer-00001")];
    for _ in 0..2 {
        let answered = send(&client, &path, &fields, &[]).await;
        assert_eq!((answered.status, answered.location()), (StatusCode::SEE_OTHER, path.as_str()), "{}", answered.body);
    }
    assert_eq!(client.get(&path).await.body.matches("An old one.").count(), 1);
    assert_eq!(client.post(&format!("{path}/close"), &[]).await.location(), path);
    assert!(client.get(&path).await.body.contains("This conversation is closed."));
    assert_eq!(ticket_at(&t, &project, &path).await.state, TicketState::Closed);
    assert_eq!(client.post(&format!("{path}/reopen"), &[]).await.location(), path);
    assert_eq!(ticket_at(&t, &project, &path).await.state, TicketState::Open);
    let again = client.get(&format!("{path}/reopen")).await;
    assert_eq!((again.status, again.location()), (StatusCode::SEE_OTHER, path.as_str()), "a reload of where a form went");
});

on_both!(links_lead_nowhere_else, |t: TestApp| async move {
    let (project, _) = t.owner().await;
    service::projects::create(&t.app, "Other", vec![], None).await.unwrap();
    let client = t.anonymous();
    let path = path(&write(&t, "key-00000001", &[], &[("a.png", &encoded(&picture(), ImageFormat::Png))]).await);
    let ticket = ticket_at(&t, &project, &path).await;
    let file = tickets::public_conversation(&t.app, ticket.clone()).await.unwrap().messages[0].attachments[0].id;
    let token = path.rsplit('/').next().unwrap();
    let wrong = format!("{}x", &token[..token.len() - 1]);
    for nothing in [
        format!("/p/my-app/t/{wrong}"),
        format!("/p/other/t/{token}"),
        format!("/p/my-app/t/{}", ticket.id),
        format!("/p/my-app/t/{wrong}/files/{file}"),
        format!("/p/other/t/{token}/files/{file}"),
        format!("{path}/files/{}", ticket.id),
        "/p/nobody".to_owned(),
        "/p/%00".to_owned(),
        "/p/my-app/t/%00".to_owned(),
    ] {
        let page = client.get(&nothing).await;
        assert_eq!(page.status, StatusCode::NOT_FOUND, "{nothing}");
        // The portal's design, in the reader's language, without anything of the console.
        assert!(page.body.contains("Page not found") && !page.body.contains("console"), "{}", page.body);
    }
    let answer = [("message", "x"), ("idempotency_key", "answer-00001")];
    assert_eq!(send(&client, &format!("/p/my-app/t/{wrong}"), &answer, &[]).await.status, StatusCode::NOT_FOUND);
    assert_eq!(client.post(&format!("/p/my-app/t/{wrong}/close"), &[]).await.status, StatusCode::NOT_FOUND);
    let german = client.send(Method::GET, "/p/nobody", &[("accept-language", "de")], Body::empty()).await;
    assert!(german.body.contains("Seite nicht gefunden"));

    // Another ticket's file, and a file of a note, are not accessible here.
    let other = self::path(&write(&t, "key-00000002", &[], &[]).await);
    assert_eq!(client.get(&format!("{other}/files/{file}")).await.status, StatusCode::NOT_FOUND);
    let mut arriving = tickets::files::UploadedFiles::default();
    arriving.begin("secret.txt");
    arriving.push(b"secret");
    let files = arriving.prepare(&t.app, service::limits::budget::QuotaOwner::Team).await.unwrap();
    tickets::add_note(&t.app, &Scope::system(project.id), ticket.id, "note-0000001", "", files).await.unwrap();
    let noted = sqlx::query_scalar("SELECT id FROM attachments WHERE name = 'secret.txt'").fetch_one(t.app.store.reader());
    let noted: String = noted.await.unwrap();
    assert_eq!(client.get(&format!("{path}/files/{noted}")).await.status, StatusCode::NOT_FOUND);

    // The team can read both, each within its project.
    let own = format!("/p/my-app/feedback/{}/files/", ticket.feedback);
    let (_, viewer) = t.member(&project, "vera@example.com", Role::Viewer).await;
    assert_eq!(viewer.get(&format!("{own}{noted}")).await.body, "secret");
    assert_eq!(viewer.get(&format!("{own}{file}")).await.status, StatusCode::OK);
    assert_eq!(client.get(&format!("{own}{file}")).await.status, StatusCode::SEE_OTHER, "asked to sign in");
    let stranger = service::accounts::create_staff(&t.app, "eve@example.com", "Eve", crate::support::PASSWORD).await.unwrap();
    let theirs = service::projects::create(&t.app, "Theirs", vec![], Some(stranger)).await.unwrap();
    let (_, eve) = t.member(&theirs, "eva@example.com", Role::Owner).await;
    assert_eq!(eve.get(&format!("{own}{file}")).await.status, StatusCode::NOT_FOUND);
    assert_eq!(eve.get(&format!("/p/theirs/feedback/{}/files/{file}", ticket.feedback)).await.status, StatusCode::NOT_FOUND);
});

on_both!(files_are_what_their_bytes_say, |t: TestApp| async move {
    let (project, _) = t.owner().await;
    let client = t.anonymous();
    let mut polyglot = encoded(&picture(), ImageFormat::Png);
    polyglot.extend_from_slice(b"<html><script>alert(1)</script>");
    let html = b"<!doctype html><script>alert(1)</script>";
    let svg = b"<svg xmlns='http://www.w3.org/2000/svg'><script>alert(1)</script></svg>";
    let place = jpeg_with_place();
    let long = vec![7_u8; 600 << 10];
    let files: [(&str, &[u8]); 6] = [
        ("polyglot.html", &polyglot),
        ("page.png", html),
        ("logo.svg", svg),
        ("IMG_1.JPG", &place),
        ("../../etc/pass%22wd", b"plain"),
        ("long.bin", &long),
    ];
    let path = path(&write(&t, "key-00000001", &[], &files).await);
    let ticket = ticket_at(&t, &project, &path).await;
    let stored = tickets::public_conversation(&t.app, ticket).await.unwrap().messages.remove(0).attachments;
    let names: Vec<_> = stored.iter().map(|f| f.name.as_str()).collect();
    assert_eq!(names, ["polyglot.png", "page.png", "logo.svg", "IMG_1.JPG", "pass_wd", "long.bin"]);
    let mut answers = Vec::new();
    for file in &stored {
        let (status, headers, body) = bytes(&client, &format!("{path}/files/{}", file.id)).await;
        assert_eq!(status, StatusCode::OK);
        assert_eq!(text(&headers, "x-content-type-options"), "nosniff");
        assert_eq!(text(&headers, "content-security-policy"), "default-src 'none'; sandbox; frame-ancestors 'none'");
        assert_eq!(text(&headers, "content-length"), body.len().to_string());
        assert!(text(&headers, "cache-control").contains("no-store"));
        answers.push((text(&headers, "content-type").to_owned(), text(&headers, "content-disposition").to_owned(), body));
    }
    let (kind, how, body) = &answers[0];
    assert!(kind == "image/png" && how.starts_with("inline"), "{kind} {how}");
    assert!(!String::from_utf8_lossy(body).contains("script"));
    for n in [1, 2, 4, 5] {
        let (kind, how, _) = &answers[n];
        assert!(kind == "application/octet-stream" && how.starts_with("attachment"), "{n}: {kind} {how}");
    }
    assert_eq!((answers[1].2.as_slice(), answers[2].2.as_slice()), (html.as_slice(), svg.as_slice()));
    assert_eq!(answers[5].2, long, "in three pieces");
    let (kind, _, body) = &answers[3];
    assert_eq!(kind, "image/jpeg");
    assert!(String::from_utf8_lossy(&place).contains("SECRET-PLACE"), "the test's own picture has it");
    assert!(!String::from_utf8_lossy(body).contains("SECRET-PLACE") && !String::from_utf8_lossy(body).contains("Exif"));
    // The image was stored rotated: its left side is now the top.
    let turned = image::load_from_memory(body).unwrap().into_rgb8();
    assert_eq!((turned.width(), turned.height()), (4, 8));
    let (top, bottom) = (turned.get_pixel(1, 1), turned.get_pixel(1, 6));
    assert!(top[0] > 200 && top[2] < 60 && bottom[2] > 200 && bottom[0] < 60, "{top:?} {bottom:?}");
    // The page shows only images inline.
    let page = client.get(&path).await;
    assert_eq!(page.body.matches("<img ").count(), 2);
});

on_both!(too_much_is_refused_and_the_words_stay, |t: TestApp| async move {
    let (project, _) = t.owner().await;
    let large = vec![0_u8; 6 << 20];
    let page = write(&t, "key-00000001", &[], &[("a.bin", &large), ("b.bin", &large)]).await;
    assert_eq!(page.status, StatusCode::PAYLOAD_TOO_LARGE);
    assert!(page.body.contains("The map stays empty") && page.body.contains("larger than 10 MB"), "{}", page.body);
    // The reserved memory is freed, whatever the outcome.
    for n in 0..8 {
        let again = write(&t, &format!("key-1000000{n}"), &[("email", "x")], &[("a.bin", &large), ("b.bin", &large)]).await;
        assert_eq!(again.status, StatusCode::PAYLOAD_TOO_LARGE);
    }
    let mut flood = encoded(&picture(), ImageFormat::Png);
    flood[16..24].copy_from_slice(&[0, 0, 0xea, 0x60, 0, 0, 0xea, 0x60]);
    let page = write(&t, "key-00000002", &[], &[("a.png", &flood)]).await;
    assert_eq!(page.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(page.body.contains("An image has too many pixels") && page.body.contains("Nothing &lt;b&gt;is"), "{}", page.body);
    let many: Vec<(&str, &[u8])> = (0..11).map(|_| ("a.txt", b"a".as_slice())).collect();
    assert_eq!(write(&t, "key-00000003", &[], &many).await.status, StatusCode::UNPROCESSABLE_ENTITY);
    let endless = "x".repeat(300 << 10);
    assert_eq!(write(&t, "key-00000004", &[("more", &endless)], &[]).await.status, StatusCode::PAYLOAD_TOO_LARGE);
    let client = t.anonymous();
    let broken = client.send(Method::POST, "/p/my-app", &[("content-type", "multipart/form-data; boundary=x")], Body::from("y")).await;
    assert!(broken.status.is_client_error(), "{}", broken.status);
    let plain = client.post("/p/my-app", &WORDS).await;
    assert!(plain.status.is_client_error() && plain.body.contains("Something went wrong"), "{}", plain.body);
    assert!(t.app.store.ticket_for_feedback(&Scope::system(project.id), t.id()).await.unwrap().is_none());
    assert!(!t.app.store.has_non_spam(&Scope::system(project.id)).await.unwrap(), "nothing was stored");
});

on_both!(faults_stand_at_their_fields_and_files_wait, |t: TestApp| async move {
    let (project, _) = t.owner().await;
    let client = t.anonymous();
    let opened = client.get("/p/my-app").await;
    t.clock.advance_ms(30_000);
    let started = hidden(&opened, "started");
    let bad = [
        ("lang", "de"),
        ("subject", ""),
        ("message", "</textarea><script>alert(1)</script>"),
        ("email", "ann"),
        ("started", started.as_str()),
        ("idempotency_key", "key-00000001"),
    ];
    let page = send(&client, "/p/my-app", &bad, &[("one.txt", b"one"), ("two.txt", b"two")]).await;
    assert_eq!(page.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(page.body.contains("Sagen Sie in wenigen Worten") && page.body.contains("eine E-Mail-Adresse wie"), "{}", page.body);
    assert!(page.body.contains("&lt;/textarea&gt;&lt;script&gt;") && page.body.contains("one.txt") && page.body.contains("two.txt"));
    assert_eq!(hidden(&page, "idempotency_key"), "key-00000001");
    // One of the two files is kept.
    let keep = page.body.split("name=\"keep\" value=\"").nth(1).unwrap().split('"').next().unwrap().to_owned();
    let mut good = WORDS.to_vec();
    good.extend([("keep", keep.as_str()), ("started", started.as_str()), ("idempotency_key", "key-00000001")]);
    let path = path(&send(&client, "/p/my-app", &good, &[("three.txt", b"three")]).await);
    let ticket = ticket_at(&t, &project, &path).await;
    let files = tickets::public_conversation(&t.app, ticket.clone()).await.unwrap().messages.remove(0).attachments;
    assert_eq!(files.iter().map(|f| f.name.as_str()).collect::<Vec<_>>(), ["one.txt", "three.txt"]);
    assert_eq!(bytes(&client, &format!("{path}/files/{}", files[0].id)).await.2, b"one");

    // Another person's form cannot use them, and a purge deletes files that were never sent.
    let long = "x".repeat(10_001);
    let answer = [("message", long.as_str()), ("idempotency_key", "answer-00001")];
    let page = send(&client, &path, &answer, &[("late.txt", b"late")]).await;
    assert_eq!(page.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(page.body.contains("late.txt") && page.body.contains("Use at most 10000 characters."), "{}", page.body);
    let form = tickets::pending_form_key(&project, &ticket.id.to_string(), "answer-00001");
    let scope = Scope::system(project.id);
    let held = t.app.store.pending_attachments(&scope, &form, t.app.now()).await.unwrap();
    assert_eq!(held.len(), 1);
    assert_eq!(client.get(&format!("{path}/files/{}", held[0].id)).await.status, StatusCode::NOT_FOUND);
    assert!(
        t.app
            .store
            .pending_attachments(&scope, &tickets::pending_form_key(&project, "new", "answer-00001"), t.app.now())
            .await
            .unwrap()
            .is_empty()
    );
    t.clock.advance_ms(3 * 86_400_000);
    service::jobs::purge(&t.app, &|| false).await.unwrap();
    assert!(t.app.store.attachment_chunk(&scope, held[0].id, 0).await.unwrap().is_none());
    assert!(t.app.store.attachment_chunk(&scope, files[0].id, 0).await.unwrap().is_some(), "what was sent stays");
    // An empty reply is rejected, unless it has a file.
    let empty = send(&client, &path, &[("message", " "), ("idempotency_key", "answer-00002")], &[]).await;
    assert_eq!(empty.status, StatusCode::UNPROCESSABLE_ENTITY);
    let wordless = send(&client, &path, &[("message", ""), ("idempotency_key", "answer-00003")], &[("a.txt", b"a")]).await;
    assert_eq!(wordless.status, StatusCode::SEE_OTHER, "{}", wordless.body);
});

on_both!(a_form_is_one_ticket_and_bots_are_spam, |t: TestApp| async move {
    let (project, _) = t.owner().await;
    let scope = Scope::system(project.id);
    let first = path(&write(&t, "key-00000001", &[], &[]).await);
    assert_eq!(path(&write(&t, "key-00000001", &[], &[]).await), first);
    assert_eq!(ticket_at(&t, &project, &first).await.number, 1);
    let status = async |path: &str| {
        let ticket = ticket_at(&t, &project, path).await;
        let feedback = t.app.store.feedback_by_ids(&scope, &[ticket.feedback]).await.unwrap().remove(0);
        (feedback.status, feedback.spam_reasons.join(" "))
    };
    assert_eq!(status(&first).await.0, FeedbackStatus::New);
    let trapped = path(&write(&t, "key-00000002", &[("website", "http://x")], &[]).await);
    assert_eq!(status(&trapped).await, (FeedbackStatus::Spam, "honeypot".into()));
    let client = t.anonymous();
    let mut hasty = WORDS.to_vec();
    let started = hidden(&client.get("/p/my-app").await, "started");
    hasty.extend([("started", started.as_str()), ("idempotency_key", "key-00000003")]);
    assert_eq!(status(&path(&send(&client, "/p/my-app", &hasty, &[]).await)).await, (FeedbackStatus::Spam, "too_fast".into()));
    let mut forged = WORDS.to_vec();
    forged.extend([("started", "1.x"), ("idempotency_key", "key-00000004")]);
    assert_eq!(status(&path(&send(&client, "/p/my-app", &forged, &[]).await)).await, (FeedbackStatus::Spam, "forged_start".into()));
    // Without a key, or from another site, nothing is accepted.
    assert_eq!(send(&client, "/p/my-app", &WORDS, &[]).await.status, StatusCode::UNPROCESSABLE_ENTITY);
    let mut fields = WORDS.to_vec();
    fields.push(("idempotency_key", "key-00000005"));
    for headers in [[("sec-fetch-site", "cross-site")], [("origin", "https://evil.example")]] {
        let page = send_from(&client, "/p/my-app", &headers, &fields, &[]).await;
        assert_eq!(page.status, StatusCode::FORBIDDEN, "{headers:?}");
        let page = send_from(&client, &first, &headers, &[("message", "x"), ("idempotency_key", "answer-00001")], &[]).await;
        assert_eq!(page.status, StatusCode::FORBIDDEN, "{headers:?}");
        let page = client.send(Method::POST, &format!("{first}/close"), &headers, Body::empty()).await;
        assert_eq!(page.status, StatusCode::FORBIDDEN, "{headers:?}");
    }
    // Forms of a page without a referrer send the origin `null`.
    let own = send_from(&client, &first, &[("origin", "null")], &[("message", "x"), ("idempotency_key", "answer-00002")], &[]).await;
    assert_eq!(own.status, StatusCode::SEE_OTHER);
    let messages = tickets::public_conversation(&t.app, ticket_at(&t, &project, &first).await).await.unwrap().messages;
    assert_eq!(messages.iter().filter(|m| m.author == MessageAuthor::Requester).count(), 2);
});

on_both!(a_portal_can_be_off, |t: TestApp| async move {
    let (project, owner) = t.owner().await;
    let client = t.anonymous();
    let first = path(&write(&t, "key-00000001", &[], &[]).await);
    let embed = owner.get("/p/my-app/embed").await;
    assert!(embed.body.contains("http://earshot.test/p/my-app<"), "{}", embed.body);
    let widget = format!("/embed/v1/{}/portal?page_url=https%3A%2F%2Fa.example%2F", project.key);
    assert_eq!(client.get(&widget).await.location(), "/p/my-app?page_url=https%3A%2F%2Fa.example%2F");
    assert!(client.get("/p/my-app?page_url=https%3A%2F%2Fa.example%2F").await.body.contains("https://a.example/"));
    assert!(!client.get("/p/my-app?page_url=javascript%3Aalert(1)").await.body.contains("javascript"));

    assert!(client.get(&first).await.body.contains("href=\"/p/my-app\""));
    let settings = owner.get("/p/my-app/settings").await;
    let seen = hidden(&settings, "seen");
    let off =
        [("name", "My app"), ("language", "de"), ("accent", "#3868d8"), ("theme", "dark"), ("portal", "off"), ("seen", seen.as_str())];
    assert_eq!(owner.post("/p/my-app/settings", &off).await.status, StatusCode::SEE_OTHER);
    for path in ["/p/my-app", &widget] {
        assert_eq!(client.get(path).await.status, StatusCode::NOT_FOUND, "{path}");
    }
    // Existing requesters can still read and reply; no link leads to the disabled form.
    let page = client.get(&first).await;
    assert!(page.status == StatusCode::OK && !page.body.contains("href=\"/p/my-app\""), "{}", page.body);
    let mut fields = WORDS.to_vec();
    fields.push(("idempotency_key", "key-00000002"));
    assert_eq!(send(&client, "/p/my-app", &fields, &[]).await.status, StatusCode::NOT_FOUND);
    assert_eq!(send(&client, &first, &[("message", "x"), ("idempotency_key", "answer-00001")], &[]).await.status, StatusCode::SEE_OTHER);
    assert!(owner.get("/p/my-app/tickets").await.body.contains("The ticket portal is off: no new tickets can be created."));
    assert!(!owner.get("/p/my-app/embed").await.body.contains("http://earshot.test/p/my-app<"));

    let seen = hidden(&owner.get("/p/my-app/settings").await, "seen");
    let on: Vec<_> = off
        .iter()
        .map(|(n, v)| {
            (
                *n,
                if *n == "portal" {
                    "on"
                } else if *n == "seen" {
                    &seen
                } else {
                    *v
                },
            )
        })
        .collect();
    assert_eq!(owner.post("/p/my-app/settings", &on).await.status, StatusCode::SEE_OTHER);
    let page = client.get("/p/my-app").await;
    assert!(page.body.contains("Nachricht an My app") && page.body.contains("data-theme=\"dark\""), "{}", page.body);
    let english = client.send(Method::GET, "/p/my-app", &[("accept-language", "en")], Body::empty()).await;
    assert!(english.body.contains("Contact My app"));
});

on_both!(a_refused_form_keeps_files_of_people_only, |t: TestApp| async move {
    t.owner().await;
    let client = t.anonymous();
    let started = opened(&t, "my-app").await;
    let held = async || t.app.store.write(|tx| Box::pin(async move { tx.pending_attachment_bytes().await })).await.unwrap();
    let bad = |key: &'static str, started: &str, website: &str| {
        let text = |text: &str| text.to_owned();
        [("subject", text("")), ("message", text("Do not lose me")), ("email", text("ann@example.com"))]
            .into_iter()
            .chain([("started", text(started)), ("website", text(website)), ("idempotency_key", text(key))])
            .collect::<Vec<_>>()
    };
    let picture = encoded(&picture(), ImageFormat::Png);
    let post = async |key: &'static str, started: &str, website: &str| {
        let fields = bad(key, started, website);
        let fields: Vec<(&str, &str)> = fields.iter().map(|(name, value)| (*name, value.as_str())).collect();
        let page = send(&client, "/p/my-app", &fields, &[("a.txt", b"some words"), ("a.png", &picture)]).await;
        assert_eq!(page.status, StatusCode::UNPROCESSABLE_ENTITY);
        assert!(page.body.contains("Do not lose me") && page.body.contains("Describe in a few words"), "{}", page.body);
        page.body.contains("Please choose your files again.")
    };
    assert!(post("key-00000001", "1.x", "").await, "a forged start");
    assert!(post("key-00000002", &started, "http://x").await, "a filled trap");
    assert_eq!(held().await, 0);
    // Control: with a plausible delay.
    assert!(!post("key-00000003", &started, "").await);
    assert!(held().await > 10);
    // But not if too much is pending already.
    let (size, bytes) = (t.app.budget.held_bytes, bytes::Bytes::from_static(b"x"));
    let large = store::tickets::NewAttachment { name: "x".into(), media_type: "text/plain".into(), size, bytes };
    let (project, now) = (t.app.store.project_by_slug("my-app").await.unwrap().unwrap().id, t.app.now());
    t.app
        .store
        .write(move |tx| Box::pin(async move { tx.insert_attachment(project, None, Some("another form"), &large, now).await }))
        .await
        .unwrap();
    let before = held().await;
    assert!(post("key-00000004", &started, "").await);
    assert_eq!(held().await, before);
    // After somewhat more than an hour, pending files are deleted.
    t.clock.advance_ms(4_300_000);
    service::jobs::purge(&t.app, &|| false).await.unwrap();
    assert_eq!(held().await, 0);
});

on_both!(
    an_address_stores_so_many_files_in_an_hour,
    |config: &mut server::config::Config| config.http.trusted_proxies = server::config::TrustedProxies::Hops(1),
    |t: TestApp| async move {
        t.owner().await;
        let client = t.anonymous();
        let started = opened(&t, "my-app").await;
        let large = vec![0_u8; 9 << 20];
        let from = async |address: &str, key: &str, files: &[(&str, &[u8])]| {
            let mut fields = WORDS.to_vec();
            fields.extend([("started", started.as_str()), ("idempotency_key", key)]);
            send_from(&client, "/p/my-app", &[("x-forwarded-for", address)], &fields, files).await
        };
        let files: [(&str, &[u8]); 1] = [("a.bin", &large)];
        for key in ["key-00000001", "key-00000002"] {
            assert_eq!(from("192.0.2.1", key, &files).await.status, StatusCode::SEE_OTHER);
        }
        let refused = from("192.0.2.1", "key-00000003", &files).await;
        assert_eq!(refused.status, StatusCode::TOO_MANY_REQUESTS);
        assert!(refused.body.contains("send it without files") && refused.body.contains("The map stays empty"), "{}", refused.body);
        assert_eq!(retry_after(&refused), 3600);
        assert_eq!(from("192.0.2.1", "key-00000003", &[]).await.status, StatusCode::SEE_OTHER);
        assert_eq!(from("192.0.2.2", "key-00000004", &files).await.status, StatusCode::SEE_OTHER);
        // An IPv6 /48 as a whole has three shares.
        for subnet in 0..6 {
            let key = format!("key-1000000{subnet}");
            assert_eq!(from(&format!("2001:db8:1:{subnet}::1"), &key, &files).await.status, StatusCode::SEE_OTHER, "{subnet}");
        }
        assert_eq!(from("2001:db8:1:7::1", "key-20000001", &files).await.status, StatusCode::TOO_MANY_REQUESTS);
        assert_eq!(from("2001:db8:2:7::1", "key-20000002", &files).await.status, StatusCode::SEE_OTHER);
        t.clock.advance_ms(3_600_000);
        assert_eq!(from("192.0.2.1", "key-00000005", &files).await.status, StatusCode::SEE_OTHER);
    }
);

on_both!(
    long_texts_of_an_address_count_as_what_they_take_on_the_disk,
    |config: &mut server::config::Config| {
        config.http.trusted_proxies = server::config::TrustedProxies::Hops(1);
        config.settings.rate_per_address = 10_000;
        config.settings.rate_per_key = 10_000;
    },
    |t: TestApp| async move {
        t.owner().await;
        let client = t.anonymous();
        let started = opened(&t, "my-app").await;
        let from = async |address: &str, key: &str, message: &str| {
            let fields = [
                ("subject", "The map"),
                ("message", message),
                ("email", "visitor@example.com"),
                ("started", started.as_str()),
                ("idempotency_key", key),
            ];
            send_from(&client, "/p/my-app", &[("x-forwarded-for", address)], &fields, &[]).await
        };
        // Nine thousand characters count as 144 KB of the 20 MB.
        let (long, mut taken) = ("a word ".repeat(1_428), 0);
        let refused = loop {
            let page = from("192.0.2.1", &format!("key-{taken:08}"), &long).await;
            if page.status != StatusCode::SEE_OTHER {
                break page;
            }
            taken += 1;
            assert!(taken < 200, "20 MB of texts are more than the budget");
        };
        assert_eq!(refused.status, StatusCode::TOO_MANY_REQUESTS);
        assert!(refused.body.contains("a word a word") && retry_after(&refused) > 0, "{}", refused.body);
        assert!((130..=145).contains(&taken), "{taken}");
        // Ordinary messages, and other addresses, are still accepted.
        assert_eq!(from("192.0.2.1", "key-10000001", "It stays empty.").await.status, StatusCode::SEE_OTHER);
        assert_eq!(from("192.0.2.2", "key-10000002", &long).await.status, StatusCode::SEE_OTHER);
        t.clock.advance_ms(3_600_000);
        assert_eq!(from("192.0.2.1", "key-10000003", &long).await.status, StatusCode::SEE_OTHER);
    }
);

on_both!(a_project_holds_so_many_files, |config| config.settings.files_per_project = 10, |t: TestApp| async move {
    t.owner().await;
    assert_eq!(write(&t, "key-00000001", &[], &[("a.txt", b"a few words")]).await.status, StatusCode::SEE_OTHER);
    t.clock.advance_ms(60_000);
    let full = write(&t, "key-00000002", &[], &[("a.txt", b"a few words")]).await;
    assert_eq!(full.status, StatusCode::INSUFFICIENT_STORAGE);
    assert!(full.body.contains("We can’t accept files right now") && full.body.contains("The map stays empty"), "{}", full.body);
    assert!(retry_after(&full) > 0);
    assert_eq!(write(&t, "key-00000002", &[], &[]).await.status, StatusCode::SEE_OTHER, "words are taken");
});

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_disk_that_is_nearly_full_takes_words_and_no_files() {
    let t = TestApp::with_settings(Database::Sqlite, |config| config.settings.keep_free = u64::MAX).await.unwrap();
    t.owner().await;
    let full = write(&t, "key-00000001", &[], &[("a.txt", b"a few words")]).await;
    assert_eq!(full.status, StatusCode::INSUFFICIENT_STORAGE);
    assert!(full.body.contains("We can’t accept files right now") && full.body.contains("The map stays empty"), "{}", full.body);
    assert_eq!(write(&t, "key-00000001", &[], &[]).await.status, StatusCode::SEE_OTHER, "words are taken");
}

/// The `started` value of a form opened and read by a person.
async fn opened(t: &TestApp, slug: &str) -> String {
    let page = t.anonymous().get(&format!("/p/{slug}")).await;
    t.clock.advance_ms(30_000);
    hidden(&page, "started")
}

fn retry_after(page: &Page) -> i64 {
    text(&page.headers, "retry-after").parse().unwrap_or_else(|_| panic!("no Retry-After: {}", page.body))
}

async fn who_writes_too_often_waits(database: Database) {
    let limited = TestApp::with_settings(database, |config| {
        config.http.trusted_proxies = server::config::TrustedProxies::Hops(1);
        config.settings.rate_per_address = 3;
    });
    let Some(t) = limited.await else { return };
    let (project, _) = t.owner().await;
    let started = opened(&t, "my-app").await;
    let client = t.anonymous();
    let from = async |address: &str, path: &str, fields: &[(&str, &str)], files: &[(&str, &[u8])]| {
        send_from(&client, path, &[("x-forwarded-for", address)], fields, files).await
    };
    let fields = |key: &'static str| {
        let mut fields = WORDS.to_vec();
        fields.extend([("started", started.as_str()), ("idempotency_key", key)]);
        fields
    };
    let first = from("192.0.2.1", "/p/my-app", &fields("key-00000001"), &[]).await;
    let conversation = path(&first);
    // Replies and status changes count too.
    let answer = [("message", "More of it."), ("idempotency_key", "answer-00001")];
    assert_eq!(from("192.0.2.1", &conversation, &answer, &[]).await.status, StatusCode::SEE_OTHER);
    assert_eq!(from("192.0.2.1", &format!("{conversation}/close"), &[], &[]).await.status, StatusCode::SEE_OTHER);

    let refused = from("192.0.2.1", "/p/my-app", &fields("key-00000002"), &[("late.txt", b"late")]).await;
    assert_eq!(refused.status, StatusCode::TOO_MANY_REQUESTS);
    let wait = retry_after(&refused);
    assert!((1..=60).contains(&wait), "{wait}");
    // The text is kept, and the page shows the waiting time.
    assert!(refused.body.contains("The map stays empty") && refused.body.contains(&format!("in {wait} seconds")), "{}", refused.body);
    assert_eq!(from("192.0.2.1", &conversation, &[("message", "x"), ("idempotency_key", "answer-00002")], &[]).await.status, 429);
    assert_eq!(from("192.0.2.1", &format!("{conversation}/reopen"), &[], &[]).await.status, 429);
    assert_eq!(ticket_at(&t, &project, &conversation).await.state, TicketState::Closed);
    // Reading is not limited, nor is writing from another address.
    assert_eq!(client.send(Method::GET, "/p/my-app", &[("x-forwarded-for", "192.0.2.1")], Body::empty()).await.status, StatusCode::OK);
    assert_eq!(from("192.0.2.2", "/p/my-app", &fields("key-00000003"), &[]).await.status, StatusCode::SEE_OTHER);
    // Afterwards the same form is accepted.
    t.clock.advance_ms(wait * 1000);
    assert_eq!(from("192.0.2.1", "/p/my-app", &fields("key-00000002"), &[]).await.status, StatusCode::SEE_OTHER);
}

async fn a_project_takes_so_much_from_all_together(database: Database) {
    let Some(t) = TestApp::with_settings(database, |config| config.settings.rate_per_key = 2).await else { return };
    t.owner().await;
    let other = service::projects::create(&t.app, "Other", vec![], None).await.unwrap();
    let (started, elsewhere) = (opened(&t, "my-app").await, opened(&t, &other.slug).await);
    let client = t.anonymous();
    let write = async |slug: &str, started: &str, key: &str| {
        let mut fields = WORDS.to_vec();
        fields.extend([("started", started), ("idempotency_key", key)]);
        send(&client, &format!("/p/{slug}"), &fields, &[]).await
    };
    for key in ["key-00000001", "key-00000002"] {
        assert_eq!(write("my-app", &started, key).await.status, StatusCode::SEE_OTHER);
    }
    let refused = write("my-app", &started, "key-00000003").await;
    assert_eq!(refused.status, StatusCode::TOO_MANY_REQUESTS);
    // Rejected submissions do not count, otherwise strangers could block a portal with invalid requests.
    for n in 0..5 {
        let key = format!("key-1000000{n}");
        let nonsense = send(&client, &format!("/p/{}", other.slug), &[("subject", "x"), ("idempotency_key", &key)], &[]).await;
        assert_eq!(nonsense.status, StatusCode::UNPROCESSABLE_ENTITY);
    }
    // Another project has its own limit, and this one's share is renewed.
    assert_eq!(write(&other.slug, &elsewhere, "key-00000004").await.status, StatusCode::SEE_OTHER);
    t.clock.advance_ms(retry_after(&refused) * 1000);
    assert_eq!(write("my-app", &started, "key-00000003").await.status, StatusCode::SEE_OTHER);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn limits_hold_sqlite() {
    who_writes_too_often_waits(Database::Sqlite).await;
    a_project_takes_so_much_from_all_together(Database::Sqlite).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn limits_hold_postgres() {
    who_writes_too_often_waits(Database::Postgres).await;
    a_project_takes_so_much_from_all_together(Database::Postgres).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn letters_are_promised_only_where_they_are_sent() {
    let without = TestApp::new(Database::Sqlite).await.unwrap();
    without.owner().await;
    let page = without.anonymous().get("/p/my-app").await;
    assert!(page.body.contains("We don’t send e-mail") && !page.body.contains("We send the reply to this address"), "{}", page.body);
    let german = without.anonymous().get("/p/my-app?lang=de").await;
    assert!(german.body.contains("Wir verschicken keine E-Mail") && !german.body.contains("kommt an diese Adresse"), "{}", german.body);
    let mail = server::config::mail_for_tests(9).unwrap();
    let with = TestApp::with_settings(Database::Sqlite, |config| config.settings.mail = Some(mail)).await.unwrap();
    with.owner().await;
    let page = with.anonymous().get("/p/my-app").await;
    assert!(!page.body.contains("We don’t send e-mail") && page.body.contains("We send the reply to this address"), "{}", page.body);
    let german = with.anonymous().get("/p/my-app?lang=de").await;
    assert!(german.body.contains("kommt an diese Adresse") && !german.body.contains("Wir verschicken keine E-Mail"), "{}", german.body);
}

on_both!(the_portal_writes_dates_in_the_pages_language, |t: TestApp| async move {
    t.owner().await;
    let path = path(&write(&t, "key-00000001", &[], &[]).await);
    for (language, date) in [("de", "15. Januar 2027, 08:"), ("en", "15 Jan 2027, 08:")] {
        let page = t.anonymous().get(&format!("{path}?lang={language}")).await;
        assert!(page.body.contains(&format!("<html lang=\"{language}\"")) && page.body.contains(date), "{}", page.body);
    }
});

async fn letters_to_strangers_have_an_end(database: Database) {
    let smtp = crate::smtp::Smtp::start().await;
    let mail = server::config::mail_for_tests(smtp.port).unwrap();
    let mailing = TestApp::with_settings(database, |config| {
        config.settings.mail = Some(mail);
        config.http.trusted_proxies = server::config::TrustedProxies::Hops(1);
    });
    let Some(t) = mailing.await else { return };
    t.owner().await;
    let started = opened(&t, "my-app").await;
    let client = t.anonymous();
    let write = async |address: &str, n: usize| {
        let (email, key) = (format!("stranger{n}@example.com"), format!("letter-key-{n:05}"));
        let fields =
            [("subject", "Help"), ("message", "It stopped."), ("email", &*email), ("started", &*started), ("idempotency_key", &*key)];
        send_from(&client, "/p/my-app", &[("x-forwarded-for", address)], &fields, &[]).await
    };
    // A customer's whole /48 gets twenty e-mails a day. Further tickets are still accepted, and redirect to their conversation.
    for n in 0..24 {
        let page = write(&format!("2001:db8:7:{n:x}::1"), n).await;
        assert_eq!(page.status, StatusCode::SEE_OTHER, "{n}: {}", page.body);
    }
    service::jobs::run_due(&t.app).await.unwrap();
    assert_eq!(smtp.letters().len(), 20);
    // E-mails for password resets are not included: another person in the same network gets theirs.
    let form = [("x-forwarded-for", "2001:db8:7:1::1"), ("content-type", "application/x-www-form-urlencoded")];
    let forgot = Body::from("email=owner%40example.com&idempotency_key=forgot-key-1");
    assert_eq!(client.send(Method::POST, "/forgot", &form, forgot).await.status, StatusCode::SEE_OTHER);
    service::jobs::run_due(&t.app).await.unwrap();
    assert_eq!(smtp.letters().len(), 21);
    assert_eq!(write("198.51.100.7", 99).await.status, StatusCode::SEE_OTHER);
    service::jobs::run_due(&t.app).await.unwrap();
    assert_eq!(smtp.letters().len(), 22, "others still get theirs");
    t.clock.advance_ms(24 * 3_600_000);
    assert_eq!(write("2001:db8:7::1", 100).await.status, StatusCode::SEE_OTHER);
    service::jobs::run_due(&t.app).await.unwrap();
    assert_eq!(smtp.letters().len(), 23, "a day later the network has letters again");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn letters_to_strangers_have_an_end_sqlite() {
    letters_to_strangers_have_an_end(Database::Sqlite).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn letters_to_strangers_have_an_end_postgres() {
    letters_to_strangers_have_an_end(Database::Postgres).await;
}

on_both!(a_long_conversation_comes_in_pages, |t: TestApp| async move {
    let (project, owner) = t.owner().await;
    let client = t.anonymous();
    let first = path(&write(&t, "key-00000001", &[], &[]).await);
    for n in 0..60 {
        t.clock.advance_ms(60_000);
        let (message, key) = (format!("Answer number {n}."), format!("answer-{n:05}"));
        let sent = send(&client, &first, &[("message", &message), ("idempotency_key", &key)], &[]).await;
        assert_eq!(sent.status, StatusCode::SEE_OTHER, "{}", sent.body);
    }
    let preview = format!("/p/my-app/feedback/{}/as-requester", ticket_at(&t, &project, &first).await.feedback);
    for (reader, start) in [(&client, &first), (&owner, &preview)] {
        let newest = reader.get(start).await.body;
        assert!(newest.contains("Answer number 59.") && newest.contains("Answer number 10."), "{newest}");
        assert!(!newest.contains("Answer number 9.") && !newest.contains("Show the newest messages"), "{newest}");
        let earlier = newest.split(&format!("href=\"{start}?before=")).nth(1).unwrap().split('"').next().unwrap();
        let earlier = reader.get(&format!("{start}?before={earlier}")).await.body;
        assert!(earlier.contains("The map stays empty") && earlier.contains("Answer number 9."), "{earlier}");
        assert!(!earlier.contains("Answer number 10.") && !earlier.contains("Show earlier messages"), "{earlier}");
        assert!(earlier.contains(&format!("href=\"{start}\">Show the newest messages")), "{earlier}");
        // An unknown message id shows the newest messages.
        assert!(reader.get(&format!("{start}?before=x")).await.body.contains("Answer number 59."));
    }
    // Even with few messages, long ones do not make a large page.
    let long = "&".repeat(9_900);
    for n in 0..30 {
        t.clock.advance_ms(3_600_000);
        let key = format!("long-{n:06}");
        assert_eq!(send(&client, &first, &[("message", &long), ("idempotency_key", &key)], &[]).await.status, StatusCode::SEE_OTHER);
    }
    let page = client.get(&first).await.body;
    assert!(page.len() < 700_000 && page.contains("Show earlier messages"), "{}", page.len());
});

on_both!(a_form_sent_again_with_other_words_is_another_ticket, |t: TestApp| async move {
    let (project, _) = t.owner().await;
    let client = t.anonymous();
    let page = client.get("/p/my-app").await;
    t.clock.advance_ms(30_000);
    let (started, key) = (hidden(&page, "started"), hidden(&page, "idempotency_key"));
    let put = async |subject: &str, email: &str, files: &[(&str, &[u8])]| {
        let fields = [
            ("subject", subject),
            ("message", "It beeps."),
            ("email", email),
            ("started", started.as_str()),
            ("idempotency_key", key.as_str()),
        ];
        path(&send(&client, "/p/my-app", &fields, files).await)
    };
    let first = put("The till jams", "ann@example.com", &[]).await;
    assert_eq!(put("The till jams", "ann@example.com", &[]).await, first, "a retry");
    // After going back: another subject, another file, another address. Each creates a ticket, and its retry creates none.
    let mut all = vec![first.clone()];
    for (subject, email, files) in [
        ("The map stays empty", "ann@example.com", &[][..]),
        ("The till jams", "ann@example.com", &[("log.txt", &b"one"[..])][..]),
        ("The till jams", "ann@example.com", &[("log.txt", &b"two"[..])][..]),
        ("The till jams", "ann@example.com", &[("other.txt", &b"two"[..])][..]),
        // Another person who knows the key is not redirected to the first ticket.
        ("The till jams", "eve@example.com", &[][..]),
    ] {
        let made = put(subject, email, files).await;
        assert!(!all.contains(&made), "{subject} {email}");
        assert_eq!(put(subject, email, files).await, made);
        all.push(made);
    }
    let numbers: Vec<i64> =
        futures_util::future::join_all(all.iter().map(|path| ticket_at(&t, &project, path))).await.iter().map(|t| t.number).collect();
    assert_eq!(numbers, [1, 2, 3, 4, 5, 6]);

    // The same in the conversation.
    let page = client.get(&first).await;
    let key = hidden(&page, "idempotency_key");
    for words in ["It still jams.", "It still jams.", "Now it smokes, too.", "Now it smokes, too.", "It still jams."] {
        let sent = send(&client, &first, &[("message", words), ("idempotency_key", &key)], &[]).await;
        assert_eq!(sent.status, StatusCode::SEE_OTHER, "{}", sent.body);
    }
    let said = tickets::public_conversation(&t.app, ticket_at(&t, &project, &first).await).await.unwrap().messages;
    assert_eq!(said.iter().map(|m| m.body.as_str()).collect::<Vec<_>>(), ["It beeps.", "It still jams.", "Now it smokes, too."]);
});

on_both!(a_retried_answer_that_is_only_a_file_is_an_answer, |t: TestApp| async move {
    let (project, _) = t.owner().await;
    let client = t.anonymous();
    let path = path(&write(&t, "key-00000001", &[], &[]).await);
    // The first attempt is rejected because of its text, and the file is held. Then the person removes the text.
    let long = "x".repeat(10_001);
    let page = send(&client, &path, &[("message", &long), ("idempotency_key", "answer-00001")], &[("log.txt", b"log")]).await;
    assert_eq!(page.status, StatusCode::UNPROCESSABLE_ENTITY);
    let keep = hidden(&page, "keep");
    let fields = [("message", ""), ("keep", keep.as_str()), ("idempotency_key", "answer-00001")];
    for _ in 0..2 {
        let sent = send(&client, &path, &fields, &[]).await;
        assert_eq!((sent.status, sent.location()), (StatusCode::SEE_OTHER, path.as_str()), "{}", sent.body);
    }
    let said = async || tickets::public_conversation(&t.app, ticket_at(&t, &project, &path).await).await.unwrap().messages;
    let files = |message: &domain::tickets::Message| message.attachments.iter().map(|f| f.name.clone()).collect::<Vec<_>>();
    assert_eq!(said().await.iter().map(files).collect::<Vec<_>>(), [vec![], vec!["log.txt".to_owned()]]);
    // Other text with the same file: the file is no longer available, and the page says so and keeps the text.
    let fields = [("message", "As I said."), ("keep", keep.as_str()), ("idempotency_key", "answer-00001")];
    let page = send(&client, &path, &fields, &[]).await;
    assert_eq!(page.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(page.body.contains("As I said.") && page.body.contains("Choose your files again"), "{}", page.body);
    assert_eq!(said().await.len(), 2);
});

on_both!(names_are_read_back_and_empty_files_are_told, |t: TestApp| async move {
    let (project, _) = t.owner().await;
    let client = t.anonymous();
    // The browsers' encoding of the file name 12" screen.png with a line break in it.
    let sent = path(&write(&t, "key-00000001", &[], &[("12%22 scr%0D%0Aeen 5%.txt", b"x")]).await);
    let files = tickets::public_conversation(&t.app, ticket_at(&t, &project, &sent).await).await.unwrap().messages.remove(0).attachments;
    assert_eq!(files[0].name, "12_ screen 5%.txt");
    let refused = write(&t, "key-00000002", &[("lang", "de")], &[("empty.txt", b""), ("full.txt", b"x")]).await;
    assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(refused.body.contains("Eine der Dateien ist leer") && refused.body.contains("The map stays empty"), "{}", refused.body);
    // A file field without a chosen file is ignored.
    path(&write(&t, "key-00000002", &[], &[("", b"")]).await);
    let answer = send(&client, &sent, &[("message", "x"), ("idempotency_key", "answer-00001")], &[("empty.txt", b"")]).await;
    assert!(answer.status == StatusCode::UNPROCESSABLE_ENTITY && answer.body.contains("One of the files is empty"), "{}", answer.body);
});
