//! Forms and links marked `data-enhance` are fetched instead of navigated to, and each region of the page marked `data-part` is replaced by
//! the region with the same id in the response. The server sends the same full pages; without wasm, everything still works, but with a
//! full page load. `data-waits` names the regions that show a skeleton when the response is slow.
//!
//! On pages without their own shortcuts, `j` and `k` move through the links marked `data-row`, and `/` focuses the search.

use leptos::prelude::*;

/// The island. Renders nothing.
#[island]
pub fn Enhance() -> impl IntoView {
    #[cfg(feature = "hydrate")]
    Effect::new(|_| browser::start());
}

#[cfg(feature = "hydrate")]
pub use browser::{has_more, replace, send, visit};

#[cfg(feature = "hydrate")]
mod browser {
    use std::{
        cell::{Cell, RefCell},
        collections::VecDeque,
        time::Duration,
    };

    use leptos::{ev, leptos_dom::helpers::TimeoutHandle, prelude::*};
    use wasm_bindgen::{JsCast, JsValue};
    use web_sys::{
        CustomEvent, Document, Element, FormData, HtmlElement, HtmlFormElement, HtmlInputElement, HtmlTextAreaElement, SubmitEvent,
        UrlSearchParams,
    };

    use crate::islands::{dom, drafts, guard, menus, press, toasts};

    pub fn start() {
        let submit = window_event_listener(ev::submit, |event| on_submit(&event));
        let click = window_event_listener(ev::click, |event| on_click(&event));
        let back = window_event_listener(ev::popstate, |_| {
            let url = dom::window().location().href().unwrap_or_default();
            enqueue(PageLoad { url, body: None, place: HistoryMode::Known, form: None, waits: None });
        });
        let keys = window_event_listener(ev::keydown, |event| on_key(&event));
        let change = window_event_listener(ev::change, |event| {
            if let Some(switch) = dom::closest(&event, "[data-single-keys]").and_then(|e| e.dyn_into::<HtmlInputElement>().ok()) {
                dom::set_keys(switch.checked());
            }
        });
        if !dom::keys_are_on() {
            dom::set_keys(false);
            if let Some(switch) = dom::first("[data-single-keys]").and_then(|e| e.dyn_into::<HtmlInputElement>().ok()) {
                switch.set_checked(false);
            }
        }
        toasts::begin();
        let (drafts, guard, menus, press) = (drafts::start(), guard::start(), menus::start(), press::start());
        on_cleanup(move || {
            for handle in drafts.into_iter().chain(guard).chain(menus).chain(press) {
                handle.remove();
            }
            change.remove();
            submit.remove();
            click.remove();
            back.remove();
            keys.remove();
        });
    }

    fn on_submit(event: &SubmitEvent) {
        if event.default_prevented() {
            return;
        }
        let Some(form) = event.target().and_then(|t| t.dyn_into::<HtmlFormElement>().ok()) else { return };
        if !form.has_attribute("data-enhance") {
            return;
        }
        event.prevent_default();
        post(form, event.submitter().and_then(|b| b.dyn_into::<HtmlElement>().ok()).as_ref());
    }

    /// Sends a form that is no longer part of the page.
    pub fn send(form: &HtmlFormElement) {
        post(form.clone(), None);
    }

    fn post(form: HtmlFormElement, button: Option<&HtmlElement>) {
        let Ok(data) = FormData::new_with_form(&form) else { return };
        let mut action = form.get_attribute("action").unwrap_or_default();
        if let Some(button) = button {
            if let Some(name) = button.get_attribute("name") {
                drop(data.append_with_str(&name, &button.get_attribute("value").unwrap_or_default()));
            }
            if let Some(other) = button.get_attribute("formaction") {
                action = other;
            }
        }
        // Files are sent as they would be without the island.
        let has_files = form.enctype() == "multipart/form-data";
        let Ok(params) = UrlSearchParams::new_with_str_sequence_sequence(&data) else { return };
        drop(form.set_attribute("aria-busy", "true"));
        let waits = form.get_attribute("data-waits");
        let (url, body) = if form.method() == "post" {
            (action, Some(if has_files { data.into() } else { params.into() }))
        } else {
            (format!("{action}?{}", String::from(params.to_string())), None)
        };
        enqueue(PageLoad { url, body, place: HistoryMode::New, form: Some(form), waits });
    }

    fn on_click(event: &web_sys::MouseEvent) {
        if event.default_prevented() || event.button() != 0 || event.ctrl_key() || event.meta_key() || event.shift_key() {
            return;
        }
        if let Some(toast) = dom::closest(event, "[data-close-toast]").and_then(|b| b.parent_element()) {
            toast.remove();
        }
        if let Some(opener) = dom::closest(event, "button[data-opens]") {
            dom::show_dialog(&opener.dataset().get("opens").unwrap_or_default());
        }
        let Some(link) = dom::closest(event, "a[data-enhance]") else { return };
        let Some(url) = link.get_attribute("href") else { return };
        event.prevent_default();
        enqueue(PageLoad { url, body: None, place: HistoryMode::New, form: None, waits: link.get_attribute("data-waits") });
    }

    /// `g` then a letter goes to a section; `z` undoes; Escape closes menus; Ctrl or Cmd and Enter submits the form being edited.
    fn on_key(event: &web_sys::KeyboardEvent) {
        if event.key() == "Enter" && (event.ctrl_key() || event.meta_key()) {
            let form = dom::closest(event, "form:not([aria-busy])");
            if let Some(button) = form.and_then(|form| form.query_selector("[data-send]").ok().flatten()) {
                event.prevent_default();
                button.unchecked_into::<HtmlElement>().click();
            }
            return;
        }
        if dom::is_typing(event) || event.ctrl_key() || event.meta_key() || event.alt_key() {
            return;
        }
        let key = event.key();
        let body = dom::first("body");
        let waiting = body.as_ref().and_then(|b| b.dataset().get("keys")).unwrap_or_default();
        if let Some(body) = &body {
            body.dataset().delete("keys");
        }
        if waiting == "g" {
            let chord = format!("g {key}");
            if let Some(link) = dom::all("a[data-key]").into_iter().find(|a| a.get_attribute("data-key").as_deref() == Some(&chord)) {
                event.prevent_default();
                link.unchecked_into::<HtmlElement>().click();
            }
            return;
        }
        if !dom::keys_are_on() && key != "Escape" || dom::first("dialog[open]").is_some() {
            return;
        }
        match key.as_str() {
            "?" if dom::show_dialog("keys") => event.prevent_default(),
            "g" => {
                if let Some(body) = body {
                    drop(body.dataset().set("keys", "g"));
                }
            }
            "z" if toasts::undo(send) => event.prevent_default(),
            "j" if dom::first(".inbox").is_none() && step(1) => event.prevent_default(),
            "k" if dom::first(".inbox").is_none() && step(-1) => event.prevent_default(),
            "/" if dom::first(".inbox").is_none() => {
                if let Some(search) = dom::first("main input[type=search]") {
                    event.prevent_default();
                    drop(search.focus());
                }
            }
            "Escape" => menus::close(),
            _ => {}
        }
    }

    /// Moves the focus along the rows of the page; `false` if there are none.
    fn step(by: isize) -> bool {
        let rows = dom::all("a[data-row]");
        let active = dom::document().active_element();
        let at = rows.iter().position(|row| active.as_ref().is_some_and(|a| a.is_same_node(Some(row))));
        let to = at.map_or(Some(0), |at| at.checked_add_signed(by));
        if let Some(link) = to.and_then(|to| rows.get(to)) {
            drop(link.clone().unchecked_into::<HtmlElement>().focus());
        }
        !rows.is_empty()
    }

    /// One navigation or form post.
    struct PageLoad {
        url: String,
        body: Option<JsValue>,
        place: HistoryMode,
        /// The form that was sent: its text is not restored.
        form: Option<HtmlFormElement>,
        /// Ids of the regions that the response will replace.
        waits: Option<String>,
    }

    /// How a load changes the browser's history.
    #[derive(Clone, Copy, PartialEq, Eq)]
    enum HistoryMode {
        /// Adds a history entry.
        New,
        /// Replaces the current entry: a step in a list is not a page to go back to.
        Instead,
        /// The history entry already exists.
        Known,
    }

    thread_local! {
        static WAITING: RefCell<VecDeque<PageLoad>> = const { RefCell::new(VecDeque::new()) };
        static RUNNING: Cell<bool> = const { Cell::new(false) };
    }

    /// Goes to another console page by replacing the parts of this one.
    pub fn visit(url: String) {
        enqueue(PageLoad { url, body: None, place: HistoryMode::New, form: None, waits: None });
    }

    /// As [`visit`], without a new history entry.
    pub fn replace(url: String, waits: &str) {
        enqueue(PageLoad { url, body: None, place: HistoryMode::Instead, form: None, waits: Some(waits.into()) });
    }

    /// Whether another load has been requested since the one that has just finished.
    pub fn has_more() -> bool {
        WAITING.with_borrow(|waiting| !waiting.is_empty())
    }

    /// Loads run one after the other, so that responses never overtake each other; of several waiting navigations, only the last one runs.
    fn enqueue(load: PageLoad) {
        WAITING.with_borrow_mut(|waiting| {
            if load.body.is_none() {
                waiting.retain(|other| other.body.is_some());
            }
            waiting.push_back(load);
        });
        if RUNNING.replace(true) {
            return;
        }
        leptos::task::spawn_local(async {
            if let Some(body) = dom::first("body") {
                drop(body.set_attribute("data-loading", ""));
            }
            while let Some(next) = WAITING.with_borrow_mut(VecDeque::pop_front) {
                let form = next.form.clone();
                let waiting = PendingRegions::begin(next.waits.as_deref().unwrap_or_default());
                run(next).await;
                waiting.end();
                if let Some(form) = form {
                    drop(form.remove_attribute("aria-busy"));
                }
            }
            if let Some(body) = dom::first("body") {
                drop(body.remove_attribute("data-loading"));
            }
            RUNNING.set(false);
        });
    }

    /// How long a response may take before a skeleton replaces the old content: fast responses do not flicker.
    const PATIENCE: Duration = Duration::from_millis(200);

    /// Regions whose new content is being loaded.
    struct PendingRegions {
        regions: Vec<Element>,
        timer: Option<TimeoutHandle>,
    }

    impl PendingRegions {
        fn begin(ids: &str) -> Self {
            let regions: Vec<Element> = ids.split(' ').filter_map(|id| dom::document().get_element_by_id(id)).collect();
            let late = regions.clone();
            let timer = set_timeout_with_handle(
                move || {
                    for region in &late {
                        drop(region.set_attribute("data-waiting", ""));
                        drop(region.set_attribute("aria-busy", "true"));
                    }
                },
                PATIENCE,
            );
            Self { regions, timer: timer.ok() }
        }

        /// Regions that were not replaced show their content again.
        fn end(self) {
            if let Some(timer) = self.timer {
                timer.clear();
            }
            for region in self.regions {
                drop(region.remove_attribute("data-waiting"));
                drop(region.remove_attribute("aria-busy"));
            }
        }
    }

    /// Fetches a page and replaces the parts of this one. A response that shares no part with this page becomes an ordinary
    /// navigation, or a message if it is an error.
    async fn run(load: PageLoad) {
        let is_undo = load.form.as_ref().is_some_and(toasts::take);
        let refuse = |message: &str| {
            toasts::say(message);
            if let (true, Some(form)) = (is_undo, &load.form) {
                toasts::offer(form.clone());
            }
            dispatch("earshot:refused");
        };
        let Ok((to, status, html)) = dom::fetch(&load.url, load.body.as_ref()).await else {
            refuse("No connection. Nothing was lost; try again.");
            return;
        };
        // Signed out in the meantime: keep the typed text.
        let asks_to_sign_in = web_sys::Url::new(&to).is_ok_and(|to| to.pathname() == "/sign-in");
        if asks_to_sign_in && load.body.is_some() {
            refuse("You are signed out. Sign in from another tab, then send this again.");
            return;
        }
        let Some(next) = dom::parse(&html) else { return };
        press::released().await;
        if load.form.as_ref().is_some_and(is_sent_again) {
            return;
        }
        // A response at the post's own URL is not a page to go back to.
        let is_place = load.body.is_none() || (status < 400 && !to.ends_with(&load.url));
        let is_done = load.body.is_some() && is_place && next.query_selector(".toast-error").is_ok_and(|e| e.is_none());
        if let (true, Some(form)) = (is_done, &load.form) {
            drafts::forget(form);
        }
        let focus = dom::document().active_element().map(|e| e.id()).filter(|id| !id.is_empty());
        if put_in_place(&next, load.form.as_ref()) == 0 {
            let reason = dom::refusal(&next);
            if status >= 400 && load.place != HistoryMode::Known && (load.body.is_some() || reason.is_some()) {
                refuse(&reason.unwrap_or_else(|| {
                    "Something went wrong, and the server did not say why. What you typed is still here; try again.".into()
                }));
            } else {
                drop(dom::window().location().set_href(&to));
            }
            return;
        }
        dom::document().set_title(&next.title());
        let came_from = dom::window().location().pathname().unwrap_or_default();
        if load.place != HistoryMode::Known
            && is_place
            && to != dom::window().location().href().unwrap_or_default()
            && let Ok(history) = dom::window().history()
        {
            drop(match load.place {
                HistoryMode::Instead => history.replace_state_with_url(&JsValue::NULL, "", Some(&to)),
                _ => history.push_state_with_url(&JsValue::NULL, "", Some(&to)),
            });
        }
        let summary = || dom::first("[data-part] .error-summary").filter(|_| status >= 400);
        let wanted = dom::first("[data-part] [autofocus]").or_else(summary).filter(|_| load.body.is_some()).map(Element::from);
        if let Some(element) = wanted.or_else(|| focus.and_then(|id| dom::document().get_element_by_id(&id))) {
            drop(element.unchecked_into::<HtmlElement>().focus());
        }
        // Another page: scroll to its top and move the focus into it.
        let is_elsewhere = dom::window().location().pathname().is_ok_and(|path| path != came_from);
        let is_lost = dom::document().active_element().is_none_or(|e| e.tag_name() == "BODY");
        if load.place == HistoryMode::New && is_elsewhere && is_lost && dom::first(".inbox").is_none() {
            dom::window().scroll_to_with_x_and_y(0.0, 0.0);
            if let Some(main) = dom::first("#main") {
                drop(main.focus());
            }
        }
        dispatch("earshot:loaded");
    }

    /// Whether a form that previews its choices waits to be sent again: the earlier response would undo the choices made since.
    fn is_sent_again(form: &HtmlFormElement) -> bool {
        let again = |load: &PageLoad| load.form.as_ref().is_some_and(|other| other.is_same_node(Some(form)));
        form.has_attribute("data-autosubmit") && WAITING.with_borrow(|waiting| waiting.iter().any(again))
    }

    fn dispatch(event: &str) {
        drop(CustomEvent::new(event).map(|event| dom::window().dispatch_event(&event)));
    }

    /// Replaces the parts of this page; returns how many, not counting toasts.
    fn put_in_place(next: &Document, sent: Option<&HtmlFormElement>) -> usize {
        let mut replaced = 0;
        for part in dom::all("[data-part]") {
            let Some(new) = next.get_element_by_id(&part.id()) else { continue };
            if part.id() == "toasts" {
                toasts::replace(&part, &new);
                continue;
            }
            let scroll = part.scroll_top();
            let typed = typed(&part, sent);
            drop(part.replace_with_with_node_1(&new));
            new.set_scroll_top(scroll);
            put_back(&typed);
            replaced += 1;
        }
        replaced
    }

    /// Unsent text in the fields of `part`: the form's action, the field's id, the text.
    fn typed(part: &Element, sent: Option<&HtmlFormElement>) -> Vec<(String, String, String)> {
        let Ok(fields) = part.query_selector_all("form textarea[id], form input[id]") else { return Vec::new() };
        let field = |i| -> Option<(String, String, String)> {
            let element: Element = fields.item(i)?.dyn_into().ok()?;
            let form: HtmlFormElement = element.closest("form").ok()??.dyn_into().ok()?;
            if sent.is_some_and(|s| s.is_same_node(Some(&form))) {
                return None;
            }
            let text = if let Some(area) = element.dyn_ref::<HtmlTextAreaElement>() {
                (area.value() != area.default_value().unwrap_or_default()).then(|| area.value())?
            } else {
                let input = element.dyn_ref::<HtmlInputElement>()?;
                (input.type_() == "text" && input.value() != input.default_value()).then(|| input.value())?
            };
            Some((form.get_attribute("action")?, element.id(), text))
        };
        (0..fields.length()).filter_map(field).collect()
    }

    /// Restores unsent text if the same form with the same action still exists.
    fn put_back(typed: &[(String, String, String)]) {
        for (action, id, text) in typed {
            let Some(element) = dom::document().get_element_by_id(id) else { continue };
            let same = element.closest("form").ok().flatten().and_then(|f| f.get_attribute("action")).is_some_and(|a| a == *action);
            if !same {
                continue;
            }
            if let Some(area) = element.dyn_ref::<HtmlTextAreaElement>() {
                area.set_value(text);
            } else if let Some(input) = element.dyn_ref::<HtmlInputElement>() {
                input.set_value(text);
            }
        }
    }
}
