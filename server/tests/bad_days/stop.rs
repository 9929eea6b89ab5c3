//! Graceful shutdown: requests in flight finish, new ones are not accepted, and it takes bounded time.

use std::{
    io::{Read, Write},
    net::TcpStream,
    thread,
};

use domain::{accounts::Scope, imports::ColumnMapping};

use crate::harness::{Place, Server, alone, answer, block, connect, note, now, pause, within};

/// A half-sent submission: the stream and the other half.
fn half_sent(server: &Server, place: &Place, key: &str) -> (TcpStream, String) {
    let body = place.submission(key, "sent in two halves");
    let (first, rest) = body.split_at(body.len() / 2);
    let mut stream = connect(server.address).unwrap();
    let expect = "Expect: 100-continue";
    let head =
        format!("POST {} HTTP/1.1\r\nHost: {}\r\nContent-Length: {}\r\n{expect}\r\n\r\n", place.submit_path(), server.address, body.len());
    write!(stream, "{head}{first}").unwrap();
    // The program responds with this when it begins to read the body.
    let mut interim_response = [0; 25];
    stream.read_exact(&mut interim_response).unwrap();
    assert_eq!(std::str::from_utf8(&interim_response), Ok("HTTP/1.1 100 Continue\r\n\r\n"));
    (stream, rest.to_owned())
}

#[test]
fn what_is_in_flight_is_finished_and_nothing_new_is_taken() {
    let _alone = alone();
    let place = Place::sqlite();
    // A request that never finishes is cut off; tested in parallel, because it takes ten seconds.
    let stubborn = Place::sqlite();
    let waits = thread::spawn(move || {
        let mut server = stubborn.start();
        let _held = half_sent(&server, &stubborn, "key-stubborn");
        let began = now();
        server.signal("TERM");
        let status = within(40, "the end in spite of a request that never ends", || server.child.try_wait().unwrap());
        (status.success(), began.elapsed())
    });

    let mut server = place.start();
    let (mut stream, rest) = half_sent(&server, &place, "key-in-flight");
    let mut idle = connect(server.address).unwrap();
    pause(300);
    server.signal("TERM");
    within(5, "new connections are refused", || TcpStream::connect(server.address).is_err().then_some(()));
    let mut nothing = [0; 1];
    assert_eq!(idle.read(&mut nothing).unwrap_or(0), 0, "an idle connection is closed");
    assert!(server.child.try_wait().unwrap().is_none(), "it waits for the request in flight");
    stream.write_all(rest.as_bytes()).unwrap();
    assert_eq!(answer(stream).unwrap().status, 201);
    let status = within(40, "then it ends", || server.child.try_wait().unwrap());
    assert!(status.success());

    // Control: without the signal, the same request is lost.
    let server = place.start();
    let (mut stream, rest) = half_sent(&server, &place, "key-cut-off");
    server.kill();
    drop(stream.write_all(rest.as_bytes()));
    assert!(answer(stream).is_none());
    let stored = block(place.count("SELECT COUNT(*) FROM responses"));
    assert_eq!(stored, 1);

    let (success, took) = waits.join().unwrap();
    note(&format!("the end with a request that never ends: {took:?}"));
    assert!(success && took.as_secs() < 30, "{took:?}");
}

/// Lines of the interrupted import: more than are read before the program is told to stop.
const LINES: i64 = 20_000;

/// An installation with a pending import.
fn with_an_import() -> Place {
    let place = Place::sqlite();
    block(async {
        let (app, scope) = (place.open().await, Scope::system(place.project.id));
        // Builds the first index here: a program stopped while building it would leave none.
        app.search.start().await.unwrap();
        assert!(app.search.ready(std::time::Duration::from_secs(60)).await);
        app.search.stop().await;
        let mut upload = service::imports::begin_upload(&app, &scope, "f.csv", "key-for-upload").await.unwrap();
        upload.push(&app, &scope, b"text,score\n").await.unwrap();
        for n in 0..LINES {
            upload.push(&app, &scope, format!("imported line {n},{}\n", n % 11).as_bytes()).await.unwrap();
        }
        let id = upload.finish(&app, &scope).await.unwrap();
        let import = service::imports::find(&app, &scope, id).await.unwrap();
        service::imports::start(&app, &scope, &import, ColumnMapping::parse("text=text,score=score").unwrap()).await.unwrap();
        app.store.reader().close().await;
    });
    place
}

/// Starts the program and waits until the import is running.
fn in_the_middle(place: &Place) -> Server {
    let server = place.start();
    within(60, "the import began", || (imported(place) > 0).then_some(()));
    server
}

fn imported(place: &Place) -> i64 {
    block(place.count("SELECT COUNT(*) FROM feedback"))
}

#[test]
fn an_import_comes_to_a_good_place_and_the_index_is_closed() {
    let _alone = alone();
    let waiting = "SELECT COUNT(*) FROM jobs WHERE kind = 'import' AND state = 'waiting'";
    let place = with_an_import();
    let mut server = in_the_middle(&place);
    server.signal("TERM");
    let status = within(30, "the end", || server.child.try_wait().unwrap());
    assert!(status.success() && !server.log().contains("cut off"), "{}", server.log());
    let half = imported(&place);
    assert!(half < LINES, "the import was over before the end came: take more lines");
    assert_eq!(block(place.count(waiting)), 1, "the job waits for whoever comes next");
    note(&format!("stopped in the middle of an import, with {half} of {LINES} lines stored"));

    // The next process continues at once, and each line exists once, in the index too, which needs no rebuild.
    let server = place.start();
    assert_eq!(server.search(), "ready", "the index was closed in order");
    within(60, "the import is carried on", || (imported(&place) > half).then_some(()));
    within(300, "the import came to its end", || {
        (block(place.count("SELECT COUNT(*) FROM imports WHERE status = 'done'")) == 1).then_some(())
    });
    assert_eq!(imported(&place), LINES);
    let browser = server.browser();
    let last = format!("imported+line+{}", LINES - 1);
    within(60, "the last line is found", || browser.inbox(&place, &last).contains("<mark>").then_some(()));
    assert!(!server.log().contains("rebuilding it"), "{}", server.log());

    // Control: after a kill, the same job stays claimed until its lease expires.
    let place = with_an_import();
    in_the_middle(&place).kill();
    assert!(imported(&place) < LINES);
    assert_eq!(block(place.count(waiting)), 0);
}
