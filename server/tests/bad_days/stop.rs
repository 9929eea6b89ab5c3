//! The orderly end: what is in flight is finished, nothing new is taken, and it does not last for ever.

use std::{
    io::{Read, Write},
    net::TcpStream,
    thread,
};

use crate::harness::{Place, Server, alone, answer, connect, now, pause, within};

/// A submission of which half has been sent: the stream and the other half.
fn half_sent(server: &Server, place: &Place, key: &str) -> (TcpStream, String) {
    let body = place.submission(key, "sent in two halves");
    let (first, rest) = body.split_at(body.len() / 2);
    let mut stream = connect(server.address).unwrap();
    let head = format!("POST {} HTTP/1.1\r\nHost: {}\r\nContent-Length: {}\r\n\r\n", place.submit_path(), server.address, body.len());
    write!(stream, "{head}{first}").unwrap();
    (stream, rest.to_owned())
}

#[test]
fn what_is_in_flight_is_finished_and_nothing_new_is_taken() {
    let _alone = alone();
    let place = Place::sqlite();
    // One that never ends the request it began is cut off: beside the rest, because it takes ten seconds.
    let stubborn = Place::sqlite();
    let waits = thread::spawn(move || {
        let mut server = stubborn.start();
        let _held = half_sent(&server, &stubborn, "key-stubborn");
        pause(200);
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
    let status = within(10, "then it ends", || server.child.try_wait().unwrap());
    assert!(status.success());

    // The control: without the order, the same request is lost.
    let server = place.start();
    let (mut stream, rest) = half_sent(&server, &place, "key-cut-off");
    pause(300);
    server.kill();
    drop(stream.write_all(rest.as_bytes()));
    assert!(answer(stream).is_none());
    let stored = crate::harness::block(place.count("SELECT COUNT(*) FROM responses"));
    assert_eq!(stored, 1);

    let (success, took) = waits.join().unwrap();
    println!("with a request that never ends: {took:?}");
    assert!(success && took.as_secs() < 30, "{took:?}");
}
