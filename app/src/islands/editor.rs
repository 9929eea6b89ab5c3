//! Autosave, reordering and preview in the survey editor.
//!
//! Every action of the editor is a post of its form with the value of a button. This island sends these posts one after the other, replaces
//! the page's parts with those of the response, and saves the form automatically while the user types. A failed post is kept and retried
//! with the same key; text typed while a post is pending is restored into the fields of the response.

use leptos::prelude::*;

/// The island: the line that shows the save status.
#[island]
pub fn SurveyEditor() -> impl IntoView {
    #[cfg(feature = "hydrate")]
    Effect::new(|_| browser::start());
    view! {
        <div class="editor-status small">
            <span id="editor-status" role="status"></span>
            " "
            <button type="button" id="editor-retry" class="button button-small" hidden>"Retry"</button>
        </div>
    }
}

#[cfg(feature = "hydrate")]
mod browser {
    use std::{cell::RefCell, collections::VecDeque, time::Duration};

    use leptos::{ev, leptos_dom::helpers::TimeoutHandle, prelude::*};
    use wasm_bindgen::{JsCast, JsValue};
    use web_sys::{
        Document, Element, FormData, HtmlButtonElement, HtmlElement, HtmlFormElement, HtmlIFrameElement, HtmlInputElement,
        HtmlSelectElement, HtmlTextAreaElement, KeyboardEvent, PointerEvent, SubmitEvent, UrlSearchParams,
    };

    use crate::islands::{dom, press, toasts};

    /// The delay between the last keystroke and saving.
    const PAUSE: Duration = Duration::from_millis(600);
    /// The delay between a failure and the retry.
    const RETRY: Duration = Duration::from_secs(5);

    /// One post: the button's value, and the sent form after the first attempt.
    struct SaveRequest {
        action: String,
        sent: Option<SentForm>,
    }

    #[derive(Clone)]
    struct SentForm {
        body: UrlSearchParams,
        /// The field values at that time, by id.
        fields: Vec<(String, String)>,
    }

    struct Drag {
        question: HtmlElement,
        id: String,
        to: Option<usize>,
    }

    #[derive(Default)]
    struct EditorState {
        queue: VecDeque<SaveRequest>,
        running: bool,
        /// Something was typed that no post has included yet.
        dirty: bool,
        /// Something was typed into the focused field since it got the focus: Ctrl+Z is the field's own undo.
        typed: bool,
        failed: bool,
        /// The last save was rejected: sending the same again would be rejected again.
        refused: bool,
        /// A last save was sent while leaving the page.
        left: bool,
        timer: Option<TimeoutHandle>,
        drag: Option<Drag>,
        /// The question edited last: the preview shows it.
        shown: String,
        /// Another form of the page, submitted once everything is saved.
        then: Option<(HtmlFormElement, Option<HtmlElement>)>,
    }

    thread_local! {
        static STATE: RefCell<EditorState> = RefCell::new(EditorState::default());
    }

    fn with<T>(f: impl FnOnce(&mut EditorState) -> T) -> T {
        STATE.with_borrow_mut(f)
    }

    pub fn start() {
        let handles = [
            window_event_listener(ev::submit, |event| on_submit(&event)),
            window_event_listener(ev::input, |event| on_input(&event)),
            window_event_listener(ev::focusin, |event| on_focus(&event)),
            window_event_listener(ev::click, |event| on_click(&event)),
            window_event_listener(ev::keydown, |event| on_key(&event)),
            window_event_listener(ev::pointerdown, |event| drag_start(&event)),
            window_event_listener(ev::pointermove, |event| drag_move(&event)),
            window_event_listener(ev::pointerup, |_| drag_end(true)),
            window_event_listener(ev::pointercancel, |_| drag_end(false)),
            window_event_listener(ev::online, |_| retry()),
            window_event_listener(ev::beforeunload, |event| on_leave(&event)),
            window_event_listener(ev::Custom::<web_sys::Event>::new("pageshow"), |_| {
                // Restored from the browser's cache: the last save changed the revision.
                if with(|s| s.left) {
                    drop(dom::window().location().reload());
                }
            }),
        ];
        on_cleanup(move || {
            for handle in handles {
                handle.remove();
            }
        });
    }

    fn form() -> Option<HtmlFormElement> {
        dom::first("#editor")?.dyn_into().ok()
    }

    fn url() -> String {
        form().and_then(|f| f.get_attribute("action")).unwrap_or_default()
    }

    fn status(text: &str, can_retry: bool) {
        if let Some(line) = dom::first("#editor-status") {
            line.set_text_content(Some(text));
            line.set_class_name(if can_retry { "field-error" } else { "muted" });
        }
        if let Some(button) = dom::first("#editor-retry") {
            button.set_hidden(!can_retry);
        }
    }

    fn in_conflict() -> bool {
        dom::first("#conflict").is_some()
    }

    fn on_submit(event: &SubmitEvent) {
        let Some(sent) = event.target().and_then(|t| t.dyn_into::<HtmlFormElement>().ok()) else { return };
        let button = event.submitter().and_then(|b| b.dyn_into::<HtmlElement>().ok());
        let action = sent.get_attribute("action").unwrap_or_default();
        if sent.id() == "editor" {
            event.prevent_default();
            push(button.and_then(|b| b.get_attribute("value")).unwrap_or_else(|| "save".into()));
        } else if action == url() {
            // The undo button of the toast.
            event.prevent_default();
            event.stop_immediate_propagation();
            let field = sent.query_selector("input[name=action]").ok().flatten().and_then(|e| e.get_attribute("value"));
            push(field.unwrap_or_default());
        } else if with(|s| s.dirty || s.running) && !in_conflict() {
            // Pausing, closing or signing out waits until the typed text is saved.
            event.prevent_default();
            event.stop_immediate_propagation();
            with(|s| s.then = Some((sent, button)));
            push("autosave".into());
        }
    }

    fn on_input(event: &web_sys::Event) {
        if dom::closest(event, "#editor").is_none() {
            return;
        }
        with(|s| {
            s.dirty = true;
            s.typed = true;
            s.refused = false;
        });
        if in_conflict() {
            status("Not saved: choose above which version to keep.", false);
            return;
        }
        status("Typing…", false);
        wait(PAUSE, || push("autosave".into()));
    }

    fn wait(time: Duration, then: impl FnOnce() + 'static) {
        let handle = set_timeout_with_handle(then, time).ok();
        if let Some(before) = with(|s| std::mem::replace(&mut s.timer, handle)) {
            before.clear();
        }
    }

    fn on_click(event: &web_sys::MouseEvent) {
        if dom::closest(event, "#editor-retry").is_some() {
            retry();
        } else if dom::closest(event, "#conflict a").is_some() {
            with(|s| {
                s.dirty = false;
                s.queue.clear();
            });
        }
    }

    fn on_key(event: &KeyboardEvent) {
        let key = event.key();
        let arrow = match key.as_str() {
            "ArrowUp" => Some("up"),
            "ArrowDown" => Some("down"),
            _ => None,
        };
        if event.alt_key() && !event.ctrl_key() && !event.meta_key() {
            // In a select, these keys open the list.
            if dom::closest(event, "select").is_some() {
                return;
            }
            let question = dom::closest(event, ".question").and_then(|q| q.get_attribute("data-question"));
            if let (Some(to), Some(id)) = (arrow, question) {
                event.prevent_default();
                push(format!("move:{id}:{to}"));
            }
            return;
        }
        if key == "Escape" && with(|s| s.drag.is_some()) {
            drag_end(false);
            return;
        }
        if !(event.ctrl_key() || event.meta_key()) {
            return;
        }
        let action = match key.to_lowercase().as_str() {
            "s" => "autosave",
            "z" | "y" if dom::is_typing(event) && with(|s| s.typed) => return,
            "z" if event.shift_key() => "redo",
            "z" => "undo",
            "y" => "redo",
            _ => return,
        };
        event.prevent_default();
        push(action.into());
    }

    fn on_leave(event: &web_sys::Event) {
        let (dirty, busy, failed) = with(|s| (s.dirty, s.running, s.failed || s.refused));
        if !dirty && !failed {
            return;
        }
        if !busy && !failed && !in_conflict() {
            let sent = prepare("autosave").is_some_and(|sent| {
                dom::window().navigator().send_beacon_with_opt_url_search_params(&url(), Some(&sent.body)).unwrap_or(false)
            });
            if sent {
                with(|s| {
                    s.dirty = false;
                    s.left = true;
                });
                return;
            }
        }
        event.prevent_default();
    }

    /// Queues a post; consecutive autosaves are merged.
    fn push(action: String) {
        with(|s| {
            if action != "autosave" || s.queue.iter().all(|job| job.sent.is_some()) {
                s.queue.push_back(SaveRequest { action, sent: None });
            }
        });
        retry();
    }

    fn retry() {
        if with(|s| std::mem::replace(&mut s.running, true)) {
            return;
        }
        leptos::task::spawn_local(async {
            while let Some(action) = with(|s| s.queue.front().map(|job| job.action.clone())) {
                if !send(&action).await {
                    with(|s| s.failed = true);
                    wait(RETRY, retry);
                    break;
                }
                with(|s| {
                    s.failed = false;
                    s.queue.pop_front();
                });
            }
            let then = with(|s| {
                s.running = false;
                if s.failed || s.dirty { None } else { s.then.take() }
            });
            if let Some((form, button)) = then {
                drop(form.request_submit_with_submitter(button.as_ref()));
            } else if with(|s| s.dirty && !s.failed && !s.refused) && !in_conflict() {
                wait(PAUSE, || push("autosave".into()));
            }
        });
    }

    /// The form's current data, with the button's value and a fresh idempotency key.
    fn prepare(action: &str) -> Option<SentForm> {
        let data = FormData::new_with_form(&form()?).ok()?;
        let body = UrlSearchParams::new_with_str_sequence_sequence(&data).ok()?;
        body.set("action", action);
        body.set("idempotency_key", &format!("editor-{}-{}", js_sys::Date::now(), js_sys::Math::random()));
        Some(SentForm { body, fields: fields() })
    }

    /// Sends the first post of the queue; `false` if it has to be retried.
    async fn send(action: &str) -> bool {
        let before = with(|s| s.queue.front().and_then(|job| job.sent.clone()));
        let Some(sent) = before.or_else(|| prepare(action)) else { return true };
        with(|s| {
            s.dirty = false;
            if let Some(job) = s.queue.front_mut() {
                job.sent = Some(sent.clone());
            }
        });
        status("Saving…", false);
        let body: JsValue = sent.body.clone().into();
        let Ok((to, code, text)) = dom::fetch(&url(), Some(&body)).await else {
            status("Not saved: no connection. Nothing is lost.", true);
            return false;
        };
        let next = dom::parse(&text);
        let refusal = next.as_ref().and_then(dom::refusal);
        if matches!(code, 408 | 429 | 500..) {
            status(&format!("Not saved. {}", refusal.as_deref().unwrap_or("The server is busy. Nothing is lost.")), true);
            return false;
        }
        if web_sys::Url::new(&to).is_ok_and(|to| to.pathname() != url()) {
            status("Not saved: you are signed out. Sign in from another tab, then retry.", true);
            return false;
        }
        if action == "autosave" {
            if let Ok(revision) = text.trim().parse::<i64>() {
                saved(revision);
                return true;
            }
            if code == 409 {
                // The full page names the other editor and offers a choice.
                with(|s| s.queue.insert(1.min(s.queue.len()), SaveRequest { action: "save".into(), sent: None }));
                return true;
            }
        }
        let Some(next) = next else { return true };
        if next.get_element_by_id("editor-form").is_none() {
            with(|s| {
                s.dirty = true;
                s.refused = true;
            });
            let reason = refusal.as_deref().unwrap_or("What you typed is still here; try again.");
            status(&format!("Not saved. {reason}"), true);
            return true;
        }
        press::released().await;
        put_in_place(&next, &to, code, action, &sent);
        true
    }

    /// Updates the page after a save that changed no structure.
    fn saved(revision: i64) {
        let Some(input) = dom::first("#editor input[name=revision]").and_then(|e| e.dyn_into::<HtmlInputElement>().ok()) else { return };
        let changed = input.value() != revision.to_string();
        input.set_value(&revision.to_string());
        status("Saved", false);
        if !changed {
            return;
        }
        for (id, disabled) in [("#editor-undo", false), ("#editor-redo", true)] {
            if let Some(button) = dom::first(id).and_then(|b| b.dyn_into::<HtmlButtonElement>().ok()) {
                button.set_disabled(disabled);
            }
        }
        if let Some(note) = dom::first("#has-changes[data-published]") {
            note.set_hidden(false);
        }
        refresh_preview();
    }

    fn put_in_place(next: &Document, to: &str, code: u16, action: &str, sent: &SentForm) {
        let focus = dom::document().active_element().map(|e| e.id()).filter(|id| !id.is_empty());
        let caret = focus.as_ref().and_then(|id| caret(id)).and_then(|input| input.selection_start().ok().flatten());
        let typed: Vec<(String, String)> = fields().into_iter().filter(|field| !sent.fields.contains(field)).collect();
        for part in dom::all("[data-part]") {
            if let Some(new) = next.get_element_by_id(&part.id()) {
                drop(part.replace_with_with_node_1(&new));
            }
        }
        toasts::begin();
        let mut put = false;
        for (id, value) in &typed {
            put |= dom::document().get_element_by_id(id).is_some_and(|e| set_value(&e, value));
        }
        if put {
            with(|s| s.dirty = true);
        }
        match code {
            409 => status("Not saved: choose above which version to keep.", false),
            422 if action == "publish" => status("Saved, but not published.", false),
            422 => status("Something went wrong; see above.", false),
            _ if action.starts_with("move:") => announce(action),
            _ => status("Saved", false),
        }
        let asked = to.split_once("at=").map(|(_, rest)| rest.split(['&', '#']).next().unwrap_or_default().to_owned());
        let keep = ["move:", "choice-move:", "undo", "redo", "save", "overwrite"].iter().any(|a| action.starts_with(a));
        let target = match code {
            409 => dom::first("#conflict"),
            422 => dom::first("#editor .error-summary"),
            _ => {
                let by_id = |id: &String| dom::document().get_element_by_id(id).and_then(|e| e.dyn_into::<HtmlElement>().ok());
                let (first, second) = if keep { (&focus, &asked) } else { (&asked, &focus) };
                first.as_ref().and_then(by_id).or_else(|| second.as_ref().and_then(by_id))
            }
        };
        if let Some(element) = target {
            drop(element.focus());
            if let (Some(at), true) = (caret, Some(element.id()) == focus)
                && let Some(input) = element.dyn_ref::<HtmlInputElement>()
            {
                drop(input.set_selection_range(at, at));
            }
        }
        refresh_preview();
    }

    /// The one-line text field with this id.
    fn caret(id: &str) -> Option<HtmlInputElement> {
        dom::document().get_element_by_id(id)?.dyn_into::<HtmlInputElement>().ok().filter(|input| input.type_() == "text")
    }

    /// Announces the new position of a moved question.
    fn announce(action: &str) {
        let id = action.split(':').nth(1).unwrap_or_default();
        let all = dom::all(".question");
        let at = all.iter().position(|q| q.get_attribute("data-question").as_deref() == Some(id));
        status(&at.map_or_else(|| "Saved".into(), |at| format!("Moved to {} of {}. Saved", at + 1, all.len())), false);
    }

    /// The preview follows the focused question.
    fn on_focus(event: &web_sys::Event) {
        with(|s| s.typed = false);
        let Some(id) = dom::closest(event, ".question").and_then(|q| q.get_attribute("data-question")) else { return };
        if with(|s| std::mem::replace(&mut s.shown, id.clone())) != id {
            refresh_preview();
        }
    }

    fn refresh_preview() {
        let Some(frame) = dom::first("#preview-frame").and_then(|f| f.dyn_into::<HtmlIFrameElement>().ok()) else { return };
        let revision = dom::first("#editor input[name=revision]").and_then(|e| e.dyn_into::<HtmlInputElement>().ok()).map(|i| i.value());
        let base = frame.get_attribute("src").unwrap_or_default();
        let base = base.split('?').next().unwrap_or_default();
        // `replace` adds no history entry, unlike setting `src`.
        if let Some(window) = frame.content_window() {
            let shown = with(|s| s.shown.clone());
            drop(window.location().replace(&format!("{base}?r={}#at={shown}", revision.unwrap_or_default())));
        }
    }

    /// The value of every field with an id.
    fn fields() -> Vec<(String, String)> {
        let value = |e: Element| {
            let value = if let Some(input) = e.dyn_ref::<HtmlInputElement>() {
                match input.type_().as_str() {
                    "hidden" => return None,
                    "checkbox" | "radio" => if input.checked() { "on" } else { "" }.to_owned(),
                    _ => input.value(),
                }
            } else if let Some(area) = e.dyn_ref::<HtmlTextAreaElement>() {
                area.value()
            } else {
                e.dyn_ref::<HtmlSelectElement>()?.value()
            };
            Some((e.id(), value))
        };
        dom::all("#editor input[id], #editor textarea[id], #editor select[id]").into_iter().filter_map(value).collect()
    }

    fn set_value(element: &Element, value: &str) -> bool {
        if let Some(input) = element.dyn_ref::<HtmlInputElement>() {
            match input.type_().as_str() {
                "checkbox" | "radio" => input.set_checked(value == "on"),
                _ => input.set_value(value),
            }
        } else if let Some(area) = element.dyn_ref::<HtmlTextAreaElement>() {
            area.set_value(value);
        } else if let Some(select) = element.dyn_ref::<HtmlSelectElement>() {
            select.set_value(value);
        } else {
            return false;
        }
        true
    }

    fn drag_start(event: &PointerEvent) {
        let Some(handle) = dom::closest(event, "[data-drag]") else { return };
        let Some(question) = handle.closest(".question").ok().flatten().and_then(|q| q.dyn_into::<HtmlElement>().ok()) else { return };
        let Some(id) = question.get_attribute("data-question") else { return };
        if event.button() != 0 {
            return;
        }
        event.prevent_default();
        drop(question.class_list().add_1("dragging"));
        with(|s| s.drag = Some(Drag { question, id, to: None }));
    }

    fn drag_move(event: &PointerEvent) {
        let Some((id, from)) = with(|s| s.drag.as_ref().map(|d| (d.id.clone(), d.question.get_attribute("data-at")))) else { return };
        let y = f64::from(event.client_y());
        let others: Vec<Element> =
            dom::all(".question").into_iter().filter(|q| q.get_attribute("data-question").as_deref() != Some(&id)).collect();
        let middle = |q: &Element| {
            let rect = q.get_bounding_client_rect();
            rect.top() + rect.height() / 2.0
        };
        let to = others.iter().filter(|q| middle(q) < y).count();
        clear_marks();
        let stays = from.and_then(|n| n.parse::<usize>().ok()) == Some(to);
        if !stays {
            match others.get(to) {
                Some(next) => drop(next.class_list().add_1("drop-before")),
                None => drop(others.last().map(|last| last.class_list().add_1("drop-after"))),
            }
        }
        with(|s| {
            if let Some(drag) = &mut s.drag {
                drag.to = (!stays).then_some(to);
            }
        });
        let height = dom::window().inner_height().ok().and_then(|h| h.as_f64()).unwrap_or(800.0);
        if y < 96.0 {
            dom::window().scroll_by_with_x_and_y(0.0, -16.0);
        } else if y > height - 64.0 {
            dom::window().scroll_by_with_x_and_y(0.0, 16.0);
        }
    }

    fn drag_end(keep: bool) {
        let Some(drag) = with(|s| s.drag.take()) else { return };
        drop(drag.question.class_list().remove_1("dragging"));
        clear_marks();
        if let (true, Some(to)) = (keep, drag.to) {
            push(format!("move:{}:{to}", drag.id));
        }
    }

    fn clear_marks() {
        for marked in dom::all(".drop-before, .drop-after") {
            drop(marked.class_list().remove_2("drop-before", "drop-after"));
        }
    }
}
