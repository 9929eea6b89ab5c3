use proptest::prelude::*;

use super::*;

fn parse(text: &str) -> TriageQuery {
    TriageQuery::parse(text).unwrap_or_else(|e| panic!("{text}: {e:?}"))
}

#[test]
fn words_phrases_fields_and_negation() {
    let query = parse(r#"card "not arrived" -refund status:new -tag:billing score:<=6 survey:"After checkout""#);
    assert_eq!(query.parts.len(), 7);
    assert_eq!(query.parts[0], QueryPart { negated: false, what: QueryTerm::Word("card".into()) });
    assert_eq!(query.parts[1], QueryPart { negated: false, what: QueryTerm::Phrase("not arrived".into()) });
    assert_eq!(query.parts[2], QueryPart { negated: true, what: QueryTerm::Word("refund".into()) });
    assert_eq!(query.parts[3].what, QueryTerm::Test(FieldFilter::Status(FeedbackStatus::New)));
    assert_eq!(query.parts[4], QueryPart { negated: true, what: QueryTerm::Test(FieldFilter::Tag("billing".into())) });
    assert_eq!(query.parts[5].what, QueryTerm::Test(FieldFilter::Score(ScoreFilter::AtMost(6.0))));
    assert_eq!(query.parts[6].what, QueryTerm::Test(FieldFilter::Survey("After checkout".into())));
    assert_eq!(query.to_string(), r#"card "not arrived" -refund status:new -tag:billing score:<=6 survey:"After checkout""#);
}

#[test]
fn what_is_no_field_is_a_word() {
    for text in [
        r"C:\Users\ann\export.csv",
        "RE:SOLVE",
        "std::vector",
        "ad:33:af:cc:e4:9d",
        "foo:bar",
        "was:here",
        "tag::x",
        "--no-sandbox",
        "-1",
        "-٣",
        "---",
        "note：x",
        "http://example.com/a:b",
        "12:30",
        "note:",
        "re: card",
        "https://x.org/?q=status:new",
    ] {
        assert!(parse(text).texts().count() >= 1, "{text}");
        assert_eq!(parse(text).to_string(), text);
    }
}

#[test]
fn an_unknown_field_names_the_known_ones_and_its_place() {
    for (name, hint) in [
        ("statsu", "mean status:?"),
        ("prioritty", "mean priority:?"),
        ("relaese", "mean release:?"),
        ("tga", "mean tag:?"),
        ("assignee.name", ""),
        ("evn", "mean env:?"),
        ("label", "Use tag:."),
        ("attr.plan", "Contact attributes"),
        ("Created", "Use after: and before:."),
    ] {
        let parsed = TriageQuery::parse(&format!("card {name}:bar"));
        if hint.is_empty() {
            assert!(parsed.is_ok(), "{name}");
            continue;
        }
        let error = parsed.unwrap_err();
        assert_eq!(error.position, 5);
        assert!(error.message.contains(name) && error.message.contains(hint) && error.message.contains("release:"), "{error}");
    }
    let error = TriageQuery::parse("card status:open").unwrap_err();
    assert_eq!(error.position, 12);
    assert!(error.message.contains("triaged"), "{error}");
    for bad in [
        "status:",
        "score:many",
        "score:6..2",
        "before:soon",
        "after:7y",
        "kind:x",
        "has:x",
        "lang:1",
        "is:x",
        "priority:x",
        "before:2026-02-30",
    ] {
        assert!(TriageQuery::parse(bad).is_err(), "{bad}");
    }
}

#[test]
fn canonical_forms() {
    for (text, canonical) in [
        ("  a   b ", "a b"),
        ("is:spam", "status:spam"),
        ("STATUS:New", "status:new"),
        ("kind:survey", "kind:survey_response"),
        ("tag:\"Card Arrival\"", "tag:card-arrival"),
        ("score:=7", "score:7"),
        ("a\0b assignee:x\0", "a b assignee:x"),
        ("lang:de-AT", "lang:de"),
        ("priority:Urgent", "priority:urgent"),
        ("\"open phrase", "\"open phrase\""),
        ("\"\" - -- -\"\" ! ... a", "a"),
        ("+", "+"),
        (" >>> \"+\"", ">>> \"+\""),
        ("\"\"", "\"\""),
        ("“mechanical engineer” «a b» „x y“ 「日 本」 \"a “b” c\"", "\"mechanical engineer\" \"a b\" \"x y\" \"日 本\" \"a “b” c\""),
        ("survey:“After  checkout”", "survey:\"After checkout\""),
        ("survey:\"The “best”\"", "survey:\"The “best”\""),
        ("survey:\"“Best”\"", "survey:\"“Best”\""),
        ("status：new", "status:new"),
        ("a AND b", "a b"),
        ("AND a AND", "\"AND\" a \"AND\""),
        ("a OR + b OR \"c d\" e", "a OR b OR \"c d\" e"),
        ("OR a OR", "\"OR\" a \"OR\""),
        ("tag:a OR tag:b x", "tag:a tag:b x"),
        ("- a --b -3 -x", "a --b -3 -x"),
        ("after:2026-11-01 before:7d", "after:2026-11-01 before:7d"),
        ("assignee:Anna@Example.com", "assignee:anna@example.com"),
    ] {
        assert_eq!(parse(text).to_string(), canonical, "{text}");
    }
}

#[test]
fn or_joins_words_and_phrases() {
    let query = parse(r#"billing OR invoice OR "card fee" status:new"#);
    let any = [QueryTerm::Word("billing".into()), QueryTerm::Word("invoice".into()), QueryTerm::Phrase("card fee".into())];
    assert_eq!(query.parts[0], QueryPart { negated: false, what: QueryTerm::Any(any.to_vec()) });
    assert_eq!((query.parts.len(), query.texts().count(), parse("billing or invoice").parts.len()), (2, 1, 3));
    for (wrong, position) in [("a OR -b", 2), ("-a OR b", 3), ("status:new OR card", 11), ("card OR tag:x", 5), ("tag:a OR status:new", 6)]
    {
        let error = TriageQuery::parse(wrong).unwrap_err();
        assert_eq!(error.position, position, "{wrong}");
        assert!(error.message.starts_with("Use OR"), "{error}");
    }
}

#[test]
fn facet_links() {
    let query = parse("card status:new");
    assert!(query.has(QueryField::Status, "new") && !query.has(QueryField::Status, "spam"));
    assert_eq!(query.with(QueryField::Status, "triaged").to_string(), "card status:new status:triaged");
    assert_eq!(query.with(QueryField::Status, "new").to_string(), "card status:new");
    assert_eq!(query.without(QueryField::Status, "new").to_string(), "card");
    assert_eq!(parse("a -tag:x").with(QueryField::Tag, "x").to_string(), "a tag:x");
    assert!(parse("is:spam").wants_spam() && !parse("-is:spam").wants_spam() && !parse("a").wants_spam());
}

#[test]
fn score_bounds_make_a_range_when_there_is_one() {
    assert_eq!(parse("score:>=3 score:<=6").score_ranges().map(|r| r.len()), Some(1));
    assert_eq!(parse("score:<=3 score:>=9").score_ranges().map(|r| r.len()), Some(2));
    assert_eq!(parse("score:0 score:>=3 score:<=6").score_ranges().map(|r| r.len()), Some(2));
    assert_eq!(parse("-score:3").score_ranges(), None);
}

#[test]
fn too_much_is_refused() {
    // Q1: the limit counts characters, as the message says.
    let error = TriageQuery::parse(&"问".repeat(MAX_QUERY + 1)).unwrap_err();
    assert_eq!((error.position, error.message.as_str()), (MAX_QUERY * 3, "This search has 2001 characters, but the limit is 2000."));
    assert!(TriageQuery::parse(&"问".repeat(MAX_QUERY)).is_ok());
    assert!(TriageQuery::parse(&"a ".repeat(MAX_WORDS)).is_ok());
    assert!(TriageQuery::parse(&"a ".repeat(MAX_WORDS + 1)).is_err());
}

#[test]
fn marked_pieces_join_to_the_text() {
    assert_eq!(highlight_spans("a card here", &[2..6, 7..11]), [(false, "a "), (true, "card"), (false, " "), (true, "here")]);
    assert_eq!(highlight_spans("é é", &[1..2, 3..5]), [(false, "é é")]);
}

/// Texts made from the elements of the language, so that edge cases are frequent.
fn query_like() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        Just("\"".to_owned()),
        Just("-".to_owned()),
        Just(":".to_owned()),
        Just(" ".to_owned()),
        Just("\u{3000}".to_owned()),
        Just("http://".to_owned()),
        Just(" OR ".to_owned()),
        Just(" AND ".to_owned()),
        Just("“".to_owned()),
        Just("」".to_owned()),
        Just("：".to_owned()),
        Just("+".to_owned()),
        Just("statsu:".to_owned()),
        Just("12:30".to_owned()),
        Just("score:<=6".to_owned()),
        Just("score:".to_owned()),
        Just("7..9".to_owned()),
        Just("after:7d".to_owned()),
        Just("before:2026-11-01".to_owned()),
        Just("is:spam".to_owned()),
        Just("lang:de-AT".to_owned()),
        proptest::sample::select(QueryField::ALL.to_vec()).prop_map(|f| format!("{}:", f.as_str())),
        "[a-zäßИ日]{1,6}",
        "\\PC{0,4}",
    ];
    prop::collection::vec(piece, 0..12).prop_map(|pieces| pieces.concat())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn any_text_parses_or_fails_inside_itself(text in prop_oneof![query_like(), any::<String>()]) {
        match TriageQuery::parse(&text) {
            Ok(query) => {
                let canonical = query.to_string();
                let again = TriageQuery::parse(&canonical);
                prop_assert_eq!(again.as_ref(), Ok(&query), "{:?} -> {:?}", text, canonical);
            }
            Err(error) => prop_assert!(error.position <= text.len() && text.is_char_boundary(error.position), "{text:?} {error:?}"),
        }
    }

    #[test]
    fn links_undo_themselves(text in query_like(), value in "[a-z \"]{1,8}") {
        if let Ok(query) = TriageQuery::parse(&text) {
            for field in [QueryField::Tag, QueryField::Survey, QueryField::Release] {
                let with = query.with(field, &value);
                let again = TriageQuery::parse(&with.to_string());
                prop_assert_eq!(again.as_ref(), Ok(&with));
                let without = with.without(field, &value);
                prop_assert!(!without.has(field, &value));
            }
        }
    }
}
