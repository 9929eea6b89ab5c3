//! Compares values with schemas of the API's document, more strictly than the document itself: a value may have no field that is not described.

use std::collections::BTreeSet;

use domain::Timestamp;
use serde_json::Value;

/// Keywords that say nothing about validity, or that describe inputs.
const SILENT: [&str; 4] = ["description", "example", "propertyNames", "pattern"];

/// Lists where and how a value differs from what a schema describes.
pub fn faults(document: &Value, schema: &Value, value: &Value) -> Vec<String> {
    let mut found = Vec::new();
    compare(document, schema, value, "", true, &mut found);
    found
}

fn target<'d>(document: &'d Value, schema: &'d Value) -> &'d Value {
    match schema["$ref"].as_str() {
        Some(place) => target(document, document.pointer(place.trim_start_matches('#')).expect("a reference that leads somewhere")),
        None => schema,
    }
}

/// The fields that a schema describes; `None` if it describes any field.
fn described(document: &Value, schema: &Value) -> Option<BTreeSet<String>> {
    let schema = target(document, schema);
    if schema.get("additionalProperties").is_some() {
        return None;
    }
    let own = schema["properties"].as_object().into_iter().flatten().map(|(name, _)| name.clone());
    let mut all: BTreeSet<String> = own.collect();
    for part in schema["allOf"].as_array().into_iter().flatten() {
        all.extend(described(document, part)?);
    }
    Some(all)
}

/// `closed` unless another part of the schema may describe further fields.
fn compare(document: &Value, schema: &Value, value: &Value, at: &str, closed: bool, found: &mut Vec<String>) {
    let schema = target(document, schema);
    let rules = schema.as_object().unwrap_or_else(|| panic!("{at}: no schema"));
    let mut fault = |what: String| found.push(format!("{at}: {what}"));
    if let (true, Some(fields), Some(known)) = (closed, value.as_object(), described(document, schema)) {
        for field in fields.keys().filter(|field| !known.contains(*field) && !rules.contains_key("oneOf")) {
            fault(format!("the field {field} is not described"));
        }
    }
    for (rule, says) in rules {
        match rule.as_str() {
            "type" => {
                let is = |kind: &Value| match kind.as_str() {
                    Some("null") => value.is_null(),
                    Some("boolean") => value.is_boolean(),
                    Some("integer") => value.is_i64() || value.is_u64(),
                    Some("number") => value.is_number(),
                    Some("string") => value.is_string(),
                    Some("array") => value.is_array(),
                    Some("object") => value.is_object(),
                    _ => panic!("an unknown type: {kind}"),
                };
                if !says.as_array().map_or_else(|| is(says), |kinds| kinds.iter().any(is)) {
                    found.push(format!("{at}: {value} is not of type {says}"));
                }
            }
            "const" if value != says => found.push(format!("{at}: {value} is not {says}")),
            "enum" if !says.as_array().is_some_and(|all| all.contains(value)) => found.push(format!("{at}: {value} is not one of {says}")),
            "const" | "enum" => {}
            "format" => {
                let fits = value.as_str().is_none_or(|text| match says.as_str() {
                    Some("uuid") => uuid::Uuid::try_parse(text).is_ok(),
                    Some("date-time") => Timestamp::parse(text).is_some(),
                    // Of numbers: the type is a fault already.
                    Some("double" | "int64") => true,
                    format => panic!("an unknown format of a text: {format:?}"),
                });
                if !fits {
                    found.push(format!("{at}: {value} is not a {says}"));
                }
            }
            "minimum" if value.as_f64() < says.as_f64() => found.push(format!("{at}: {value} is below {says}")),
            "maximum" if value.as_f64() > says.as_f64() => found.push(format!("{at}: {value} is above {says}")),
            "minimum" | "maximum" => {}
            "required" => {
                for field in says.as_array().into_iter().flatten().filter_map(Value::as_str) {
                    if value.get(field).is_none() {
                        found.push(format!("{at}: the field {field} is missing"));
                    }
                }
            }
            "properties" => {
                for (field, schema) in says.as_object().into_iter().flatten() {
                    if let Some(value) = value.get(field) {
                        compare(document, schema, value, &format!("{at}/{field}"), true, found);
                    }
                }
            }
            "additionalProperties" => {
                let own = rules.get("properties").and_then(Value::as_object);
                let others = value.as_object().into_iter().flatten().filter(|(field, _)| own.is_none_or(|own| !own.contains_key(*field)));
                for (field, value) in others {
                    compare(document, says, value, &format!("{at}/{field}"), true, found);
                }
            }
            "items" => {
                for (n, value) in value.as_array().into_iter().flatten().enumerate() {
                    compare(document, says, value, &format!("{at}/{n}"), true, found);
                }
            }
            "allOf" => {
                for part in says.as_array().into_iter().flatten() {
                    compare(document, part, value, at, false, found);
                }
            }
            "oneOf" | "anyOf" => {
                let tried: Vec<Vec<String>> = says
                    .as_array()
                    .into_iter()
                    .flatten()
                    .map(|one| {
                        let mut found = Vec::new();
                        compare(document, one, value, at, closed, &mut found);
                        found
                    })
                    .collect();
                if tried.iter().all(|found| !found.is_empty()) {
                    found.extend(tried.into_iter().flatten());
                }
            }
            silent if SILENT.contains(&silent) => {}
            unknown => panic!("{at}: nobody checks the keyword {unknown}"),
        }
    }
}

#[test]
fn each_difference_from_a_schema_is_found() {
    use serde_json::json;
    let document = json!({ "components": { "schemas": {
        "Named": { "type": "object", "properties": { "id": { "type": "string", "format": "uuid" } }, "required": ["id"] },
        "Event": { "allOf": [
            { "$ref": "#/components/schemas/Named" },
            { "type": "object", "required": ["at", "kind", "count", "more", "maybe", "list"], "properties": {
                "at": { "type": "string", "format": "date-time" },
                "kind": { "type": "string", "const": "a" },
                "count": { "type": "integer", "minimum": 0, "maximum": 9 },
                "more": { "type": "object", "additionalProperties": { "oneOf": [{ "type": "string" }, { "type": "boolean" }] } },
                "maybe": { "oneOf": [{ "$ref": "#/components/schemas/Named" }, { "type": "null" }] },
                "list": { "type": "array", "items": { "type": "string", "enum": ["x", "y"] } },
            } },
        ] },
    } } });
    let id = "01990000-0000-7000-8000-000000000000";
    let good = json!({ "id": id, "at": "2026-05-04T09:30:00Z", "kind": "a", "count": 1, "more": { "b": "c", "d": true }, "maybe": { "id": id }, "list": ["x"] });
    let check = |value: &Value| faults(&document, &json!({ "$ref": "#/components/schemas/Event" }), value);
    assert!(check(&good).is_empty(), "{:?}", check(&good));
    let set = |place: &str, to: Value| {
        let mut bad = good.clone();
        *bad.pointer_mut(place).unwrap() = to;
        bad
    };
    assert!(check(&set("/maybe", json!(null))).is_empty());
    for (place, to) in [
        ("/id", json!("7")),
        ("/id", json!(null)),
        ("/at", json!("yesterday")),
        ("/kind", json!("b")),
        ("/count", json!(1.5)),
        ("/count", json!(10)),
        ("/count", json!(-1)),
        ("/more/b", json!(1)),
        ("/maybe", json!({ "id": id, "name": "Ann" })),
        ("/maybe", json!({})),
        ("/list", json!(["x", "z"])),
        ("/list", json!("x")),
    ] {
        assert!(!check(&set(place, to.clone())).is_empty(), "{place} {to}");
    }
    for field in good.as_object().unwrap().keys() {
        let mut less = good.clone();
        less.as_object_mut().unwrap().remove(field);
        assert!(!check(&less).is_empty(), "{field}");
    }
    let mut more = good.clone();
    more["project_id"] = json!(id);
    assert_eq!(check(&more), [": the field project_id is not described"]);
}
