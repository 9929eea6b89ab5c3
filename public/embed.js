// The loader that people paste: <script async src="https://HOST/embed.js" data-project="KEY"></script>
// It fetches the live surveys once, and creates a frame only when one is shown. It must not affect the host page otherwise:
// every entry point is guarded, nothing of the host is patched, and all styles are in shadow roots and in constructed style
// sheets, which a Content-Security-Policy without 'unsafe-inline' allows. A page has one copy: later scripts, of other
// projects or after a shutdown, add their project to the first copy.
(() => {
  try {
    const doc = document;
    const tag = "earshot-survey";
    const before = window.earshot;
    // Modules have no `currentScript`.
    const scripts = doc.currentScript ? [doc.currentScript] : doc.querySelectorAll('script[data-project][src*="/embed.js"]');
    const first = customElements.get(tag);
    if (first) return first.add(scripts, before);

    let projects, calls, timers, frames, waiting, buttons, listeners, who, widget, popover;
    const reset = () => {
      projects = [];
      calls = [];
      timers = [];
      frames = [];
      buttons = [];
      waiting = new Set();
      listeners = {};
      who = {};
      widget = popover = 0;
    };
    reset();
    const elements = new Set();

    // No error of the widget reaches the host.
    const guard = (fn) => (...args) => {
      try {
        return fn(...args);
      } catch {}
    };
    const later = (fn, ms) => timers.push(setTimeout(guard(fn), ms));
    // Errors in the host's own handlers stay theirs.
    const emit = (event, survey) => listeners[event]?.forEach((fn) => setTimeout(fn, 0, { survey: survey.id }));
    const make = (name, properties) => Object.assign(doc.createElement(name), properties);
    const shade = (host, css) => {
      const shadow = host.shadowRoot || host.attachShadow({ mode: "open" });
      try {
        const sheet = new CSSStyleSheet();
        sheet.replaceSync(css);
        shadow.adoptedStyleSheets = [sheet];
      } catch {
        shadow.append(make("style", { textContent: css }));
      }
      return shadow;
    };

    // A survey that this browser answered or dismissed is not shown automatically again.
    const recall = (survey) => guard(() => JSON.parse(localStorage.getItem(survey.shelf)))() || {};
    const remember = guard((survey, what) => {
      const known = recall(survey);
      if (survey.shelf && known[survey.id] !== "answered") localStorage.setItem(survey.shelf, JSON.stringify({ ...known, [survey.id]: what }));
    });

    // Removes possible secrets from a URL, so that they never leave the page: of the query, only the project's kept parameters stay.
    const address = guard((text, { keep = [] }) => {
      const url = new URL(text);
      url.hash = url.username = url.password = "";
      url.search = new URLSearchParams([...url.searchParams].filter(([name]) => keep.includes(name)));
      return url.href;
    });

    // --- Frames: messages are exchanged only with our origin and that exact window. ---

    // A page without an origin (a local file, or sandboxed, whatever `location` says) neither receives nor sends any.
    const nowhere = window.origin === "null";
    const post = ({ frame, survey }, message) => nowhere || frame.contentWindow?.postMessage({ earshot: 1, ...message }, survey.project.origin);
    const sendContext = (entry) => {
      const { project } = entry.survey;
      const { release, environment } = project;
      const context = { page_url: address(location, project), referrer: address(doc.referrer, project), release, environment, contact: who };
      post(entry, { type: "context", source: entry.source, context });
    };
    const frameOf = (survey, source, hooks) => {
      const src = survey.project.origin + "/s/" + encodeURIComponent(survey.id) + "?embed=1&parent=" + encodeURIComponent(window.origin);
      const frame = make("iframe", { title: survey.title, referrerPolicy: "origin", src });
      const entry = { frame, survey, source, ...hooks };
      frames.push(entry);
      if (nowhere) {
        frame.onload = guard(() => {
          frame.style.height = "480px";
          entry.ready?.();
        });
      }
      return entry;
    };
    addEventListener("message", guard(({ data, origin, source }) => {
      const entry = frames.find((e) => e.frame.contentWindow === source && e.survey.project.origin === origin);
      if (!entry || data.earshot !== 1) return;
      const { type, height } = data;
      if (height) entry.frame.style.height = height + "px";
      if (type === "ready") {
        sendContext(entry);
        entry.ready?.();
      } else if (type === "close") entry.close?.();
      else if (type !== "height") {
        remember(entry.survey, "answered");
        emit(type, entry.survey);
      }
    }));

    // --- The popover and its buttons, in a shadow root at the end of the body: anywhere else, React would find one element too
    // many when it hydrates a document. ---

    const dark = "{--b:#1c2027;--t:#e7eaf0;--l:#6d7788;color-scheme:dark}";
    // `!important` rules in a shadow root override all styles of the page for its host element.
    const looks = `:host{all:initial!important;display:block!important;position:fixed!important;z-index:2147483647!important}
div,button{--b:#fff;--t:#1b1f27;--l:#868f9f;color-scheme:light;position:fixed;bottom:16px;inset-inline-end:16px;border:0}
.dark${dark}@media(prefers-color-scheme:dark){.auto${dark}}
button{font:600 15px/1.2 system-ui,sans-serif;cursor:pointer;min-height:44px;border-radius:22px;padding:0 18px;box-shadow:0 2px 12px #0005}
button:focus-visible{outline:3px solid var(--t);outline-offset:2px;box-shadow:0 0 0 2px var(--b)}
div{box-sizing:border-box;width:min(400px,100vw - 32px);max-height:calc(100vh - 32px);overflow:auto;background:var(--b);color:var(--t);border:1px solid var(--l);border-radius:12px;box-shadow:0 8px 32px #0006;opacity:0;visibility:hidden}
.shown{opacity:1;visibility:visible;transition:opacity .15s}
.close{position:absolute;bottom:auto;top:4px;inset-inline-end:4px;width:44px;padding:0;background:none;color:inherit;font-size:22px;box-shadow:none}
iframe{display:block;width:100%;border:0}`;

    // Keeps it visible and clickable: restores it when it was removed, and moves it into a modal dialog, outside of which everything
    // is inert. In the top layer, no style of its ancestors can move or clip it.
    const place = guard(() => {
      if (!widget) return;
      // Older browsers do not support `:modal`.
      const modal = guard(() => [...doc.querySelectorAll("dialog:modal")].pop())();
      const home = modal || doc.body;
      moved.disconnect();
      // A dialog may be removed anywhere in the page, together with its content.
      moved.observe(doc, { childList: true, subtree: !!modal });
      for (const node of [doc.documentElement, doc.body]) moved.observe(node, { childList: true });
      if (widget.parentNode === home) return;
      try {
        // Does not reload the frame.
        home.moveBefore(widget, null);
        widget.hidePopover();
      } catch {
        home.append(widget);
      }
      widget.showPopover();
    });
    // Throttled, because another script may move its element back just as persistently.
    let soon;
    const moved = new MutationObserver(() => {
      soon ||= setTimeout(() => {
        soon = 0;
        place();
      }, 99);
    });
    new MutationObserver(place).observe(doc, { subtree: true, attributeFilter: ["open"] });
    const stage = () => {
      if (!widget) {
        widget = make("div", { id: "earshot-widget", popover: "manual" });
        shade(widget, looks);
        // Not while the parser is still reading.
        if (doc.readyState === "loading") addEventListener("DOMContentLoaded", place);
        else place();
      }
      return widget.shadowRoot;
    };

    const hideButtons = (hidden) => buttons.forEach((button) => (button.hidden = hidden));
    const end = () => {
      frames = frames.filter((e) => e !== popover);
      popover.box.remove();
      popover = 0;
      removeEventListener("keydown", onKey);
      hideButtons(false);
    };
    const close = guard(() => {
      if (!popover) return;
      const { survey, back } = popover;
      const inside = widget.shadowRoot.activeElement;
      end();
      remember(survey, "dismissed");
      if (inside) (back?.isConnected && back !== doc.body ? back : buttons[0] || doc.documentElement).focus();
      emit("close", survey);
      next();
    });
    const onKey = (event) => event.key === "Escape" && close();

    // `wanted`: a person has just requested it, so it gets the focus. A survey that opens automatically does not take the focus.
    const show = (survey, wanted) => {
      if (popover) return;
      const shadow = stage();
      const active = doc.activeElement;
      const box = make("div", { className: "popover " + survey.project.theme, dir: survey.dir, role: "dialog", ariaLabel: survey.title });
      let shown;
      const entry = frameOf(survey, "popover", {
        box,
        back: shadow.activeElement || active,
        close,
        ready() {
          // Only once: a frame that was moved loads again.
          if (shown) return;
          shown = 1;
          box.classList.add("shown");
          hideButtons(true);
          addEventListener("keydown", onKey);
          if (wanted || !active || active === doc.body) {
            entry.frame.focus();
            post(entry, { type: "focus" });
          }
          emit("open", survey);
        },
      });
      popover = entry;
      box.append(entry.frame, make("button", { type: "button", className: "close", textContent: "×", ariaLabel: survey.close, onclick: close }));
      shadow.append(box);
      // If the frame does not load, the popover is removed without a trace.
      later(() => {
        if (shown || popover !== entry) return;
        end();
        next();
      }, 15000);
    };
    // Automatic: at most once for each survey, in any tab, and after the one that is open.
    const offer = (survey) => {
      if (recall(survey)[survey.id]) return;
      if (!popover) show(survey);
      else if (popover.survey !== survey) waiting.add(survey);
    };
    const next = () => {
      const all = waiting;
      waiting = new Set();
      all.forEach(offer);
    };

    // --- <earshot-survey survey="ID">: the frame is in its shadow root, so that React finds the element as it was rendered. ---

    const fill = (element) => {
      const id = element.getAttribute("survey");
      const bare = projects.find((p) => !p.key);
      const survey = projects.flatMap((p) => p.surveys || []).find((s) => s.id === id) || (bare && { id, title: element.title || "Survey", project: bare });
      if (!survey || frames.some((e) => e.element === element)) return;
      shade(element, ":host(:not([hidden])){display:block}iframe{display:block;width:100%;height:0;border:0}").append(
        frameOf(survey, "inline", { element }).frame,
      );
    };

    // --- Projects, and the functions for the site: earshot.open(id) or earshot("open", id). ---

    // Runs with the surveys of every project, including those loaded later.
    const live = (call) => {
      // None after a shutdown, until the site loads the script again.
      if (!projects[0]) return;
      calls = [...calls.slice(-99), call];
      projects.forEach((p) => p.surveys && call(p.surveys));
    };
    const start = (project) => {
      for (const survey of project.surveys) {
        Object.assign(survey, { project, shelf: "earshot:" + project.key });
        const { on, label, seconds } = survey.launch;
        if (on === "button" && !project.button) {
          project.button = make("button", { type: "button", className: "launcher " + project.theme, textContent: label, dir: survey.dir, onclick: guard(() => show(survey, 1)) });
          const { style } = project.button;
          style.background = project.accent;
          style.color = project.onAccent;
          // Stacked vertically.
          style.bottom = 16 + 56 * (buttons.push(project.button) - 1) + "px";
          stage().append(project.button);
        } else if (on === "delay") later(() => offer(survey), seconds * 1000);
      }
      calls.forEach((call) => guard(call)(project.surveys));
      elements.forEach(fill);
    };
    const add = (scripts, before) => {
      window.earshot = api;
      for (const { dataset, src } of scripts) {
        const { project: key, release = "", environment = "" } = dataset;
        const { origin } = new URL(src);
        if (projects.some((p) => p.key === key && p.origin === origin)) continue;
        const project = { key, release, environment, origin };
        projects.push(project);
        if (!key) elements.forEach(fill);
        else {
          fetch(origin + "/embed/v1/" + encodeURIComponent(key) + "/config", { credentials: "omit", referrerPolicy: "origin" })
            .then((response) => response.json())
            .then((answer) => answer.surveys && projects.includes(project) && start(Object.assign(project, answer)))
            .catch(() => {});
        }
      }
      // Calls made before the script loaded: the site's stub may keep them in earshot.q, as arrays or as `arguments`.
      for (const call of before?.q || (Array.isArray(before) ? before : [])) api(...call);
    };
    const api = Object.assign((name, ...args) => api[name] && api[name](...args), {
      open(id) {
        let done;
        live((surveys) => {
          const survey = !done && (id ? surveys.find((s) => s.id === id) : surveys[0]);
          if (survey) show(survey, (done = 1));
        });
      },
      close,
      portal(key) {
        const project = projects.find((p) => !key || p.key === key);
        const { release, environment } = project;
        const asked = new URLSearchParams({ page_url: address(location, project), release, environment });
        window.open(`${project.origin}/embed/v1/${project.key}/portal?` + asked, "_blank", "noopener");
      },
      identify(person) {
        who = JSON.parse(JSON.stringify(person || {}));
        frames.forEach(sendContext);
      },
      track: (name) => live((surveys) => surveys.forEach((s) => s.launch.on === "event" && s.launch.name === name && offer(s))),
      on(event, fn) {
        (listeners[event] ||= []).push(fn);
      },
      shutdown() {
        timers.forEach(clearTimeout);
        waiting.clear();
        close();
        moved.disconnect();
        frames.forEach((e) => e.frame.remove());
        if (widget) widget.remove();
        reset();
      },
    });
    for (const name in api) api[name] = guard(api[name]);

    class Survey extends HTMLElement {
      connectedCallback() {
        elements.add(this);
        guard(fill)(this);
      }
      disconnectedCallback() {
        elements.delete(this);
        frames = frames.filter((e) => e.element !== this || e.frame.remove());
      }
    }
    Survey.add = add;
    customElements.define(tag, Survey);
    add(scripts, before);
  } catch {}
})();
