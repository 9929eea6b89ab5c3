//! Searches that users of comparable products reported as broken. Each case has texts, a query, and the texts that it must find; the ids
//! are those of the case collection.

use domain::triage::TriageQuery;
use search::highlight;

use testing::feedback::{INDEX_TIMEOUT, add, add_feedback, hits, plain, project};

use crate::{
    keys::Program,
    on_both,
    support::{TestApp, sample},
};

/// Id, texts, query, and the indexes of the texts to be found.
type Case = (&'static str, &'static [&'static str], &'static str, &'static [usize]);

const CASES: &[Case] = &[
    (
        "S07",
        &["\u{1112}\u{1161}\u{11AB}\u{1100}\u{1173}\u{11AF} \u{1100}\u{1165}\u{11B7}\u{1109}\u{1162}\u{11A8}이 안 됩니다"],
        "검색",
        &[0],
    ),
    ("S08", &["학점인정 오류"], "\u{1112}\u{1161}\u{11A8}\u{110C}\u{1165}\u{11B7}", &[0]),
    ("S14", &["أهلا يا محمـــد"], "محمد", &[0]),
    ("S17", &["كتابي خوب"], "کتابی", &[0]),
    ("S23", &["a mechanical engineer wrote", "an engineer of mechanical things"], "“mechanical engineer”", &[0]),
    ("S23, German", &["a mechanical engineer wrote", "an engineer of mechanical things"], "„mechanical engineer“", &[0]),
    ("S23, French", &["a mechanical engineer wrote", "an engineer of mechanical things"], "«mechanical engineer»", &[0]),
    ("S23, negated", &["a mechanical engineer", "an engineer of mechanical things"], "engineer -“mechanical engineer”", &[1]),
    ("S28", &["alpha one", "beta two"], "+", &[]),
    ("S28, in quotes", &["alpha one", "beta two"], "\"+\"", &[]),
    ("S28, empty quotes", &["alpha one", "beta two"], "\"\"", &[]),
    ("S28, a sign beside a word", &["alpha one", "beta two"], "alpha + !", &[0]),
    ("S28, a sign that is not ASCII", &["alpha one", "beta two"], "€", &[]),
    ("S30", &["⭐⭐⭐⭐ great", "beta two"], "⭐", &[0]),
    ("S30, a sign with a variation", &["love it ❤️", "⌚️ is slow"], "⌚", &[1]),
    ("S31", &["works in 🇩🇪 only", "works in 🇪🇩 only", "beta two"], "🇩🇪", &[0]),
    ("S31, skin", &["thanks 👍🏽", "no"], "👍", &[0]),
    ("S35", &["crash in v2.3.1 on start", "crash in v2.3.2", "12.3.1"], "2.3.1", &[0]),
    ("S40", &["mail a-user@example.test please", "mail b-user@example.test please"], "a-user@example.test", &[0]),
    (
        "B9",
        &["elif.haddad@vertex-legal.example wrote", "vertex-legal.example is down", "elif haddad wrote", "vertexlegal"],
        "elif.haddad@vertex-legal.example",
        &[0],
    ),
    ("B9, no typing errors", &["ask @maria", "ask @mario", "marias"], "@maria", &[0]),
    ("S44", &["device ad:33:af:cc:e4:9d is offline", "device other"], "ad:33:af:cc:e4:9d", &[0]),
    ("S46", &["RE:SOLVE TECH is down", "nothing"], "RE:SOLVE", &[0]),
    ("S49", &["std::vector overflow", "nothing"], "std::vector", &[0]),
    ("S59", &["Die Tür klemmt", "Die Turm klemmt"], "tuer", &[0]),
    ("S59, other way", &["Die Tuer klemmt", "Das Tor"], "Tür", &[0]),
    ("S60", &["Karte für Berlin", "Karte nach Berlin"], "fuer", &[0]),
    ("S60, in a phrase", &["Karte fuer Berlin", "Berlin Karte für"], "\"für Berlin\"", &[0]),
    ("S66", &["C:\\Users\\ann\\export.csv is empty", "nothing"], "C:\\Users\\ann\\export.csv", &[0]),
    ("S67", &["alpha one"], "status：new", &[0]),
    ("S67, another", &["alpha one"], "status：triaged", &[]),
    ("S74", &["see >>> here", "nothing"], ">>>", &[]),
    ("S76", &["crash with --no-sandbox set", "crash without flags"], "--no-sandbox", &[0]),
    ("S76, a number", &["error -1 again", "error 2 again"], "-1", &[0]),
    ("S77", &["Введіть ім\u{2BC}я користувача", "інше"], "ім'я", &[0]),
    ("S77, other way", &["Введіть ім'я користувача", "інше"], "ім\u{2BC}я", &[0]),
    ("S79", &["ذهب إلى هناك", "شيء آخر"], "الي", &[0]),
    ("S79, the other letter", &["في المدرسة", "شيء آخر"], "مدرسه", &[]),
    ("S79, at the end of a word", &["مدرسة جديدة", "شيء آخر"], "مدرسه", &[0]),
    (
        "S80",
        &["https://my-shop.example.test/checkout is broken", "https://my-shop.example.test/search is fine", "my shop is nice", "myshop"],
        "https://my-shop.example.test/checkout",
        &[0],
    ),
    ("S82", &["write to e-mail@example.test zqx", "e-mail is down again zqx"], "zqx -e-mail@example.test", &[1]),
    ("S83", &["訂單沒有送到", "訂閱"], "订单", &[0]),
    ("S83, other way", &["订单没有送到", "订阅"], "訂單", &[0]),
    ("S85", &["call getUserName failed", "call getUser failed"], "username", &[0]),
    ("S85, whole", &["call getUserName failed", "call get failed"], "getusername", &[0]),
    ("S87", &["der Daten\u{AD}schutz fehlt"], "Datenschutz", &[0]),
    ("S87, zero width space", &["der Daten\u{200B}schutz fehlt"], "Datenschutz", &[0]),
    ("S87, in the query", &["der Datenschutz fehlt"], "Daten\u{AD}schutz", &[0]),
    ("S89", &["الطلب ١٢٣٤٥ متأخر"], "12345", &[0]),
    ("S89, other way", &["order 12345 is late"], "१२३४५", &[0]),
    ("S89, separators", &["paid 1,234,567 yen", "paid 1234 yen"], "1234567", &[0]),
    ("S89, separators in the query", &["paid 1234567 yen", "paid 1234 yen"], "1.234.567", &[0]),
    ("S94", &["rated 5️⃣ stars", "other"], "5", &[0]),
    ("full-width letters", &["ＡＢＣ会社", "other"], "abc", &[0]),
    ("half-width kana", &["ｶｰﾄﾞが届かない", "other"], "カード", &[0]),
    ("the other kana", &["かーどが届かない", "other"], "カード", &[0]),
    ("B29, OR", &["billing is wrong", "invoice is wrong", "other"], "billing OR invoice", &[0, 1]),
    ("B29, OR and another word", &["billing is wrong", "invoice is right", "wrong"], "billing OR invoice wrong", &[0]),
    ("B29, AND", &["billing is wrong", "billing and more"], "billing AND wrong", &[0]),
];

on_both!(reported_searches, |t: TestApp| async move {
    for (case, texts, query, expected) in CASES {
        let p = project(&t).await.id;
        let said: Vec<_> = texts.iter().map(|text| (*text, &plain as &dyn Fn(&mut _))).collect();
        let ids = add_feedback(&t, p, &said).await;
        assert_eq!(hits(&t, p, &ids, query).await, *expected, "{case}: {query}");
        // Matches are highlighted, unless only a field filter matched.
        let parsed = TriageQuery::parse(query).unwrap();
        if parsed.has_text() {
            for n in *expected {
                assert!(!highlight(&parsed, texts[*n], "en").is_empty(), "{case}: {}", texts[*n]);
            }
        }
    }
});

// Through the API.
on_both!(what_cannot_be_searched_for_is_told, |t: TestApp| async move {
    let (project, owner) = t.owner().await;
    let program = Program::new(&t, &project, domain::accounts::key::Access::Read).await;
    add(&t, vec![sample(&t.app, project.id, "alpha one")]).await;
    assert!(t.app.search.wait_until_caught_up(INDEX_TIMEOUT).await);
    let path = |q: &str| format!("/api/v1/feedback?q={}", url::form_urlencoded::byte_serialize(q.as_bytes()).collect::<String>());
    for (case, query, code, part) in [
        ("a mistyped field", "statsu:new", 422, "Did you mean status:?"),
        ("B29, attributes", "attr.plan:enterprise", 422, "cannot be searched"),
        ("B29, OR of fields", "status:new OR alpha", 422, "Use OR between"),
        ("B29, is:", "is:new", 200, "alpha one"),
        ("no such field", "plan:enterprise", 200, "\"total\":0"),
        ("S28", "+", 200, "\"total\":0"),
        ("S49", "std::vector", 200, "\"total\":0"),
    ] {
        let page = program.get(&path(query)).await;
        assert_eq!(page.status.as_u16(), code, "{case}: {}", page.body);
        assert!(page.body.contains(part), "{case}: {}", page.body);
    }
    // The console says so, with and without the index.
    for index in [true, false] {
        if !index {
            t.app.search.stop().await;
        }
        let page = owner.get(&format!("/p/{}/inbox?q=%2B", project.slug)).await;
        assert!(page.body.contains("Nothing to search for") && !page.body.contains("alpha one"), "{index}: {}", page.body);
    }
});

on_both!(a_hit_in_the_address_of_the_page_says_so_and_comes_last, |t: TestApp| async move {
    let (project, owner) = t.owner().await;
    let ids = add_feedback(
        &t,
        project.id,
        &[
            ("The billing page is slow, and billing matters", &plain),
            ("No", &|f| f.page_url = Some("https://app.example/settings/billing".into())),
        ],
    )
    .await;
    let page = owner.get(&format!("/p/{}/inbox?q=billing", project.slug)).await.body;
    let row = |n: usize| page.find(&format!("id=\"row-{}\"", ids[n])).unwrap();
    // With equal scores, the newer one would be first.
    assert!(row(0) < row(1));
    let (first, second) = page[row(0)..].split_at(row(1) - row(0));
    assert!(!first.contains("On page") && second.contains("On page"), "{page}");
    assert!(second.contains("https://app.example/settings/<mark>billing</mark>"), "{second}");
});

// Databases fold case differently, and filter links quote names with spaces.
on_both!(surveys_are_found_by_their_names, |t: TestApp| async move {
    let (project, owner) = t.owner().await;
    let scope = domain::accounts::Scope::system(project.id);
    for (n, (name, queries)) in [
        ("Übersicht", &["übersicht", "ÜBERSICHT", "Übersicht"][..]),
        ("A  B", &["\"A B\"", "\"a  b\""]),
        ("Ende der Straße", &["\"ENDE DER STRASSE\""]),
        ("The “best” one", &["\"the “best” one\""]),
    ]
    .into_iter()
    .enumerate()
    {
        let survey = service::surveys::create(&t.app, &scope, "blank", name, &format!("key-{n}-of-test")).await.unwrap();
        // Names of an earlier version may have two spaces in a row.
        t.run(&format!("UPDATE surveys SET name = '{name}' WHERE id = '{survey}'")).await;
        let ids = add_feedback(&t, project.id, &[(&format!("said there {n}"), &|f| f.survey = Some(survey))]).await;
        for query in queries {
            let query = format!("survey:{query}");
            assert_eq!(hits(&t, project.id, &ids, &query).await, [0], "{query}");
        }
        // The filter link next to the list finds it too.
        let page = owner.get(&format!("/p/{}/inbox?q=there", project.slug)).await.body;
        let link = page.split("href=\"").find(|link| link.contains("survey%3A") && link.contains(&format!(">{name}<"))).expect("a facet");
        let found = owner.get(&link.split('"').next().unwrap().replace("&amp;", "&")).await.body;
        assert!(found.contains(&format!("row-{}", ids[0])) && found.contains(">1 item"), "{name}: {found}");
    }
    // And without the index.
    t.app.search.stop().await;
    let page = owner.get(&format!("/p/{}/inbox?q=survey%3A%C3%BCbersicht", project.slug)).await.body;
    assert!(page.contains("said there 0") && page.matches("id=\"row-").count() == 1, "{page}");
});
