//! A full disk: writes fail with 503, reads still work, and the program recovers as soon as there is space.

use std::{
    fs::File,
    io::Write,
    path::{Path, PathBuf},
    process::Command,
};

use crate::{
    harness::{Answer, Place, Server, alone, shell, skipped, within},
    kill::{Acknowledged, complaints},
};

/// Retries one key until it is accepted; every other response must be a 503 with `Retry-After`.
fn insist(server: &Server, place: &Place, key: &str, acknowledged: &mut Acknowledged) {
    within(60, key, || {
        let answer = submit(server, place, key);
        keep(&answer, key, acknowledged).then_some(())
    });
}

fn submit(server: &Server, place: &Place, key: &str) -> Answer {
    server.submit(place, key, &format!("said in {key} {}", "with many words ".repeat(40))).expect("an answer, always")
}

fn keep(answer: &Answer, key: &str, acknowledged: &mut Acknowledged) -> bool {
    if answer.status != 201 {
        assert!(answer.is_busy(), "{answer:?}");
        return false;
    }
    let body: serde_json::Value = serde_json::from_str(&answer.body).unwrap();
    acknowledged.insert(key.to_owned(), body["id"].as_str().unwrap().to_owned());
    true
}

/// Checks the behaviour after `starve` uses up all space and after `feed` frees it.
fn survives(server: &Server, place: &Place, starve: impl FnOnce(), feed: impl FnOnce()) -> Acknowledged {
    let mut acknowledged = Acknowledged::new();
    let browser = server.browser();
    let inbox = format!("/p/{}/inbox", place.project.slug);
    let survey = format!("/s/{}", place.survey);
    // Control: with space, every submission is accepted.
    for n in 0..5 {
        assert!(keep(&submit(server, place, &format!("key-before-{n}")), &format!("key-before-{n}"), &mut acknowledged));
    }
    starve();
    // The write-ahead log may have some free space of its own.
    let mut keys = (0..3000).map(|n| format!("key-full-{n}"));
    let mut refused = vec![keys.find(|key| !keep(&submit(server, place, key), key, &mut acknowledged)).expect("the disk was never full")];
    for n in 0..20 {
        let key = format!("key-refused-{n}");
        if !keep(&submit(server, place, &key), &key, &mut acknowledged) {
            refused.push(key);
        }
        for (path, answer) in [(&inbox, browser.get(&inbox)), (&survey, server.get(&survey))] {
            assert_eq!(answer.unwrap().status, 200, "{path} with a full disk");
        }
    }
    assert!(refused.len() > 10, "hardly anything was refused: {}", refused.len());
    // A console form too: no 500, and no silent loss.
    let changed = browser.post("/account", "idempotency_key=key-account-1&name=Olga+Other").unwrap();
    assert!(changed.status == 303 || changed.is_busy(), "{changed:?}");
    feed();
    for key in &refused {
        insist(server, place, key, &mut acknowledged);
    }
    within(60, "the search has caught up", || (server.search() == "ready").then_some(()));
    acknowledged
}

#[test]
fn a_file_that_cannot_grow_is_survived() {
    let _alone = alone();
    if Command::new("prlimit").arg("--version").output().is_err() {
        skipped("a_file_that_cannot_grow_is_survived", "there is no prlimit (util-linux)");
        return;
    }
    let place = Place::sqlite();
    // Exceeding the limit must be a write error rather than kill the process.
    let server = Server::start_as(shell(r#"trap "" XFSZ; exec "$@""#), |serve| {
        serve.args(place.args());
    });
    let limit = |bytes: &str| {
        let pid = server.child.id().to_string();
        assert!(Command::new("prlimit").args(["--pid", &pid, &format!("--fsize={bytes}:unlimited")]).status().unwrap().success());
    };
    let acknowledged = survives(&server, &place, || limit("8192"), || limit("unlimited"));
    server.kill();
    assert_eq!(complaints(&place, &acknowledged), Vec::<String>::new());
}

#[test]
fn a_full_disk_is_survived() {
    let _alone = alone();
    let place = Place::sqlite();
    let small = tempfile::tempdir().unwrap();
    let mount = "mount -t tmpfs -o size=24m tmpfs";
    let possible = Command::new("unshare").args(["-rm", "sh", "-c", &format!("{mount} {}", small.path().display())]).output();
    if !possible.is_ok_and(|done| done.status.success()) {
        skipped("a_full_disk_is_survived", "a small disk of our own cannot be mounted here (unshare -rm)");
        return;
    }
    // The test's own connections still clean up while they close.
    within(20, "the database is closed", || (!place.data.join("earshot.db-wal").exists()).then_some(()));
    let (seed, disk) = (place.data.display(), small.path().display());
    let mut unshare = crate::harness::clean(Command::new("unshare"));
    let script = format!(r#"{mount} {disk} && cp {seed}/earshot.db* {disk}/ && exec "$@""#);
    unshare.args(["-rm", "sh", "-c", &script, "sh", env!("CARGO_BIN_EXE_earshot")]);
    let server = Server::start_as(unshare, |serve| {
        serve.arg("--data").arg(small.path());
    });
    // Its disk as seen from outside the namespace.
    let seen: PathBuf = format!("/proc/{}/root{disk}", server.child.id()).into();
    let ballast = seen.join("ballast");
    let acknowledged = survives(&server, &place, || fill_up(&ballast), || std::fs::remove_file(&ballast).unwrap());
    // Stopped rather than killed, so that the files do not change while they are copied; they vanish with the process.
    server.signal("STOP");
    for suffix in ["", "-wal"] {
        std::fs::copy(seen.join(format!("earshot.db{suffix}")), place.data.join(format!("earshot.db{suffix}"))).unwrap();
    }
    drop(std::fs::remove_file(place.data.join("earshot.db-shm")));
    server.kill();
    assert_eq!(complaints(&place, &acknowledged), Vec::<String>::new());
}

/// Writes a file until not a single byte more fits.
fn fill_up(ballast: &Path) {
    let mut file = File::create(ballast).unwrap();
    for size in [1 << 20, 1 << 12, 1] {
        let block = vec![b'x'; size];
        while file.write_all(&block).is_ok() {}
    }
}
