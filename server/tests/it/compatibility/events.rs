//! Changes in the document that break programs which receive events: their requests are data from the server, like responses.

use serde_json::Value;

use super::compare::{At, Break, Schemas, Way};

/// All breaks of the events, in a stable order.
pub fn event_breaks(old: &Value, new: &Value) -> Vec<Break> {
    let mut found = Vec::new();
    for (event, item) in old["webhooks"].as_object().into_iter().flatten() {
        let mut note = |change: String| found.push(Break { change, operation: format!("event {event}") });
        let Some(now) = new["webhooks"].get(event) else {
            note("the event was removed".into());
            continue;
        };
        let before = At { document: old, path: event, item, operation: &item["post"] };
        let now = At { document: new, path: event, item: now, operation: &now["post"] };
        let (headers, headers_now) = (before.parameters(), now.parameters());
        for (key, header) in headers {
            let at = format!("header `{}`", key.1);
            match headers_now.get(&key) {
                None => note(format!("{at}: it was removed")),
                Some(changed) => Schemas::new(&before, &now, Way::Response, &mut note).compare(&at, &header["schema"], &changed["schema"]),
            }
        }
        for (kind, content) in item["post"]["requestBody"]["content"].as_object().into_iter().flatten() {
            match now.operation["requestBody"]["content"].get(kind) {
                None => note(format!("body: `{kind}` was removed")),
                Some(changed) => {
                    Schemas::new(&before, &now, Way::Response, &mut note).compare("body", &content["schema"], &changed["schema"])
                }
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{super::compare::breaks, *};

    fn document(event: &str, header: &str, kind: &str, body: &Value) -> Value {
        let parameter = json!({ "name": header, "in": "header", "required": true, "schema": { "type": "string" } });
        json!({ "webhooks": { event: { "post": { "parameters": [parameter], "requestBody": { "content": { kind: { "schema": body } } } } } } })
    }

    #[test]
    fn receivers_keep_what_they_know() {
        let body = json!({ "type": "object", "properties": { "id": { "type": "string" } }, "required": ["id"] });
        let more =
            json!({ "type": "object", "properties": { "id": { "type": "string" }, "at": { "type": "string" } }, "required": ["at", "id"] });
        let optional = json!({ "type": "object", "properties": { "id": { "type": "string" } } });
        let old = document("a.created", "webhook-id", "application/json", &body);
        let told = |new: &Value| breaks(&old, new).iter().map(ToString::to_string).collect::<Vec<_>>();
        assert!(told(&old).is_empty());
        assert!(told(&document("a.created", "Webhook-Id", "application/json", &more)).is_empty());
        let mut two = old.clone();
        two["webhooks"]["a.deleted"] = two["webhooks"]["a.created"].clone();
        assert!(told(&two).is_empty());
        assert_eq!(told(&json!({})), ["event a.created: the event was removed"]);
        assert_eq!(told(&document("a.created", "id", "application/json", &body)), ["event a.created: header `webhook-id`: it was removed"]);
        assert_eq!(
            told(&document("a.created", "webhook-id", "text/plain", &body)),
            ["event a.created: body: `application/json` was removed"]
        );
        let missing = told(&document("a.created", "webhook-id", "application/json", &json!({ "type": "object" })));
        assert!(missing.len() == 1 && missing[0].contains("/id: the field was removed"), "{missing:?}");
        assert_eq!(told(&document("a.created", "webhook-id", "application/json", &optional)).len(), 1);
    }
}
