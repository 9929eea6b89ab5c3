//! Deliberately slow clients of every kind, and many idle ones: disconnected within fifteen seconds, without affecting other clients.

use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpStream},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::Duration,
};

use crate::harness::{Browser, Place, Server, alone, connect, note, now, pause, shell, skipped, within};

/// The promise is fifteen seconds; the rest allows for a busy machine.
const BOUND: Duration = Duration::from_secs(25);

/// How many files this process can open.
fn may_open() -> usize {
    let limits = std::fs::read_to_string("/proc/self/limits").unwrap_or_default();
    let found = limits.lines().find_map(|l| l.strip_prefix("Max open files")?.split_whitespace().next()?.parse().ok());
    found.unwrap_or(1024)
}

/// The program's open connections, including those of the test.
fn sockets(server: &Server) -> usize {
    let files = std::fs::read_dir(format!("/proc/{}/fd", server.child.id())).unwrap();
    let is_socket = |file: &std::fs::DirEntry| std::fs::read_link(file.path()).is_ok_and(|l| l.to_string_lossy().starts_with("socket:"));
    files.filter_map(Result::ok).filter(|file| is_socket(file)).count()
}

/// Durations of ordinary requests over a period: median and maximum.
fn ordinary(server: &Server, place: &Place, name: &str, seconds: u64) -> (Duration, Duration) {
    let began = now();
    let mut took = Vec::new();
    for n in 0.. {
        if began.elapsed() > Duration::from_secs(seconds) {
            break;
        }
        let start = now();
        let answer = if n % 2 == 0 {
            server.get(&format!("/s/{}", place.survey)).filter(|a| a.status == 200)
        } else {
            server.submit(place, &format!("key-{name}-{n}"), &format!("said {name} {n}")).filter(|a| a.status == 201)
        };
        assert!(answer.is_some(), "an ordinary request was not answered as ever");
        took.push(start.elapsed());
        pause(20);
    }
    took.sort();
    (took[took.len() / 2], took[took.len() - 1])
}

fn open(address: SocketAddr, text: &str) -> TcpStream {
    let mut stream = connect(address).unwrap();
    stream.write_all(text.as_bytes()).unwrap();
    stream
}

/// Whether a connection is still open after all received data is read.
fn is_open(stream: &mut TcpStream) -> bool {
    stream.set_read_timeout(Some(Duration::from_millis(300))).unwrap();
    let mut more = [0; 4096];
    loop {
        match stream.read(&mut more) {
            Ok(0) => return false,
            Ok(_) => {}
            Err(error) => return error.kind() != std::io::ErrorKind::ConnectionReset,
        }
    }
}

/// One byte per second: of a head, of a body, of an endless chunked body.
fn dripping(server: &Server, place: &Place, each: usize) -> Vec<(TcpStream, &'static [u8])> {
    let (address, path) = (server.address, place.submit_path());
    let post = |path: &str, more: &str| format!("POST {path} HTTP/1.1\r\nHost: {address}\r\n{more}");
    let kinds: [(String, &[u8]); 4] = [
        (format!("GET / HTTP/1.1\r\nHost: {address}\r\nX-Slow: "), b"x"),
        (post(&path, "Content-Length: 2000\r\n\r\n{"), b" "),
        (post(&path, "Transfer-Encoding: chunked\r\n\r\n"), b"1\r\n \r\n"),
        (post("/sign-in", "Content-Length: 2000\r\n\r\na"), b"a"),
    ];
    (0..each).flat_map(|_| kinds.iter().map(|(head, drop)| (open(address, head), *drop)).collect::<Vec<_>>()).collect()
}

/// Requests a file of several megabytes.
fn download(browser: &Browser, place: &Place) -> TcpStream {
    let path = format!("/p/{}/export/file?what=feedback&format=csv", place.project.slug);
    open(browser.address, &format!("GET {path} HTTP/1.1\r\nHost: {}\r\nCookie: {}\r\n\r\n", browser.address, browser.cookie))
}

#[test]
fn slow_clients_are_let_go_and_nobody_else_notices() {
    let _alone = alone();
    if !cfg!(target_os = "linux") {
        skipped("slow_clients_are_let_go_and_nobody_else_notices", "connections are counted in /proc");
        return;
    }
    let place = Place::sqlite();
    place.fill_with(15_000, 1000);
    // As many systems start programs: with a soft limit far below the hard limit for open files. The program raises it by itself.
    let server = Server::start_as(shell(r#"ulimit -Sn 1024; exec "$@""#), |serve| {
        serve.args(place.args());
    });
    within(120, "the index is built", || (server.search() == "ready").then_some(()));
    // Two controls, so that simply closing everything fails the test. A live stream is also idle, but intentionally. And a client that
    // reads slowly but steadily gets the whole file.
    let browser = server.browser();
    let head = format!("Host: {}\r\nCookie: {}\r\n\r\n", server.address, browser.cookie);
    let mut live = open(server.address, &format!("GET /p/{}/events HTTP/1.1\r\n{head}", place.project.slug));
    let mut start = [0; 12];
    live.read_exact(&mut start).unwrap();
    assert_eq!(&start, b"HTTP/1.1 200");

    let (calm, _) = ordinary(&server, &place, "calm", 2);
    let before = within(20, "ordinary connections are closed", || Some(sockets(&server)).filter(|n| *n < 20));

    let idle = 2000.min(may_open().saturating_sub(500));
    if idle < 2000 {
        note(&format!("only {idle} idle connections: this process may not open more files (ulimit -n)"));
    }
    let began = now();
    let mut held: Vec<TcpStream> = (0..idle).map(|_| open(server.address, "")).collect();
    // Idle after a request.
    let healthy = format!("GET /healthz HTTP/1.1\r\nHost: {}\r\n\r\n", server.address);
    held.extend((0..50).map(|_| open(server.address, &healthy)));
    // Requests for a lot of data, of which nothing or little is read.
    held.extend((0..10).map(|_| download(&browser, &place)));
    let mut reading: Vec<(TcpStream, usize)> = (0..10).map(|_| (download(&browser, &place), 1000)).collect();
    reading.push((download(&browser, &place), 30_000));
    let mut dripping = dripping(&server, &place, 40);
    let all = held.len() + reading.len() + dripping.len();
    let stop = Arc::new(AtomicBool::new(false));
    let stopped = Arc::clone(&stop);
    let drips = thread::spawn(move || {
        let mut read = vec![0; 1 << 20];
        while !stopped.load(Ordering::SeqCst) {
            for (stream, drop_of) in &mut dripping {
                drop(stream.write(drop_of));
            }
            for (stream, some) in &mut reading {
                drop(stream.read(&mut read[..*some]));
            }
            pause(1000);
        }
        (dripping, reading)
    });
    let most = within(10, "all of them are connected", || Some(sockets(&server)).filter(|n| *n >= before + all * 9 / 10));
    note(&format!("{most} connections open, {all} of them slow"));
    let (slowed, slowest) = ordinary(&server, &place, "slow", 3);
    note(&format!("ordinary requests: {calm:?} in calm, {slowed:?} beside them (the slowest {slowest:?})"));
    assert!(slowed < calm * 10 + Duration::from_secs(1), "{calm:?} became {slowed:?}");
    // All but the one that reads steadily.
    within(40, "slow connections are let go", || (sockets(&server) <= before + 1).then_some(()));
    let took = began.elapsed();
    note(&format!("all let go after {took:?}"));
    assert!(took < BOUND, "{took:?}");
    pause(3000);
    stop.store(true, Ordering::SeqCst);
    let (_, mut reading) = drips.join().unwrap();
    assert!(is_open(&mut live), "the live stream was closed");
    let (mut steady, _) = reading.pop().unwrap();
    steady.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    let mut rest = Vec::new();
    within(180, "the file came to its end", || {
        let mut some = [0; 1 << 16];
        let n = steady.read(&mut some).unwrap();
        assert!(n > 0, "the file was cut off");
        rest.extend_from_slice(&some[..n]);
        rest.ends_with(b"\r\n0\r\n\r\n").then_some(())
    });
}
