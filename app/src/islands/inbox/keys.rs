//! Single-key shortcuts, check boxes, and focus handling.

use std::cell::RefCell;

use leptos::{ev, prelude::*};
use wasm_bindgen::JsCast;
use web_sys::{Element, Event, HtmlElement, HtmlFormElement, HtmlInputElement, KeyboardEvent};

use crate::islands::{dom, drafts, enhance, menus, toasts};

#[derive(Default)]
struct KeyboardState {
    /// The current row: its item and its index in the list. While an item is open, it is that item's row, or the row whose item is being
    /// loaded.
    cursor: Option<(String, usize)>,
    /// The field to focus once its item is loaded.
    then: Option<&'static str>,
    /// A shortcut acted on the open item: once that has left the list, the next one opens.
    advance: bool,
    /// A field's form was sent: the focus returns to the row.
    leave: bool,
    /// A search was sent from its field: the focus moves to the first result.
    searched: bool,
    /// The bulk form was sent.
    sent: bool,
    /// Items listed before the last load.
    listed: Vec<String>,
    /// Checked items.
    checked: Vec<String>,
    /// The last item checked individually, the start of a range.
    anchor: Option<String>,
    /// The query whose matches on all pages are selected.
    matching: Option<String>,
}

thread_local! {
    static STATE: RefCell<KeyboardState> = RefCell::default();
}

pub fn start() {
    let keys = window_event_listener(ev::keydown, |event| on_key(&event));
    let click = window_event_listener(ev::click, |event| on_click(&event));
    let change = window_event_listener(ev::change, |event| on_change(&event));
    let submit = window_event_listener(ev::submit, |event| on_submit(&event));
    let focus = window_event_listener(ev::focusin, |event| {
        // While an item is open, its row stays the current one, wherever the focus is.
        if let (None, Some(row)) = (shown(), dom::closest(&event, ".inbox-row")) {
            remember(&row);
        }
    });
    let loaded = window_event_listener_untyped("earshot:loaded", |_| on_loaded());
    let refused = window_event_listener_untyped("earshot:refused", |_| on_refused());
    if let Some(row) = dom::first(".inbox-row[data-open]") {
        remember(&row);
    }
    note_listed();
    on_cleanup(move || {
        keys.remove();
        click.remove();
        change.remove();
        submit.remove();
        focus.remove();
        loaded.remove();
        refused.remove();
    });
}

fn rows() -> Vec<HtmlElement> {
    dom::all(".inbox-row").into_iter().filter_map(|row| row.dyn_into().ok()).collect()
}

fn item_of(row: &HtmlElement) -> String {
    row.dataset().get("id").unwrap_or_default()
}

fn link_of(row: &Element) -> Option<HtmlElement> {
    row.query_selector(".row-link").ok()??.dyn_into().ok()
}

fn check_of(row: &Element) -> Option<HtmlInputElement> {
    row.query_selector(".row-check").ok()??.dyn_into().ok()
}

fn note_listed() {
    let listed = rows().iter().map(item_of).collect();
    STATE.with_borrow_mut(|s| s.listed = listed);
}

fn row_of(item: &str) -> Option<HtmlElement> {
    rows().into_iter().find(|row| item_of(row) == item)
}

/// The item that is open.
fn shown() -> Option<String> {
    dom::first("#inbox-detail[data-open]")?.dataset().get("id")
}

/// Whether a response is pending: the open item may not be the one requested last.
fn is_loading() -> bool {
    dom::first("body[data-loading]").is_some()
}

/// The current row and its index.
fn cursor() -> Option<(usize, HtmlElement)> {
    let id = STATE.with_borrow(|s| s.cursor.as_ref().map(|(id, _)| id.clone()))?;
    rows().into_iter().enumerate().find(|(_, row)| item_of(row) == id)
}

fn remember(row: &HtmlElement) {
    let id = item_of(row);
    let place = rows().iter().position(|r| item_of(r) == id).unwrap_or_default();
    for link in dom::all(".row-link[aria-current]") {
        drop(link.remove_attribute("aria-current"));
    }
    if let Some(link) = link_of(row) {
        drop(link.set_attribute("aria-current", "true"));
    }
    STATE.with_borrow_mut(|s| s.cursor = Some((id, place)));
}

fn go_to(row: &HtmlElement) {
    remember(row);
    if let Some(link) = link_of(row) {
        drop(link.focus());
        let options = web_sys::ScrollIntoViewOptions::new();
        options.set_block(web_sys::ScrollLogicalPosition::Nearest);
        row.scroll_into_view_with_scroll_into_view_options(&options);
    }
}

fn step(by: isize) -> bool {
    let rows = rows();
    let next = match cursor() {
        Some((at, _)) => at.checked_add_signed(by),
        None => Some(0),
    };
    if let Some(row) = next.and_then(|at| rows.get(at)) {
        let beside = shown().is_some();
        go_to(row);
        if beside {
            show(row);
        }
    }
    true
}

/// Opens the row's item instead of the open one.
fn show(row: &HtmlElement) {
    let Some(link) = link_of(row) else { return };
    show_as_open(&link);
    if let Some(url) = link.get_attribute("href") {
        enhance::replace(url, "inbox-detail");
    }
}

fn on_key(event: &KeyboardEvent) {
    if event.default_prevented() || event.ctrl_key() || event.meta_key() || event.alt_key() || dom::first("dialog[open]").is_some() {
        return;
    }
    let key = event.key();
    if dom::is_typing(event) {
        if key == "Escape" {
            leave_field(event);
        } else if key == "Enter"
            && let Some(select) = dom::closest(event, "select[data-submit-on-enter]")
        {
            event.prevent_default();
            send_form_of(&select);
        }
        return;
    }
    if !dom::keys_are_on() && key != "Escape" {
        return;
    }
    // The second key of a sequence such as "g i" is handled elsewhere.
    if dom::first("body").is_some_and(|body| body.dataset().get("keys").is_some()) {
        return;
    }
    let done = match key.as_str() {
        "j" => step(1),
        "k" => step(-1),
        "Enter" if dom::closest(event, "a, button, summary, input").is_none() => cursor().is_some_and(|(_, row)| open(&row)),
        "x" | "X" => check(event.shift_key()),
        "e" => set_status("resolved"),
        "s" => set_status("spam"),
        "1" => set_status("new"),
        "2" => set_status("triaged"),
        "3" => set_status("resolved"),
        "a" => field("assignee", "bulk-assignee"),
        "t" => field("add", "bulk-tag"),
        "l" => field("link_q", ""),
        "c" => field("body", ""),
        "r" => field("answer", ""),
        "p" => field("priority", ""),
        "u" => toasts::undo(enhance::send),
        "[" => press("a[data-page=prev]"),
        "]" => press("a[data-page=next]"),
        "/" => focus("q"),
        "Escape" if dom::closest(event, ".create-tag").is_some() => cursor().is_some_and(|(_, row)| {
            go_to(&row);
            true
        }),
        "Escape" if !menus::is_open() => close(),
        _ => false,
    };
    if done {
        event.prevent_default();
    }
}

fn press(selector: &str) -> bool {
    dom::first(selector).is_some_and(|element| {
        element.click();
        true
    })
}

fn focus(id: &str) -> bool {
    let Some(element) = dom::document().get_element_by_id(id).and_then(|e| e.dyn_into::<HtmlElement>().ok()) else { return false };
    drop(element.focus());
    if let Some(input) = element.dyn_ref::<HtmlInputElement>() {
        input.select();
    }
    true
}

fn open(row: &HtmlElement) -> bool {
    link_of(row).is_some_and(|link| {
        link.click();
        true
    })
}

/// Leaves a field and returns the focus to the row.
fn leave_field(event: &Event) {
    if let Some(field) = dom::closest(event, "input, select, textarea") {
        drop(field.blur());
        if let Some((_, row)) = cursor() {
            go_to(&row);
        }
    }
}

/// Escape outside of fields: unchecks everything; if nothing is checked, closes the item.
fn close() -> bool {
    if checked().is_empty() {
        return press("#inbox-detail a[data-back]");
    }
    uncheck();
    true
}

fn checked() -> Vec<HtmlInputElement> {
    dom::all(".row-check").into_iter().filter_map(|c| c.dyn_into::<HtmlInputElement>().ok()).filter(HtmlInputElement::checked).collect()
}

fn uncheck() {
    for check in checked() {
        check.set_checked(false);
    }
    count();
}

/// Checks the current row; with Shift, the range from the last checked one.
fn check(range: bool) -> bool {
    if cursor().is_none() {
        step(1);
    }
    let Some((at, row)) = cursor() else { return false };
    let Some(own) = check_of(&row) else { return false };
    if range {
        check_from_anchor(at);
    } else {
        own.set_checked(!own.checked());
        STATE.with_borrow_mut(|s| s.anchor = Some(item_of(&row)));
    }
    count();
    true
}

fn check_from_anchor(to: usize) {
    let rows = rows();
    let anchor = STATE.with_borrow(|s| s.anchor.clone());
    let from = anchor.and_then(|id| rows.iter().position(|row| item_of(row) == id)).unwrap_or(to);
    for row in rows.iter().take(from.max(to) + 1).skip(from.min(to)) {
        if let Some(check) = check_of(row) {
            check.set_checked(true);
        }
    }
}

/// Remembers the checked items and shows their number; once the whole page is checked, offers to select all matches.
fn count() {
    let rows = rows();
    let ids: Vec<String> = rows.iter().filter(|row| check_of(row).is_some_and(|c| c.checked())).map(item_of).collect();
    let whole = !rows.is_empty() && ids.len() == rows.len();
    let some = !ids.is_empty();
    if let Some(page) = input("check-page") {
        page.set_checked(whole);
        page.set_indeterminate(some && !whole);
    }
    let query = input("bulk-q").map(|q| q.value());
    let matching = STATE.with_borrow_mut(|s| {
        s.matching = s.matching.take().filter(|q| whole && Some(q) == query.as_ref());
        s.matching.is_some()
    }) && dom::first("#select-matching").is_some();
    if let Some(all) = input("bulk-all") {
        all.set_value(if matching { "1" } else { "" });
    }
    if let Some(offer) = dom::first("#select-all") {
        offer.set_hidden(!whole);
    }
    for part in dom::all("#select-all [data-selected]").into_iter().filter_map(|p| p.dyn_into::<HtmlElement>().ok()) {
        part.set_hidden((part.dataset().get("selected").as_deref() == Some("all")) != matching);
    }
    if let Some(label) = dom::first("#bulk-count") {
        let said = if matching { "All that match".to_owned() } else { format!("{} selected", ids.len()) };
        label.set_text_content(Some(&said));
    }
    STATE.with_borrow_mut(|s| s.checked = ids);
}

fn input(id: &str) -> Option<HtmlInputElement> {
    dom::document().get_element_by_id(id)?.dyn_into().ok()
}

/// Checks or unchecks the whole page.
fn check_page(on: bool) {
    for check in dom::all(".row-check").into_iter().filter_map(|c| c.dyn_into::<HtmlInputElement>().ok()) {
        check.set_checked(on);
    }
    count();
}

/// Selects all matches or only this page; the focus moves to the button that replaces the one pressed.
fn select_matching(all: bool) {
    let query = input("bulk-q").map(|q| q.value()).filter(|_| all);
    STATE.with_borrow_mut(|s| s.matching = query);
    count();
    focus(if all { "select-page" } else { "select-matching" });
}

/// Sets the status of all checked items, else of the open item, else of the current row. Never changes an item that the user is not
/// looking at.
fn set_status(status: &str) -> bool {
    if !checked().is_empty() {
        return press(&format!("#bulk button[value='status:{status}']"));
    }
    if shown().is_some() {
        // The requested item is not on the screen yet.
        if is_loading() {
            return true;
        }
        let is = dom::first("#status-form button[aria-pressed=true]").and_then(|b| b.get_attribute("value"));
        let to = if status == "spam" && is.as_deref() == Some("spam") { "new" } else { status };
        let done = press(&format!("#status-form button[value='{to}']"));
        STATE.with_borrow_mut(|s| s.advance = done);
        return done;
    }
    let Some((_, row)) = cursor() else { return false };
    let Some(form) = dom::first("#quick").and_then(|f| f.dyn_into::<HtmlFormElement>().ok()) else { return false };
    let data = row.dataset();
    let to = if status == "spam" && data.get("status").as_deref() == Some("spam") { "new" } else { status };
    let base = form.dataset().get("base").unwrap_or_default();
    form.set_action(&format!("{base}/{}/status", item_of(&row)));
    let set = |name: &str, value: &str| {
        if let Some(input) =
            form.query_selector(&format!("input[name={name}]")).ok().flatten().and_then(|i| i.dyn_into::<HtmlInputElement>().ok())
        {
            input.set_value(value);
        }
    };
    set("status", to);
    set("version", &data.get("version").unwrap_or_default());
    form.request_submit().is_ok()
}

/// Focuses a field of the current item, opening it first; if rows are checked, the bulk field, if there is one.
fn field(id: &'static str, bulk: &'static str) -> bool {
    if !bulk.is_empty() && !checked().is_empty() {
        return focus(bulk);
    }
    let wait = || STATE.with_borrow_mut(|s| s.then = Some(id));
    match (shown(), cursor()) {
        (Some(_), _) if is_loading() => {
            wait();
            true
        }
        (None, Some((_, row))) => {
            wait();
            open(&row)
        }
        _ => focus(id),
    }
}

fn send_form_of(element: &HtmlElement) {
    if let Some(form) = element.closest("form").ok().flatten().and_then(|f| f.dyn_into::<HtmlFormElement>().ok()) {
        drop(form.request_submit());
    }
}

fn on_click(event: &web_sys::MouseEvent) {
    if let Some(page) = dom::closest(event, "#check-page").and_then(|c| c.dyn_into::<HtmlInputElement>().ok()) {
        check_page(page.checked());
    }
    if dom::closest(event, "#select-matching").is_some() {
        select_matching(true);
    }
    if dom::closest(event, "#select-page").is_some() {
        select_matching(false);
    }
    if let Some(link) = dom::closest(event, ".row-link")
        && !(event.ctrl_key() || event.meta_key() || event.alt_key())
    {
        show_as_open(&link);
    }
    if let Some(check) = dom::closest(event, ".row-check")
        && let Some(row) = check.closest(".inbox-row").ok().flatten().and_then(|r| r.dyn_into::<HtmlElement>().ok())
    {
        if event.shift_key()
            && let Some(at) = rows().iter().position(|r| item_of(r) == item_of(&row))
        {
            check_from_anchor(at);
        }
        STATE.with_borrow_mut(|s| s.anchor = Some(item_of(&row)));
        count();
    }
}

/// The chosen row looks open immediately, and no other row does, however long loading its item takes.
fn show_as_open(link: &HtmlElement) {
    for row in dom::all(".inbox-row[data-open]") {
        drop(row.remove_attribute("data-open"));
    }
    if let Some(row) = link.closest(".inbox-row").ok().flatten().and_then(|r| r.dyn_into::<HtmlElement>().ok()) {
        drop(row.set_attribute("data-open", ""));
        remember(&row);
    }
}

fn on_change(event: &Event) {
    if dom::closest(event, ".row-check").is_some() {
        count();
    }
    if let Some(select) = dom::closest(event, "select[data-submit-on-change]") {
        send_form_of(&select);
    }
}

/// Remembers the next step for when the response arrives.
fn on_submit(event: &web_sys::SubmitEvent) {
    let Some(form) = event.target().and_then(|t| t.dyn_into::<HtmlElement>().ok()) else { return };
    let from = dom::document().active_element().filter(|e| form.contains(Some(e)));
    let from_field = from.as_ref().is_some_and(|e| matches!(e.tag_name().as_str(), "INPUT" | "SELECT"));
    STATE.with_borrow_mut(|s| match form.id().as_str() {
        "bulk" => s.sent = true,
        "tags-form" | "assign-form" | "priority-form" => s.leave = from_field,
        _ => s.searched = from.is_some_and(|e| e.id() == "q"),
    });
}

/// The load failed: the open item's row becomes the current one again.
fn on_refused() {
    STATE.with_borrow_mut(|s| {
        s.then = None;
        (s.advance, s.leave, s.searched, s.sent) = (false, false, false, false);
    });
    if let Some(link) = shown().and_then(|id| row_of(&id)).and_then(|row| link_of(&row)) {
        show_as_open(&link);
    }
}

fn on_loaded() {
    // More loads are pending: the last one decides.
    if enhance::has_more() {
        put_back();
        return;
    }
    let failed = dom::first("#toasts .toast-error, #bulk-refused, #tags-form [aria-invalid], #q-error").is_some();
    let (then, advance, leave, searched, listed) = STATE.with_borrow_mut(|s| {
        // The checked items have been changed.
        if std::mem::take(&mut s.sent) && !failed {
            s.checked.clear();
            s.matching = None;
        }
        let flags = (std::mem::take(&mut s.advance), std::mem::take(&mut s.leave), std::mem::take(&mut s.searched));
        (s.then.take(), flags.0 && !failed, flags.1 && !failed, flags.2 && !failed, std::mem::take(&mut s.listed))
    });
    note_listed();
    put_back();
    if then.is_some_and(focus) {
        return;
    }
    let rows = rows();
    let was_undo = toasts::was_undo();
    let back = was_undo.then(|| rows.iter().find(|row| !listed.contains(&item_of(row)))).flatten();
    if let Some(row) = rows.first().filter(|_| searched).or(back.filter(|_| shown().is_none())) {
        go_to(row);
        return;
    }
    // The item left the list: the one now at its index is next.
    let next = || {
        let place = STATE.with_borrow(|s| s.cursor.as_ref().map(|(_, place)| *place))?;
        rows.get(place).or(rows.last()).cloned()
    };
    if let Some(shown) = shown() {
        if let Some(row) = row_of(&shown) {
            if leave || focus_is_lost() { go_to(&row) } else { remember(&row) }
        } else if advance {
            if let Some(row) = next() {
                go_to(&row);
                show(&row);
            } else {
                press("#inbox-detail a[data-back]");
            }
        } else if leave {
            leave_focus();
        }
        return;
    }
    if let Some(row) = cursor().map(|(_, row)| row).or_else(next) {
        if focus_is_lost() { go_to(&row) } else { remember(&row) }
    } else if focus_is_lost() && !rows.is_empty() {
        STATE.with_borrow_mut(|s| s.cursor = None);
    }
}

/// Without a row to return to, leave the field so that shortcuts work again.
fn leave_focus() {
    if let Some(element) = dom::document().active_element().and_then(|e| e.dyn_into::<HtmlElement>().ok()) {
        drop(element.blur());
    }
}

fn focus_is_lost() -> bool {
    dom::document().active_element().is_none_or(|e| e.tag_name() == "BODY" || e.id() == "main")
}

/// Restores the checked items after a load.
pub fn put_back() {
    let ids = STATE.with_borrow(|s| s.checked.clone());
    for row in rows() {
        if ids.contains(&item_of(&row))
            && let Some(check) = check_of(&row)
        {
            check.set_checked(true);
        }
    }
    if !ids.is_empty() {
        count();
    }
    if let Some((_, row)) = cursor() {
        remember(&row);
    }
    drafts::mark();
}
