// The loader that people paste: <script async src="https://HOST/embed.js" data-project="KEY"></script>
// It asks once which surveys are live, and makes a frame only when one is shown. It must never be noticed where it is not
// wanted: every entry is guarded, nothing of the host is patched, and all looks live in a shadow root and in constructed style
// sheets, which a Content-Security-Policy without 'unsafe-inline' allows.
(() => {
  try {
    const script = document.currentScript || document.querySelector('script[data-project][src*="/embed.js"]');
    const before = window.earshot;
    if (!script || (before && before.shutdown && before.shutdown.own)) return;
    const { project, release, environment } = script.dataset;
    const origin = new URL(script.src).origin;
    const root = document.documentElement;
    const shelf = "earshot:" + project;
    const timers = [];
    const listeners = {};
    let frames = [];
    let who = {};
    let config;
    let widget;
    let popover;
    let launcher;
    let waiting = new Set();
    let dead;

    // No error of ours reaches the host.
    const guard = (fn) => (...args) => {
      try {
        return dead ? undefined : fn(...args);
      } catch {}
    };
    // The host's own handlers fail on their own account.
    const emit = (event, detail) => (listeners[event] || []).forEach((fn) => setTimeout(fn, 0, detail));
    const make = (tag, properties) => Object.assign(document.createElement(tag), properties);

    // What this browser answered or dismissed is not shown by itself again.
    const recall = () => {
      try {
        return JSON.parse(localStorage.getItem(shelf)) || {};
      } catch {
        return {};
      }
    };
    const remember = (survey, what) => {
      try {
        const known = recall();
        if (known[survey] !== "answered") localStorage.setItem(shelf, JSON.stringify({ ...known, [survey]: what }));
      } catch {}
    };

    // --- Frames: messages go to and come from our origin and that very window only. ---

    const post = (frame, message) => frame.contentWindow.postMessage({ earshot: 1, ...message }, origin);
    const sendContext = (entry) =>
      post(entry.frame, {
        type: "context",
        source: entry.source,
        context: { page_url: location.href, referrer: document.referrer, release, environment, contact: who },
      });
    const frameOf = (survey, title, source, hooks) => {
      const parent = location.origin === "null" ? "" : "&parent=" + encodeURIComponent(location.origin);
      const frame = make("iframe", { title, src: origin + "/s/" + encodeURIComponent(survey) + "?embed=1" + parent });
      const entry = { frame, survey, source, ...hooks };
      frames.push(entry);
      // A page without an origin of its own (a local file) gets no messages.
      if (!parent) frame.onload = guard(() => entry.ready(480));
      return entry;
    };
    const onMessage = guard((event) => {
      const data = event.data;
      if (event.origin !== origin || !data || data.earshot !== 1) return;
      const entry = frames.find((e) => e.frame.contentWindow === event.source);
      if (!entry) return;
      const { type, height } = data;
      if (type === "ready") {
        sendContext(entry);
        entry.ready(height);
      } else if (type === "height") entry.frame.style.height = Math.min(+height || 0, 20000) + "px";
      else if (type === "close") entry.close();
      else if (type === "answer" || type === "finish") {
        remember(entry.survey, "answered");
        emit(type, { survey: entry.survey });
      }
    });
    addEventListener("message", onMessage);

    // --- The popover and its button, in a shadow root beside the body, where no framework clears them away. ---

    const looks = () => {
      const dark = "--b:#1c2027;--t:#e7eaf0;--l:#6d7788;color-scheme:dark";
      const { accent, onAccent, theme } = config;
      return `:host{all:initial;--b:#fff;--t:#1b1f27;--l:#868f9f;color-scheme:${theme === "dark" ? dark : "light"}}
${theme === "auto" ? `@media(prefers-color-scheme:dark){:host{${dark}}}` : ""}
button{font:600 15px/1.2 system-ui,sans-serif;cursor:pointer;min-height:44px;border-radius:22px;position:fixed;z-index:2147483646}
button:focus-visible{outline:3px solid var(--t);outline-offset:2px;box-shadow:0 0 0 2px var(--b)}
.launcher{bottom:16px;inset-inline-end:16px;padding:0 18px;border:0;background:${accent};color:${onAccent};box-shadow:0 2px 12px #0005}
.popover{position:fixed;z-index:2147483647;bottom:16px;inset-inline-end:16px;box-sizing:border-box;width:min(400px,100vw - 32px);max-height:calc(100vh - 32px);overflow:auto;background:var(--b);color:var(--t);border:1px solid var(--l);border-radius:12px;box-shadow:0 8px 32px #0006;visibility:hidden}
.popover.shown{visibility:visible}
.close{position:absolute;top:4px;inset-inline-end:4px;width:44px;border:0;background:none;color:inherit;font-size:22px}
iframe{display:block;width:100%;border:0}
@media(prefers-reduced-motion:no-preference){.shown{animation:i .15s}@keyframes i{from{opacity:0;transform:translateY(8px)}}}`;
    };
    const stage = () => {
      if (!widget) {
        widget = make("div", { id: "earshot-widget" });
        const shadow = widget.attachShadow({ mode: "open" });
        try {
          const sheet = new CSSStyleSheet();
          sheet.replaceSync(looks());
          shadow.adoptedStyleSheets = [sheet];
        } catch {
          shadow.append(make("style", { textContent: looks() }));
        }
      }
      if (!widget.isConnected) root.append(widget);
      return widget.shadowRoot;
    };

    const close = () => {
      if (!popover) return;
      const { box, survey, back, timer } = popover;
      const inside = stage().activeElement;
      popover = 0;
      clearTimeout(timer);
      frames = frames.filter((e) => !box.contains(e.frame));
      removeEventListener("keydown", onKey);
      box.remove();
      if (launcher) launcher.hidden = false;
      remember(survey, "dismissed");
      if (inside) (back && back.isConnected && back !== document.body ? back : launcher || root).focus();
      emit("close", { survey });
      next();
    };
    const onKey = guard((event) => event.key === "Escape" && close());

    // `wanted`: a person asked for it just now, so the focus goes there. What comes by itself takes nobody's focus away.
    const show = (survey, wanted) => {
      if (popover) return;
      const shadow = stage();
      const active = document.activeElement;
      const back = shadow.activeElement || active;
      const box = make("div", { className: "popover", dir: survey.dir });
      box.setAttribute("role", "dialog");
      box.setAttribute("aria-label", survey.title);
      const x = make("button", { className: "close", type: "button", textContent: "×", onclick: guard(close) });
      x.setAttribute("aria-label", survey.close);
      const entry = frameOf(survey.id, survey.title, "popover", {
        close,
        ready(height) {
          clearTimeout(popover.timer);
          entry.frame.style.height = height + "px";
          box.classList.add("shown");
          if (launcher) launcher.hidden = true;
          addEventListener("keydown", onKey);
          if (wanted || !active || active === document.body) {
            entry.frame.focus();
            post(entry.frame, { type: "focus" });
          }
          emit("open", { survey: survey.id });
        },
      });
      box.append(entry.frame, x);
      // When the frame does not come to life, it is as if nothing had been.
      const timer = setTimeout(guard(() => {
        popover = 0;
        frames = frames.filter((e) => e !== entry);
        box.remove();
        next();
      }), 15000);
      popover = { box, survey: survey.id, back, timer };
      shadow.append(box);
    };
    // By itself: at most once for each survey, in any tab, and after the one that is open.
    const offer = (survey) => {
      if (recall()[survey.id]) return;
      if (!popover) show(survey);
      else if (popover.survey !== survey.id) waiting.add(survey);
    };
    const next = () => {
      const all = waiting;
      waiting = new Set();
      all.forEach(offer);
    };

    const ready = project
      ? fetch(origin + "/embed/v1/" + encodeURIComponent(project) + "/config", { credentials: "omit" })
          .then((response) => (response.ok ? response.json() : 0))
          .catch(() => 0)
      : Promise.resolve(0);
    const live = (fn) => void ready.then(guard(() => config && fn(config.surveys)));

    ready.then(guard((answer) => {
      if (!answer || !answer.surveys.length) return;
      config = answer;
      for (const survey of config.surveys) {
        const { on, label, seconds } = survey.launch;
        if (on === "button" && !launcher) {
          launcher = make("button", { className: "launcher", type: "button", textContent: label, dir: survey.dir });
          launcher.onclick = guard(() => show(survey, 1));
          stage().append(launcher);
        } else if (on === "delay") timers.push(setTimeout(guard(() => offer(survey)), seconds * 1000));
      }
    }));

    // --- What the site may call, as earshot.open(id) or earshot("open", id), also before we came: its stub may keep the calls
    // in earshot.q, as lists or as `arguments`. ---

    const api = Object.assign((name, ...args) => api[name] && api[name](...args), {
      open: (id) => live((surveys) => {
        const survey = id ? surveys.find((s) => s.id === id) : surveys[0];
        if (survey) show(survey, 1);
      }),
      close,
      portal: () => window.open(`${origin}/embed/v1/${project}/portal?` + new URLSearchParams({ page_url: location.href, release: release || "", environment: environment || "" }), "_blank", "noopener"),
      identify(person) {
        who = JSON.parse(JSON.stringify(person || {}));
        frames.forEach(sendContext);
      },
      track: (name) => live((surveys) => surveys.filter((s) => s.launch.on === "event" && s.launch.name === name).forEach(offer)),
      on(event, fn) {
        (listeners[event] = listeners[event] || []).push(fn);
      },
      shutdown() {
        timers.forEach(clearTimeout);
        waiting.clear();
        close();
        removeEventListener("message", onMessage);
        frames.forEach((e) => e.frame.remove());
        if (widget) widget.remove();
        api.shutdown.own = 0;
        dead = 1;
      },
    });
    for (const name in api) api[name] = guard(api[name]);
    api.shutdown.own = 1;
    window.earshot = api;
    const queue = Array.isArray(before) ? before : (before && before.q) || [];
    for (const call of queue) api(...call);

    // --- <earshot-survey survey="ID"> ---

    if (!customElements.get("earshot-survey")) {
      customElements.define("earshot-survey", class extends HTMLElement {
        connectedCallback() {
          guard(() => {
            const id = this.getAttribute("survey");
            const put = (title) => {
              if (!this.isConnected || this.firstElementChild || dead) return;
              const entry = frameOf(id, title, "inline", { close() {}, ready: (height) => (entry.frame.style.height = height + "px") });
              const { style } = entry.frame;
              this.style.display = style.display = "block";
              style.width = "100%";
              style.border = style.height = "0";
              this.append(entry.frame);
            };
            if (!project) return put(this.title || "Survey");
            live((surveys) => surveys.forEach((s) => s.id === id && put(s.title)));
          })();
        }
        disconnectedCallback() {
          guard(() => {
            frames = frames.filter((e) => !this.contains(e.frame));
            this.replaceChildren();
          })();
        }
      });
    }
  } catch {}
})();
