//! The search engine, on both databases.

use std::{collections::HashSet, time::Duration};

use domain::{
    DomainError as Refusal, Zone,
    accounts::Scope,
    feedback::{Feedback, FeedbackKind, FeedbackStatus},
    ids::FeedbackId,
    triage::{QueryField, TriageQuery},
};
use search::{IndexStatus as Health, Search, SearchPage, SearchRequest, Sort, highlight};
use service::document_source::StoreDocumentSource;
use store::change_feed::ChangeVisibility;
use testing::{
    Database, TestApp,
    feedback::{INDEX_TIMEOUT, add, add_feedback, ask, find, hits, plain, project},
    on_both, on_one, sample, skipped,
};

fn facet(found: &SearchPage, field: QueryField) -> Vec<(&str, usize)> {
    found.facets.iter().find(|f| f.field == field).unwrap().values.iter().map(|(v, n)| (v.as_str(), *n)).collect()
}

on_both!(words_in_their_forms, |t: TestApp| async move {
    let p = project(&t).await.id;
    let de: &dyn Fn(&mut Feedback) = &|f| f.language = "de".into();
    let ja: &dyn Fn(&mut Feedback) = &|f| f.language = "ja".into();
    let ids = add_feedback(
        &t,
        p,
        &[
            ("I am still waiting on my card?", &plain),            // 0
            ("The delivery never came to the café", &plain),       // 1
            ("Die Karten sind weg, Kartenzahlung geht nicht", de), // 2
            ("A pi-h probe; don't touch", &plain),                 // 3
            ("カードがまだ届かない", ja),                          // 4
            ("My card my way", &plain),                            // 5
            ("Größe der Bücher", de),                              // 6
            ("Broken in release 1.2.3 😀", &|f| f.page_url = Some("https://shop.example/checkout".into())), // 7
        ],
    )
    .await;
    for (query, expected) in [
        ("", vec![0, 1, 2, 3, 4, 5, 6, 7]),
        ("card", vec![0, 5]),
        ("CARD waiting", vec![0]),
        ("wait", vec![0]),
        ("waits", vec![0]),
        ("\"my card\"", vec![0, 5]),
        ("\"my way\"", vec![5]),
        ("\"card my\"", vec![5]),
        ("card -waiting", vec![5]),
        ("card -wait", vec![5]),
        ("-card -\"pi h\"", vec![1, 2, 4, 6, 7]),
        ("delivry", vec![1]),
        ("dleivery", vec![1]),
        ("cafe", vec![1]),
        ("CAFÉ", vec![1]),
        ("cafe\u{301}", vec![1]),
        ("karte", vec![2]),
        ("karten", vec![2]),
        ("kartenzahl", vec![2]),
        ("grosse", vec![6]),
        ("buch", vec![6]),
        ("pi-h", vec![3]),
        ("pih", vec![3]),
        ("pi h", vec![3]),
        ("dont", vec![3]),
        ("届かない", vec![4]),
        ("届", vec![4]),
        ("かない届", vec![]),
        ("1.2.3", vec![7]),
        ("1.2.4", vec![]),
        ("😀", vec![7]),
        ("checkout", vec![7]),
        ("nothing-like-this", vec![]),
        ("https://shop.example/checkout", vec![7]),
    ] {
        assert_eq!(hits(&t, p, &ids, query).await, expected, "{query}");
    }
    // A stem matches only in its own language.
    let ids = add_feedback(&t, p, &[("Wartende Kunden", de), ("rating rates", &plain)]).await;
    assert_eq!(find(&t, p, "kunde").await.ids, ids[..1]);
});

on_both!(every_field, |t: TestApp| async move {
    let (p, owner) = t.owner().await;
    let day = 86_400_000;
    let now = t.app.now();
    let ids = add_feedback(
        &t,
        p.id,
        &[
            ("a", &|f| {
                f.score = Some(9.0);
                f.created_at = now.plus_ms(-10 * day);
                f.tags = vec!["billing".into(), "card-arrival".into()];
            }),
            ("b", &|f| {
                f.score = Some(3.0);
                f.status = FeedbackStatus::Triaged;
                f.created_at = now.plus_ms(-2 * day);
                f.assignee = Some(owner);
            }),
            ("c", &|f| {
                f.score = Some(6.0);
                f.kind = FeedbackKind::Ticket;
                f.release = Some("2.4.1 beta".into());
                f.environment = Some("production".into());
                f.created_at = now;
            }),
            ("", &|f| {
                f.language = "de".into();
                f.created_at = now.plus_ms(1);
            }),
            ("junk", &|f| {
                f.status = FeedbackStatus::Spam;
                f.created_at = now.plus_ms(2);
            }),
        ],
    )
    .await;
    let month_old = domain::zone::UTC.day(now.plus_ms(-30 * day));
    let cases = [
        ("", vec![0, 1, 2, 3]),
        ("is:spam", vec![4]),
        ("status:spam status:triaged", vec![1, 4]),
        ("-is:spam", vec![0, 1, 2, 3]),
        ("junk", vec![]),
        ("status:new", vec![0, 2, 3]),
        ("-status:new", vec![1]),
        ("kind:ticket", vec![2]),
        ("-kind:ticket", vec![0, 1, 3]),
        ("tag:billing", vec![0]),
        ("tag:\"Card arrival\"", vec![0]),
        ("tag:billing tag:none", vec![0]),
        ("-tag:billing", vec![1, 2, 3]),
        ("score:<=6", vec![1, 2]),
        ("score:<6", vec![1]),
        ("score:>6", vec![0]),
        ("score:>=6", vec![0, 2]),
        ("score:3 score:9", vec![0, 1]),
        ("score:4..9", vec![0, 2]),
        ("score:>=4 score:<=8", vec![2]),
        ("-score:9", vec![1, 2, 3]),
        ("assignee:owner@example.com", vec![1]),
        ("assignee:nobody@example.com", vec![]),
        ("assignee:none", vec![0, 2, 3]),
        ("assignee:me", vec![]),
        ("-assignee:none", vec![1]),
        ("has:text", vec![0, 1, 2]),
        ("-has:text", vec![3]),
        ("has:score has:tag", vec![0, 1, 2]),
        ("has:link", vec![]),
        ("-has:comment -has:contact", vec![0, 1, 2, 3]),
        ("survey:\"No such\"", vec![]),
        ("after:3d", vec![1, 2, 3]),
        ("before:1w", vec![0]),
        ("after:2w before:7d", vec![0]),
        ("release:\"2.4.1 beta\"", vec![2]),
        ("-release:\"2.4.1 beta\" env:production", vec![]),
        ("env:production", vec![2]),
        ("lang:de", vec![3]),
        ("lang:de lang:en score:>8", vec![0]),
    ];
    for (query, expected) in cases.clone() {
        assert_eq!(hits(&t, p.id, &ids, query).await, expected, "{query}");
    }
    assert_eq!(hits(&t, p.id, &ids, &format!("after:{month_old}")).await.len(), 4);
    assert_eq!(hits(&t, p.id, &ids, &format!("assignee:{owner}")).await, [1]);
    let mine = t.app.search.search(&Scope::system(p.id), SearchRequest { me: Some(owner), ..ask("assignee:me") }).await.unwrap();
    assert_eq!(mine.ids, [ids[1]]);
    // Without the index the database is scanned, with the same results.
    t.app.search.stop().await;
    for (query, expected) in cases {
        let page = service::triage::list::list(&t.app, &Scope::system(p.id), ask(query)).await.unwrap();
        let found: Vec<usize> = page.items.iter().map(|f| ids.iter().position(|id| *id == f.id).unwrap()).collect();
        assert_eq!((found, page.without_index), (expected, Some(Health::Off)), "{query}, without the index");
    }
});

on_both!(facets_count_and_let_people_switch, |t: TestApp| async move {
    let p = project(&t).await.id;
    let tagged = |tags: &'static [&'static str], status: FeedbackStatus| {
        move |f: &mut Feedback| {
            f.tags = tags.iter().map(|t| (*t).to_owned()).collect();
            f.status = status;
        }
    };
    let (a, b) = (tagged(&["x", "y"], FeedbackStatus::New), tagged(&["y"], FeedbackStatus::Triaged));
    let (c, d) = (tagged(&[], FeedbackStatus::New), tagged(&["x"], FeedbackStatus::Spam));
    add_feedback(&t, p, &[("card one", &a), ("card two", &b), ("other", &c), ("card spam", &d)]).await;
    let all = find(&t, p, "").await;
    assert_eq!(all.total, 3);
    assert_eq!(facet(&all, QueryField::Tag), [("y", 2), ("x", 1)]);
    assert_eq!(facet(&all, QueryField::Status), [("new", 2), ("spam", 1), ("triaged", 1)]);
    assert_eq!(facet(&all, QueryField::Kind), [("api", 3)]);
    assert_eq!(facet(&all, QueryField::Assignee), [("none", 3)]);
    assert_eq!(facet(&all, QueryField::Lang), [("en", 3)]);
    assert_eq!(facet(&all, QueryField::Release), []);
    let cards = find(&t, p, "card status:new tag:x").await;
    assert_eq!(cards.total, 1);
    assert_eq!(facet(&cards, QueryField::Tag), [("x", 1), ("y", 1)]);
    assert_eq!(facet(&cards, QueryField::Status), [("new", 1), ("spam", 1)]);
    assert_eq!(facet(&cards, QueryField::Kind), [("api", 1)]);
});

on_both!(one_project_never_shows_in_another, |t: TestApp| async move {
    let (mine, other) = (project(&t).await.id, project(&t).await.id);
    let own = add_feedback(&t, mine, &[("secret card", &|f| f.tags = vec!["mine".into()])]).await;
    add_feedback(&t, other, &[("secret plan", &|f| f.tags = vec!["theirs".into()]), ("wartende Karten", &|f| f.language = "de".into())])
        .await;
    for query in
        ["", "secret", "secret -nothing", "tag:theirs", "-tag:mine", "plan", "lang:de", "\"secret plan\"", "secr", "secert", "-card"]
    {
        let found = find(&t, mine, query).await;
        assert!(found.ids.iter().all(|id| own.contains(id)) && found.total <= 1, "{query}");
        for facet in &found.facets {
            assert!(facet.values.iter().all(|(value, n)| value != "theirs" && value != "de" && *n <= 1), "{query} {facet:?}");
        }
    }
    assert_eq!(find(&t, project(&t).await.id, "").await.total, 0);
});

on_both!(pages_have_no_gaps_and_no_repeats, |t: TestApp| async move {
    let p = project(&t).await.id;
    // Many with the same timestamp, so that time alone does not order them.
    let mut items = Vec::new();
    for n in 0..57 {
        if n % 10 == 0 {
            t.clock.advance_ms(1);
        }
        items.push(sample(&t.app, p, if n % 3 == 0 { "card card" } else { "a card among others" }));
    }
    let mut later = items.split_off(30);
    add(&t, items).await;
    assert!(t.app.search.ready(INDEX_TIMEOUT).await && t.app.search.wait_until_caught_up(INDEX_TIMEOUT).await);
    later.reverse();
    add(&t, later).await;
    assert!(t.app.search.wait_until_caught_up(INDEX_TIMEOUT).await);
    for sort in Sort::ALL {
        for query in ["card", "", "kind:api"] {
            let base = SearchRequest { sort, limit: 7, ..ask(query) };
            let whole = t.app.search.search(&Scope::system(p), SearchRequest { limit: 100, ..base.clone() }).await.unwrap();
            assert!(whole.next.is_none() && whole.prev.is_none() && whole.total == 57);
            let (mut ids, mut cursor, mut pages) = (Vec::new(), None, Vec::new());
            loop {
                let page = t.app.search.search(&Scope::system(p), SearchRequest { cursor, ..base.clone() }).await.unwrap();
                assert_eq!(page.total, 57);
                assert_eq!(page.prev.is_some(), !ids.is_empty());
                ids.extend_from_slice(&page.ids);
                cursor = page.next.clone();
                pages.push(page);
                if cursor.is_none() {
                    break;
                }
            }
            assert_eq!(ids, whole.ids, "{sort:?} {query}");
            assert_eq!(ids.iter().collect::<HashSet<_>>().len(), 57);
            // And back again.
            for n in (1..pages.len()).rev() {
                let back =
                    t.app.search.search(&Scope::system(p), SearchRequest { cursor: pages[n].prev.clone(), ..base.clone() }).await.unwrap();
                assert_eq!(back.ids, pages[n - 1].ids);
                assert_eq!(back.prev.is_some(), n > 1);
                assert_eq!(back.next, pages[n - 1].next);
            }
        }
    }
    let newest = t.app.search.search(&Scope::system(p), SearchRequest { sort: Sort::Newest, limit: 3, ..ask("") }).await.unwrap();
    let rows = t.app.store.feedback_by_ids(&Scope::system(p), &newest.ids).await.unwrap();
    assert!(rows.windows(2).all(|w| w[0].created_at >= w[1].created_at));
    let best = t.app.search.search(&Scope::system(p), SearchRequest { sort: Sort::Relevance, limit: 1, ..ask("card") }).await.unwrap();
    let best = t.app.store.feedback_by_ids(&Scope::system(p), &best.ids).await.unwrap();
    assert_eq!(best[0].text, "card card");
    for bad in ["", "x", "na", "naé", "ra0000", &newest.next.clone().unwrap().replacen('n', "o", 1), &"na".repeat(29)] {
        let refused =
            t.app.search.search(&Scope::system(p), SearchRequest { sort: Sort::Newest, cursor: Some(bad.to_owned()), ..ask("") }).await;
        assert!(matches!(refused.unwrap_err().refusal(), Some(Refusal::Invalid(_))), "{bad}");
    }
});

on_both!(pages_and_counts_agree_with_the_whole, |t: TestApp| async move {
    use rand::{Rng, SeedableRng, seq::IndexedRandom};
    let (p, other) = (project(&t).await.id, service::projects::create(&t.app, "Another", vec![], None).await.unwrap().id);
    let mut random = rand::rngs::StdRng::seed_from_u64(7);
    let words = ["card", "cards", "cardinal", "carf", "wait", "waiting", "delivery", "delivry", "money", "top", "up"];
    let tags = ["card", "payment", "top-up", "money"];
    for round in 0..4 {
        let mut items = Vec::new();
        for n in 0..60 {
            t.clock.advance_ms(n % 3);
            let text: Vec<&str> = (0..random.random_range(1..9)).map(|_| *words.choose(&mut random).unwrap()).collect();
            let mut item = sample(&t.app, if n % 7 == 6 { other } else { p }, &text.join(" "));
            item.language = if random.random_bool(0.8) { "en" } else { "de" }.to_owned();
            item.tags = tags.iter().filter(|_| random.random_bool(0.3)).map(|tag| (*tag).to_owned()).collect();
            item.status =
                *[FeedbackStatus::New, FeedbackStatus::New, FeedbackStatus::Triaged, FeedbackStatus::Spam].choose(&mut random).unwrap();
            items.push(item);
        }
        add(&t, items).await;
        // Creates several segments.
        assert!(t.app.search.ready(INDEX_TIMEOUT).await && t.app.search.wait_until_caught_up(INDEX_TIMEOUT).await, "{round}");
    }
    // Deletes some from their segments.
    let some: Vec<FeedbackId> = find(&t, p, "wait").await.ids.into_iter().step_by(5).collect();
    t.app
        .store
        .write(move |tx| {
            Box::pin(async move {
                for id in some {
                    tx.record_feedback_change(p, id).await?;
                }
                Ok(())
            })
        })
        .await
        .unwrap();
    assert!(t.app.search.wait_until_caught_up(INDEX_TIMEOUT).await);
    let queries = [
        "",
        "card",
        "cards wait",
        "delivery",
        "\"card wait\" money",
        "card -wait",
        "tag:card money",
        "status:new tag:payment card",
        "status:spam",
    ];
    for query in queries {
        for sort in Sort::ALL {
            let base = SearchRequest { sort, limit: 200, ..ask(query) };
            let whole = t.app.search.search(&Scope::system(p), base.clone()).await.unwrap();
            assert!(whole.total == whole.ids.len() && whole.total > 2, "{query}: {}", whole.total);
            let (mut ids, mut cursor) = (Vec::new(), None);
            loop {
                let page = t.app.search.search(&Scope::system(p), SearchRequest { cursor, limit: 5, ..base.clone() }).await.unwrap();
                if let Some(prev) = &page.prev {
                    let back = SearchRequest { cursor: Some(prev.clone()), limit: 5, ..base.clone() };
                    let back = t.app.search.search(&Scope::system(p), back).await.unwrap();
                    assert_eq!(back.ids, ids[ids.len() - 5..], "{sort:?} {query}");
                }
                ids.extend(page.ids);
                cursor = page.next;
                if cursor.is_none() {
                    break;
                }
            }
            assert_eq!(ids, whole.ids, "{sort:?} {query}");
        }
        // Each count equals the number of results with that filter.
        let found = find(&t, p, query).await;
        let asked = TriageQuery::parse(query).unwrap();
        for (field, values) in found.facets.iter().map(|f| (f.field, &f.values)) {
            for (value, count) in values.iter().filter(|_| [QueryField::Status, QueryField::Tag, QueryField::Lang].contains(&field)) {
                let mut alone = asked.clone();
                alone.parts.retain(|part| !matches!(&part.what, domain::triage::QueryTerm::Test(test) if test.field() == field));
                let alone = alone.with(field, value);
                let there = t.app.search.search(&Scope::system(p), SearchRequest { query: alone.clone(), ..ask("") }).await.unwrap().total;
                assert_eq!(there, *count, "{query} / {alone}");
            }
        }
    }
});

on_both!(changes_and_removals_are_followed, |t: TestApp| async move {
    let p = project(&t).await.id;
    let mut arrivals = t.app.search.subscribe_new_records();
    let ids = add_feedback(&t, p, &[("first words", &plain)]).await;
    let arrived = arrivals.recv().await.unwrap();
    assert_eq!((arrived.project, arrived.feedback), (p, ids.clone()));
    let id = ids[0];
    t.app
        .store
        .write(move |tx| {
            Box::pin(async move {
                sqlx::query("UPDATE feedback SET text = 'second thoughts', version = 2 WHERE id = $1")
                    .bind(id.to_string())
                    .execute(tx.conn())
                    .await?;
                tx.record_feedback_change(p, id).await
            })
        })
        .await
        .unwrap();
    assert!(t.app.search.wait_until_caught_up(INDEX_TIMEOUT).await);
    assert_eq!(find(&t, p, "first").await.total, 0);
    assert_eq!(find(&t, p, "second").await.ids, ids);
    t.app
        .store
        .write(move |tx| {
            Box::pin(async move {
                sqlx::query("DELETE FROM feedback WHERE id = $1").bind(id.to_string()).execute(tx.conn()).await?;
                tx.record_feedback_change(p, id).await
            })
        })
        .await
        .unwrap();
    assert!(t.app.search.wait_until_caught_up(INDEX_TIMEOUT).await);
    assert_eq!(find(&t, p, "").await.total, 0);
});

on_both!(what_was_committed_while_the_index_was_away_is_found, |t: TestApp| async move {
    let p = project(&t).await.id;
    add_feedback(&t, p, &[("before the crash", &plain)]).await;
    let search = &t.app.search;
    for n in 0..5 {
        search.stop().await;
        assert_eq!(search.status(), Health::Off);
        let refused = search.search(&Scope::system(p), ask("crash")).await;
        assert_eq!(refused.unwrap_err().refusal(), Some(&Refusal::SearchUnavailable));
        add(&t, vec![sample(&t.app, p, &format!("during the crash {n}"))]).await;
        let mut arrivals = search.subscribe_new_records();
        search.start().await.unwrap();
        // It is ready at once, from its last position, and adds only new records.
        assert_eq!(search.status(), Health::Ready);
        assert!(search.wait_until_caught_up(INDEX_TIMEOUT).await);
        assert_eq!(arrivals.recv().await.unwrap().feedback.len(), 1);
        assert_eq!(find(&t, p, "crash").await.total, n + 2);
    }
});

on_both!(a_cursor_continues_only_the_listing_that_returned_it, |t: TestApp| async move {
    let p = project(&t).await.id;
    add(&t, (0..3).map(|n| sample(&t.app, p, &format!("text {n}"))).collect()).await;
    assert!(t.app.search.wait_until_caught_up(INDEX_TIMEOUT).await);
    let page = async |cursor: Option<&str>| {
        let request = SearchRequest { limit: 2, cursor: cursor.map(ToOwned::to_owned), ..ask("") };
        (
            service::triage::list::page(&t.app, &Scope::system(p), request.clone()).await,
            service::triage::list::list(&t.app, &Scope::system(p), request).await.unwrap(),
        )
    };
    let from_index = page(None).await.0.unwrap().next.unwrap();
    t.app.search.stop().await;
    let first = page(None).await.1;
    let next = first.next.clone().unwrap();
    assert_eq!(page(Some(&next)).await.0.unwrap().items.len(), 1, "a control: its own cursor continues");
    let cut = &next[..next.len() - 1];
    for wrong in [from_index.as_str(), cut, "plain.", "plain.x.y", "nonsense"] {
        let (program, person) = page(Some(wrong)).await;
        assert!(matches!(program.unwrap_err().refusal(), Some(Refusal::Invalid(_))), "{wrong}");
        // People get the first page instead of an error.
        assert_eq!(person.items, first.items, "{wrong}");
    }
});

on_both!(a_commit_repeated_after_a_crash_changes_nothing, |t: TestApp| async move {
    let p = project(&t).await.id;
    add_feedback(&t, p, &[("one", &plain)]).await;
    let index = t.app.settings.data.join("index");
    let copy = t.app.settings.data.join("copy");
    t.app.search.stop().await;
    copy_dir(&index, &copy);
    t.app.search.start().await.unwrap();
    add_feedback(&t, p, &[("two", &plain), ("three", &plain)]).await;
    t.app.search.stop().await;
    // Simulates a crash after the database was written and before the index was.
    std::fs::remove_dir_all(&index).unwrap();
    std::fs::rename(&copy, &index).unwrap();
    t.app.search.start().await.unwrap();
    assert_eq!(t.app.search.status(), Health::Ready);
    assert!(t.app.search.wait_until_caught_up(INDEX_TIMEOUT).await);
    assert_eq!(find(&t, p, "").await.total, 3);
    assert_eq!(find(&t, p, "three").await.total, 1);
});

fn copy_dir(from: &std::path::Path, to: &std::path::Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        std::fs::copy(entry.path(), to.join(entry.file_name())).unwrap();
    }
}

on_both!(a_broken_index_is_built_again, |t: TestApp| async move {
    let p = project(&t).await.id;
    let index = t.app.settings.data.join("index");
    add_feedback(&t, p, &[("card one", &plain), ("card two", &plain)]).await;
    let meta = index.join("meta.json");
    let damages: [&dyn Fn(); 6] = [
        &|| std::fs::write(&meta, "{ not json").unwrap(),
        &|| std::fs::remove_file(&meta).unwrap(),
        &|| {
            for entry in
                std::fs::read_dir(&index).unwrap().flatten().filter(|e| e.path().extension().is_some_and(|x| x == "idx" || x == "term"))
            {
                std::fs::remove_file(entry.path()).unwrap();
            }
        },
        &|| std::fs::remove_dir_all(&index).unwrap(),
        // An index of an earlier schema version.
        &|| {
            let text = std::fs::read_to_string(&meta).unwrap();
            assert!(text.contains("\\\"version\\\":"), "{text}");
            std::fs::write(&meta, text.replace("\\\"version\\\":", "\\\"version\\\":9")).unwrap();
        },
        // An index of a database that was since restored to an earlier state.
        &|| {
            let text = std::fs::read_to_string(&meta).unwrap();
            let text = text.replace("\\\"tx\\\":", "\\\"tx\\\":99").replace("\\\"seq\\\":", "\\\"seq\\\":99");
            std::fs::write(&meta, text).unwrap();
        },
    ];
    for (n, damage) in damages.iter().enumerate() {
        t.app.search.stop().await;
        damage();
        t.app.search.start().await.unwrap();
        assert_ne!(t.app.search.status(), Health::Ready, "damage {n}");
        assert!(t.app.search.ready(INDEX_TIMEOUT).await, "damage {n}");
        assert_eq!(find(&t, p, "card").await.total, 2, "damage {n}");
        assert!(!index.with_extension("old").exists());
    }
    t.app.search.rebuild();
    let refused = t.app.search.search(&Scope::system(p), ask("card")).await;
    assert_eq!(refused.unwrap_err().refusal(), Some(&Refusal::SearchUnavailable));
    assert!(t.app.search.ready(INDEX_TIMEOUT).await);
    add_feedback(&t, p, &[("card three", &plain)]).await;
    assert_eq!(find(&t, p, "card").await.total, 3);
});

on_both!(old_changes_are_removed_and_who_missed_them_starts_over, |t: TestApp| async move {
    let p = project(&t).await.id;
    let purge = async |days: i64| {
        t.clock.advance_ms(days * 86_400_000);
        service::jobs::purge(&t.app, &|| false).await.unwrap();
    };
    let log_entries =
        async || -> i64 { sqlx::query_scalar("SELECT COUNT(*) FROM feedback_changes").fetch_one(t.app.store.reader()).await.unwrap() };
    add_feedback(&t, p, &[("card one", &plain)]).await;
    // A node that is offline here.
    t.app.search.stop().await;
    add(&t, vec![sample(&t.app, p, "card two"), sample(&t.app, p, "card three")]).await;
    // On PostgreSQL other transactions may hold back the end of the sequence for a moment.
    while t.app.store.last_change(ChangeVisibility::Settled).await.unwrap()
        != t.app.store.last_change(ChangeVisibility::Committed).await.unwrap()
    {
        tokio::task::yield_now().await;
    }
    purge(0).await;
    purge(6).await;
    assert_eq!(log_entries().await, 3, "the last days stay");
    purge(2).await;
    assert_eq!(log_entries().await, 1, "the last one stays");
    t.app.search.start().await.unwrap();
    assert!(t.app.search.ready(INDEX_TIMEOUT).await && t.app.search.wait_until_caught_up(INDEX_TIMEOUT).await);
    assert_eq!(find(&t, p, "card").await.total, 3);
    // A node that follows continuously is unaffected.
    add_feedback(&t, p, &[("card four", &plain)]).await;
    let mut status = t.app.search.watch_status();
    for days in [1, 8, 1] {
        purge(days).await;
    }
    assert_eq!(log_entries().await, 1);
    add_feedback(&t, p, &[("card five", &plain)]).await;
    assert_eq!(find(&t, p, "card").await.total, 5);
    assert!(!status.has_changed().unwrap(), "{:?}", *status.borrow_and_update());
});

on_both!(one_process_for_each_data_directory, |t: TestApp| async move {
    let another = |instance: &str| {
        Search::new(
            t.app.settings.data.join("index"),
            instance.into(),
            std::sync::Arc::new(StoreDocumentSource(t.app.store.clone())),
            t.app.clock.clone(),
        )
    };
    let refused = another("x").start().await.unwrap_err().to_string();
    assert!(refused.contains("another earshot"), "{refused}");
    t.app.search.stop().await;
    // The index of another database is not used.
    let search = another("x");
    search.start().await.unwrap();
    assert!(matches!(search.status(), Health::Building { .. }));
    assert!(search.ready(INDEX_TIMEOUT).await);
    search.stop().await;
    add(&t, vec![sample(&t.app, project(&t).await.id, "one record")]).await;
    assert_eq!(search::reindex(&t.app.search, |_| {}).await.unwrap(), 1);
    t.app.search.start().await.unwrap();
    assert_eq!(t.app.search.status(), Health::Ready);
});

// On SQLite there is one writer: sequence numbers are in commit order.
on_one!(a_transaction_that_commits_late_is_not_skipped, Postgres, |t: TestApp| async move {
    use std::sync::Arc;
    use tokio::sync::Notify;
    let p = project(&t).await.id;
    add_feedback(&t, p, &[("earlier", &plain)]).await;
    for first_is_older in [true, false] {
        let (written, go) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
        let slow = {
            let (item, store, written, go) =
                (sample(&t.app, p, "slow to commit"), t.app.store.clone(), Arc::clone(&written), Arc::clone(&go));
            tokio::spawn(async move {
                store
                    .write(move |tx| {
                        Box::pin(async move {
                            if !first_is_older {
                                // Takes its transaction number, and only later its place in the sequence.
                                sqlx::query("SELECT CAST(pg_current_xact_id() AS TEXT)").execute(tx.conn()).await?;
                                written.notify_one();
                                go.notified().await;
                            }
                            tx.insert_feedback(&item, None).await?;
                            if first_is_older {
                                written.notify_one();
                                go.notified().await;
                            }
                            Ok(())
                        })
                    })
                    .await
            })
        };
        written.notified().await;
        let before = find(&t, p, "").await.total;
        add(&t, vec![sample(&t.app, p, "quick to commit")]).await;
        // The quick one waits for the slow one, which could still be placed before it.
        assert!(!t.app.search.wait_until_caught_up(Duration::from_millis(700)).await);
        assert_eq!(find(&t, p, "").await.total, before);
        go.notify_one();
        slow.await.unwrap().unwrap();
        assert!(t.app.search.wait_until_caught_up(INDEX_TIMEOUT).await);
        assert_eq!(find(&t, p, "").await.total, before + 2);
    }
});

on_one!(transactions_of_other_databases_hold_nothing_back, Postgres, |t: TestApp| async move {
    use sqlx::Connection as _;
    let p = project(&t).await.id;
    let mut neighbour = sqlx::AnyConnection::connect(&testing::fresh_postgres().await.unwrap()).await.unwrap();
    sqlx::raw_sql("BEGIN; SELECT CAST(pg_current_xact_id() AS TEXT)").execute(&mut neighbour).await.unwrap();
    add_feedback(&t, p, &[("found all the same", &plain)]).await;
    assert_eq!(find(&t, p, "same").await.total, 1);
    sqlx::raw_sql("COMMIT").execute(&mut neighbour).await.unwrap();
});

on_one!(a_database_restored_on_another_server_is_followed, Postgres, |t: TestApp| async move {
    let p = project(&t).await.id;
    add_feedback(&t, p, &[("one", &plain)]).await;
    t.app.search.stop().await;
    add(&t, vec![sample(&t.app, p, "two")]).await;
    t.app
        .store
        .write(|tx| Box::pin(async move { Ok(sqlx::query("UPDATE feedback_changes SET xid = '9000000000'").execute(tx.conn()).await?) }))
        .await
        .unwrap();
    t.app.search.start().await.unwrap();
    assert!(t.app.search.wait_until_caught_up(INDEX_TIMEOUT).await);
    assert_eq!(find(&t, p, "").await.total, 2);
    add_feedback(&t, p, &[("three", &plain)]).await;
    assert_eq!(find(&t, p, "").await.total, 3);
});

on_both!(two_nodes_follow_one_database, |t: TestApp| async move {
    let p = project(&t).await.id;
    let other = Search::new(
        t.app.settings.data.join("other"),
        "x".into(),
        std::sync::Arc::new(StoreDocumentSource(t.app.store.clone())),
        t.app.clock.clone(),
    );
    other.start().await.unwrap();
    assert!(other.ready(INDEX_TIMEOUT).await);
    add_feedback(&t, p, &[("seen by both", &plain)]).await;
    assert!(other.wait_until_caught_up(INDEX_TIMEOUT).await);
    assert_eq!(other.search(&Scope::system(p), ask("seen")).await.unwrap().total, 1);
    other.stop().await;
});

on_both!(ten_thousand_odd_queries_are_answered, |t: TestApp| async move {
    use rand::{Rng, SeedableRng, seq::IndexedRandom};
    let p = project(&t).await.id;
    add_feedback(&t, p, &[("I am still waiting on my card?", &plain), ("届かない café pi-h 😀", &plain)]).await;
    let pieces = [
        "card",
        "\"my card\"",
        "-",
        "\"",
        ":",
        "status:new",
        "score:",
        "<=6",
        "1..9",
        "tag:",
        "waiting",
        "wating",
        "pi-h",
        "届か",
        "é",
        "\u{301}",
        "😀",
        "after:7d",
        "before:2026-01-01",
        "survey:x",
        "assignee:me",
        "release:\"1 2\"",
        "has:link",
        "is:spam",
        "a*",
        "(",
        ")",
        "[a TO b]",
        "\\",
        "^3",
        "~2",
        "/.*/",
        "\0",
        "'; DROP TABLE feedback; --",
        "\u{10FFFF}",
        "ı",
        "ß",
        "AND",
        "OR",
        "%",
        "_",
    ];
    let mut random = rand::rngs::StdRng::seed_from_u64(1);
    let mut understood = 0;
    for _ in 0..10_000 {
        let mut text = String::new();
        for _ in 0..random.random_range(1..8) {
            text.push_str(pieces.choose(&mut random).unwrap());
            if random.random_bool(0.7) {
                text.push(' ');
            }
        }
        if let Ok(query) = TriageQuery::parse(&text) {
            understood += 1;
            let sort = *Sort::ALL.choose(&mut random).unwrap();
            let cursor = random.random_bool(0.1).then(|| text.clone());
            let (scope, ask) =
                (Scope::system(p), SearchRequest { query: query.clone(), me: None, zone: Zone::default(), sort, cursor, limit: 5 });
            // Reports a query that never ends; benchmarks measure the duration.
            let result = tokio::time::timeout(INDEX_TIMEOUT, t.app.search.search(&scope, ask)).await;
            match result.unwrap_or_else(|_| panic!("{text:?} was not answered")) {
                Ok(found) => {
                    assert!(found.total <= 2 && found.ids.len() <= found.total, "{text:?}: {} of {}", found.ids.len(), found.total)
                }
                Err(error) => assert!(matches!(error.refusal(), Some(Refusal::Invalid(_))), "{text:?}: {error}"),
            }
            let _ = highlight(&query, "I am still waiting on my card? 届かない", "en");
        }
    }
    assert!(understood > 1000, "{understood}");
});

on_both!(what_is_found_is_what_is_marked, |t: TestApp| async move {
    let p = project(&t).await.id;
    let texts = [
        ("I am still waiting on my card?", "en"),
        ("The delivery never came to the café", "en"),
        ("Die Karten sind weg, Kartenzahlung geht nicht", "de"),
        ("A pi-h probe; don't touch", "en"),
        ("カードがまだ届かない", "ja"),
        ("nothing of the sort", "en"),
    ];
    let mut ids = Vec::new();
    for (text, language) in texts {
        ids.extend(add_feedback(&t, p, &[(text, &|f| f.language = language.into())]).await);
    }
    for word in [
        "card",
        "wait",
        "delivry",
        "cafe",
        "karte",
        "kart",
        "pi-h",
        "pih",
        "届",
        "カード",
        "dont",
        "\"never came\"",
        "never came",
        "noth",
        "xyz",
        "de",
    ] {
        let query = TriageQuery::parse(word).unwrap();
        let found = find(&t, p, word).await.ids;
        for (id, (text, language)) in ids.iter().zip(texts) {
            assert_eq!(!highlight(&query, text, language).is_empty(), found.contains(id), "{word} in {text}");
        }
    }
});

/// Reads the file named by `EARSHOT_TEST_QUERIES`: lines of `text,category`.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ten_thousand_real_messages() {
    #[expect(clippy::disallowed_methods, reason = "what to measure with is told by the environment")]
    let Ok(path) = std::env::var("EARSHOT_TEST_QUERIES") else {
        skipped("real queries", "EARSHOT_TEST_QUERIES names no file");
        return;
    };
    let t = TestApp::new(Database::Sqlite).await.unwrap();
    let p = project(&t).await.id;
    let mut reader = csv::Reader::from_path(path).unwrap();
    let rows: Vec<(String, String)> = reader.deserialize().map(Result::unwrap).collect();
    for chunk in rows.chunks(1000) {
        let items = chunk.iter().map(|(text, tag)| {
            let mut item = sample(&t.app, p, text);
            item.tags = vec![tag.clone()];
            item.language = search::language::detect(text, "en");
            item
        });
        add(&t, items.collect()).await;
    }
    assert!(t.app.search.ready(INDEX_TIMEOUT).await && t.app.search.wait_until_caught_up(INDEX_TIMEOUT).await);
    let mut times = Vec::new();
    for query in [
        "",
        "card",
        "waiting card",
        "delivry",
        "\"my card\"",
        "card tag:card_arrival",
        "exchange -rate",
        "a",
        "transfer score:<5",
        "top up failed",
    ] {
        let found = t.app.search.search(&Scope::system(p), SearchRequest { sort: Sort::Relevance, limit: 50, ..ask(query) }).await.unwrap();
        times.push((query, found.total, found.took));
    }
    println!("{} rows: {times:#?}", rows.len());
    assert_eq!(find(&t, p, "").await.total, rows.len());
    t.app.search.rebuild();
    #[expect(clippy::disallowed_methods, reason = "measures")]
    let started = std::time::Instant::now();
    assert!(t.app.search.ready(INDEX_TIMEOUT).await);
    println!("built again in {:?}", started.elapsed());
}

on_both!(an_index_of_another_course_of_the_database_is_not_believed, |t: TestApp| async move {
    let p = project(&t).await.id;
    let first = sample(&t.app, p, "first words");
    let second = sample(&t.app, p, "second words");
    let other = first.id;
    assert!(t.app.search.ready(INDEX_TIMEOUT).await);
    add(&t, vec![first, second]).await;
    assert!(t.app.search.wait_until_caught_up(INDEX_TIMEOUT).await);
    t.app.search.stop().await;
    t.app.search.start().await.unwrap();
    assert_eq!(t.app.search.status(), Health::Ready, "the same course");
    t.app.search.stop().await;
    // Simulates a database file restored by hand and then written to: the position exists but refers to another record.
    t.app
        .store
        .write(move |tx| {
            Box::pin(async move {
                let last = "UPDATE feedback_changes SET feedback_id = $1 WHERE seq = (SELECT MAX(seq) FROM feedback_changes)";
                Ok(sqlx::query(last).bind(other.to_string()).execute(tx.conn()).await?)
            })
        })
        .await
        .unwrap();
    t.app.search.start().await.unwrap();
    assert!(matches!(t.app.search.status(), Health::Building { .. }));
    assert!(t.app.search.ready(INDEX_TIMEOUT).await);
    assert_eq!(find(&t, p, "words").await.total, 2);
});
