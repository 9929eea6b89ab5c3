//! The search index is a cache: if it is lost, damaged or outdated, it recovers by itself, and nothing stays invisible.

use std::{
    fs,
    path::{Path, PathBuf},
};

use crate::harness::{Browser, Place, Server, alone, pause, sized, within};

/// Submits a word, and waits until the search finds it.
fn say(server: &Server, browser: &Browser, place: &Place, word: &str) {
    let answer = server.submit(place, &format!("key-for-{word}"), &format!("we {word} about it")).unwrap();
    assert_eq!(answer.status, 201, "{}", answer.body);
    within(20, "what was said is found", || finds(browser, place, word).then_some(()));
}

/// Whether the search, rather than the list from the database, finds a word.
fn finds(browser: &Browser, place: &Place, word: &str) -> bool {
    let page = browser.inbox(place, word);
    !is_being_built(&page) && shows(&page, word)
}

/// Whether a page lists an item that contains this word. (The search box repeats the query; items mark the match.)
fn shows(page: &str, word: &str) -> bool {
    page.contains(&format!("<mark>{word}</mark>"))
}

fn is_being_built(page: &str) -> bool {
    page.contains("The search index is being rebuilt")
}

fn copy(from: &Path, to: &Path) {
    drop(fs::remove_dir_all(to));
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        fs::copy(entry.path(), to.join(entry.file_name())).unwrap();
    }
}

/// A file of a segment that the index uses: a killed program may have left other files behind.
fn file(index: &Path, ending: &str) -> PathBuf {
    let meta: serde_json::Value = serde_json::from_slice(&fs::read(index.join("meta.json")).unwrap()).unwrap();
    index.join(meta["segments"][0]["segment_id"].as_str().unwrap().replace('-', "")).with_extension(ending)
}

#[test]
fn killed_between_database_and_index_nothing_stays_invisible() {
    let _alone = alone();
    let place = Place::sqlite();
    let (index, old) = (place.data.join("index"), place.data.join("index-of-before"));
    let server = place.start();
    say(&server, &server.browser(), &place, "wondered");
    server.kill();
    copy(&index, &old);

    // Killed as soon as the response arrives: the index commits half a second later, or never.
    for n in 0..sized(5, 50) {
        let server = place.start();
        assert_eq!(server.submit(&place, &format!("key-late-{n}"), &format!("late{n} of all")).unwrap().status, 201);
        server.kill();
    }
    let all_there = |server: &Server| {
        let browser = server.browser();
        within(30, "all that came late is found", || (0..sized(5, 50)).all(|n| finds(&browser, &place, &format!("late{n}"))).then_some(()));
        assert!(finds(&browser, &place, "wondered"));
    };
    let server = place.start();
    all_there(&server);
    server.kill();
    let new = place.data.join("index-of-after");
    copy(&index, &new);

    // As if the index had committed none of these.
    copy(&old, &index);
    let server = place.start();
    all_there(&server);
    assert!(!server.log().contains("rebuilding it"), "it followed, it was not built anew");
    server.kill();

    // Control: an index that claims to contain more than it does, as it would if the mark were written before the index.
    copy(&old, &index);
    let meta = |dir: &Path| serde_json::from_slice::<serde_json::Value>(&fs::read(dir.join("meta.json")).unwrap()).unwrap();
    let mut lying = meta(&old);
    lying["payload"] = meta(&new)["payload"].clone();
    fs::write(index.join("meta.json"), lying.to_string()).unwrap();
    let server = place.start();
    let browser = server.browser();
    pause(1500);
    assert!(finds(&browser, &place, "wondered") && !finds(&browser, &place, "late0"));
}

/// A kind of damage to an index: name and action.
type Damage = (&'static str, fn(&Path));

const DAMAGES: [Damage; 6] = [
    ("deleted", |index| fs::remove_dir_all(index).unwrap()),
    ("emptied", |index| {
        fs::remove_dir_all(index).unwrap();
        fs::create_dir(index).unwrap();
    }),
    ("garbled", |index| fs::write(index.join("meta.json"), b"{\"segments\": [").unwrap()),
    ("without a segment's file", |index| fs::remove_file(file(index, "term")).unwrap()),
    ("truncated", |index| {
        let postings = fs::File::options().write(true).open(file(index, "idx")).unwrap();
        postings.set_len(postings.metadata().unwrap().len() / 2).unwrap();
    }),
    ("of an older version", |index| {
        let path = index.join("meta.json");
        let mut meta: serde_json::Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
        let mut payload: serde_json::Value = serde_json::from_str(meta["payload"].as_str().unwrap()).unwrap();
        payload["version"] = (payload["version"].as_u64().unwrap() - 1).into();
        meta["payload"] = payload.to_string().into();
        fs::write(path, meta.to_string()).unwrap();
    }),
];

#[test]
fn a_damaged_index_is_built_again_while_serving() {
    let _alone = alone();
    let place = Place::sqlite();
    place.fill(sized(3000, 30_000));
    // Control: an undamaged index is used as it is, and the page has no notice.
    let server = place.start();
    let browser = server.browser();
    within(300, "the first index is built", || (server.search() == "ready").then_some(()));
    say(&server, &browser, &place, "wondered");
    assert!(!is_being_built(&browser.inbox(&place, "wondered")));
    // The session is reused: signing in again would take as long as building the index.
    let cookie = browser.cookie;
    server.kill();
    let server = place.start();
    assert!(server.search() == "ready" && finds(&server.browser(), &place, "wondered"));
    assert!(!server.log().contains("rebuilding it"));
    server.kill();

    let mut noticed = 0;
    for (n, (name, damage)) in DAMAGES.into_iter().enumerate() {
        damage(&place.data.join("index"));
        let server = place.start();
        let browser = Browser { address: server.address, cookie: cookie.clone() };
        // Pages still work meanwhile and show a notice; results come from the database.
        let page = browser.inbox(&place, "wondered");
        if is_being_built(&page) {
            noticed += 1;
            assert!(shows(&page, "wondered"), "{name}: never a false “nothing found”");
        }
        let word = format!("meanwhile{n}");
        assert_eq!(server.submit(&place, &format!("key-{word}"), &format!("said {word}")).unwrap().status, 201);
        within(300, name, || (server.search() == "ready").then_some(()));
        // Without any index, it is as at the first start: no error.
        assert!(server.log().contains("rebuilding it") || name == "deleted", "{name}: the operator is told");
        assert!(finds(&browser, &place, "wondered") && !is_being_built(&browser.inbox(&place, "wondered")), "{name}");
        let page = browser.inbox(&place, "filler");
        assert!(shows(&page, "filler"), "{name}");
        within(20, "what was said meanwhile is found", || finds(&browser, &place, &word).then_some(()));
        server.kill();
    }
    assert!(noticed > 0, "no page was asked for early enough to see the notice: take more rows");
}

#[test]
fn an_index_that_disappears_under_the_program_comes_back() {
    let _alone = alone();
    let place = Place::sqlite();
    let server = place.start();
    let browser = server.browser();
    say(&server, &browser, &place, "wondered");
    let index = place.data.join("index");
    let losses: [Damage; 3] = [
        DAMAGES[0],
        DAMAGES[2],
        ("without its files", |index| {
            for entry in fs::read_dir(index).unwrap() {
                fs::remove_file(entry.unwrap().path()).unwrap();
            }
        }),
    ];
    for (n, (name, lose)) in losses.into_iter().enumerate() {
        lose(&index);
        // It detects the loss when it writes; from then on everything is found again, and the index is on disk too.
        say(&server, &browser, &place, &format!("{}again", ["first", "second", "third"][n]));
        assert!(finds(&browser, &place, "wondered"), "{name}");
        within(10, "the index is on disk again", || fs::read(index.join("meta.json")).is_ok_and(|m| m.starts_with(b"{\n")).then_some(()));
    }
    server.kill();
    let server = place.start();
    let browser = server.browser();
    for word in ["wondered", "firstagain", "secondagain", "thirdagain"] {
        within(20, word, || finds(&browser, &place, word).then_some(()));
    }
}
