//! Changes in an OpenAPI document that break programs written against an earlier one.
//!
//! Only data on the wire counts. Requests that were accepted must stay accepted; data in a response must still be there with the same type.
//! Additions are allowed: a program has to ignore unknown fields, values and alternatives. Names that only a generated client sees
//! (`operationId`, schema names) and descriptions do not count.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
};

use serde_json::{Map, Value};

/// One way in which the new document breaks a program.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Break {
    /// The location in the operation, and the change.
    pub change: String,
    /// Method and path.
    pub operation: String,
}

impl fmt::Display for Break {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.operation, self.change)
    }
}

/// Lists a change shared by many operations once, with the operations.
pub fn report<'b>(breaks: impl IntoIterator<Item = &'b Break>) -> String {
    let mut by_change: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for one in breaks {
        by_change.entry(&one.change).or_default().push(&one.operation);
    }
    let line = |(change, operations): (&&str, &Vec<&str>)| match operations.as_slice() {
        [only] => format!("{only}: {change}\n"),
        [first, ..] => format!("{first} and {} more: {change}\n", operations.len() - 1),
        [] => String::new(),
    };
    by_change.iter().map(line).collect()
}

/// All changes in `new` that break programs written against `old`, in a stable order.
#[must_use]
pub fn breaks(old: &Value, new: &Value) -> Vec<Break> {
    let mut found = BTreeSet::new();
    let now: BTreeMap<(String, String), (&str, &Value, &Value)> =
        operations(new).map(|(method, path, item, operation)| ((method.to_uppercase(), shape(path)), (path, item, operation))).collect();
    for (method, path, item, operation) in operations(old) {
        let name = format!("{} {path}", method.to_uppercase());
        let mut note = |change: String| {
            found.insert(Break { change, operation: name.clone() });
        };
        match now.get(&(method.to_uppercase(), shape(path))) {
            None => note("the operation was removed".into()),
            Some((new_path, new_item, new_operation)) => {
                let old = At { document: old, path, item, operation };
                compare_operation(&old, &At { document: new, path: new_path, item: new_item, operation: new_operation }, &mut note);
            }
        }
    }
    found.extend(super::events::event_breaks(old, new));
    found.into_iter().collect()
}

const METHODS: [&str; 8] = ["get", "put", "post", "delete", "options", "head", "patch", "trace"];

fn operations(document: &Value) -> impl Iterator<Item = (&str, &str, &Value, &Value)> {
    let paths = document["paths"].as_object().into_iter().flatten();
    paths.flat_map(|(path, item)| {
        let operations = item.as_object().into_iter().flatten().filter(|(method, _)| METHODS.contains(&method.as_str()));
        operations.map(move |(method, operation)| (method.as_str(), path.as_str(), item, operation))
    })
}

/// A path without the names of its parameters, because they are not sent.
fn shape(path: &str) -> String {
    let part = |part: &str| if part.starts_with('{') { "{}".to_owned() } else { part.to_owned() };
    path.split('/').map(part).collect::<Vec<_>>().join("/")
}

/// An operation with its context.
pub struct At<'d> {
    pub document: &'d Value,
    pub path: &'d str,
    pub item: &'d Value,
    pub operation: &'d Value,
}

impl<'d> At<'d> {
    /// Parameters by location and name on the wire; those of a path by position.
    pub fn parameters(&self) -> BTreeMap<(String, String), &'d Value> {
        let of = |list: &'d Value| list.as_array().into_iter().flatten().map(|one| resolve(self.document, one));
        let named = of(&self.item["parameters"]).chain(of(&self.operation["parameters"])).map(|parameter| {
            let text = |key: &str| parameter[key].as_str().unwrap_or_default();
            let name = match text("in") {
                "path" => {
                    let place = self.path.split('/').filter(|p| p.starts_with('{')).position(|p| p == format!("{{{}}}", text("name")));
                    format!("number {}", place.map_or(0, |n| n + 1))
                }
                // Header names are case-insensitive.
                "header" => text("name").to_lowercase(),
                _ => text("name").to_owned(),
            };
            ((text("in").to_owned(), name), parameter)
        });
        named.collect()
    }

    /// The alternatives that authorize a request, each a set of schemes with their definitions. An empty list allows every request.
    fn security(&self) -> Vec<Value> {
        let of = |owner: &'d Value| owner.get("security").and_then(Value::as_array);
        let alternatives = of(self.operation).or_else(|| of(self.document)).into_iter().flatten();
        alternatives
            .map(|alternative| {
                let schemes = alternative.as_object().into_iter().flatten().map(|(name, scopes)| {
                    let scheme = resolve(self.document, &self.document["components"]["securitySchemes"][name]);
                    let words = ["type", "scheme", "in", "name"].map(|key| scheme[key].as_str().unwrap_or_default().to_lowercase());
                    (words.join(" "), scopes.clone())
                });
                Value::Object(schemes.collect())
            })
            .collect()
    }
}

fn compare_operation(old: &At<'_>, new: &At<'_>, note: &mut dyn FnMut(String)) {
    let (before, now) = (old.security(), new.security());
    let open = |all: &[Value]| all.is_empty() || all.iter().any(|one| one.as_object().is_some_and(Map::is_empty));
    if !open(&now) && (open(&before) || before.iter().any(|one| !now.contains(one))) {
        note("security: a way to authenticate was removed or changed".into());
    }
    compare_parameters(old, new, note);
    compare_request(old, new, note);
    compare_responses(old, new, note);
}

fn compare_parameters(old: &At<'_>, new: &At<'_>, note: &mut dyn FnMut(String)) {
    let (before, now) = (old.parameters(), new.parameters());
    for (key, parameter) in &before {
        let at = format!("{} parameter `{}`", key.0, parameter["name"].as_str().unwrap_or(&key.1));
        let Some(changed) = now.get(key) else {
            note(format!("{at}: it was removed"));
            continue;
        };
        if !is_true(&parameter["required"]) && is_true(&changed["required"]) {
            note(format!("{at}: it is now required"));
        }
        for word in ["style", "explode", "allowReserved"] {
            if parameter[word] != changed[word] {
                note(format!("{at}: `{word}` changed from {} to {}", parameter[word], changed[word]));
            }
        }
        Schemas::new(old, new, Way::Request, note).compare(&at, &parameter["schema"], &changed["schema"]);
    }
    for (key, parameter) in now.iter().filter(|(key, _)| !before.contains_key(*key)) {
        if is_true(&parameter["required"]) {
            note(format!("{} parameter `{}`: a new parameter is required", key.0, parameter["name"].as_str().unwrap_or(&key.1)));
        }
    }
}

fn compare_request(old: &At<'_>, new: &At<'_>, note: &mut dyn FnMut(String)) {
    let before = resolve(old.document, &old.operation["requestBody"]);
    let now = resolve(new.document, &new.operation["requestBody"]);
    if is_true(&now["required"]) && !is_true(&before["required"]) {
        note("request body: it is now required".into());
    }
    if !before.is_null() && now.is_null() {
        return note("request body: it was removed".into());
    }
    for (kind, content) in before["content"].as_object().into_iter().flatten() {
        match now["content"].get(kind) {
            None => note(format!("request body: `{kind}` was removed")),
            Some(changed) => Schemas::new(old, new, Way::Request, note).compare("request body", &content["schema"], &changed["schema"]),
        }
    }
}

fn compare_responses(old: &At<'_>, new: &At<'_>, note: &mut dyn FnMut(String)) {
    for (status, response) in old.operation["responses"].as_object().into_iter().flatten() {
        let succeeds = status.starts_with(['1', '2', '3']);
        // All errors have the same body, so the status adds nothing.
        let at = if succeeds { format!("response {status}") } else { "error response".to_owned() };
        let Some(changed) = new.operation["responses"].get(status) else {
            if succeeds {
                note(format!("{at}: the status was removed"));
            }
            continue;
        };
        let (response, changed) = (resolve(old.document, response), resolve(new.document, changed));
        for (name, header) in response["headers"].as_object().into_iter().flatten() {
            let at = format!("{at} header `{name}`");
            let found = changed["headers"].as_object().into_iter().flatten().find(|(other, _)| other.eq_ignore_ascii_case(name));
            match found {
                None => note(format!("{at}: it was removed")),
                Some((_, now)) => {
                    let (header, now) = (resolve(old.document, header), resolve(new.document, now));
                    Schemas::new(old, new, Way::Response, note).compare(&at, &header["schema"], &now["schema"]);
                }
            }
        }
        for (kind, content) in response["content"].as_object().into_iter().flatten() {
            match changed["content"].get(kind) {
                None => note(format!("{at}: `{kind}` was removed")),
                Some(now) => Schemas::new(old, new, Way::Response, note).compare(&at, &content["schema"], &now["schema"]),
            }
        }
    }
}

fn is_true(value: &Value) -> bool {
    value.as_bool() == Some(true)
}

/// Follows references to their target.
fn resolve<'d>(document: &'d Value, mut value: &'d Value) -> &'d Value {
    for _ in 0..32 {
        let Some(place) = value["$ref"].as_str() else { return value };
        value = document.pointer(place.trim_start_matches('#')).unwrap_or_else(|| panic!("the document has no {place}"));
    }
    panic!("references that lead nowhere: {value}")
}

/// The direction in which a schema's data is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// From the program: everything accepted before must still be accepted.
    Request,
    /// From the server: everything the program knows must still be there.
    Response,
}

type Schema = Map<String, Value>;

/// Keywords that do not affect validity.
const SILENT: [&str; 11] = [
    "title",
    "description",
    "example",
    "examples",
    "deprecated",
    "readOnly",
    "writeOnly",
    "externalDocs",
    "xml",
    "$comment",
    "discriminator",
];

/// Keywords that the comparison supports in a schema without alternatives. A document with any other keyword cannot be compared.
const KNOWN: [&str; 25] = [
    "type",
    "enum",
    "const",
    "format",
    "pattern",
    "default",
    "minLength",
    "maxLength",
    "minimum",
    "maximum",
    "exclusiveMinimum",
    "exclusiveMaximum",
    "multipleOf",
    "items",
    "minItems",
    "maxItems",
    "uniqueItems",
    "properties",
    "required",
    "additionalProperties",
    "propertyNames",
    "minProperties",
    "maxProperties",
    "contentEncoding",
    "contentMediaType",
];

/// The lower bounds: larger values are stricter.
const LEAST: [&str; 5] = ["minLength", "minimum", "exclusiveMinimum", "minItems", "minProperties"];
/// The upper bounds.
const MOST: [&str; 5] = ["maxLength", "maximum", "exclusiveMaximum", "maxItems", "maxProperties"];

/// Compares schemas of two documents.
pub struct Schemas<'c> {
    old: &'c Value,
    new: &'c Value,
    way: Way,
    note: &'c mut dyn FnMut(String),
    /// Pairs of references that are being compared: a schema may contain itself.
    open: Vec<(String, String)>,
}

impl<'c> Schemas<'c> {
    pub fn new(old: &At<'c>, new: &At<'c>, way: Way, note: &'c mut dyn FnMut(String)) -> Self {
        Self { old: old.document, new: new.document, way, note, open: Vec::new() }
    }

    fn note(&mut self, at: &str, what: impl fmt::Display) {
        (self.note)(format!("{at}: {what}"));
    }

    /// Compares two schemas. An absent schema allows anything.
    pub fn compare(&mut self, at: &str, old: &Value, new: &Value) {
        let name = |schema: &Value| schema["$ref"].as_str().map(ToOwned::to_owned);
        let pair = name(old).zip(name(new));
        if pair.as_ref().is_some_and(|pair| self.open.contains(pair)) {
            return;
        }
        let named = pair.is_some();
        self.open.extend(pair);
        match (plain(self.old, old), plain(self.new, new)) {
            (Ok(old), Ok(new)) => self.alternatives(at, &old, &new),
            (Err(why), _) | (_, Err(why)) => self.note(at, why),
        }
        if named {
            self.open.pop();
        }
    }

    fn alternatives(&mut self, at: &str, old: &Plain, new: &Plain) {
        match self.way {
            Way::Request if old.null && !new.null => self.note(at, "it no longer accepts null"),
            Way::Response if new.null && !old.null => self.note(at, "it may now be null"),
            _ => {}
        }
        if let ([old], [new]) = (old.of.as_slice(), new.of.as_slice()) {
            return self.one(at, old, new);
        }
        for before in &old.of {
            let tried = new.of.iter().map(|now| self.tried(at, before, now)).min_by_key(Vec::len);
            match tried {
                Some(found) if found.is_empty() => {}
                Some(found) => {
                    let verb = if self.way == Way::Request { "accepted" } else { "returned" };
                    self.note(
                        at,
                        format!("an alternative is no longer {verb} as it was ({}); nearest: {}", describe(before), found.join("; ")),
                    );
                }
                None => self.note(at, format!("only null is left, instead of {}", describe(before))),
            }
        }
        if self.way == Way::Response {
            let known: BTreeSet<&str> = old.of.iter().flat_map(types).collect();
            let added: BTreeSet<&str> = new.of.iter().flat_map(types).filter(|kind| !covers(&known, kind)).collect();
            if !added.is_empty() {
                self.note(at, format!("it may now also be {}", words(&added)));
            }
        }
    }

    /// The messages for a pair, without reporting them.
    fn tried(&self, at: &str, old: &Schema, new: &Schema) -> Vec<String> {
        let mut found = Vec::new();
        let mut note = |text: String| found.push(text);
        Schemas { old: self.old, new: self.new, way: self.way, note: &mut note, open: self.open.clone() }.one(at, old, new);
        found
    }

    /// Compares two schemas without alternatives and without null.
    fn one(&mut self, at: &str, old: &Schema, new: &Schema) {
        let (before, now) = (types(old), types(new));
        let fits = match self.way {
            Way::Request => before.iter().all(|kind| covers(&now, kind)),
            Way::Response => now.iter().all(|kind| covers(&before, kind)),
        };
        if !fits {
            return self.note(at, format!("its type changed from {} to {}", words(&before), words(&now)));
        }
        self.values(at, old, new);
        self.format(at, old, new);
        if self.way == Way::Request {
            self.limits(at, old, new);
        }
        self.fields(at, old, new);
        if old.contains_key("items") || new.contains_key("items") {
            let any = Value::Bool(true);
            self.compare(&format!("{at}/[]"), old.get("items").unwrap_or(&any), new.get("items").unwrap_or(&any));
        }
    }

    fn values(&mut self, at: &str, old: &Schema, new: &Schema) {
        match (values(old), values(new)) {
            (Some(old), Some(new)) => {
                let verb = if self.way == Way::Request { "accepted" } else { "returned" };
                for value in old.iter().filter(|value| !new.contains(value)) {
                    self.note(at, format!("the value {value} is no longer {verb}"));
                }
            }
            (None, Some(new)) if self.way == Way::Request => {
                let list: Vec<String> = new.iter().map(ToString::to_string).collect();
                self.note(at, format!("it now accepts only {}", list.join(", ")));
            }
            (Some(_), None) if self.way == Way::Response => self.note(at, "it may now be any value instead of one of a list"),
            _ => {}
        }
    }

    fn format(&mut self, at: &str, old: &Schema, new: &Schema) {
        for word in ["format", "contentEncoding", "contentMediaType"] {
            let (before, now) = (old.get(word), new.get(word));
            let text = |value: Option<&Value>| value.and_then(Value::as_str).map(ToOwned::to_owned);
            let fits = match (self.way, text(before).as_deref(), text(now).as_deref()) {
                (_, before, now) if before == now => true,
                (Way::Request, Some(_), None) | (Way::Response, None, Some(_)) => true,
                (Way::Request, Some("int32"), Some("int64")) | (Way::Response, Some("int64"), Some("int32")) => true,
                (Way::Request, Some("float"), Some("double")) | (Way::Response, Some("double"), Some("float")) => true,
                _ => false,
            };
            if !fits {
                self.note(at, format!("its {word} changed from {} to {}", or_none(before), or_none(now)));
            }
        }
    }

    fn limits(&mut self, at: &str, old: &Schema, new: &Schema) {
        let number = |schema: &Schema, word: &str| schema.get(word).and_then(Value::as_f64);
        for (word, narrows) in LEAST.iter().map(|w| (*w, f64::gt as fn(&f64, &f64) -> bool)).chain(MOST.iter().map(|w| (*w, f64::lt as _)))
        {
            let (before, now) = (number(old, word), number(new, word));
            if now.is_some_and(|now| before.is_none_or(|before| narrows(&now, &before))) {
                self.note(at, format!("`{word}` narrowed from {} to {}", or_none(old.get(word)), or_none(new.get(word))));
            }
        }
        for word in ["pattern", "multipleOf"] {
            if new.get(word).is_some_and(|now| old.get(word) != Some(now)) {
                self.note(at, format!("`{word}` changed from {} to {}", or_none(old.get(word)), or_none(new.get(word))));
            }
        }
        if new.get("uniqueItems").is_some_and(is_true) && !old.get("uniqueItems").is_some_and(is_true) {
            self.note(at, "its items now have to be unique");
        }
        // Programs that omit the value rely on its default.
        if let Some(before) = old.get("default")
            && new.get("default") != Some(before)
        {
            self.note(at, format!("its default changed from {before} to {}", or_none(new.get("default"))));
        }
    }

    fn fields(&mut self, at: &str, old: &Schema, new: &Schema) {
        let none = Schema::new();
        let fields = |schema: &'_ Schema| schema.get("properties").and_then(Value::as_object).cloned().unwrap_or_else(|| none.clone());
        let (before, now) = (fields(old), fields(new));
        let (had, has) = (required(old), required(new));
        for (name, field) in &before {
            let at = format!("{at}/{name}");
            match now.get(name) {
                None => self.note(&at, "the field was removed"),
                Some(changed) => self.compare(&at, field, changed),
            }
        }
        match self.way {
            Way::Request => {
                for name in has.difference(&had) {
                    let what = if before.contains_key(*name) { "the field is now required" } else { "a new field is required" };
                    self.note(&format!("{at}/{name}"), what);
                }
            }
            Way::Response => {
                for name in had.difference(&has).filter(|name| now.contains_key(**name)) {
                    self.note(&format!("{at}/{name}"), "the field may now be absent");
                }
            }
        }
        self.others(at, old, new);
    }

    /// Compares the schemas of undeclared fields.
    fn others(&mut self, at: &str, old: &Schema, new: &Schema) {
        let any = Value::Bool(true);
        let of = |schema: &Schema, word: &str| schema.get(word).cloned().unwrap_or_else(|| any.clone());
        let is_object = |schema: &Schema| {
            types(schema).contains("object") && schema.keys().any(|word| word.ends_with("roperties") || word == "propertyNames")
        };
        if !is_object(old) && !is_object(new) {
            return;
        }
        let (before, now) = (of(old, "additionalProperties"), of(new, "additionalProperties"));
        match (self.way, &before, &now) {
            (_, Value::Bool(false), _) | (_, Value::Bool(true), Value::Bool(true)) => {}
            (Way::Request, _, Value::Bool(false)) => self.note(at, "it no longer accepts fields that have no description"),
            (Way::Response, _, Value::Bool(false)) => self.note(at, "it no longer has fields that have no description"),
            _ => self.compare(&format!("{at}/*"), &before, &now),
        }
        if self.way == Way::Request && (old.contains_key("propertyNames") || new.contains_key("propertyNames")) {
            // A name is always a string.
            let text = |schema: &Schema| {
                let mut names = schema.get("propertyNames").and_then(Value::as_object).cloned().unwrap_or_default();
                names.insert("type".into(), "string".into());
                Value::Object(names)
            };
            self.compare(&format!("{at} names of fields"), &text(old), &text(new));
        }
    }
}

fn or_none(value: Option<&Value>) -> String {
    value.map_or_else(|| "none".to_owned(), ToString::to_string)
}

fn required(schema: &Schema) -> BTreeSet<&str> {
    schema.get("required").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str).collect()
}

/// The values of a list of values.
fn values(schema: &Schema) -> Option<Vec<&Value>> {
    schema.get("const").map(|value| vec![value]).or_else(|| Some(schema.get("enum")?.as_array()?.iter().collect()))
}

const TYPES: [&str; 6] = ["array", "boolean", "integer", "number", "object", "string"];

/// The types of a schema without null: its declared types, else those of its values, else all.
fn types(schema: &Schema) -> BTreeSet<&str> {
    match (schema.get("type"), values(schema)) {
        (Some(Value::String(one)), _) => BTreeSet::from([one.as_str()]),
        (Some(Value::Array(several)), _) => several.iter().filter_map(Value::as_str).collect(),
        (_, Some(values)) => values.into_iter().map(type_of).collect(),
        _ => TYPES.into(),
    }
}

fn type_of(value: &Value) -> &'static str {
    match value {
        Value::Array(_) => "array",
        Value::Bool(_) => "boolean",
        Value::Null => "null",
        Value::Number(number) if number.is_f64() => "number",
        Value::Number(_) => "integer",
        Value::Object(_) => "object",
        Value::String(_) => "string",
    }
}

fn covers(types: &BTreeSet<&str>, kind: &str) -> bool {
    types.contains(kind) || (kind == "integer" && types.contains("number"))
}

fn words(types: &BTreeSet<&str>) -> String {
    if types.len() == TYPES.len() { "anything".into() } else { types.iter().copied().collect::<Vec<_>>().join(" or ") }
}

fn describe(schema: &Schema) -> String {
    let fields: Vec<&str> =
        schema.get("properties").and_then(Value::as_object).into_iter().flatten().map(|(name, _)| name.as_str()).collect();
    let with = if fields.is_empty() { String::new() } else { format!(" with {}", fields.join(", ")) };
    format!("{}{with}", words(&types(schema)))
}

/// A schema without references and without combinations of others.
#[derive(Debug)]
struct Plain {
    /// Whether it allows null.
    null: bool,
    /// Its alternatives, without null.
    of: Vec<Schema>,
}

fn plain(document: &Value, schema: &Value) -> Result<Plain, String> {
    match schema {
        // An absent schema, or `true`.
        Value::Null | Value::Bool(true) => Ok(Plain { null: true, of: vec![Schema::new()] }),
        Value::Bool(false) => Ok(Plain { null: false, of: vec![] }),
        _ => split(document, flat(document, schema, 0)?, 0),
    }
}

const DEEP: &str = "the comparison does not follow references this deep";

/// Resolves references and `allOf`.
fn flat(document: &Value, schema: &Value, depth: usize) -> Result<Schema, String> {
    if depth > 32 {
        return Err(DEEP.into());
    }
    let mut own = schema.as_object().cloned().ok_or_else(|| format!("no schema: {schema}"))?;
    let mut parts = Vec::new();
    if let Some(Value::String(place)) = own.remove("$ref") {
        let target = document.pointer(place.trim_start_matches('#')).ok_or_else(|| format!("the document has no {place}"))?;
        parts.push(flat(document, target, depth + 1)?);
    }
    if let Some(Value::Array(all)) = own.remove("allOf") {
        for one in &all {
            parts.push(flat(document, one, depth + 1)?);
        }
    }
    parts.into_iter().try_fold(own, both)
}

/// A schema that accepts only values that both accept.
fn both(mut one: Schema, other: Schema) -> Result<Schema, String> {
    for (word, value) in other {
        let Some(mine) = one.get(&word).filter(|mine| **mine != value).cloned() else {
            one.insert(word, value);
            continue;
        };
        let number = |value: &Value| value.as_f64();
        let joined = match word.as_str() {
            word if SILENT.contains(&word) => mine,
            "required" => {
                let all: BTreeSet<&str> = [&mine, &value].iter().filter_map(|v| v.as_array()).flatten().filter_map(Value::as_str).collect();
                all.into_iter().collect()
            }
            "properties" => {
                let (mut fields, more) = (mine.as_object().cloned().unwrap_or_default(), value.as_object().cloned().unwrap_or_default());
                for (name, field) in more {
                    let field = match fields.remove(&name) {
                        Some(mine) if mine != field => serde_json::json!({ "allOf": [mine, field] }),
                        _ => field,
                    };
                    fields.insert(name, field);
                }
                Value::Object(fields)
            }
            word if LEAST.contains(&word) => {
                if number(&mine) >= number(&value) {
                    mine
                } else {
                    value
                }
            }
            word if MOST.contains(&word) => {
                if number(&mine) <= number(&value) {
                    mine
                } else {
                    value
                }
            }
            word => return Err(format!("the comparison does not understand two different `{word}` that both apply")),
        };
        one.insert(word, joined);
    }
    Ok(one)
}

/// Separates null and the alternatives.
fn split(document: &Value, mut schema: Schema, depth: usize) -> Result<Plain, String> {
    if depth > 32 {
        return Err(DEEP.into());
    }
    let mut null = schema.remove("nullable").as_ref().is_some_and(is_true);
    let lists: Vec<Vec<Value>> = ["oneOf", "anyOf"].iter().filter_map(|word| schema.remove(*word)?.as_array().cloned()).collect();
    if lists.len() > 1 {
        return Err("the comparison does not understand `oneOf` beside `anyOf`".into());
    }
    if let Some(list) = lists.into_iter().next() {
        let mut of = Vec::new();
        for one in &list {
            let part = split(document, both(flat(document, one, 0)?, schema.clone())?, depth + 1)?;
            null |= part.null;
            of.extend(part.of);
        }
        return Ok(Plain { null, of });
    }
    if let Some(word) =
        schema.keys().find(|word| !KNOWN.contains(&word.as_str()) && !SILENT.contains(&word.as_str()) && !word.starts_with("x-"))
    {
        return Err(format!("the comparison does not understand `{word}`"));
    }
    if let Some(Value::Array(values)) = schema.get_mut("enum") {
        let count = values.len();
        values.retain(|value| !value.is_null());
        null |= values.len() < count && !schema.contains_key("type");
    }
    let lists_values = schema.contains_key("enum") || schema.contains_key("const");
    match schema.get_mut("type") {
        Some(Value::String(only)) if only == "null" => return Ok(Plain { null: true, of: vec![] }),
        Some(Value::Array(several)) => {
            let count = several.len();
            several.retain(|kind| kind != "null");
            null |= several.len() < count;
        }
        // Without types, null is allowed.
        None if !lists_values => null = true,
        _ => {}
    }
    Ok(Plain { null, of: vec![schema] })
}
