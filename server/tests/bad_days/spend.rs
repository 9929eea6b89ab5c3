//! What a stranger can make the program spend, with the settings that an installation has by default: memory, processor, disk, connections.
//! While each attack goes on, other visitors notice nothing.

use std::{
    io::{ErrorKind, Write},
    net::TcpStream,
    time::Duration,
};

use crate::harness::{Answer, Place, Server, alone, connect_from, note, now, pause, request_on, skipped, within};

const MB: u64 = 1 << 20;
/// The most memory that an attack may cost.
const MEMORY: u64 = 100 * MB;

/// Whether this machine can say what is measured here, and has many addresses of its own.
fn can_measure(test: &str) -> bool {
    let can = cfg!(target_os = "linux");
    if !can {
        skipped(test, "memory is read in /proc, and visitors come from 127.0.0.0/8");
    }
    can
}

const BOUNDARY: &str = "----spend";

/// A ticket with files, as the portal's form sends it.
fn form(key: &str, fields: &[(&str, &str)], files: &[(&str, &[u8])]) -> Vec<u8> {
    let mut out = Vec::new();
    let words = [("subject", "Subject"), ("message", "Message"), ("email", "ann@example.com"), ("idempotency_key", key)];
    let words = words.iter().filter(|(name, _)| fields.iter().all(|(other, _)| other != name));
    for (name, value) in words.chain(fields) {
        write!(out, "--{BOUNDARY}\r\ncontent-disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n").unwrap();
    }
    for (name, bytes) in files {
        write!(out, "--{BOUNDARY}\r\ncontent-disposition: form-data; name=\"files\"; filename=\"{name}\"\r\n\r\n").unwrap();
        out.extend_from_slice(bytes);
        out.extend_from_slice(b"\r\n");
    }
    write!(out, "--{BOUNDARY}--\r\n").unwrap();
    out
}

/// Sends a form from a visitor's address.
fn upload(server: &Server, place: &Place, visitor: u8, body: &[u8]) -> Option<Answer> {
    let kind = format!("multipart/form-data; boundary={BOUNDARY}");
    let stream = connect_from(visitor, server.address)?;
    request_on(stream, "POST", &format!("/p/{}", place.project.slug), &[("Content-Type", &kind)], body)
}

/// How long other visitors wait: for pages, and for small uploads. The middle of some, and the longest.
fn others(server: &Server, place: &Place, name: &str, times: u8) -> (Duration, Duration) {
    let mut took = Vec::new();
    for n in 0..times {
        let visitor = 100 + n % 100;
        let began = now();
        let page = request_on(connect_from(visitor, server.address).unwrap(), "GET", &format!("/s/{}", place.survey), &[], b"").unwrap();
        assert_eq!(page.status, 200, "{}", page.body);
        let sent = upload(server, place, visitor, &form(&format!("key-{name}-{n}"), &[], &[("note.txt", b"a few words")])).unwrap();
        assert_eq!(sent.status, 303, "{}", sent.body);
        took.push(began.elapsed());
        pause(20);
    }
    took.sort();
    (took[took.len() / 2], took[took.len() - 1])
}

/// Twice the calm time and 100 ms are promised, on a machine with nothing else to do; the rest is for a busy one.
fn unnoticed(what: &str, calm: (Duration, Duration), beside: (Duration, Duration)) {
    note(&format!("{what}: others wait {:?} in calm (at most {:?}), {:?} beside it (at most {:?})", calm.0, calm.1, beside.0, beside.1));
    assert!(beside.0 < calm.0 * 4 + Duration::from_millis(500), "{what}: {:?} became {:?}", calm.0, beside.0);
}

/// Begins requests with a body of this size and sends as much of each as is taken, for a while; gives the connections, which stay open.
fn pour(server: &Server, heads: &[(u8, String)], bytes: usize, seconds: u64) -> (Vec<TcpStream>, usize) {
    let piece = vec![b'a'; 64 << 10];
    let mut streams: Vec<(TcpStream, usize)> = Vec::new();
    for (visitor, head) in heads {
        let mut stream = connect_from(*visitor, server.address).unwrap();
        if stream.write_all(head.as_bytes()).is_ok() && stream.set_nonblocking(true).is_ok() {
            streams.push((stream, 0));
        }
    }
    let began = now();
    while began.elapsed() < Duration::from_secs(seconds) {
        for (stream, sent) in &mut streams {
            while *sent < bytes {
                match stream.write(&piece[..piece.len().min(bytes - *sent)]) {
                    Ok(n) => *sent += n,
                    Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                    Err(_) => *sent = usize::MAX,
                }
            }
        }
        pause(20);
    }
    let taken = streams.iter().map(|(_, sent)| *sent).filter(|sent| *sent != usize::MAX).sum();
    (streams.into_iter().map(|(stream, _)| stream).collect(), taken)
}

fn post(path: &str, kind: &str, length: &str) -> String {
    format!("POST {path} HTTP/1.1\r\nHost: x\r\nContent-Type: {kind}\r\n{length}\r\n\r\n")
}

#[test]
fn unfinished_submissions_take_little_memory() {
    let _alone = alone();
    if !can_measure("unfinished_submissions_take_little_memory") {
        return;
    }
    let place = Place::sqlite();
    let server = Server::start_with_defaults(&place);
    let calm = others(&server, &place, "calm", 20);
    let json = "application/json";
    let (own, survey) = (place.submit_path(), format!("/s/{}", place.survey));
    let large = "Content-Length: 6200000";
    // The control: what is in flight shows. A form takes its files into memory, and an address has room for so many.
    let before = server.resident();
    let portal = format!("/p/{}", place.project.slug);
    let start = String::from_utf8(form("key-control-1", &[], &[("a.bin", b"")])).unwrap();
    let start = start.split_once(&format!("\r\n--{BOUNDARY}--")).unwrap().0;
    let head = post(&portal, &format!("multipart/form-data; boundary={BOUNDARY}"), "Content-Length: 10000000") + start;
    let (held, _) = pour(&server, &[(1, head)], 9_900_000, 2);
    let grown = server.resident().saturating_sub(before);
    assert!(grown > 4 * MB, "the control: a body of 9.9 MB in memory adds {grown} bytes");
    drop(held);
    for (what, path, kind, length, bytes) in [
        ("no such key", "/embed/v1/nokey/responses", json, large, 6_100_000),
        ("a large body", own.as_str(), json, large, 6_100_000),
        ("a body of unknown length", own.as_str(), json, "Transfer-Encoding: chunked", 0),
        ("an ordinary body", own.as_str(), json, "Content-Length: 250000", 249_000),
        ("a form", survey.as_str(), "application/x-www-form-urlencoded", "Content-Length: 250000", 249_000),
    ] {
        // Each from an address of its own, for its own budget.
        let visitor = u8::try_from(what.len()).unwrap();
        let before = server.resident();
        let mut head = post(path, kind, length);
        if bytes == 0 {
            head.push_str(&format!("{:x}\r\n", 1 << 20));
        }
        let heads: Vec<(u8, String)> = (0..100).map(|_| (visitor, head.clone())).collect();
        let (held, taken) = pour(&server, &heads, if bytes == 0 { 1 << 20 } else { bytes }, 3);
        let beside = others(&server, &place, &what.replace(' ', "-"), 20);
        let grown = server.resident().saturating_sub(before);
        note(&format!("{what}, 100 times: {} MB more memory, {} MB on the way", grown / MB, taken as u64 / MB));
        assert!(grown < MEMORY, "{what}: {grown} bytes");
        unnoticed(what, calm, beside);
        drop(held);
    }
}

#[test]
fn quiet_uploads_of_one_address_stop_nobody_else() {
    let _alone = alone();
    if !can_measure("quiet_uploads_of_one_address_stop_nobody_else") {
        return;
    }
    let place = Place::sqlite();
    let server = Server::start_with_defaults(&place);
    let calm = others(&server, &place, "calm", 20);
    let portal = format!("/p/{}", place.project.slug);
    let start = String::from_utf8(form("key-quiet-1", &[], &[("a.bin", b"")])).unwrap();
    let start = start.split_once(&format!("\r\n--{BOUNDARY}--")).unwrap().0;
    let head = post(&portal, &format!("multipart/form-data; boundary={BOUNDARY}"), "Content-Length: 10450000") + start;
    let file = vec![3_u8; 3 << 20];
    let large = |n: u32| form(&format!("key-large-{n}"), &[], &[("a.bin", &file)]);
    let before = server.resident();
    let (held, _) = pour(&server, &vec![(1, head.clone()); 7], 10_400_000, 3);
    let beside = others(&server, &place, "beside", 20);
    let grown = server.resident().saturating_sub(before);
    note(&format!("seven quiet uploads: {} MB more memory", grown / MB));
    assert!(grown < MEMORY, "{grown} bytes");
    unnoticed("seven quiet uploads", calm, beside);
    // What others send is more than what is always taken, and is taken all the same; the address itself has used up its share.
    assert_eq!(upload(&server, &place, 2, &large(1)).unwrap().status, 303);
    let own = upload(&server, &place, 1, &large(2)).unwrap();
    assert!(own.is_busy(), "{own:?}");
    assert!(own.body.contains("Message"), "what was typed is still there");
    // Who says nothing more is let go, and the address has its share again.
    within(40, "the quiet uploads are let go", || {
        pause(1000);
        upload(&server, &place, 1, &large(3)).filter(|answer| answer.status == 303)
    });
    drop(held);
    // The control: where many addresses use up all the room, everybody is told to come back.
    let heads: Vec<(u8, String)> = (10..20).map(|visitor| (visitor, head.clone())).collect();
    let (held, _) = pour(&server, &heads, 10_400_000, 3);
    let refused = upload(&server, &place, 3, &large(4)).unwrap();
    assert!(refused.is_busy(), "the control: {refused:?}");
    // But small ones.
    others(&server, &place, "full", 3);
    drop(held);
}
