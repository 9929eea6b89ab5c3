//! The webhooks in the OpenAPI document: what receivers of events get. Their schemas are built from the types that are sent.

use domain::webhooks::EventKind;
use serde_json::{Map, Value, json};

/// The headers of a request to a webhook: name, name of the component, description, schema.
fn headers() -> [(&'static str, &'static str, &'static str, Value); 3] {
    [
        (
            "webhook-id",
            "WebhookId",
            "The event. Every attempt to deliver it has the same ID, by which a receiver detects duplicates.",
            json!({ "type": "string", "format": "uuid" }),
        ),
        (
            "webhook-timestamp",
            "WebhookTimestamp",
            "When this attempt was made, in seconds since 1970. Refuse requests that are more than a few minutes old.",
            json!({ "type": "string", "pattern": "^[0-9]+$" }),
        ),
        (
            "webhook-signature",
            "WebhookSignature",
            "Signatures as [Standard Webhooks](https://www.standardwebhooks.com) defines them, separated by spaces: `v1,` and the Base64 of the \
HMAC-SHA256 of `{webhook-id}.{webhook-timestamp}.{body}`. The key is the webhook's secret without `whsec_`, decoded from Base64. For a day after the \
secret was rotated, there is a second signature with the previous one.",
            json!({ "type": "string", "pattern": "^v1,[0-9A-Za-z+/=]+( v1,[0-9A-Za-z+/=]+)*$" }),
        ),
    ]
}

/// The name of the schema of an event: `TicketMessageAddedEvent`.
fn schema_name(kind: EventKind) -> String {
    let capital = |word: &str| word.get(..1).map(str::to_uppercase).into_iter().chain(word.get(1..).map(str::to_owned)).collect::<String>();
    kind.as_str().split(['.', '_']).map(capital).chain(["Event".to_owned()]).collect()
}

/// Describes what each kind of event posts to a webhook. The macro describes the envelope and all kinds of data separately. A receiver knows from
/// the type which data it gets, so each kind has a schema of its own.
pub(super) fn describe(document: &mut Value) {
    let Some(schemas) = document["components"]["schemas"].as_object_mut() else { return };
    let envelope = schemas.remove("Event").unwrap_or_default();
    let kinds = schemas.remove("EventData").unwrap_or_default();
    let parts = envelope["allOf"].as_array().into_iter().flatten();
    let common: Map<String, Value> = parts.filter_map(|part| part["properties"].as_object().cloned()).flatten().collect();
    let mut webhooks = Map::new();
    for kind in EventKind::ALL {
        let word = kind.as_str();
        let is_of_kind = |one: &&Value| one["properties"]["type"]["enum"][0] == word;
        let Some(described) = kinds["oneOf"].as_array().into_iter().flatten().find(is_of_kind) else { continue };
        let summary = described["description"].as_str().unwrap_or_default();
        let mut properties = common.clone();
        properties.insert("type".into(), json!({ "type": "string", "const": word }));
        let data = &described["properties"]["data"]["$ref"];
        properties
            .insert("data".into(), json!({ "$ref": data, "description": "What it is about, after the change, as the API returns it." }));
        let name = schema_name(*kind);
        webhooks.insert(word.into(), json!({ "post": operation(*kind, summary, &name) }));
        schemas.insert(name, json!({ "type": "object", "description": format!("{summary}."), "properties": properties }));
    }
    for (name, component, description, schema) in headers() {
        document["components"]["parameters"][component] =
            json!({ "name": name, "in": "header", "required": true, "description": description, "schema": schema });
    }
    document["webhooks"] = Value::Object(webhooks);
}

fn operation(kind: EventKind, summary: &str, schema: &str) -> Value {
    let parameter = |(_, component, ..): (_, &str, _, _)| json!({ "$ref": format!("#/components/parameters/{component}") });
    let parameters: Vec<Value> = headers().into_iter().map(parameter).collect();
    let description = match kind {
        EventKind::Test => "Sent to one webhook when someone tests it, regardless of its events.",
        _ => "Sent to the project's webhooks that have this event.",
    };
    json!({
        "operationId": format!("receive_{}", kind.as_str().replace('.', "_")),
        "tags": ["Webhooks"],
        "summary": summary,
        "description": description,
        "parameters": parameters,
        "requestBody": {
            "required": true,
            "content": { "application/json": { "schema": { "$ref": format!("#/components/schemas/{schema}") } } },
        },
        "responses": {
            "2XX": { "description": "The event was received. Respond within 10 seconds." },
            "410": { "description": "No more events are wanted: Earshot turns the webhook off." },
            "default": { "description": "Earshot retries, up to eight attempts within about 28 hours. It follows no redirects." },
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::api::document;

    #[test]
    fn each_kind_of_event_is_described_by_one_schema() {
        let document = document::whole();
        assert_eq!(document["webhooks"].as_object().unwrap().len(), EventKind::ALL.len());
        for kind in EventKind::ALL {
            let operation = &document["webhooks"][kind.as_str()]["post"];
            let place = operation["requestBody"]["content"]["application/json"]["schema"]["$ref"].as_str().unwrap();
            let schema = document.pointer(place.trim_start_matches('#')).unwrap();
            assert_eq!(schema["required"], json!(["data", "project_id", "timestamp", "type", "url"]), "{kind:?}");
            assert_eq!(schema["properties"]["type"]["const"], kind.as_str());
            let data = schema["properties"]["data"]["$ref"].as_str().unwrap();
            assert!(document.pointer(data.trim_start_matches('#')).is_some(), "{data}");
            assert!(!operation["summary"].as_str().unwrap().is_empty() && operation["parameters"].as_array().unwrap().len() == 3);
        }
        // What only the macro needed is gone.
        assert!(document["components"]["schemas"].get("Event").is_none() && document["components"]["schemas"].get("EventData").is_none());
        assert_eq!(schema_name(EventKind::TicketMessageAdded), "TicketMessageAddedEvent");
    }
}
