//! Two processes on one PostgreSQL: each finds the other's submissions, sessions are valid on both, and one survives the other.

use crate::harness::{Base, Browser, Place, Server, alone, note, now, within};

#[test]
fn two_processes_share_one_database() {
    let _alone = alone();
    let Some(place) = Place::new(Base::Postgres) else { return };
    let elsewhere = tempfile::tempdir().unwrap();
    let first = place.start();
    let second = Server::start(|serve| {
        serve.arg("--data").arg(elsewhere.path()).args(["--database-url", place.postgres.as_ref().unwrap()]);
    });
    for server in [&first, &second] {
        within(20, "the index is ready", || (server.search() == "ready").then_some(()));
    }
    let at_first = first.browser();
    let at_second = Browser { address: second.address, cookie: at_first.cookie.clone() };
    let is_found = |browser: &Browser, word: &str| browser.inbox(&place, word).contains(&format!("<mark>{word}</mark>"));

    let mut times = Vec::new();
    for (n, (from, to)) in [(&first, &at_second), (&second, &at_first)].into_iter().cycle().take(10).enumerate() {
        let word = format!("word{n}");
        // Control: a word that was not submitted yet is not found.
        assert!(!is_found(to, &word));
        let began = now();
        assert_eq!(from.submit(&place, &format!("key-nodes-{n}"), &format!("said {word}")).unwrap().status, 201);
        within(20, "the other process finds it", || is_found(to, &word).then_some(()));
        times.push(began.elapsed());
    }
    times.sort();
    note(&format!("found at the other process of two after {:?} at the latest, of ten (a second is promised)", times[9]));
    // The median, because the machine may be busy with other work.
    assert!(times[4].as_secs() < 5, "{times:?}");

    // The other continues alone, with the session created on the first one.
    first.kill();
    assert_eq!(second.submit(&place, "key-nodes-alone", "said alone").unwrap().status, 201);
    within(20, "it is found", || is_found(&at_second, "alone").then_some(()));
    assert!(is_found(&at_second, "word0") && is_found(&at_second, "word1"));
    assert!(at_first.get("/account").is_none(), "the killed one answers nothing");
}
