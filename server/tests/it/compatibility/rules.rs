//! Tests every rule of the comparison on small documents: breaks are reported with their location, compatible changes pass.

use serde_json::{Value, json};

use super::compare::breaks;

/// A document with one operation whose request and response have these schemas.
fn document(request: &Value, response: &Value) -> Value {
    json!({
        "openapi": "3.1.0",
        "paths": { "/things/{id}": { "post": {
            "parameters": [
                { "name": "id", "in": "path", "required": true, "schema": { "type": "string" } },
                { "name": "q", "in": "query", "schema": { "type": "string" } },
            ],
            "requestBody": { "content": { "application/json": { "schema": request } } },
            "responses": {
                "200": { "headers": { "ETag": { "schema": { "type": "string" } } }, "content": { "application/json": { "schema": response } } },
                "404": { "content": { "application/problem+json": { "schema": { "$ref": "#/components/schemas/Problem" } } } },
            },
        } } },
        "components": { "schemas": {
            "Problem": { "type": "object", "properties": { "code": { "type": "string" } }, "required": ["code"] },
            "Kind": { "type": "string", "enum": ["a", "b"] },
            "Tree": { "type": "object", "properties": { "name": { "type": "string" }, "children": { "type": "array", "items": { "$ref": "#/components/schemas/Tree" } } } },
        } },
    })
}

fn told(old: &Value, new: &Value) -> Vec<String> {
    breaks(old, new).into_iter().map(|one| one.change).collect()
}

/// The messages for a schema change, in a request and in a response.
fn both_ways(old: &Value, new: &Value) -> (Vec<String>, Vec<String>) {
    let any = json!({});
    (told(&document(old, &any), &document(new, &any)), told(&document(&any, old), &document(&any, new)))
}

/// The messages for a change elsewhere in the document's operation.
fn changed(change: impl FnOnce(&mut Value)) -> Vec<String> {
    let any = json!({});
    let old = document(&any, &any);
    let mut new = old.clone();
    change(&mut new);
    assert_ne!(old, new, "the test changes nothing");
    told(&old, &new)
}

const OPERATION: &str = "/paths/~1things~1{id}/post";

fn at<'v>(document: &'v mut Value, place: &str) -> &'v mut Value {
    document.pointer_mut(&format!("{OPERATION}{place}")).unwrap()
}

fn push(list: &mut Value, value: Value) {
    list.as_array_mut().unwrap().push(value);
}

fn remove(object: &mut Value, key: &str) {
    object.as_object_mut().unwrap().remove(key).unwrap();
}

#[test]
fn operations_stay() {
    assert_eq!(changed(|d| remove(&mut d["paths"], "/things/{id}")), ["the operation was removed"]);
    assert_eq!(changed(|d| remove(&mut d["paths"]["/things/{id}"], "post")), ["the operation was removed"]);
    let named = breaks(&document(&json!({}), &json!({})), &json!({ "paths": {} }));
    assert_eq!(named[0].to_string(), "POST /things/{id}: the operation was removed");
    // Additions pass, and names of path parameters are not sent.
    assert!(changed(|d| d["paths"]["/more"] = json!({ "get": {} })).is_empty());
    assert!(changed(|d| d["paths"]["/things/{id}"]["get"] = json!({})).is_empty());
    let renamed = |d: &mut Value| {
        let mut item = d["paths"]["/things/{id}"].take();
        item["post"]["parameters"][0]["name"] = json!("thing_id");
        d["paths"] = json!({ "/things/{thing_id}": item });
    };
    assert!(changed(renamed).is_empty());
    // Descriptions, and names that only a generated client sees.
    assert!(changed(|d| at(d, "")["operationId"] = json!("make")).is_empty());
    assert!(changed(|d| at(d, "")["summary"] = json!("Makes it")).is_empty());
}

#[test]
fn parameters_stay_and_no_new_one_is_required() {
    let remove_q = |d: &mut Value| drop(at(d, "/parameters").as_array_mut().unwrap().remove(1));
    assert_eq!(changed(remove_q), ["query parameter `q`: it was removed"]);
    let removed_and_added = ["query parameter `q`: it was removed"];
    assert_eq!(changed(|d| at(d, "/parameters/1")["in"] = json!("header")), removed_and_added);
    assert_eq!(changed(|d| at(d, "/parameters/1")["required"] = json!(true)), ["query parameter `q`: it is now required"]);
    let style = ["query parameter `q`: `style` changed from null to \"pipeDelimited\""];
    assert_eq!(changed(|d| at(d, "/parameters/1")["style"] = json!("pipeDelimited")), style);
    let limit = ["query parameter `q`: `maxLength` narrowed from none to 5"];
    assert_eq!(changed(|d| at(d, "/parameters/1/schema")["maxLength"] = json!(5)), limit);
    let parameter = |required: bool| json!({ "name": "Key", "in": "header", "required": required, "schema": { "type": "string" } });
    assert_eq!(changed(|d| push(at(d, "/parameters"), parameter(true))), ["header parameter `Key`: a new parameter is required"]);
    assert!(changed(|d| push(at(d, "/parameters"), parameter(false))).is_empty());
    // Header names are case-insensitive, and parameters of the path also belong to its operations.
    let lower = |d: &mut Value| {
        let mut other = d.clone();
        push(at(d, "/parameters"), parameter(true));
        let mut one = parameter(true);
        one["name"] = json!("KEY");
        other["paths"]["/things/{id}"]["parameters"] = json!([one]);
        assert!(told(d, &other).is_empty() && told(&other, d).is_empty());
    };
    lower(&mut document(&json!({}), &json!({})));
    // References are followed.
    let referred = |d: &mut Value| {
        let taken = at(d, "/parameters/1").take();
        d["components"]["parameters"] = json!({ "Q": taken });
        *at(d, "/parameters/1") = json!({ "$ref": "#/components/parameters/Q" });
    };
    assert!(changed(referred).is_empty());
}

#[test]
fn bodies_stay() {
    assert_eq!(changed(|d| at(d, "/requestBody")["required"] = json!(true)), ["request body: it is now required"]);
    assert_eq!(changed(|d| remove(at(d, ""), "requestBody")), ["request body: it was removed"]);
    assert_eq!(changed(|d| remove(at(d, "/requestBody/content"), "application/json")), ["request body: `application/json` was removed"]);
    assert!(changed(|d| at(d, "/requestBody/content")["text/csv"] = json!({})).is_empty());
}

#[test]
fn responses_stay() {
    assert_eq!(changed(|d| remove(at(d, "/responses"), "200")), ["response 200: the status was removed"]);
    assert_eq!(changed(|d| remove(at(d, "/responses/200/content"), "application/json")), ["response 200: `application/json` was removed"]);
    assert_eq!(changed(|d| remove(at(d, "/responses/200/headers"), "ETag")), ["response 200 header `ETag`: it was removed"]);
    let header = ["response 200 header `ETag`: its type changed from string to integer"];
    assert_eq!(changed(|d| at(d, "/responses/200/headers/ETag/schema")["type"] = json!("integer")), header);
    let problem = |d: &mut Value| remove(&mut d["components"]["schemas"]["Problem"]["properties"], "code");
    assert_eq!(changed(problem), ["error response/code: the field was removed"]);
    // A removed error status is no break, and an added error or success status is an addition.
    assert!(changed(|d| remove(at(d, "/responses"), "404")).is_empty());
    assert!(changed(|d| at(d, "/responses")["422"] = json!({})).is_empty());
    assert!(changed(|d| at(d, "/responses")["202"] = json!({})).is_empty());
    assert!(changed(|d| at(d, "/responses/200/headers")["Link"] = json!({})).is_empty());
}

#[test]
fn who_was_let_in_is_let_in() {
    let with = |security: Value, scheme: &str| {
        let mut document = document(&json!({}), &json!({}));
        document["security"] = security;
        document["components"]["securitySchemes"] = json!({ "key": { "type": "http", "scheme": scheme, "description": scheme } });
        document
    };
    let (key, either) = (json!([{ "key": [] }]), json!([{ "key": [] }, {}]));
    let lost = ["security: a way to authenticate was removed or changed"];
    assert_eq!(told(&with(json!([]), "bearer"), &with(key.clone(), "bearer")), lost);
    assert_eq!(told(&with(either.clone(), "bearer"), &with(key.clone(), "bearer")), lost);
    assert_eq!(told(&with(key.clone(), "bearer"), &with(key.clone(), "basic")), lost);
    assert!(told(&with(key.clone(), "bearer"), &with(either, "bearer")).is_empty());
    assert!(told(&with(key.clone(), "bearer"), &with(key.clone(), "Bearer")).is_empty());
    // An operation's own list overrides the document's.
    let mut closed = with(json!([]), "bearer");
    closed["paths"]["/things/{id}"]["post"]["security"] = key;
    assert_eq!(told(&with(json!([]), "bearer"), &closed), lost);
}

/// Checks the messages for a change in a request and in a response; an empty text means none.
fn says(old: Value, new: Value, in_request: &str, in_response: &str) {
    let list = |text: &str, prefix: &str| if text.is_empty() { vec![] } else { vec![format!("{prefix}{text}")] };
    let (request, response) = both_ways(&old, &new);
    assert_eq!(request, list(in_request, "request body"), "request: {old} to {new}");
    assert_eq!(response, list(in_response, "response 200"), "response: {old} to {new}");
}

#[test]
fn types() {
    let kind = |kind: Value| json!({ "type": kind });
    let (text, whole, number) = (kind(json!("string")), kind(json!("integer")), kind(json!("number")));
    let changed = ": its type changed from string to integer";
    says(text.clone(), whole.clone(), changed, changed);
    // An integer is a number.
    says(whole.clone(), number.clone(), "", ": its type changed from integer to number");
    says(number, whole, ": its type changed from number to integer", "");
    let either = kind(json!(["string", "integer"]));
    says(text.clone(), either.clone(), "", ": its type changed from string to integer or string");
    says(either, text.clone(), ": its type changed from integer or string to string", "");
    // A schema that allows anything includes null.
    let (request, response) = both_ways(&json!({}), &text);
    assert_eq!(request, ["request body: it no longer accepts null", "request body: its type changed from anything to string"]);
    assert!(response.is_empty());
    let (request, response) = both_ways(&text, &json!({}));
    assert!(request.is_empty());
    assert_eq!(response, ["response 200: it may now be null", "response 200: its type changed from string to anything"]);
}

#[test]
fn null() {
    let text = json!({ "type": "string" });
    let with_null = [
        json!({ "type": ["string", "null"] }),
        json!({ "type": "string", "nullable": true }),
        json!({ "oneOf": [{ "type": "string" }, { "type": "null" }] }),
        json!({ "anyOf": [{ "type": "null" }, { "type": "string" }] }),
    ];
    for nullable in &with_null {
        says(text.clone(), nullable.clone(), "", ": it may now be null");
        says(nullable.clone(), text.clone(), ": it no longer accepts null", "");
        // All of these are equivalent.
        for other in &with_null {
            says(nullable.clone(), other.clone(), "", "");
        }
    }
    says(json!({ "enum": ["a", null] }), json!({ "enum": ["a"] }), ": it no longer accepts null", "");
    let only = json!({ "type": "null" });
    let nullable = &with_null[0];
    says(nullable.clone(), only.clone(), ": only null is left, instead of string", ": only null is left, instead of string");
    says(only, nullable.clone(), "", ": it may now also be string");
}

#[test]
fn values_of_a_list() {
    let list = |values: Value| json!({ "type": "string", "enum": values });
    let less = (": the value \"b\" is no longer accepted", ": the value \"b\" is no longer returned");
    says(list(json!(["a", "b"])), list(json!(["a"])), less.0, less.1);
    says(list(json!(["a"])), list(json!(["b", "a"])), "", "");
    says(json!({ "type": "string" }), list(json!(["a", "b"])), ": it now accepts only \"a\", \"b\"", "");
    says(list(json!(["a"])), json!({ "type": "string" }), "", ": it may now be any value instead of one of a list");
    says(json!({ "const": "b" }), list(json!(["a"])), less.0, less.1);
}

#[test]
fn formats() {
    let format = |format: &str| json!({ "type": "string", "format": format });
    let plain = json!({ "type": "string" });
    let changed = ": its format changed from \"uuid\" to \"date\"";
    says(format("uuid"), format("date"), changed, changed);
    says(plain.clone(), format("uuid"), ": its format changed from none to \"uuid\"", "");
    says(format("uuid"), plain, "", ": its format changed from \"uuid\" to none");
    let number = |format: &str| json!({ "type": "integer", "format": format });
    says(number("int32"), number("int64"), "", ": its format changed from \"int32\" to \"int64\"");
    says(number("int64"), number("int32"), ": its format changed from \"int64\" to \"int32\"", "");
}

#[test]
fn limits_of_requests_only_widen() {
    for (word, kind) in
        [("minLength", "string"), ("minimum", "number"), ("exclusiveMinimum", "number"), ("minItems", "array"), ("minProperties", "object")]
    {
        let limited = |n: i64| json!({ "type": kind, word: n });
        says(limited(1), limited(2), &format!(": `{word}` narrowed from 1 to 2"), "");
        says(json!({ "type": kind }), limited(2), &format!(": `{word}` narrowed from none to 2"), "");
        says(limited(2), limited(1), "", "");
        says(limited(2), json!({ "type": kind }), "", "");
    }
    for (word, kind) in
        [("maxLength", "string"), ("maximum", "number"), ("exclusiveMaximum", "number"), ("maxItems", "array"), ("maxProperties", "object")]
    {
        let limited = |n: f64| json!({ "type": kind, word: n });
        says(limited(10.0), limited(9.0), &format!(": `{word}` narrowed from 10.0 to 9.0"), "");
        says(json!({ "type": kind }), limited(9.0), &format!(": `{word}` narrowed from none to 9.0"), "");
        says(limited(9.0), limited(10.0), "", "");
        says(limited(9.0), json!({ "type": kind }), "", "");
    }
    let pattern = |pattern: &str| json!({ "type": "string", "pattern": pattern });
    says(pattern("^a$"), pattern("^b$"), ": `pattern` changed from \"^a$\" to \"^b$\"", "");
    says(json!({ "type": "string" }), pattern("^a$"), ": `pattern` changed from none to \"^a$\"", "");
    says(pattern("^a$"), json!({ "type": "string" }), "", "");
    says(json!({ "type": "number" }), json!({ "type": "number", "multipleOf": 2 }), ": `multipleOf` changed from none to 2", "");
    let list = |unique: bool| json!({ "type": "array", "uniqueItems": unique });
    says(list(false), list(true), ": its items now have to be unique", "");
    says(list(true), list(false), "", "");
    let default = |n: i64| json!({ "type": "integer", "default": n });
    says(default(50), default(20), ": its default changed from 50 to 20", "");
    says(default(50), json!({ "type": "integer" }), ": its default changed from 50 to none", "");
    says(json!({ "type": "integer" }), default(20), "", "");
}

#[test]
fn fields() {
    let object = |fields: Value, required: Value| json!({ "type": "object", "properties": fields, "required": required });
    let (a, b) = (json!({ "type": "string" }), json!({ "type": "integer" }));
    let two = json!({ "a": a, "b": b });
    says(object(two.clone(), json!([])), object(json!({ "a": a }), json!([])), "/b: the field was removed", "/b: the field was removed");
    says(object(json!({ "a": a }), json!(["a"])), object(two.clone(), json!(["a"])), "", "");
    says(object(json!({ "a": a }), json!(["a"])), object(two.clone(), json!(["a", "b"])), "/b: a new field is required", "");
    says(object(two.clone(), json!(["a"])), object(two.clone(), json!(["a", "b"])), "/b: the field is now required", "");
    says(object(two.clone(), json!(["a", "b"])), object(two.clone(), json!(["a"])), "", "/b: the field may now be absent");
    let changed = "/b: its type changed from integer to string";
    says(object(two, json!([])), object(json!({ "a": a, "b": a }), json!([])), changed, changed);
    // In nested objects, and in lists.
    let deep = |leaf: &str| json!({ "type": "object", "properties": { "a": { "type": "array", "items": { "type": "object", "properties": { "b": { "type": leaf } } } } } });
    let changed = "/a/[]/b: its type changed from integer to string";
    says(deep("integer"), deep("string"), changed, changed);
    let (list, any) = (json!({ "type": "array", "items": { "type": ["string", "null"] } }), json!({ "type": "array" }));
    says(any.clone(), list.clone(), "/[]: its type changed from anything to string", "");
    says(list, any, "", "/[]: its type changed from string to anything");
}

#[test]
fn other_fields() {
    let object = |others: Value| json!({ "type": "object", "properties": { "a": { "type": "string" } }, "additionalProperties": others });
    let open = json!({ "type": "object", "properties": { "a": { "type": "string" } } });
    let (request, response) =
        (": it no longer accepts fields that have no description", ": it no longer has fields that have no description");
    says(open.clone(), object(json!(false)), request, response);
    says(object(json!(false)), open.clone(), "", "");
    says(object(json!(true)), open, "", "");
    let typed = |kind: &str| object(json!({ "type": kind }));
    let changed = "/*: its type changed from integer to string";
    says(typed("integer"), typed("string"), changed, changed);
    let names = |most: i64| json!({ "type": "object", "propertyNames": { "type": "string", "maxLength": most } });
    says(names(9), names(5), " names of fields: `maxLength` narrowed from 9 to 5", "");
    says(names(5), names(9), "", "");
}

#[test]
fn references_and_combinations() {
    let kind = json!({ "$ref": "#/components/schemas/Kind" });
    // A schema's content counts, not its location.
    says(kind.clone(), json!({ "type": "string", "enum": ["a", "b"] }), "", "");
    says(kind.clone(), json!({ "$ref": "#/components/schemas/Kind", "description": "Of what kind" }), "", "");
    let less = |d: &mut Value| d["components"]["schemas"]["Kind"]["enum"] = json!(["a"]);
    let mut old = document(&kind, &json!({ "allOf": [{ "type": "object", "properties": { "kind": kind } }, { "type": "object" }] }));
    let before = old.clone();
    less(&mut old);
    let told_of = told(&before, &old);
    assert_eq!(
        told_of,
        ["request body: the value \"b\" is no longer accepted", "response 200/kind: the value \"b\" is no longer returned"]
    );

    // A schema that contains itself.
    let tree = json!({ "$ref": "#/components/schemas/Tree" });
    let old = document(&tree, &tree);
    let mut new = old.clone();
    assert!(told(&old, &new).is_empty());
    remove(&mut new["components"]["schemas"]["Tree"]["properties"], "name");
    assert_eq!(told(&old, &new), ["request body/name: the field was removed", "response 200/name: the field was removed"]);

    // `allOf` is equivalent to one schema; if both limit the same value, the stricter limit applies.
    let whole = json!({ "type": "object", "properties": { "a": { "type": "string", "maxLength": 5 } }, "required": ["a"] });
    let parts = json!({ "allOf": [
        { "type": "object", "properties": { "a": { "type": "string", "maxLength": 9 } } },
        { "properties": { "a": { "maxLength": 5 } }, "required": ["a"] },
    ] });
    says(whole.clone(), parts.clone(), "", "");
    says(parts, whole, "", "");
}

#[test]
fn alternatives() {
    let (text, whole) = (json!({ "type": "string" }), json!({ "type": "integer" }));
    let of = |list: &[&Value]| json!({ "oneOf": list });
    says(of(&[&text, &whole]), of(&[&whole, &text]), "", "");
    says(of(&[&text, &whole]), json!({ "anyOf": [text, whole] }), "", "");
    let lost = |verb: &str, prefix: &str| {
        format!(": an alternative is no longer {verb} as it was (integer); nearest: {prefix}: its type changed from integer to string")
    };
    says(of(&[&text, &whole]), text.clone(), &lost("accepted", "request body"), &lost("returned", "response 200"));
    says(text.clone(), of(&[&text, &whole]), "", ": it may now also be integer");
    // Another variant of the same type is an addition.
    let form = |name: &str, most: i64| json!({ "type": "object", "properties": { name: { "type": "string", "maxLength": most } }, "required": [name] });
    says(of(&[&form("a", 9), &form("b", 9)]), of(&[&form("a", 9), &form("c", 9), &form("b", 9)]), "", "");
    let narrower =
        ": an alternative is no longer accepted as it was (object with b); nearest: request body/b: `maxLength` narrowed from 9 to 5";
    says(of(&[&form("a", 9), &form("b", 9)]), of(&[&form("a", 9), &form("b", 5)]), narrower, "");
}

#[test]
fn what_is_not_understood_is_told() {
    for (schema, what) in [
        (json!({ "type": "array", "prefixItems": [] }), ": the comparison does not understand `prefixItems`"),
        (json!({ "oneOf": [{}], "anyOf": [{}] }), ": the comparison does not understand `oneOf` beside `anyOf`"),
        (
            json!({ "allOf": [{ "pattern": "a" }, { "pattern": "b" }] }),
            ": the comparison does not understand two different `pattern` that both apply",
        ),
    ] {
        says(schema.clone(), schema, what, what);
    }
}
