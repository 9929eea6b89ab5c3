//! The database is locked, gone, or silent: requests fail with 503 in bounded time, and the program recovers by itself.

use std::{
    io::{ErrorKind, Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
    time::Duration,
};

use sqlx::Connection;

use crate::{
    harness::{Base, Crowd, Place, Server, alone, block, note, now, pause, sized, submit, within},
    kill::{Acknowledged, complaints},
};

/// Maximum duration of a rejected request.
const BOUND: Duration = Duration::from_secs(28);

/// The results of a crowd: acknowledged keys, rejected keys, and the number of 503 responses.
#[derive(Default)]
struct CrowdResult {
    acknowledged: Acknowledged,
    open: Vec<String>,
    busy: usize,
    slowest: Duration,
}

/// Clients that submit in sequence until told to stop. Any response other than 201 or a 503 with `Retry-After` is a failure.
/// `refused` counts the 503 responses.
fn people(server: &Server, place: &Arc<Place>, name: &'static str, refused: &Arc<AtomicUsize>) -> Crowd<CrowdResult> {
    let (address, place, refused) = (server.address, Arc::clone(place), Arc::clone(refused));
    Crowd::start(8, move |person, should_stop| {
        let mut result = CrowdResult::default();
        for n in 0.. {
            if should_stop() {
                break;
            }
            let key = format!("key-{name}-{person}-{n}");
            let began = now();
            let answer = submit(address, &place, &key, &format!("said in {key}")).expect("an answer, always");
            result.slowest = result.slowest.max(began.elapsed());
            match answer.status {
                201 => drop(result.acknowledged.insert(key, id(&answer.body))),
                _ => {
                    assert!(answer.is_busy(), "{answer:?}");
                    result.busy += 1;
                    refused.fetch_add(1, Ordering::SeqCst);
                    result.open.push(key);
                }
            }
            pause(50);
        }
        result
    })
}

fn id(body: &str) -> String {
    serde_json::from_str::<serde_json::Value>(body).unwrap()["id"].as_str().unwrap().to_owned()
}

/// Submits during `trouble`, then checks that everything works again, that rejected keys can be retried, and that nothing was lost or
/// done twice.
fn survives(server: Server, place: Arc<Place>, is_reading_possible: bool, trouble: impl FnMut(&dyn Fn() -> usize)) {
    let (busy, _) = survives_with(server, place, is_reading_possible, trouble);
    assert!(busy > 0, "there was no trouble");
}

/// As [`survives`], but `trouble` need not affect clients; returns the number of 503 responses and the log. `trouble` gets a function that
/// requests a page and returns the number of 503 responses so far.
fn survives_with(
    server: Server,
    place: Arc<Place>,
    is_reading_possible: bool,
    mut trouble: impl FnMut(&dyn Fn() -> usize),
) -> (usize, String) {
    let refused = Arc::default();
    let browser = server.browser();
    let inbox = format!("/p/{}/inbox", place.project.slug);
    // Control: without trouble, no request is rejected.
    let crowd = people(&server, &place, "calm", &refused);
    pause(700);
    let mut all = crowd.stop();
    assert!(all.iter().all(|result| result.busy == 0) && all.iter().any(|result| !result.acknowledged.is_empty()));

    let crowd = people(&server, &place, "trouble", &refused);
    trouble(&|| {
        let began = now();
        let page = browser.get(&inbox).expect("an answer, always");
        assert!(page.status == 200 || !is_reading_possible && page.is_busy(), "{} {:?}", page.status, page.header("retry-after"));
        assert!(began.elapsed() < BOUND, "{:?}", began.elapsed());
        refused.load(Ordering::SeqCst)
    });
    let healed = now();
    within(60, "submissions are taken again", || {
        let answer = server.submit(&place, "key-healed", "well again").expect("an answer, always");
        (answer.status == 201)
            .then(|| all.push(CrowdResult { acknowledged: [("key-healed".to_owned(), id(&answer.body))].into(), ..CrowdResult::default() }))
    });
    let healed = healed.elapsed();
    all.extend(crowd.stop());
    let busy: usize = all.iter().map(|result| result.busy).sum();
    let slowest = all.iter().map(|result| result.slowest).max().unwrap();
    note(&format!("{busy} were told to come back, the slowest after {slowest:?}; well again after {healed:?}"));
    assert!(slowest < BOUND, "{slowest:?}");

    let mut acknowledged = Acknowledged::new();
    for result in all {
        acknowledged.extend(result.acknowledged);
        for key in result.open {
            let answer =
                within(30, "asked again", || server.submit(&place, &key, &format!("said in {key}")).filter(|answer| !answer.is_busy()));
            assert_eq!(answer.status, 201, "{answer:?}");
            acknowledged.insert(key, id(&answer.body));
        }
    }
    within(30, "pages are shown again", || browser.get(&inbox).filter(|page| page.status == 200));
    // The running program also indexes new submissions: its background work has recovered.
    assert_eq!(server.submit(&place, "key-last", "afterwards all was well").unwrap().status, 201);
    within(60, "what is new is found", || {
        let page = browser.get(&format!("{inbox}?q=afterwards")).filter(|page| page.status == 200)?;
        page.body.contains("<mark>afterwards</mark>").then_some(())
    });
    let log = server.log();
    // Messages of the runtime and of the writer. tantivy logs "or panicked" for every ended worker, also one whose directory is gone.
    assert!(!log.contains("panicked at ") && !log.contains("panic in a write"), "{log}");
    let last = server.submit(&place, "key-last", "afterwards all was well").unwrap();
    acknowledged.insert("key-last".to_owned(), id(&last.body));
    let log = server.log();
    server.kill();
    assert_eq!(complaints(&place, &acknowledged), Vec::<String>::new());
    (busy, log)
}

/// Holds a lock, acquired by `sql` on its own connection, for some seconds and until a request was rejected because of it; requests pages
/// meanwhile.
fn locked(url: &str, sql: &'static str, seconds: u64, look: &dyn Fn() -> usize) {
    let (held, release) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let (url, its_held, its_release) = (url.to_owned(), Arc::clone(&held), Arc::clone(&release));
    let holder = thread::spawn(move || {
        block(async {
            sqlx::any::install_default_drivers();
            let mut conn = sqlx::AnyConnection::connect(&url).await.unwrap();
            sqlx::raw_sql(sql).execute(&mut conn).await.unwrap();
            its_held.store(1, Ordering::SeqCst);
            while its_release.load(Ordering::SeqCst) == 0 {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
            sqlx::raw_sql("COMMIT").execute(&mut conn).await.unwrap();
        });
    });
    within(20, "the lock is held", || (held.load(Ordering::SeqCst) == 1).then_some(()));
    let began = now();
    while look() == 0 && began.elapsed() < Duration::from_secs(60) || began.elapsed() < Duration::from_secs(seconds) {
        pause(200);
    }
    release.store(1, Ordering::SeqCst);
    holder.join().unwrap();
}

#[test]
fn a_database_locked_by_another_process_is_survived() {
    let _alone = alone();
    let place = Arc::new(Place::sqlite());
    let server = place.start();
    let url = format!("sqlite://{}", place.data.join("earshot.db").display());
    survives(server, Arc::clone(&place), true, |look| {
        // Writers wait five seconds for a lock before they fail.
        locked(&url, "PRAGMA busy_timeout = 20000; BEGIN IMMEDIATE", sized(7, 10), look);
    });
}

#[test]
fn tables_of_postgres_locked_by_somebody_else_are_survived() {
    let _alone = alone();
    let Some(place) = Place::new(Base::Postgres) else { return };
    let place = Arc::new(place);
    let server = place.start();
    let url = place.postgres.clone().unwrap();
    survives(server, Arc::clone(&place), false, |look| {
        // A statement times out after ten seconds.
        locked(&url, "BEGIN; LOCK TABLE responses, feedback IN ACCESS EXCLUSIVE MODE", sized(13, 20), look);
    });
}

#[test]
fn a_postgres_whose_disk_is_full_is_survived() {
    let _alone = alone();
    let Some(place) = Place::new(Base::Postgres) else { return };
    let place = Arc::new(place);
    let server = place.start();
    let said = |sql: &'static str| {
        block(async {
            let pool = place.pool().await;
            sqlx::raw_sql(sql).execute(&pool).await.unwrap();
            pool.close().await;
        });
    };
    survives(server, Arc::clone(&place), true, |look| {
        // The error of a server that cannot extend its files, in the middle of a transaction.
        said(
            "CREATE FUNCTION no_room() RETURNS trigger LANGUAGE plpgsql AS \
             $$ BEGIN RAISE EXCEPTION 'could not extend file' USING ERRCODE = '53100'; END $$; \
             CREATE TRIGGER no_room BEFORE INSERT ON feedback FOR EACH ROW EXECUTE FUNCTION no_room()",
        );
        let began = now();
        while began.elapsed() < Duration::from_secs(sized(3, 10)) {
            look();
            pause(200);
        }
        said("DROP TRIGGER no_room ON feedback");
    });
}

#[test]
fn a_data_directory_that_is_away_for_a_while_is_survived() {
    let _alone = alone();
    let place = Arc::new(Place::sqlite());
    let server = place.start();
    let away = place.data.with_extension("away");
    // As if a disk were unplugged and plugged in again while the program has files open: writes go to the open files, but files that must
    // be opened again are missing.
    let (busy, log) = survives_with(server, Arc::clone(&place), false, |look| {
        std::fs::rename(&place.data, &away).unwrap();
        let began = now();
        while began.elapsed() < Duration::from_secs(sized(6, 10)) {
            look();
            pause(200);
        }
        assert!(!place.data.join("earshot.db").exists(), "an empty database was begun in its place");
        within(10, "it is there again", || {
            // An index may have been created there meanwhile.
            drop(std::fs::remove_dir_all(&place.data));
            std::fs::rename(&away, &place.data).ok()
        });
    });
    // All of the database's files may already have been open; the index creates new ones all the time.
    let noticed = log.contains("could not follow the changes") || log.contains("cannot be used; rebuilding it");
    assert!(busy > 0 || noticed, "there was no trouble: {log}");
}

/// The state of the network between the program and its database.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Line {
    Open,
    /// Connections are closed, new ones immediately.
    Cut,
    /// Becomes [`Line::Silent`] at the first COMMIT: it does not reach the server, which considers the transaction still open.
    SilentAtCommit,
    /// No data passes and no connection is closed. Existing connections stay that way for ever.
    Silent,
}

struct Network {
    address: SocketAddr,
    line: Arc<Mutex<(Line, usize)>>,
}

impl Network {
    fn to(target: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let line = Arc::new(Mutex::new((Line::Open, 0)));
        let its_line = Arc::clone(&line);
        thread::spawn(move || {
            for client in listener.incoming() {
                let Ok(client) = client else { continue };
                let (now, since) = *its_line.lock().unwrap();
                match now {
                    Line::Cut => drop(client),
                    Line::Silent => drop(thread::spawn(move || hold(&client))),
                    Line::Open | Line::SilentAtCommit => {
                        let Ok(server) = TcpStream::connect(target) else { continue };
                        for (from, to) in [(client.try_clone().unwrap(), server.try_clone().unwrap()), (server, client)] {
                            let line = Arc::clone(&its_line);
                            thread::spawn(move || carry(&from, &to, &line, since));
                        }
                    }
                }
            }
        });
        Self { address, line }
    }

    fn turn(&self, line: Line) {
        let mut now = self.line.lock().unwrap();
        *now = (line, now.1 + 1);
    }
}

/// Keeps a connection open and discards its data.
fn hold(mut stream: &TcpStream) {
    stream.set_read_timeout(None).ok();
    let mut lost = [0; 4096];
    while matches!(stream.read(&mut lost), Ok(1..)) {}
    thread::park_timeout(Duration::from_secs(120));
}

fn carry(mut from: &TcpStream, mut to: &TcpStream, line: &Mutex<(Line, usize)>, since: usize) {
    from.set_read_timeout(Some(Duration::from_millis(50))).ok();
    to.set_nodelay(true).ok();
    let mut bytes = [0; 16 * 1024];
    loop {
        let got = from.read(&mut bytes);
        let mut line = line.lock().unwrap();
        if line.0 == Line::SilentAtCommit && got.as_ref().is_ok_and(|n| bytes[..*n].windows(6).any(|said| said == b"COMMIT")) {
            *line = (Line::Silent, line.1 + 1);
        }
        let (now, turns) = *line;
        drop(line);
        if turns != since {
            match now {
                Line::SilentAtCommit => {}
                Line::Cut => break,
                // A connection that was silent once stays silent.
                _ => return hold(from),
            }
        }
        match got {
            Ok(0) => break,
            Ok(n) if to.write_all(&bytes[..n]).is_ok() => {}
            Err(e) if matches!(e.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {}
            _ => break,
        }
    }
    drop(from.shutdown(std::net::Shutdown::Both));
    drop(to.shutdown(std::net::Shutdown::Both));
}

fn a_lost_postgres_is_survived(how: Line, seconds: u64) {
    let _alone = alone();
    let Some(place) = Place::new(Base::Postgres) else { return };
    let place = Arc::new(place);
    let direct = place.postgres.clone().unwrap();
    let mut url = url::Url::parse(&direct).unwrap();
    let target = url.socket_addrs(|| Some(5432)).unwrap()[0];
    let network = Network::to(target);
    url.set_ip_host(network.address.ip()).unwrap();
    url.set_port(Some(network.address.port())).unwrap();
    let server = Server::start(|serve| {
        serve.arg("--data").arg(&place.data).args(["--database-url", url.as_str()]);
    });
    survives(server, Arc::clone(&place), false, |look| {
        network.turn(how);
        let began = now();
        while began.elapsed() < Duration::from_secs(sized(seconds, 10)) {
            look();
            pause(200);
        }
        network.turn(Line::Open);
    });
}

#[test]
fn a_postgres_that_is_gone_is_survived() {
    a_lost_postgres_is_survived(Line::Cut, 3);
}

#[test]
fn a_postgres_that_falls_silent_is_survived() {
    a_lost_postgres_is_survived(Line::SilentAtCommit, 6);
}
