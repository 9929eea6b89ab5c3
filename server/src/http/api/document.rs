//! The OpenAPI document, built from the handlers and their common parts, and the route that serves it.

use std::sync::LazyLock;

use axum::http::{HeaderMap, HeaderValue, header};
use domain::{
    feedback::{FeedbackKind, FeedbackStatus},
    identity::Claim,
    surveys::SurveyStatus,
    tickets::MessageAuthor,
};
use serde_json::{Value, json};
use utoipa::OpenApi;

use super::{BASE, Operations, events, problem::ApiHandlerResult, write_outcome};
use crate::http::address::BaseUrl;

/// The document without the URL of this installation.
static DOCUMENT: LazyLock<Value> = LazyLock::new(build);

/// One operation of the document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Operation {
    /// Its `operationId`, the name of its handler.
    pub name: String,
    /// HTTP method, in lower case.
    pub method: String,
    /// Path from the root.
    pub path: String,
}

/// Path, method and description of each operation.
pub fn entries(document: &Value) -> impl Iterator<Item = (&String, &String, &Value)> {
    let paths = document["paths"].as_object().into_iter().flatten();
    paths.flat_map(|(path, item)| item.as_object().into_iter().flatten().map(move |(method, operation)| (path, method, operation)))
}

/// The complete document, without the URL of this installation.
pub fn whole() -> &'static Value {
    &DOCUMENT
}

/// All operations.
#[must_use]
pub fn operations() -> Vec<Operation> {
    let text = |operation: &Value| operation["operationId"].as_str().unwrap_or_default().to_owned();
    entries(&DOCUMENT).map(|(path, method, op)| Operation { name: text(op), method: method.clone(), path: path.clone() }).collect()
}

const ABOUT: &str = "Read and write one Earshot project with an API key. Admins create keys in the console under Settings → API \
keys, or with `earshot admin create-api-key`. Send the key with each request as `Authorization: Bearer eas_…`.

**Scopes.** `read` reads everything except what only admins see: webhooks and their deliveries, invitations, imports, API keys and identity \
secrets. `write` also adds and changes feedback, comments, responses, backlog items, tickets and canned replies. `admin` can do what an admin \
of the project can: it also reads and changes the rest, such as surveys, settings and members; it cannot create API keys. \
Resources of other projects return 404, as if they did not exist.

**Writing.** A `POST` needs an `Idempotency-Key`: 8 to 100 visible ASCII characters, new for each action, the same for each retry. A retry gets the \
first response. Other write requests accept one too. The same key with a different body is refused with 422.

**Changing.** `PATCH` needs `If-Match` with the `ETag` from your last read: 428 without it, 412 if someone changed the resource since.

**Lists** come in pages: `limit` is 1 to 100, and `next_cursor` (also the header `Link: …; rel=\"next\"`) leads to the next page. Cursors are opaque.

**Events** are posted to webhooks, signed as [Standard Webhooks](https://www.standardwebhooks.com) defines. Their `data` has the shapes that this \
API returns; the `webhooks` of this document describe each of them.

**Errors** are RFC 9457 problem documents (`application/problem+json`) with the place of each fault. Requests with fields that are not listed here \
are refused.

**Limits.** `RateLimit-Policy` and `RateLimit` report the quota of a key and what is left; 429 and 503 include `Retry-After`.";

fn build() -> Value {
    let mut document = serde_json::to_value(Operations::openapi()).unwrap_or_default();
    document["info"] = json!({
        "title": "Earshot API",
        "version": "1",
        "description": ABOUT,
        "license": { "name": "MIT OR Apache-2.0", "identifier": "MIT OR Apache-2.0" },
    });
    document["components"]["securitySchemes"] =
        json!({ "key": { "type": "http", "scheme": "bearer", "bearerFormat": "eas_…", "description": "An API key of the project." } });
    events::describe(&mut document);
    tighten(&mut document["components"]["schemas"]);
    require_response_fields(&mut document["components"]["schemas"]);
    enumerate(&mut document["components"]["schemas"]);
    document["components"]["headers"] = headers();
    document["components"]["responses"] = refusals();
    if let Some(paths) = document["paths"].as_object_mut() {
        for (path, item) in paths.iter_mut() {
            for (method, operation) in item.as_object_mut().into_iter().flatten() {
                add_common_parts(path, method, operation);
            }
        }
    }
    document
}

/// Patterns of a text that may be empty, and of one that needs a visible character.
const TEXT: &str = "^[^\\u0000]*$";
const VISIBLE: &str = "^[^\\u0000]*[^\\s\\u0000-\\u001f\\u007f-\\u009f][^\\u0000]*$";
const TAG: &str = "^[^\\u0000-\\u001f\\u007f-\\u009f\",:]*[^\\s\\u0000-\\u001f\\u007f-\\u009f\",:][^\\u0000-\\u001f\\u007f-\\u009f\",:]*$";

/// The pattern of `If-Match`: any state, or a list of ETags.
const VALIDATORS: &str = "^(\\*|(W/)?\"[!#-~]*\"( *, *(W/)?\"[!#-~]*\")*)$";

/// Adds constraints that the macro cannot express: no text contains NUL, properties of contacts are limited.
fn tighten(schemas: &mut Value) {
    let inputs = schemas.as_object_mut().into_iter().flatten().filter(|(name, _)| is_input(name));
    for (name, schema) in inputs {
        if ONE_OF.contains(&name.as_str()) {
            schema["minProperties"] = json!(1);
            schema["maxProperties"] = json!(1);
        }
        let parts = schema.get_mut("oneOf").and_then(Value::as_array_mut).into_iter().flatten();
        for part in parts.filter(|part| part.get("properties").is_some()) {
            // The macro sets this for structs only.
            part["additionalProperties"] = json!(false);
            tighten_one(part);
        }
        tighten_one(schema);
    }
}

/// Parts of request bodies; the mapping of an import is both request and response, like the parts of a draft.
const INPUT_PARTS: [&str; 5] = ["BulkSelection", "BulkItem", "BulkChange", "ImportMapping", "ImportColumns"];

/// Whether a schema is a request body or a part of one.
fn is_input(name: &str) -> bool {
    name.starts_with("New") || name.ends_with("Patch") || name.starts_with("Draft") || INPUT_PARTS.contains(&name)
}

/// Schemas of which exactly one property is given.
const ONE_OF: [&str; 2] = ["BulkSelection", "BulkChange"];

/// Goes by the names of properties, because attributes on the types would say less in more places: the macro has none for the items of a list
/// or the names of a map's properties, takes no constant such as `MAX_TAG`, and would need a pattern at each text.
fn tighten_one(schema: &mut Value) {
    for (name, property) in schema.get_mut("properties").and_then(Value::as_object_mut).into_iter().flatten() {
        let is_text = property["type"] == "string" || property["type"].as_array().is_some_and(|kinds| kinds.contains(&json!("string")));
        let is_free = ["format", "pattern", "enum"].iter().all(|rule| property.get(rule).is_none());
        if is_text && is_free {
            let pattern = if property["minLength"].as_u64().is_some_and(|n| n > 0) { VISIBLE } else { TEXT };
            property["pattern"] = json!(pattern);
        }
        match name.as_str() {
            "tags" | "add_tags" | "remove_tags" => {
                property["items"] = json!({ "type": "string", "minLength": 1, "maxLength": domain::feedback::MAX_TAG, "pattern": TAG })
            }
            "choices" if property["items"]["type"] == "string" => {
                property["items"] = json!({ "type": "string", "minLength": 1, "maxLength": 20, "pattern": VISIBLE });
            }
            "attributes" => {
                property["maxProperties"] = json!(30);
                property["propertyNames"] = json!({ "minLength": 1, "maxLength": 100, "pattern": TEXT });
                let text = json!({ "type": "string", "maxLength": 500, "pattern": TEXT });
                property["additionalProperties"] = json!({ "anyOf": [text, { "type": "number" }, { "type": "boolean" }] });
            }
            _ => {}
        }
    }
}

/// Response schemas that omit fields without a value. All others contain all their fields, with null for no value.
const SPARSE: [&str; 2] = ["FieldProblem", "ClaimedContact"];

/// Marks all response fields as required: the macro treats a nullable field as optional, and generated clients would then distinguish
/// three cases instead of two.
fn require_response_fields(schemas: &mut Value) {
    let outputs = schemas.as_object_mut().into_iter().flatten();
    for (_, schema) in outputs.filter(|(name, _)| !is_input(name) && !SPARSE.contains(&name.as_str())) {
        require_all(schema);
        schema.get_mut("allOf").and_then(Value::as_array_mut).into_iter().flatten().for_each(require_all);
    }
}

fn require_all(schema: &mut Value) {
    if let Some(properties) = schema["properties"].as_object() {
        schema["required"] = properties.keys().cloned().collect();
    }
}

/// Makes fields with a fixed set of values enumerations. Types of questions and sources of responses stay strings: more will be added,
/// and clients should not fail on an unknown one.
fn enumerate(schemas: &mut Value) {
    let claims = Claim::ALL.iter().map(|word| word.as_str()).collect::<Vec<_>>();
    let kinds = FeedbackKind::ALL.iter().map(|word| word.as_str()).collect();
    let statuses = FeedbackStatus::ALL.iter().map(|word| word.as_str()).collect();
    let authors = MessageAuthor::ALL.iter().map(|word| word.as_str()).collect();
    let surveys = SurveyStatus::ALL.iter().map(|word| word.as_str()).collect();
    for (schema, field, name, description, words) in [
        ("Contact", "identity", "IdentityTrust", "Trust level of an identity claim.", claims),
        ("Feedback", "kind", "FeedbackKind", "The source of feedback.", kinds),
        ("Feedback", "status", "FeedbackStatus", "Progress of triage.", statuses),
        ("Message", "author", "MessageAuthor", "Who wrote a message.", authors),
        ("Survey", "status", "SurveyStatus", "Whether a survey can be answered.", surveys),
    ] {
        if let Some(property) = schemas.get_mut(schema).and_then(|schema| schema["properties"][field].as_object_mut()) {
            property.remove("type");
            property.insert("$ref".into(), format!("#/components/schemas/{name}").into());
            schemas[name] = json!({ "type": "string", "description": description, "enum": words });
        }
    }
}

/// Response headers.
fn headers() -> Value {
    let text = |description: &str, example: &str| json!({ "description": description, "schema": { "type": "string" }, "example": example });
    json!({
        "ETag": text("Identifies this state of the resource, for `If-Match` and `If-None-Match`.", "\"mZ0x…\""),
        "Link": text("The next page, if there is one: `rel=\"next\"`.", "</api/v1/feedback?cursor=…>; rel=\"next\""),
        "Location": text("URL of the new resource.", "/api/v1/feedback/0199…"),
        "RateLimit": text("Remaining quota: `r` requests; the full quota is available again in `t` seconds.", "\"key\";r=1199;t=1"),
        "RateLimit-Policy": text("Quota of a key: `q` requests per `w` seconds.", "\"key\";q=1200;w=60"),
        "Retry-After": { "description": "Seconds to wait.", "schema": { "type": "integer", "minimum": 0 } },
        "WWW-Authenticate": text("How to authenticate.", "Bearer realm=\"Earshot\""),
        "Allow": text("The allowed methods.", "GET, HEAD"),
    })
}

const LIMITS: [&str; 2] = ["RateLimit", "RateLimit-Policy"];

fn header_refs(names: &[&str]) -> Value {
    Value::Object(names.iter().map(|name| ((*name).to_owned(), json!({ "$ref": format!("#/components/headers/{name}") }))).collect())
}

/// The errors that any operation may return: name, status, meaning, additional headers.
pub const ERROR_RESPONSES: [(&str, &str, &str, &[&str]); 15] = [
    ("Malformed", "400", "The request cannot be parsed or lacks a required header.", &LIMITS),
    ("SignedOut", "401", "The API key is missing or invalid.", &["WWW-Authenticate"]),
    ("Forbidden", "403", "The scope of the key does not allow this.", &LIMITS),
    ("NotFound", "404", "The project has no such resource.", &LIMITS),
    ("MethodNotAllowed", "405", "The resource does not support this method.", &["RateLimit", "RateLimit-Policy", "Allow"]),
    ("TimedOut", "408", "The request took too long to arrive.", &[]),
    ("Conflict", "409", "The request conflicts with the resource's current state.", &LIMITS),
    ("Changed", "412", "The resource has changed since you read it.", &LIMITS),
    ("TooLarge", "413", "The body is too large.", &LIMITS),
    ("MediaType", "415", "The body does not have the documented media type.", &LIMITS),
    ("Invalid", "422", "The request is invalid; `errors` lists each error and its location.", &LIMITS),
    ("MatchRequired", "428", "`If-Match` is missing.", &LIMITS),
    ("TooMany", "429", "The key exceeded its rate limit.", &["RateLimit", "RateLimit-Policy", "Retry-After"]),
    ("Fault", "500", "Something went wrong on our side.", &[]),
    ("Busy", "503", "Earshot is too busy to accept this right now; retry later.", &["Retry-After"]),
];

fn refusals() -> Value {
    let refusal = |(name, _, description, headers): &(&str, &str, &str, &[&str])| {
        let body = json!({ "application/problem+json": { "schema": { "$ref": "#/components/schemas/Problem" } } });
        ((*name).to_owned(), json!({ "description": description, "headers": header_refs(headers), "content": body }))
    };
    Value::Object(ERROR_RESPONSES.iter().map(refusal).collect())
}

/// Whether reading this path requires an admin key.
fn is_for_admins(path: &str) -> bool {
    ["webhooks", "invitations", "identity-secrets", "imports", "keys"].iter().any(|name| path.starts_with(&format!("{BASE}/{name}")))
}

/// Adds the common parts of an operation: the key, request and response headers, and the possible errors.
fn add_common_parts(path: &str, method: &str, operation: &mut Value) {
    // Set for each operation and not for the entire document, because some client generators only look here.
    operation["security"] = json!([{ "key": [] }]);
    let writes = method != "get";
    // An export is generated while it is sent, so it cannot have an ETag; attachments never change.
    let is_export = path.starts_with(&format!("{BASE}/export/"));
    let is_file = is_export || path.contains("/attachments/");
    let has_state = !writes && !is_file;
    let posts = method == "post";
    let in_header = |name: &str, required: bool, description: &str, schema: Value| json!({ "name": name, "in": "header", "required": required, "description": description, "schema": schema });
    let mut parameters = Vec::new();
    if writes {
        let schema = json!({ "type": "string", "minLength": 8, "maxLength": 100, "pattern": "^[!-~]+$" });
        let description = if posts { "New for each action, the same for each retry." } else { "The same for each retry." };
        parameters.push(in_header("Idempotency-Key", posts, description, schema));
    }
    if has_state {
        // The standard says to ignore an unreadable one, so any text is allowed.
        let description = "An `ETag` that you already have: 304 if it still matches.";
        parameters.push(in_header("If-None-Match", false, description, json!({ "type": "string" })));
    }
    if method == "patch" {
        let schema = json!({ "type": "string", "pattern": VALIDATORS });
        parameters.push(in_header("If-Match", true, "The `ETag` of the resource to change.", schema));
    }
    for parameter in operation["parameters"].as_array_mut().into_iter().flatten().filter(|p| p["in"] == "query") {
        // Searches cannot contain NUL; a cursor is visible ASCII.
        match parameter["name"].as_str() {
            Some("q" | "name") => parameter["schema"]["pattern"] = json!(TEXT),
            Some("cursor") => parameter["schema"]["pattern"] = json!("^[!-~]*$"),
            _ => {}
        }
    }
    // The macro describes bytes as a list of numbers.
    let bytes = |message: Option<&mut Value>| {
        let content = message.and_then(|message| message.get_mut("content")?.as_object_mut());
        for (kind, of_kind) in content.into_iter().flatten() {
            if kind == "application/octet-stream" || kind.starts_with("image/") {
                of_kind["schema"] = json!({ "type": "string", "format": "binary" });
            }
        }
    };
    bytes(operation.get_mut("requestBody"));
    // An optional body must still not be null.
    let alternatives = operation["requestBody"]["content"]["application/json"]["schema"]["oneOf"].as_array();
    if let Some(schema) = alternatives.and_then(|all| all.iter().find(|one| one["type"] != "null").cloned()) {
        operation["requestBody"]["content"]["application/json"]["schema"] = schema;
        operation["requestBody"]["required"] = json!(false);
    }
    match operation["parameters"].as_array_mut() {
        Some(list) => list.extend(parameters),
        None => operation["parameters"] = Value::Array(parameters),
    }
    for (status, response) in operation["responses"].as_object_mut().into_iter().flatten() {
        let mut names = LIMITS.to_vec();
        if response["content"].is_object() && !is_file {
            names.push("ETag");
        }
        if status == "201" {
            names.push("Location");
        }
        response["headers"] = header_refs(&names);
        bytes(Some(response));
    }
    let takes_query = operation["parameters"].as_array().is_some_and(|list| list.iter().any(|p| p["in"] == "query"));
    let lists = operation["parameters"].as_array().is_some_and(|list| list.iter().any(|p| p["name"] == "cursor"));
    if lists {
        operation["responses"]["200"]["headers"]["Link"] = json!({ "$ref": "#/components/headers/Link" });
    }
    let possible = |status: &str| match status {
        "400" => writes,
        "403" => writes || is_export || is_for_admins(path),
        "413" | "415" => writes,
        "404" => path.contains('{') || lists,
        "409" => writes,
        "412" | "428" => method == "patch",
        "422" => writes || takes_query,
        _ => true,
    };
    if has_state {
        operation["responses"]["304"] = json!({ "description": "Not modified: you already have the current state.", "headers": header_refs(&["RateLimit", "RateLimit-Policy", "ETag"]) });
    }
    for (name, status, ..) in ERROR_RESPONSES.iter().filter(|(_, status, ..)| possible(status)) {
        operation["responses"][*status] = json!({ "$ref": format!("#/components/responses/{name}") });
    }
}

/// `GET /api/v1/openapi.json`
pub async fn json(BaseUrl(base): BaseUrl, headers: HeaderMap) -> ApiHandlerResult {
    let mut document = DOCUMENT.clone();
    document["servers"] = json!([{ "url": base }]);
    let mut response = write_outcome::conditional_response(&headers, &document)?;
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("public, max-age=300"));
    Ok(response)
}
