//! Resources that a stranger can make the program use with default settings: memory, processor, disk, connections. Other visitors are not
//! affected during an attack.

use std::{
    io::{ErrorKind, Read, Write},
    net::TcpStream,
    process::Stdio,
    thread,
    time::Duration,
};

use crate::harness::{Answer, Place, Server, alone, answer, connect_from, earshot, note, now, pause, request_on, skipped, within};

const MB: u64 = 1 << 20;
/// Bytes of a body that are not counted: the connection's buffer, and data that the parser has not passed on.
const UNCOUNTED: usize = 256 << 10;
/// The maximum memory that an attack may use.
const MEMORY: u64 = 100 * MB;

/// Whether this machine supports these measurements, and has many local addresses.
fn can_measure(test: &str) -> bool {
    let can = cfg!(target_os = "linux");
    if !can {
        skipped(test, "memory is read in /proc, and visitors come from 127.0.0.0/8");
    }
    can
}

const BOUNDARY: &str = "----spend";

/// A ticket with files, as sent by the portal's form.
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

/// Waiting times of other visitors, for pages and small uploads: median and maximum.
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

/// The promise is twice the calm time and 100 ms on an otherwise idle machine; the rest allows for a busy one.
fn unnoticed(what: &str, calm: (Duration, Duration), beside: (Duration, Duration)) {
    note(&format!("{what}: others wait {:?} in calm (at most {:?}), {:?} beside it (at most {:?})", calm.0, calm.1, beside.0, beside.1));
    assert!(beside.0 < calm.0 * 4 + Duration::from_millis(500), "{what}: {:?} became {:?}", calm.0, beside.0);
}

/// Begins requests with a body of this size and sends as much of each as the server accepts, until it accepts nothing for a second;
/// returns the connections, which stay open.
fn pour(server: &Server, heads: &[(u8, String)], bytes: usize) -> (Vec<TcpStream>, usize) {
    let piece = vec![b'a'; 64 << 10];
    let mut streams: Vec<(TcpStream, usize)> = Vec::new();
    for (visitor, head) in heads {
        let mut stream = connect_from(*visitor, server.address).unwrap();
        if stream.write_all(head.as_bytes()).is_ok() && stream.set_nonblocking(true).is_ok() {
            streams.push((stream, 0));
        }
    }
    let (began, mut last_taken) = (now(), now());
    while last_taken.elapsed() < Duration::from_secs(1) && began.elapsed() < Duration::from_secs(30) {
        for (stream, sent) in &mut streams {
            while *sent < bytes {
                match stream.write(&piece[..piece.len().min(bytes - *sent)]) {
                    Ok(n) => {
                        *sent += n;
                        last_taken = now();
                    }
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

/// As [`pour`], one request after the other: the program holds a whole body, or has rejected it, before the next begins. Requests that grow
/// at the same time may be rejected together, which frees more memory than any of them needed.
fn pour_in_turn(server: &Server, heads: &[(u8, String)], bytes: usize) -> Vec<TcpStream> {
    let piece = vec![b'a'; 64 << 10];
    let held = || server.metric("earshot_bodies_strangers_bytes");
    let refusals = || server.metric("earshot_budget_refusals_total{what=\"bodies\"}");
    let mut streams = Vec::new();
    for (visitor, head) in heads {
        let (held_before, refused_before) = (held(), refusals());
        let mut stream = connect_from(*visitor, server.address).unwrap();
        stream.write_all(head.as_bytes()).unwrap();
        stream.set_nonblocking(true).unwrap();
        let mut sent = 0;
        within(10, "a body is held or refused", || {
            while sent < bytes {
                match stream.write(&piece[..piece.len().min(bytes - sent)]) {
                    Ok(n) => sent += n,
                    Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                    Err(error) => panic!("{error}"),
                }
            }
            (held() + UNCOUNTED >= held_before + bytes || refusals() > refused_before).then_some(())
        });
        streams.push(stream);
    }
    streams
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
    // Control: used memory is visible. A form is read into memory, including its files, and each address may use this many bytes. Three of
    // them are more than the memory that the program has freed since its start without returning it to the system.
    let before = server.settled_memory();
    let portal = format!("/p/{}", place.project.slug);
    let start = String::from_utf8(form("key-control-1", &[], &[("a.bin", b"")])).unwrap();
    let start = start.split_once(&format!("\r\n--{BOUNDARY}--")).unwrap().0;
    let head = post(&portal, &format!("multipart/form-data; boundary={BOUNDARY}"), "Content-Length: 10000000") + start;
    let held = pour_in_turn(&server, &[(1, head.clone()), (2, head.clone()), (3, head)], 9_900_000);
    within(10, "the control: three bodies of 9.9 MB in memory are seen as more than 12 MB", || {
        (server.resident() > before + 12 * MB).then_some(())
    });
    drop(held);
    for (what, path, kind, length, bytes) in [
        ("no such key", "/embed/v1/nokey/responses", json, large, 6_100_000),
        ("a large body", own.as_str(), json, large, 6_100_000),
        ("a body of unknown length", own.as_str(), json, "Transfer-Encoding: chunked", 0),
        ("an ordinary body", own.as_str(), json, "Content-Length: 250000", 249_000),
        ("a form", survey.as_str(), "application/x-www-form-urlencoded", "Content-Length: 250000", 249_000),
    ] {
        // Each from its own address, which has its own budget.
        let visitor = u8::try_from(what.len()).unwrap();
        let (before, worked) = (server.resident(), server.processor());
        let mut head = post(path, kind, length);
        if bytes == 0 {
            head.push_str(&format!("{:x}\r\n", 1 << 20));
        }
        let heads: Vec<(u8, String)> = (0..100).map(|_| (visitor, head.clone())).collect();
        let (held, taken) = pour(&server, &heads, if bytes == 0 { 1 << 20 } else { bytes });
        let worked = (server.processor() - worked) / 100;
        let beside = others(&server, &place, &what.replace(' ', "-"), 20);
        let grown = server.resident().saturating_sub(before);
        note(&format!(
            "{what}, 100 times: {} MB more memory, {} MB on the way, {worked:?} of processor each",
            grown / MB,
            taken as u64 / MB
        ));
        assert!(grown < MEMORY, "{what}: {grown} bytes");
        assert!(worked < Duration::from_millis(100), "{what}: {worked:?} for each");
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
    let (before, worked) = (server.resident(), server.processor());
    let held = pour_in_turn(&server, &vec![(1, head.clone()); 7], 10_400_000);
    let worked = (server.processor() - worked) / 7;
    let beside = others(&server, &place, "beside", 20);
    let grown = server.resident().saturating_sub(before);
    note(&format!("seven quiet uploads: {} MB more memory, {worked:?} of processor each", grown / MB));
    assert!(grown < MEMORY, "{grown} bytes");
    assert!(worked < Duration::from_secs(1), "{worked:?} for each");
    unnoticed("seven quiet uploads", calm, beside);
    // Other visitors' uploads exceed the size that is always accepted, and are still accepted; the address itself has used up its share.
    assert_eq!(upload(&server, &place, 2, &large(1)).unwrap().status, 303);
    let own = upload(&server, &place, 1, &large(2)).unwrap();
    assert!(own.is_busy(), "{own:?}");
    assert!(own.body.contains("Message"), "what was typed is still there");
    // Silent clients are disconnected, and the address has its share again.
    within(40, "the quiet uploads are let go", || {
        pause(1000);
        upload(&server, &place, 1, &large(3)).filter(|answer| answer.status == 303)
    });
    drop(held);
    // Control: when many addresses use up all memory, every client gets a 503.
    let heads: Vec<(u8, String)> = (10..20).map(|visitor| (visitor, head.clone())).collect();
    let held = pour_in_turn(&server, &heads, 10_400_000);
    // As large as those: the rest was too small for the last of them.
    let larger = form("key-larger-1", &[], &[("a.bin", &vec![3_u8; 10_400_000])]);
    let refused = upload(&server, &place, 3, &larger).unwrap();
    assert!(refused.is_busy(), "the control: {refused:?}");
    // But small ones are accepted.
    others(&server, &place, "full", 3);
    drop(held);
}

/// A single-colour GIF whose canvas size may differ from the size of its frames.
fn gif(canvas: (u16, u16), frame: (u16, u16), frames: usize) -> Vec<u8> {
    let mut out = b"GIF89a".to_vec();
    out.extend(canvas.0.to_le_bytes());
    out.extend(canvas.1.to_le_bytes());
    out.extend([0x80, 0, 0, 0, 0, 0, 255, 255, 255]);
    let data = one_colour(usize::from(frame.0) * usize::from(frame.1));
    for _ in 0..frames {
        out.extend([0x2c, 0, 0, 0, 0]);
        out.extend(frame.0.to_le_bytes());
        out.extend(frame.1.to_le_bytes());
        out.extend([0, 2]);
        for piece in data.chunks(255) {
            out.push(u8::try_from(piece.len()).unwrap());
            out.extend_from_slice(piece);
        }
        out.push(0);
    }
    out.push(0x3b);
    out
}

/// A bit writer, lowest bit first.
#[derive(Default)]
struct Bits {
    out: Vec<u8>,
    rest: u32,
    count: u32,
}

impl Bits {
    fn push(&mut self, bits: u32, count: u32) {
        self.rest |= bits << self.count;
        self.count += count;
        while self.count >= 8 {
            self.out.push((self.rest & 0xff) as u8);
            self.rest >>= 8;
            self.count -= 8;
        }
    }

    fn end(mut self) -> Vec<u8> {
        self.push(0, 7);
        self.out
    }
}

/// That many pixels of colour 0, as LZW: each code represents one pixel more than the one before.
fn one_colour(pixels: usize) -> Vec<u8> {
    const CLEAR: u32 = 4;
    let width = |next: u32| (u32::BITS - next.leading_zeros()).clamp(3, 12);
    let mut bits = Bits::default();
    let (mut left, mut next) = (pixels, 6);
    while left > 0 {
        bits.push(CLEAR, width(next));
        bits.push(0, 3);
        left -= 1;
        next = 6;
        let mut run = 2;
        while left > 0 && next < 4096 {
            if run <= left {
                bits.push(next, width(next));
                left -= run;
                run += 1;
            } else {
                bits.push(0, width(next));
                left -= 1;
                run = 2;
            }
            next += 1;
        }
    }
    bits.push(CLEAR + 1, width(next));
    bits.end()
}

/// A black PNG with 16 bits per channel and three channels, whose metadata demands a rotation.
fn deep_png(side: u32) -> Vec<u8> {
    fn chunk(out: &mut Vec<u8>, name: &[u8], data: &[u8]) {
        out.extend(u32::try_from(data.len()).unwrap().to_be_bytes());
        let named = [name, data].concat();
        let mut crc = u32::MAX;
        for byte in &named {
            crc ^= u32::from(*byte);
            for _ in 0..8 {
                crc = if crc & 1 == 1 { crc >> 1 ^ 0xedb8_8320 } else { crc >> 1 };
            }
        }
        out.extend(named);
        out.extend((!crc).to_be_bytes());
    }
    let mut out = b"\x89PNG\r\n\x1a\n".to_vec();
    chunk(&mut out, b"IHDR", &[&side.to_be_bytes()[..], &side.to_be_bytes()[..], &[16, 2, 0, 0, 0]].concat());
    chunk(&mut out, b"eXIf", b"II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0\x06\0\0\0\0\0\0\0");
    // Only zeros, compressed: one literal, and then "258 bytes as the one before" repeatedly.
    let bytes = u64::from(side) * (1 + 6 * u64::from(side));
    let mut bits = Bits { out: vec![0x78, 1], ..Bits::default() };
    bits.push(0b011, 3);
    // Codes are written highest bit first: literals have eight bits, from 0x30 on; 285 is 0xc5.
    let literal = 0b0000_1100;
    bits.push(literal, 8);
    for _ in 0..(bytes - 1) / 258 {
        bits.push(0b1010_0011, 8);
        bits.push(0, 5);
    }
    for _ in 0..(bytes - 1) % 258 {
        bits.push(literal, 8);
    }
    bits.push(0, 7);
    let mut data = bits.end();
    let sum = u32::try_from(bytes % 65_521).unwrap() << 16 | 1;
    data.extend(sum.to_be_bytes());
    chunk(&mut out, b"IDAT", &data);
    chunk(&mut out, b"IEND", b"");
    out
}

/// Sends an image to the decoder process with these limits; returns its output, and whether the system killed it.
fn decode(picture: &[u8], memory: u64, seconds: u64) -> (Vec<u8>, bool) {
    let mut command = earshot();
    command.args(["decode-picture", "--memory", &memory.to_string(), "--seconds", &seconds.to_string()]);
    command.env("MIMALLOC_DISALLOW_ARENA_ALLOC", "1").stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
    let mut child = command.spawn().unwrap();
    let mut into = child.stdin.take().unwrap();
    let picture = picture.to_owned();
    let writer = thread::spawn(move || drop(into.write_all(&picture)));
    let mut out = Vec::new();
    child.stdout.take().unwrap().read_to_end(&mut out).unwrap();
    writer.join().unwrap();
    let status = child.wait().unwrap();
    (out, status.code().is_none())
}

#[test]
fn a_picture_gets_no_more_memory_and_time_than_it_was_given() {
    let _alone = alone();
    if !can_measure("a_picture_gets_no_more_memory_and_time_than_it_was_given") {
        return;
    }
    // Controls: with enough resources, both are decoded.
    let (deep, long) = (deep_png(1000), gif((300, 300), (300, 300), 3));
    assert_eq!(decode(&deep, 256 * MB, 60).0.first(), Some(&b'p'));
    assert_eq!(decode(&long, 256 * MB, 60).0.first(), Some(&b'g'));
    // It needs at least 6 MB.
    let (out, ended) = decode(&deep, 4 * MB, 60);
    assert!(out.first() != Some(&b'p'), "it was decoded with four megabytes");
    note(&format!("with too little memory: {}", if ended { "ended by the system" } else { "refused" }));
    // Frames of the declared size, and far too many of them: only the time limit stops it.
    let began = now();
    let (out, ended) = decode(&gif((8000, 7990), (8000, 7990), 200), 256 * MB, 1);
    assert!(out.is_empty() && ended, "{out:?}");
    note(&format!("with a second of processor time it was ended after {:?}", began.elapsed()));
}

#[test]
fn pictures_that_say_little_and_hold_much_cost_nothing() {
    let _alone = alone();
    if !can_measure("pictures_that_say_little_and_hold_much_cost_nothing") {
        return;
    }
    let place = Place::sqlite();
    let server = Server::start_with_defaults(&place);
    let calm = others(&server, &place, "calm", 20);
    // Control: valid images of these kinds are accepted in the same way.
    for (n, picture) in [gif((300, 300), (300, 300), 3), deep_png(500)].iter().enumerate() {
        let sent = upload(&server, &place, 1, &form(&format!("key-honest-{n}"), &[], &[("a.png", picture)])).unwrap();
        assert_eq!(sent.status, 303, "{}", sent.body);
    }
    for (visitor, what, picture) in [
        (2, "a GIF with a small canvas and large frames", gif((1, 1), (8000, 7990), 1)),
        (3, "a GIF with twenty such frames", gif((1, 1), (8000, 7990), 20)),
        (4, "a GIF with a hundred and ten such frames", gif((1, 1), (8000, 7990), 110)),
        (5, "a PNG with sixteen bits and forty-three million pixels", deep_png(6600)),
    ] {
        let (memory, processor) = (server.resident(), server.processor());
        let body = form("key-attack-1", &[("website", "x")], &[("a.gif", &picture)]);
        let attacks = 8;
        let mut most = 0;
        thread::scope(|scope| {
            let sending: Vec<_> = (0..attacks).map(|_| scope.spawn(|| upload(&server, &place, visitor, &body))).collect();
            while !sending.iter().all(thread::ScopedJoinHandle::is_finished) {
                most = most.max(server.resident());
                pause(5);
            }
            for sent in sending {
                let sent = sent.join().unwrap().unwrap();
                assert!(matches!(sent.status, 422 | 503), "{what}: {sent:?}");
            }
        });
        let beside = others(&server, &place, &format!("beside-{visitor}"), 10);
        let (grown, used) = (most.saturating_sub(memory), (server.processor() - processor) / attacks);
        note(&format!("{what}, {} kB, {attacks} times: {} MB more memory, {used:?} of a processor each", picture.len() / 1024, grown / MB));
        assert!(grown < MEMORY, "{what}: {grown} bytes");
        assert!(used < Duration::from_secs(1), "{what}: {used:?}");
        unnoticed(what, calm, beside);
    }
}

#[test]
fn one_address_stores_twenty_megabytes_an_hour() {
    let _alone = alone();
    if !can_measure("one_address_stores_twenty_megabytes_an_hour") {
        return;
    }
    let place = Place::sqlite();
    let server = Server::start_with_defaults(&place);
    let bytes: Vec<u8> = (0..9_900_000_u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
    let size = || std::fs::metadata(place.data.join("earshot.db")).unwrap().len();
    let stored = || crate::harness::block(place.count("SELECT COALESCE(SUM(size), 0) FROM attachments"));
    // Rejected forms with programs: nothing of them is stored.
    let before = size();
    for n in 0..12 {
        let fields = [("subject", ""), ("website", "spam")];
        let sent = upload(&server, &place, 1, &form(&format!("key-spam-{n}"), &fields, &[("r", &bytes)])).unwrap();
        assert!(matches!(sent.status, 422 | 503), "{}", sent.status);
    }
    assert_eq!(stored(), 0);
    // Accepted forms: twenty megabytes, then only text.
    let mut statuses = Vec::new();
    for n in 0..12 {
        let sent = upload(&server, &place, 1, &form(&format!("key-full-{n}"), &[], &[("r", &bytes)])).unwrap();
        statuses.push(sent.status);
        if sent.status == 429 {
            assert!(sent.body.contains("send it without files") && sent.body.contains("Message"), "{}", sent.body);
            assert!(sent.header("retry-after").is_some());
        }
    }
    note(&format!("{} MB stored, the database grew by {} MB; answers {statuses:?}", stored() >> 20, size().saturating_sub(before) >> 20));
    assert_eq!((&statuses[..2], statuses[11]), (&[303, 303][..], 429));
    assert!(stored() <= 20 << 20);
    assert_eq!(upload(&server, &place, 1, &form("key-words-1", &[], &[])).unwrap().status, 303, "words are taken");
    // Control: another address has its own twenty.
    assert_eq!(upload(&server, &place, 2, &form("key-other-1", &[], &[("r", &bytes)])).unwrap().status, 303);
    assert!(stored() > 20 << 20);
}

#[test]
fn idle_connections_of_one_address_are_in_nobodys_way() {
    let _alone = alone();
    if !can_measure("idle_connections_of_one_address_are_in_nobodys_way") {
        return;
    }
    let place = Place::sqlite();
    let server = Server::start_with_defaults(&place);
    let calm = others(&server, &place, "calm", 20);
    let mut held = Vec::new();
    // As many as this process can open, up to the size of the attack.
    for _ in 0..4600 {
        let Some(stream) = connect_from(1, server.address) else { break };
        held.push(stream);
    }
    let is_open = |stream: &mut TcpStream| {
        stream.set_nonblocking(true).unwrap();
        matches!(stream.read(&mut [0]), Err(error) if error.kind() == ErrorKind::WouldBlock)
    };
    let beside = others(&server, &place, "beside", 20);
    let count = held.len();
    assert!(count > 1000, "only {count} connections: let this process open more files");
    within(10, "all but the last are let go", || (held.iter_mut().map(&is_open).filter(|is_open| *is_open).count() <= 64).then_some(()));
    note(&format!("{count} idle connections of one address"));
    unnoticed("idle connections", calm, beside);
    // The address's own next connection is served too: silent ones are closed first.
    let page = request_on(connect_from(1, server.address).unwrap(), "GET", "/healthz", &[], b"").unwrap();
    assert_eq!(page.status, 200);
    drop(held);
    // Connections that sent a request stay open, and then the address gets no more; another address does.
    let head = format!("GET /healthz HTTP/1.1\r\nHost: {}\r\n\r\n", server.address);
    let mut spoken: Vec<TcpStream> = Vec::new();
    for _ in 0..64 {
        let mut stream = connect_from(2, server.address).unwrap();
        stream.write_all(head.as_bytes()).unwrap();
        assert!(stream.read(&mut [0; 2048]).map(|n| n > 12).unwrap_or_default());
        spoken.push(stream);
    }
    let ask = |visitor| {
        let mut stream = connect_from(visitor, server.address)?;
        stream.write_all(head.replace("\r\n\r\n", "\r\nConnection: close\r\n\r\n").as_bytes()).ok()?;
        answer(stream).map(|answer| answer.status)
    };
    assert_eq!((ask(2), ask(3)), (None, Some(200)));
    // Control: after one is closed, it gets one more.
    spoken.pop();
    within(5, "a place is free again", || ask(2));
}
