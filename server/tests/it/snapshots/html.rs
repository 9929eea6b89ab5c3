//! HTML with one element per line, so that a diff shows the changed lines, and without parts that differ between runs.

use std::iter::repeat_n;

/// Elements without content and end tag.
const VOID: [&str; 14] = ["area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "param", "source", "track", "wbr"];

/// Elements whose content is always text.
const RAW: [&str; 4] = ["script", "style", "textarea", "title"];

/// Hidden fields with a fresh value for each form.
const FRESH: [&str; 3] = ["idempotency_key", "started", "token"];

/// Attributes that refer to other elements by id.
const REFERENCES: [&str; 4] = ["for", "aria-labelledby", "aria-describedby", "data-opens"];

enum Node {
    Element { name: String, attributes: Vec<(String, Option<String>)>, children: Vec<Node> },
    Text(String),
}

/// One line per element or text, indented by depth. White space at the ends of a text is shown as `␣`, because it separates words.
///
/// # Panics
/// If an element is not closed correctly, because a browser would nest the rest of the page in it; if two elements have the same id; or if
/// an element refers to a missing id.
pub fn pretty(html: &str) -> String {
    let (doctype, rest) = html.strip_prefix("<!DOCTYPE html>").map_or((false, html), |rest| (true, rest));
    let mut reader = Reader { rest };
    let nodes = reader.nodes(None);
    assert!(reader.rest.is_empty(), "text after the end of the page: {}", reader.rest);
    let (mut ids, mut references) = (Vec::new(), Vec::new());
    nodes.iter().for_each(|node| names(node, &mut ids, &mut references));
    for (n, id) in ids.iter().enumerate() {
        assert!(!ids[..n].contains(id), "two elements have the id {id}");
    }
    for id in references {
        assert!(ids.contains(&id), "something refers to {id}, which is not there");
    }
    let mut out = String::new();
    if doctype {
        out.push_str("<!DOCTYPE html>\n");
    }
    for node in &nodes {
        print(node, 0, &mut out);
    }
    out
}

struct Reader<'h> {
    rest: &'h str,
}

impl<'h> Reader<'h> {
    fn until(&mut self, end: &str) -> &'h str {
        let at = self.rest.find(end).unwrap_or_else(|| panic!("no {end} in {}", self.rest));
        let (found, rest) = self.rest.split_at(at);
        self.rest = &rest[end.len()..];
        found
    }

    /// The content of an element, up to its end tag.
    fn nodes(&mut self, parent: Option<&str>) -> Vec<Node> {
        let mut nodes = Vec::new();
        loop {
            if self.rest.is_empty() {
                assert!(parent.is_none(), "<{}> has no end", parent.unwrap_or_default());
                return nodes;
            }
            if let Some(rest) = self.rest.strip_prefix("</") {
                self.rest = rest;
                let name = self.until(">").trim();
                assert_eq!(Some(name), parent, "</{name}> does not close what is open");
                return nodes;
            }
            // Leptos uses comments as hydration marks.
            if let Some(rest) = self.rest.strip_prefix("<!>") {
                self.rest = rest;
            } else if let Some(rest) = self.rest.strip_prefix("<!--") {
                self.rest = rest;
                self.until("-->");
            } else if self.rest.starts_with('<') {
                nodes.push(self.element());
            } else {
                let end = self.rest.find('<').unwrap_or(self.rest.len());
                let (text, rest) = self.rest.split_at(end);
                self.rest = rest;
                // A text split by a comment is one text.
                if let Some(Node::Text(before)) = nodes.last_mut() {
                    before.push_str(text);
                } else {
                    nodes.push(Node::Text(text.to_owned()));
                }
            }
        }
    }

    fn element(&mut self) -> Node {
        self.rest = &self.rest[1..];
        let end = self.rest.find([' ', '\n', '>', '/']).unwrap_or(self.rest.len());
        let name = self.rest[..end].to_owned();
        self.rest = &self.rest[end..];
        let mut attributes = Vec::new();
        let closed = loop {
            self.rest = self.rest.trim_start();
            if let Some(rest) = self.rest.strip_prefix("/>") {
                self.rest = rest;
                break true;
            }
            if let Some(rest) = self.rest.strip_prefix('>') {
                self.rest = rest;
                break VOID.contains(&name.as_str());
            }
            let end = self.rest.find(['=', ' ', '\n', '>']).unwrap_or_else(|| panic!("<{name}> has no end"));
            let key = self.rest[..end].to_owned();
            self.rest = &self.rest[end..];
            let value = self.rest.strip_prefix('=').map(|rest| {
                let quote = &rest[..1];
                assert!(quote == "\"" || quote == "'", "{key} of <{name}> has no quotes");
                self.rest = &rest[1..];
                self.until(quote).to_owned()
            });
            assert!(!attributes.iter().any(|(other, _)| *other == key), "<{name}> has {key} twice");
            attributes.push((key, value));
        };
        let children = if closed {
            Vec::new()
        } else if RAW.contains(&name.as_str()) {
            let text = self.until(&format!("</{name}>"));
            if text.is_empty() { Vec::new() } else { vec![Node::Text(text.to_owned())] }
        } else {
            self.nodes(Some(&name))
        };
        Node::Element { name, attributes, children }
    }
}

/// The ids of elements, and the ids they refer to.
fn names<'n>(node: &'n Node, ids: &mut Vec<&'n str>, references: &mut Vec<&'n str>) {
    let Node::Element { attributes, children, .. } = node else { return };
    for (key, value) in attributes {
        let value = value.as_deref().unwrap_or_default();
        if key == "id" {
            ids.push(value);
        } else if REFERENCES.contains(&key.as_str()) {
            references.extend(value.split_ascii_whitespace());
        }
    }
    children.iter().for_each(|child| names(child, ids, references));
}

/// What a page has only if the console's wasm was built: whether it was is no matter of the page.
fn is_for_wasm(name: &str, attributes: &[(String, Option<String>)]) -> bool {
    let has =
        |key: &str, start: &str| attributes.iter().any(|(k, value)| k == key && value.as_deref().is_some_and(|v| v.starts_with(start)));
    (name == "meta" && has("name", "earshot-wasm")) || (name == "script" && has("src", "/assets/console."))
}

fn print(node: &Node, depth: usize, out: &mut String) {
    let indent: String = repeat_n("  ", depth).collect();
    match node {
        Node::Text(text) => {
            out.push_str(&indent);
            out.push_str(&line(text));
            out.push('\n');
        }
        Node::Element { name, attributes, .. } if is_for_wasm(name, attributes) => {}
        Node::Element { name, attributes, children } => {
            out.push_str(&format!("{indent}<{name}"));
            let fresh = attributes.iter().any(|(key, value)| key == "name" && value.as_deref().is_some_and(|v| FRESH.contains(&v)));
            for (key, value) in attributes {
                match value.as_deref() {
                    None => out.push_str(&format!(" {key}")),
                    Some(_) if key == "nonce" => out.push_str(" nonce=\"[nonce]\""),
                    Some(_) if fresh && key == "value" => out.push_str(" value=\"[fresh]\""),
                    // The name of an island, followed by a number that changes with its code.
                    Some(value) if key == "data-component" => {
                        let name = value.rsplit_once('_').map_or(value, |(name, _)| name);
                        out.push_str(&format!(" {key}=\"{name}\""));
                    }
                    Some(value) => out.push_str(&format!(" {key}=\"{}\"", value.replace('\n', "⏎"))),
                }
            }
            out.push('>');
            match children.as_slice() {
                [] if VOID.contains(&name.as_str()) => out.push('\n'),
                [] => out.push_str(&format!("</{name}>\n")),
                [Node::Text(text)] if RAW.contains(&name.as_str()) => out.push_str(&format!("{}</{name}>\n", text.replace('\n', "⏎"))),
                [Node::Text(text)] => out.push_str(&format!("{}</{name}>\n", line(text))),
                several => {
                    out.push('\n');
                    for child in several {
                        print(child, depth + 1, out);
                    }
                    out.push_str(&format!("{indent}</{name}>\n"));
                }
            }
        }
    }
}

/// A text on one line. Line breaks are shown, because they are part of user text.
fn line(text: &str) -> String {
    let collapsed = |line: &str| {
        let words = line.split_ascii_whitespace().collect::<Vec<_>>().join(" ");
        let space = |is: bool| if is { "␣" } else { "" };
        let is_space = |c: char| c.is_ascii_whitespace();
        if words.is_empty() {
            return space(!line.is_empty()).to_owned();
        }
        format!("{}{words}{}", space(line.starts_with(is_space)), space(line.ends_with(is_space)))
    };
    text.split('\n').map(collapsed).collect::<Vec<_>>().join("⏎")
}

/// Texts that precede a secret in a URL.
const SECRETS: [&str; 6] = ["/t/", "/invite/", "/reset/", "?token=", "whsec_", "eas_"];

/// Replaces ids, secrets and file hashes by names. Ids are numbered in order of appearance, so that equal ids stay recognizable, and an
/// additional id elsewhere changes nothing here.
pub fn redact(text: &str) -> String {
    let mut ids: Vec<&str> = Vec::new();
    let mut out = String::with_capacity(text.len());
    let mut at = 0;
    while at < text.len() {
        let rest = &text[at..];
        if let Some(id) = rest.get(..36).filter(|id| is_id(id)) {
            let known = ids.iter().position(|other| *other == id).unwrap_or_else(|| {
                ids.push(id);
                ids.len() - 1
            });
            out.push_str(&format!("[id-{}]", known + 1));
            at += 36;
        } else if let Some(start) = SECRETS.iter().find(|start| rest.starts_with(**start) && length_of_secret(&rest[start.len()..]) >= 20) {
            out.push_str(&format!("{start}[secret]"));
            at += start.len() + length_of_secret(&rest[start.len()..]);
        } else if let Some(name) = rest.strip_prefix("/assets/").map(|name| &name[..name.find(['"', '&', '?', ' ']).unwrap_or(name.len())])
        {
            let parts: Vec<&str> = name.split('.').collect();
            let hidden = match parts.as_slice() {
                [name, _, ending] => format!("{name}.[hash].{ending}"),
                _ => name.to_owned(),
            };
            out.push_str(&format!("/assets/{hidden}"));
            at += "/assets/".len() + name.len();
        } else {
            let next = rest.chars().next().unwrap();
            out.push(next);
            at += next.len_utf8();
        }
    }
    out
}

fn length_of_secret(text: &str) -> usize {
    text.find(|c: char| !c.is_ascii_alphanumeric() && !"-_.+=".contains(c)).unwrap_or(text.len())
}

fn is_id(text: &str) -> bool {
    let shape = |(n, byte): (usize, u8)| if matches!(n, 8 | 13 | 18 | 23) { byte == b'-' } else { byte.is_ascii_hexdigit() };
    text.bytes().enumerate().all(shape)
}

#[test]
fn each_element_has_its_line() {
    let html = "<!DOCTYPE html><html lang=\"en\"><head><title>A &amp; B</title></head><body><!--hot--><p class=\"a\" hidden>One<!> text</p>\
                <p>Some <b>bold</b> and  two\nlines</p><input value=\"\"><div></div><textarea>a\n<b></textarea></body></html>";
    let lines = [
        "<!DOCTYPE html>",
        "<html lang=\"en\">",
        "  <head>",
        "    <title>A &amp; B</title>",
        "  </head>",
        "  <body>",
        "    <p class=\"a\" hidden>One text</p>",
        "    <p>",
        "      Some␣",
        "      <b>bold</b>",
        "      ␣and two⏎lines",
        "    </p>",
        "    <input value=\"\">",
        "    <div></div>",
        "    <textarea>a⏎<b></textarea>",
        "  </body>",
        "</html>",
    ];
    assert_eq!(pretty(html).lines().collect::<Vec<_>>(), lines);
}

#[test]
#[should_panic(expected = "</p> does not close what is open")]
fn an_element_that_is_not_closed_is_seen() {
    pretty("<p><b>text</p>");
}

#[test]
#[should_panic(expected = "<p> has id twice")]
fn an_attribute_that_is_there_twice_is_seen() {
    pretty("<p id=\"a\" id=\"b\"></p>");
}

#[test]
#[should_panic(expected = "two elements have the id a")]
fn an_id_that_is_there_twice_is_seen() {
    pretty("<p id=\"a\"></p><div><p id=\"a\"></p></div>");
}

#[test]
#[should_panic(expected = "something refers to b, which is not there")]
fn a_reference_to_nothing_is_seen() {
    pretty("<p id=\"a\" aria-describedby=\"a b\"></p>");
}

#[test]
fn what_differs_from_run_to_run_is_replaced() {
    let (one, two) = ("01990000-0000-7000-8000-000000000001", "01990000-0000-7000-8000-00000000000a");
    assert_eq!(redact(&format!("{two} é {one} {two}")), "[id-1] é [id-2] [id-1]");
    assert_eq!(redact("href=\"/assets/console.0a1b2c3d.css\""), "href=\"/assets/console.[hash].css\"");
    assert_eq!(redact("/p/a/t/0123456789abcdef.1-abc\""), "/p/a/t/[secret]\"");
    // Ordinary words are not secrets.
    assert_eq!(redact("/p/a/t/short and eas_…"), "/p/a/t/short and eas_…");
    assert_eq!(pretty("<input name=\"idempotency_key\" value=\"abc\">"), "<input name=\"idempotency_key\" value=\"[fresh]\">\n");
    assert_eq!(pretty("<i data-component=\"Copy_123\"></i>"), "<i data-component=\"Copy\"></i>\n");
    assert_eq!(pretty("<link nonce=\"abc\" href=\"a\">"), "<link nonce=\"[nonce]\" href=\"a\">\n");
}
