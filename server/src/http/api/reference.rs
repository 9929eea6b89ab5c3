//! `/api/docs`: the document as a web page.

use app::api::{ApiReferenceView, OperationGroup, OperationView, ReferencePage, SchemaField, SchemaView};
use axum::{extract::State, http::StatusCode, response::Response};
use leptos::prelude::*;
use serde_json::{Map, Value, json};
use service::state::AppState;

use super::document::{self, ERROR_RESPONSES};
use crate::http::{address::BaseUrl, console, security::Nonce};

fn text(value: &Value, name: &str) -> String {
    value[name].as_str().unwrap_or_default().to_owned()
}

/// The name of the schema that a schema refers to.
fn shape_of(schema: &Value) -> Option<String> {
    let name = |schema: &Value| schema["$ref"].as_str()?.rsplit('/').next().map(str::to_owned);
    let among = |list: &Value| list.as_array()?.iter().find_map(name);
    name(schema).or_else(|| among(&schema["anyOf"])).or_else(|| among(&schema["oneOf"])).or_else(|| name(&schema["items"]))
}

/// A short description of a schema.
fn kind(schema: &Value) -> String {
    if let Some(values) = schema["enum"].as_array() {
        return values.iter().map(|v| v.as_str().map_or_else(|| v.to_string(), str::to_owned)).collect::<Vec<_>>().join(" | ");
    }
    if let Some(value) = schema["const"].as_str() {
        return value.to_owned();
    }
    let named = match &schema["type"] {
        Value::String(kind) => kind.clone(),
        Value::Array(kinds) => kinds.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(" or "),
        _ => return shape_of(schema).unwrap_or_else(|| "any".into()),
    };
    let named = match (named.as_str(), shape_of(schema)) {
        ("array", Some(of)) => format!("list of {of}"),
        ("array", None) => format!("list of {}", kind(&schema["items"])),
        _ => named,
    };
    let mut says = vec![named];
    if let Some(format) = schema["format"].as_str().filter(|f| !f.starts_with("int") && *f != "double") {
        says.push(format.to_owned());
    }
    for (name, word) in [("minimum", "from"), ("maximum", "up to"), ("maxLength", "maximum characters:"), ("maxItems", "maximum items:")] {
        if let Some(number) = schema.get(name).filter(|n| n.is_number()) {
            says.push(format!("{word} {number}"));
        }
    }
    says.join(", ")
}

fn field(name: &str, schema: &Value, required: bool) -> SchemaField {
    SchemaField {
        name: name.into(),
        place: None,
        kind: kind(schema),
        shape: shape_of(schema),
        required,
        description: text(schema, "description"),
    }
}

/// The fields of a schema, including those of its parts if it is composed, and its values if it is an enumeration.
fn fields(schema: &Value) -> Vec<SchemaField> {
    if let Some(values) = schema["enum"].as_array() {
        return values.iter().filter_map(Value::as_str).map(|word| SchemaField { name: word.into(), ..SchemaField::default() }).collect();
    }
    let required = |name: &str| schema["required"].as_array().is_some_and(|list| list.contains(&json!(name)));
    let mut all = Vec::new();
    for part in schema["allOf"].as_array().into_iter().flatten() {
        if let Some(of) = shape_of(part) {
            let description = "All of its fields, and:".to_owned();
            all.push(SchemaField { name: "…".into(), kind: of.clone(), shape: Some(of), description, ..SchemaField::default() });
        }
        all.extend(fields(part));
    }
    for part in schema["oneOf"].as_array().into_iter().flatten() {
        if let Some(of) = shape_of(part) {
            all.push(SchemaField {
                name: "…".into(),
                kind: of.clone(),
                shape: Some(of),
                description: "Either its fields, or:".into(),
                ..SchemaField::default()
            });
        }
        all.extend(fields(part).into_iter().map(|f| SchemaField { description: text(part, "description"), ..f }));
    }
    let own = schema["properties"].as_object();
    all.extend(own.into_iter().flatten().map(|(name, schema)| field(name, schema, required(name))));
    all
}

/// An example request body, from the examples of its fields.
fn example(shapes: &Value, name: &str) -> Value {
    let shape = &shapes[name];
    let mut out = Map::new();
    for (field, schema) in shape["properties"].as_object().into_iter().flatten() {
        let required = shape["required"].as_array().is_some_and(|list| list.contains(&json!(field)));
        let of = shape_of(schema).filter(|_| schema["type"] != "array");
        let words = of.as_deref().and_then(|of| shapes[of]["enum"].get(0).or_else(|| shapes[of]["oneOf"][0]["enum"].get(0)));
        let value = match (&schema["example"], words) {
            (Value::Null, Some(word)) => word.clone(),
            (Value::Null, None) if required && schema["type"] == "array" => {
                json!([shape_of(&schema["items"]).map_or(Value::Null, |of| example(shapes, &of))])
            }
            (Value::Null, None) => continue,
            (given, _) => given.clone(),
        };
        if required || out.len() < 2 {
            out.insert(field.clone(), value);
        }
    }
    Value::Object(out)
}

fn curl(base: &str, method: &str, path: &str, operation: &Value, body: Option<&Value>) -> String {
    let part = |part: &str| match part.strip_prefix('{').and_then(|p| p.strip_suffix('}')) {
        Some(name) => format!("${}", name.to_uppercase()),
        None => part.to_owned(),
    };
    let url = path.split('/').map(part).collect::<Vec<_>>().join("/");
    let mut lines = vec![match method {
        "get" => format!("curl \"{base}{url}\""),
        _ => format!("curl -X {} \"{base}{url}\"", method.to_uppercase()),
    }];
    lines.push("-H \"Authorization: Bearer $EARSHOT_KEY\"".into());
    let needs =
        |name: &str| operation["parameters"].as_array().is_some_and(|l| l.iter().any(|p| p["name"] == name && p["required"] == true));
    if needs("Idempotency-Key") {
        lines.push("-H \"Idempotency-Key: $(uuidgen)\"".into());
    }
    if needs("If-Match") {
        lines.push("-H \"If-Match: $ETAG\"".into());
    }
    if let Some(body) = body {
        lines.push("-H \"Content-Type: application/json\"".into());
        lines.push(format!("-d '{body}'"));
    }
    lines.join(" \\\n  ")
}

fn shown(path: &str, method: &str, op: &Value, base: &str, shapes: &Value) -> OperationView {
    let parameter = |p: &Value| SchemaField {
        place: Some(format!("in the {}", text(p, "in"))),
        description: text(p, "description"),
        ..field(&text(p, "name"), &p["schema"], p["required"] == true)
    };
    let body = shape_of(&op["requestBody"]["content"]["application/json"]["schema"]);
    let status = ["200", "201", "204"].into_iter().find(|s| op["responses"][*s].is_object()).unwrap_or("200");
    let answer = &op["responses"][status];
    let statuses = op["responses"].as_object().into_iter().flatten().map(|(status, _)| status.as_str());
    let sent = body.as_deref().map(|name| example(shapes, name));
    OperationView {
        id: text(op, "operationId"),
        method: method.to_uppercase(),
        path: path.to_owned(),
        summary: text(op, "summary"),
        description: text(op, "description"),
        parameters: op["parameters"].as_array().into_iter().flatten().map(parameter).collect(),
        body,
        answer: (status.into(), text(answer, "description"), shape_of(&answer["content"]["application/json"]["schema"])),
        refusals: statuses.filter(|s| s.starts_with(['4', '5'])).collect::<Vec<_>>().join(", "),
        example: curl(base, method, path, op, sent.as_ref()),
    }
}

fn reference(base: &str) -> ApiReferenceView {
    let document = document::whole();
    let shapes = &document["components"]["schemas"];
    let mut groups: Vec<OperationGroup> = Vec::new();
    for (path, method, op) in document::entries(document) {
        let name = op["tags"][0].as_str().unwrap_or("More");
        let operation = shown(path, method, op, base, shapes);
        match groups.iter_mut().find(|group| group.name == name) {
            Some(known) => known.operations.push(operation),
            None => groups.push(OperationGroup { name: name.to_owned(), operations: vec![operation] }),
        }
    }
    let shape = |(name, schema): (&String, &Value)| SchemaView {
        name: name.clone(),
        description: text(schema, "description"),
        fields: fields(schema),
    };
    ApiReferenceView {
        base: base.to_owned(),
        about: text(&document["info"], "description"),
        groups,
        shapes: shapes.as_object().into_iter().flatten().map(shape).collect(),
        refusals: ERROR_RESPONSES.iter().map(|(_, status, meaning, _)| ((*status).to_owned(), (*meaning).to_owned())).collect(),
    }
}

/// `GET /api/docs`
pub async fn show(State(app): State<AppState>, nonce: Nonce, BaseUrl(base): BaseUrl) -> Response {
    let model = reference(&base);
    console::plain_page(&app, &nonce, StatusCode::OK, "API reference", move || view! { <ReferencePage model=model /> })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_operation_is_shown_with_an_example_and_each_link_leads_somewhere() {
        let page = reference("https://f.example");
        let operations: Vec<&OperationView> = page.groups.iter().flat_map(|g| &g.operations).collect();
        assert_eq!(operations.len(), document::operations().len());
        let shapes: Vec<&str> = page.shapes.iter().map(|s| s.name.as_str()).collect();
        for op in operations {
            assert!(
                !op.summary.is_empty() && op.example.starts_with("curl") && op.example.contains("https://f.example/api/v1/"),
                "{}",
                op.id
            );
            assert!(op.body.iter().chain(&op.answer.2).all(|name| shapes.contains(&name.as_str())), "{}", op.id);
            if op.answer.0 == "201" {
                assert!(op.example.contains("Idempotency-Key"), "{}", op.example);
                assert_eq!(op.body.is_some(), op.example.contains("-d '{\""), "{}", op.example);
            }
        }
        for shape in &page.shapes {
            assert!(shape.fields.iter().filter_map(|f| f.shape.as_deref()).all(|name| shapes.contains(&name)), "{}", shape.name);
        }
    }
}
