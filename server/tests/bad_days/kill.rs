//! Sudden death under load: every acknowledged submission exists, exactly once, and is found.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex},
};

use domain::{accounts::Scope, triage::TriageQuery};
use search::{SearchRequest, Sort};

use crate::harness::{Base, Crowd, Place, alone, block, pause, sized, submit, within};

/// Number of concurrent clients.
const CLIENTS: usize = 16;
/// Number of responses that each round waits for before it kills the program.
const ENOUGH: usize = 60;

/// The response id acknowledged for each key.
pub type Acknowledged = BTreeMap<String, String>;

/// Runs the program, submits concurrently, and kills it under load, `rounds` times. Unanswered keys are retried in the next round. Returns
/// the acknowledged submissions, in the end those of all keys.
fn kill_under_load(place: &Arc<Place>, rounds: usize) -> Acknowledged {
    let acknowledged: Arc<Mutex<Acknowledged>> = Arc::default();
    let mut unanswered: Vec<Vec<String>> = vec![Vec::new(); CLIENTS];
    let mut retried = 0;
    for round in 0..=rounds {
        let is_last = round == rounds;
        let server = place.start();
        let before = acknowledged.lock().unwrap().len();
        retried += unanswered.iter().map(Vec::len).sum::<usize>();
        let (its_place, acked, address, open) = (Arc::clone(place), Arc::clone(&acknowledged), server.address, unanswered);
        let crowd = Crowd::start(CLIENTS, move |client, should_stop| {
            let mut open = open[client].clone();
            let mut n = 0;
            loop {
                let key = match open.first() {
                    Some(key) => key.clone(),
                    None if is_last => return open,
                    None => {
                        n += 1;
                        open.push(format!("round-{round}-{client}-{n}"));
                        continue;
                    }
                };
                if should_stop() {
                    return open;
                }
                match submit(address, &its_place, &key, &format!("said in {key}")) {
                    Some(answer) if answer.status == 201 => {
                        let body: serde_json::Value = serde_json::from_str(&answer.body).unwrap();
                        let id = body["id"].as_str().unwrap().to_owned();
                        let known = acked.lock().unwrap().insert(key, id.clone());
                        assert!(known.is_none_or(|known| known == id), "one key made two responses");
                        open.remove(0);
                    }
                    // 503 is a valid response; a dead server sends none.
                    Some(answer) if answer.is_busy() => pause(20),
                    None => pause(1),
                    Some(other) => panic!("{other:?}"),
                }
            }
        });
        if is_last {
            // They need no signal to stop: they end when every key has a response.
            unanswered = crowd.join();
        } else {
            within(180, "enough was acknowledged", || (acknowledged.lock().unwrap().len() >= before + ENOUGH).then_some(()));
            server.kill();
            unanswered = crowd.stop();
        }
    }
    assert!(unanswered.iter().all(Vec::is_empty));
    assert!(retried > 0, "nobody was cut off: the program was not killed under load");
    Arc::into_inner(acknowledged).unwrap().into_inner().unwrap()
}

/// Checks an installation in which exactly these were acknowledged and nothing else was submitted; returns lost, duplicate and unfindable
/// submissions. The program must not be running.
pub fn complaints(place: &Place, acknowledged: &Acknowledged) -> Vec<String> {
    block(async {
        let mut found = Vec::new();
        let pool = place.pool().await;
        let rows: Vec<(String, Option<String>)> =
            sqlx::query_as("SELECT r.id, f.id FROM responses r LEFT JOIN feedback f ON f.response_id = r.id")
                .fetch_all(&pool)
                .await
                .unwrap();
        if place.postgres.is_none() {
            let whole: String = sqlx::query_scalar("PRAGMA integrity_check").fetch_one(&pool).await.unwrap();
            if whole != "ok" {
                found.push(format!("the database is damaged: {whole}"));
            }
        }
        pool.close().await;
        let there: BTreeMap<&str, Option<&str>> = rows.iter().map(|(id, feedback)| (id.as_str(), feedback.as_deref())).collect();
        let answered: BTreeSet<&str> = acknowledged.values().map(String::as_str).collect();
        found.extend(answered.iter().filter(|id| !there.contains_key(*id)).map(|id| format!("{id} was acknowledged and is gone")));
        found.extend(there.keys().filter(|id| !answered.contains(*id)).map(|id| format!("{id} is there and nobody was told")));
        if answered.len() != acknowledged.len() {
            found.push("two keys got one response".to_owned());
        }

        let app = place.open().await;
        app.search.start().await.unwrap();
        assert!(
            app.search.ready(std::time::Duration::from_secs(120)).await
                && app.search.wait_until_caught_up(std::time::Duration::from_secs(60)).await
        );
        let mut indexed = BTreeSet::new();
        for query in ["", "status:spam"] {
            let mut cursor = None;
            loop {
                let query = TriageQuery::parse(query).unwrap();
                let ask = SearchRequest { query, me: None, zone: domain::Zone::default(), sort: Sort::Newest, cursor, limit: 200 };
                let page = app.search.search(&Scope::system(place.project.id), ask).await.unwrap();
                indexed.extend(page.ids.iter().map(ToString::to_string));
                cursor = page.next;
                if cursor.is_none() {
                    break;
                }
            }
        }
        app.search.stop().await;
        app.store.reader().close().await;
        for (id, feedback) in there {
            match feedback {
                Some(feedback) if indexed.contains(feedback) => {}
                _ => found.push(format!("{id} is not found by the search")),
            }
        }
        found
    })
}

fn nothing_acknowledged_is_lost(base: Base, rounds: usize) {
    let _alone = alone();
    let Some(place) = Place::new(base) else { return };
    let place = Arc::new(place);
    let acknowledged = kill_under_load(&place, rounds);
    assert!(acknowledged.len() >= rounds * ENOUGH);
    assert_eq!(complaints(&place, &acknowledged), Vec::<String>::new());

    // Control: the same check detects a lost row, an unknown row, and a row missing from the index.
    let [lost, hidden] = [0, 1].map(|n| acknowledged.values().nth(n).unwrap().clone());
    block(async {
        let pool = place.pool().await;
        for sql in [
            "DELETE FROM answers WHERE response_id = $1",
            "UPDATE feedback SET response_id = NULL WHERE response_id = $1",
            "DELETE FROM responses WHERE id = $1",
        ] {
            sqlx::query(sql).bind(lost.clone()).execute(&pool).await.unwrap();
        }
        // As if it were missing from the change sequence.
        let sql = "UPDATE feedback SET id = '0190a000-0000-7000-8000-000000000001' WHERE response_id = $1";
        sqlx::query(sql).bind(hidden.clone()).execute(&pool).await.unwrap();
        pool.close().await;
    });
    let said = complaints(&place, &acknowledged);
    assert_eq!(said, [format!("{lost} was acknowledged and is gone"), format!("{hidden} is not found by the search")]);
}

#[test]
fn nothing_acknowledged_is_lost_on_sqlite() {
    nothing_acknowledged_is_lost(Base::Sqlite, sized(20, 100));
}

#[test]
fn nothing_acknowledged_is_lost_on_postgres() {
    nothing_acknowledged_is_lost(Base::Postgres, sized(20, 100));
}
