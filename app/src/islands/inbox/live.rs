//! Live updates: new items and changes by others while the page is open. Nothing changes unexpectedly: new items wait behind a button,
//! changed rows are replaced one by one, and an open item only shows a notice that it changed.

use std::{cell::RefCell, collections::BTreeMap, collections::BTreeSet, time::Duration};

use leptos::prelude::*;
use wasm_bindgen::{JsCast, closure::Closure};
use web_sys::{Document, Element, EventSource, HtmlElement, MessageEvent, Url};

use super::keys;
use crate::islands::{dom, enhance, press};

#[derive(Default)]
struct LiveState {
    /// Items that arrived and are not listed.
    new: BTreeSet<String>,
    /// Version and author of items that changed.
    changed: BTreeMap<String, (i64, String)>,
    /// Events were missed.
    resync: bool,
    /// Whether a refresh is scheduled or running.
    looking: bool,
}

thread_local! {
    static STATE: RefCell<LiveState> = RefCell::default();
    static SOURCE: RefCell<Option<EventSource>> = const { RefCell::new(None) };
}

/// Long enough for the response to the user's own change to arrive first, and to merge bursts.
const PAUSE: Duration = Duration::from_millis(700);

pub fn start() {
    let Some(url) = dom::first(".inbox-live").and_then(|e| e.dataset().get("events")) else { return };
    listen(&url);
    // Browsers limit connections per server: hidden pages close theirs, and refresh when they become visible again.
    let seen = window_event_listener_untyped("visibilitychange", move |_| {
        if dom::document().hidden() {
            SOURCE.with_borrow_mut(|source| {
                if let Some(source) = source.take() {
                    source.close();
                }
            });
        } else if SOURCE.with_borrow(Option::is_none) {
            listen(&url);
            STATE.with_borrow_mut(|s| s.resync = true);
            look_soon();
        }
    });
    let shown = window_event_listener_untyped("earshot:loaded", |_| {
        STATE.with_borrow_mut(|s| s.new.retain(|id| !is_listed(id)));
        say_new(0);
    });
    let click = window_event_listener(leptos::ev::click, |event| {
        if dom::closest(&event, "[data-show-new]").is_some() {
            STATE.with_borrow_mut(|s| s.new.clear());
            enhance::visit(first_page());
        }
    });
    on_cleanup(move || {
        seen.remove();
        shown.remove();
        click.remove();
    });
}

fn listen(url: &str) {
    let Ok(source) = EventSource::new(url) else { return };
    let changed = Closure::<dyn Fn(MessageEvent)>::new(|event: MessageEvent| {
        heard(&event.data().as_string().unwrap_or_default());
    });
    let resync = Closure::<dyn Fn(MessageEvent)>::new(|_| {
        STATE.with_borrow_mut(|s| s.resync = true);
        look_soon();
    });
    drop(source.add_event_listener_with_callback("changed", changed.into_js_value().unchecked_ref()));
    drop(source.add_event_listener_with_callback("resync", resync.into_js_value().unchecked_ref()));
    SOURCE.with_borrow_mut(|own| *own = Some(source));
}

fn row(id: &str) -> Option<HtmlElement> {
    dom::document().get_element_by_id(&format!("row-{id}"))?.dyn_into().ok()
}

fn is_listed(id: &str) -> bool {
    row(id).is_some()
}

fn version(element: &HtmlElement) -> i64 {
    element.dataset().get("version").and_then(|v| v.parse().ok()).unwrap_or_default()
}

/// Parses lines of `id version new name`, where the third is `new` or `known`.
fn heard(data: &str) {
    STATE.with_borrow_mut(|state| {
        for line in data.lines() {
            let mut words = line.splitn(4, ' ');
            let (Some(id), Some(number)) = (words.next(), words.next().and_then(|v| v.parse::<i64>().ok())) else { continue };
            if words.next() == Some("new") && !is_listed(id) {
                state.new.insert(id.to_owned());
            }
            state.changed.insert(id.to_owned(), (number, words.next().unwrap_or_default().to_owned()));
        }
    });
    look_soon();
}

fn look_soon() {
    if STATE.with_borrow_mut(|s| std::mem::replace(&mut s.looking, true)) {
        return;
    }
    set_timeout(
        || {
            leptos::task::spawn_local(async {
                look().await;
                STATE.with_borrow_mut(|s| s.looking = false);
            });
        },
        PAUSE,
    );
}

/// URL of the first page of this view.
fn first_page() -> String {
    let here = dom::window().location().href().unwrap_or_default();
    let Ok(url) = Url::new(&here) else { return here };
    let params = url.search_params();
    if params.get("cursor").is_none() {
        return here;
    }
    params.delete("cursor");
    url.href()
}

async fn fetched(url: &str) -> Option<Document> {
    let (_, status, html) = dom::fetch(url, None).await.ok()?;
    if status != 200 {
        return None;
    }
    dom::parse(&html)
}

async fn look() {
    let (changed, resync) = STATE.with_borrow_mut(|s| (std::mem::take(&mut s.changed), std::mem::take(&mut s.resync)));
    tell_detail(&changed);
    let stale: Vec<String> =
        changed.iter().filter(|(id, (number, _))| row(id).is_some_and(|r| version(&r) < *number)).map(|(id, _)| id.clone()).collect();
    let waiting = STATE.with_borrow(|s| !s.new.is_empty());
    if dom::first("#inbox-list").is_none() || (stale.is_empty() && !waiting && !resync) {
        return;
    }
    let here = dom::window().location().href().unwrap_or_default();
    let first = first_page();
    if !stale.is_empty() || resync {
        let Some(page) = fetched(&here).await else { return };
        press::released().await;
        let rows: Vec<String> = if resync { listed(&dom::document()) } else { stale };
        for id in rows {
            refresh(&id, &page);
        }
        if resync && here == first {
            let known = listed(&dom::document());
            let unknown = listed(&page).into_iter().filter(|id| !known.contains(id));
            STATE.with_borrow_mut(|s| s.new.extend(unknown));
        }
        keys::put_back();
        if here == first {
            count_new(&page);
            return;
        }
    }
    // New items count if they are on the first page of this search.
    if let Some(page) = fetched(&first).await {
        count_new(&page);
    }
}

fn listed(page: &Document) -> Vec<String> {
    let Ok(list) = page.query_selector_all(".inbox-row") else { return Vec::new() };
    (0..list.length()).filter_map(|i| list.item(i)?.dyn_into::<HtmlElement>().ok()?.dataset().get("id")).collect()
}

/// Replaces a row by the fetched one if its version differs; marks it if it is no longer listed.
fn refresh(id: &str, page: &Document) {
    let Some(old) = row(id) else { return };
    let Some(new) = page.get_element_by_id(&old.id()).and_then(|e| e.dyn_into::<HtmlElement>().ok()) else {
        drop(old.set_attribute("data-gone", ""));
        return;
    };
    if version(&new) == version(&old) {
        return;
    }
    let focus = dom::document().active_element().filter(|e| old.contains(Some(e))).map(|e| e.id());
    drop(old.replace_with_with_node_1(&new));
    if let Some(element) = focus.and_then(|id| dom::document().get_element_by_id(&id)) {
        drop(element.unchecked_into::<HtmlElement>().focus());
    }
}

fn count_new(page: &Document) {
    let first = listed(page);
    let count = STATE.with_borrow(|s| s.new.iter().filter(|id| first.contains(id) && !is_listed(id)).count());
    say_new(count);
}

fn say_new(count: usize) {
    let Some(bar) = dom::first(".inbox-live") else { return };
    bar.set_text_content(None);
    if count == 0 {
        return;
    }
    let Some(button) = make("button", &format!("{count} new — show")) else { return };
    button.set_class_name("button button-small");
    drop(button.set_attribute("type", "button"));
    drop(button.set_attribute("data-show-new", ""));
    drop(bar.append_child(&button));
}

fn make(tag: &str, text: &str) -> Option<Element> {
    let element = dom::document().create_element(tag).ok()?;
    element.set_text_content(Some(text));
    Some(element)
}

/// Shows in the open item that someone changed it, with a link to reload.
fn tell_detail(changed: &BTreeMap<String, (i64, String)>) {
    let Some(detail) = dom::first("#inbox-detail") else { return };
    let Some((number, name)) = detail.dataset().get("id").and_then(|id| changed.get(&id)) else { return };
    let Some(notice) = dom::first("#detail-changed") else { return };
    if version(&detail) >= *number {
        return;
    }
    let name = if name.is_empty() { "Earshot" } else { name };
    notice.set_text_content(Some(&format!("{name} changed this just now. ")));
    if let Some(link) = make("a", "Reload") {
        drop(link.set_attribute("href", &dom::window().location().href().unwrap_or_default()));
        drop(link.set_attribute("data-enhance", ""));
        drop(notice.append_child(&link));
    }
    notice.set_hidden(false);
}
