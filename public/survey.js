// The survey as one card after another. Without this file the page is one plain form; with it, every answer is saved
// immediately, kept while the server is unavailable, and retried with the same key. No dependencies, nothing global.
(() => {
  "use strict";
  const form = document.getElementById("survey");
  if (!form) return;
  const $ = (id) => document.getElementById(id);
  const text = form.dataset;
  const preview = text.mode === "preview";
  const cards = [...form.querySelectorAll(".card")];
  const next = $("next");
  const back = $("back");
  const status = $("status");
  const content = $("earshot");
  const began = performance.now();
  const framed = window.parent !== window;
  const parent = framed && text.parent;
  let at = 0;

  // --- The page around the frame: its origin is known from the start; no other origin gets or sends messages. ---

  const tell = (type, more) => {
    if (parent) window.parent.postMessage({ earshot: 1, type, survey: text.survey, ...more }, parent);
  };
  let said = {};
  let source = framed ? "frame" : "link";
  addEventListener("message", (event) => {
    if (!parent || event.source !== window.parent || event.origin !== parent) return;
    const message = event.data || {};
    if (message.earshot !== 1) return;
    if (message.type === "context") {
      said = message.context || {};
      source = message.source || source;
    }
    if (message.type === "focus") focusCard();
  });
  if (framed) addEventListener("keydown", (event) => event.key === "Escape" && tell("close"));
  // The content's own height rather than the viewport's, so that the frame can shrink too.
  new ResizeObserver(() => tell("height", { height: Math.ceil(content.getBoundingClientRect().height) })).observe(content);

  // --- The answers, kept for this tab until the server has them. ---

  const shelf = "earshot:" + text.survey;
  // Version 7, which begins with the time: consecutive keys are adjacent in the database, which makes storing one much cheaper.
  const uuid = () => {
    const b = crypto.getRandomValues(new Uint8Array(16));
    for (let i = 5, now = Date.now(); i >= 0; i--, now /= 256) b[i] = now;
    b[6] = (b[6] & 15) | 112;
    b[8] = (b[8] & 63) | 128;
    return [...b].map((n, i) => ([4, 6, 8, 10].includes(i) ? "-" : "") + (n + 256).toString(16).slice(1)).join("");
  };
  const asks = (name) => cards.some((card) => name === card.dataset.question || name === card.dataset.question + "_other");
  const misfit = (name) => [...form.elements].some((field) => field.name === name && field.validity.typeMismatch);
  const pairs = () => [...new FormData(form)].filter(([name, value]) => value.trim() && asks(name) && !misfit(name));
  // `tried`: a first request was sent, so the server may have a response whose id is not known here yet.
  let state = { key: uuid(), version: text.version, pairs: [], finished: false, dirty: false, tried: false, started: form.elements.started?.value };
  const keep = () => {
    if (preview) return;
    try {
      sessionStorage.setItem(shelf, JSON.stringify(state));
    } catch {}
  };
  const forget = () => {
    try {
      sessionStorage.removeItem(shelf);
    } catch {}
  };
  function fill(kept) {
    for (const [name, value] of kept) {
      for (const field of form.elements) {
        if (field.name !== name) continue;
        if (/radio|checkbox/.test(field.type)) field.checked ||= field.value === value;
        else field.value = value;
      }
    }
  }

  // --- Sending: one request at a time, always with all answers so far. ---

  let busy = false;
  let failures = 0;
  // Rejected permanently: nothing more is sent automatically.
  let over = false;
  let timer;
  // `quiet`: only for screen readers, because it is visible elsewhere.
  const say = (words, quiet) => {
    status.classList.toggle("vh", Boolean(quiet));
    status.textContent = words || "";
  };

  const request = (state) => {
    const body = JSON.stringify({
      survey: text.survey,
      version: state.version,
      answers: state.pairs,
      finished: state.finished,
      idempotency_key: state.key,
      token: state.token,
      // From the page that sent the first answers: together with the key, it shows that these are from the same person.
      started: (state.started ||= form.elements.started.value),
      elapsed_ms: Math.round(performance.now() - began),
      honeypot: form.elements.website.value,
      language: text.lang,
      source,
      context: { page_url: framed ? document.referrer : undefined, referrer: framed ? undefined : document.referrer, ...said },
    });
    return fetch("/embed/v1/" + encodeURIComponent(text.key) + "/responses" + (state.id ? "/" + state.id : ""), {
      method: state.id ? "PUT" : "POST",
      credentials: "omit",
      // Browsers limit requests that outlive their page to 64 kB; a character has at most three bytes.
      keepalive: body.length < 2e4,
      headers: { "content-type": "application/json" },
      body,
    });
  };

  async function send() {
    clearTimeout(timer);
    if (preview || busy || !state.dirty) return;
    busy = true;
    state.dirty = false;
    const first = !state.id;
    const retried = state.tried;
    state.tried = true;
    let failed = false;
    let wait = 0;
    try {
      const response = await request(state);
      const body = await response.json().catch(() => ({}));
      if (response.ok) {
        const was = !failures;
        failures = 0;
        state.id = body.id;
        state.token = body.token;
        // The first attempt may have arrived with fewer answers than now, and the retry got its response.
        if ((first && retried) || (state.finished && !body.finished)) state.dirty = true;
        if (!was) say(text.sentLate);
        tell("answer");
        if (state.finished && !state.dirty) return done();
      } else if (response.status === 422) {
        state.finished = false;
        refuse(body.errors || [], body.detail);
      } else if (response.status === 413) {
        // A proxy in between has a lower limit than the server.
        state.finished = false;
        const longest = [...form.querySelectorAll("textarea")].sort((a, b) => b.value.length - a.value.length)[0];
        refuse([{ pointer: longest && "/answers/" + longest.name, detail: text.shorten }]);
      } else if (response.status >= 500 || [408, 425, 429].includes(response.status)) {
        failed = true;
        wait = Number(response.headers.get("retry-after")) * 1000;
      } else {
        // Closed meanwhile, or forbidden: the same request would be rejected again. The typed text stays, and Send starts over.
        over = true;
        state = { key: uuid(), version: state.version, pairs: state.pairs, finished: false, dirty: false, tried: false };
        say({ 403: text.foreign, 404: text.closed, 409: text.closed, 410: text.closed }[response.status] || body.detail || text.refused);
        settle();
      }
    } catch {
      failed = true;
    } finally {
      busy = false;
    }
    if (failed) {
      state.dirty = true;
      failures += 1;
      say(text.notSent);
      settle();
      timer = setTimeout(send, Math.max(wait || 0, Math.min(60000, 1000 * 2 ** failures)) * (0.75 + Math.random() / 2));
    }
    keep();
    if (!failed && !over && state.dirty) send();
  }
  addEventListener("online", () => send());

  const settle = () => {
    next.removeAttribute("aria-busy");
    label();
  };

  function save(finished) {
    const now = pairs();
    if (!finished && (!now.length || JSON.stringify(now) === JSON.stringify(state.pairs))) return;
    state.pairs = now;
    state.finished ||= Boolean(finished);
    over &&= !finished;
    state.dirty = !over;
    keep();
    if (failures && !finished) return; // The retry includes it.
    send();
  }

  function done() {
    forget();
    form.hidden = true;
    $("thanks").hidden = false;
    const close = $("close");
    if (close && parent) {
      close.hidden = false;
      close.onclick = () => tell("close");
    }
    $("thanks").querySelector("h2").focus();
    tell("finish");
  }

  // --- Validation at the field. ---

  const error = (card, words) => {
    const place = $(card.dataset.question + "-error");
    if (!place) return;
    place.textContent = words || "";
    // A group is described by its fieldset, a text by its input.
    const field = card.querySelector("fieldset, input, textarea");
    const ids = [$(card.dataset.question + "-hint") && card.dataset.question + "-hint", words && place.id].filter(Boolean).join(" ");
    if (ids) field.setAttribute("aria-describedby", ids);
    else field.removeAttribute("aria-describedby");
    for (const input of card.querySelectorAll("input, textarea")) {
      if (words) input.setAttribute("aria-invalid", "true");
      else input.removeAttribute("aria-invalid");
    }
  };

  function fits(card) {
    const bad = [...card.querySelectorAll("input, textarea")].find((field) => !field.validity.valid);
    const boxes = card.querySelector("[type=checkbox]") && card.querySelector(".req") && !card.querySelector(":checked");
    const words = bad || boxes ? (bad && bad.validity.typeMismatch ? text.email : text.required) : "";
    error(card, words);
    return !words;
  }

  function refuse(errors, detail) {
    let first = -1;
    for (const { pointer, detail } of errors) {
      const card = cards.findIndex((c) => "/answers/" + c.dataset.question === pointer);
      if (card < 0) continue;
      error(cards[card], detail);
      if (first < 0 || card < first) first = card;
    }
    settle();
    show(first < 0 ? at : first, true);
    say(errors.map((e) => e.detail).join(" ") || detail || text.refused, first >= 0);
  }

  // --- Cards. ---

  const heading = () => cards[at] && cards[at].querySelector("h2");
  const focusCard = () => (form.hidden ? $("thanks").querySelector("h2") : heading() || $("title")).focus();
  const label = () => {
    next.textContent = at >= cards.length - 1 ? (failures && state.finished ? text.tryAgain : text.send) : text.next;
  };

  function show(index, focus) {
    at = Math.min(Math.max(index, 0), Math.max(cards.length - 1, 0));
    cards.forEach((card, i) => (card.hidden = i !== at));
    const intro = form.querySelector(".intro");
    if (intro) intro.hidden = at > 0;
    const problem = form.querySelector("div.problem");
    if (problem) problem.hidden = true;
    back.hidden = at === 0;
    const progress = $("progress");
    progress.hidden = cards.length < 2;
    progress.querySelector("span").textContent = text.progress.replace("{n}", at + 1).replace("{of}", cards.length);
    Object.assign(progress.firstElementChild, { max: cards.length, value: at + 1 });
    label();
    if (!focus) return;
    if (!failures) say(cards.length > 1 ? progress.querySelector("span").textContent : "", true);
    focusCard();
  }

  function forward() {
    clearTimeout(soon);
    const card = cards[at];
    if (card && !fits(card)) {
      (card.querySelector(":checked, input, textarea") || heading()).focus();
      say($(card.dataset.question + "-error").textContent, true);
      return;
    }
    if (at < cards.length - 1) {
      save();
      show(at + 1, true);
      return;
    }
    // A card that was skipped, or filled in before the script ran.
    const gap = cards.findIndex((c) => !fits(c));
    if (gap >= 0) return show(gap, true);
    if (preview) return done();
    next.setAttribute("aria-busy", "true");
    failures = 0;
    save(true);
  }

  form.noValidate = true;
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    // A click on Next out of habit, just after the automatic advance, is not meant for the new card; one after typing there is.
    if (performance.now() - led > 600) forward();
  });
  if (next.type === "button") next.onclick = forward;
  back.onclick = () => {
    clearTimeout(soon);
    save();
    show(at - 1, true);
  };

  // A number chosen by click, tap, Space or Enter advances. The arrow keys only browse, although they choose as well.
  let soon;
  let led = -1000;
  let arrows = false;
  addEventListener("pointerdown", () => (arrows = false), true);
  addEventListener("keydown", (event) => {
    arrows = event.key.startsWith("Arrow");
    if (arrows) clearTimeout(soon);
    const field = event.target;
    // Enter chooses a number like Space. In a preview, which has no submit button, it also advances from text fields.
    if (event.key !== "Enter" || !field.matches || !field.matches(preview ? "#survey input" : ".scale input")) return;
    event.preventDefault();
    if (field.matches(".scale input")) field.checked = true;
    forward();
  }, true);
  form.addEventListener("click", (event) => {
    if (!event.target.matches(".scale input") || arrows || at >= cards.length - 1) return;
    clearTimeout(soon);
    soon = setTimeout(() => {
      forward();
      led = performance.now();
    }, 250);
  });

  // A value that was typed or chosen is also saved without advancing, after a short delay.
  let later;
  form.addEventListener("change", (event) => {
    const card = event.target.closest(".card");
    if (!card) return;
    clearTimeout(later);
    if ([...card.querySelectorAll("input, textarea")].every((f) => f.validity.valid)) later = setTimeout(save, 600);
  });
  form.addEventListener("input", (event) => {
    led = -1000;
    // Typing into "Other" selects it.
    if (event.target.matches(".other")) event.target.previousElementSibling.querySelector("input").checked = true;
    // A corrected answer loses its error while typing: removing it on blur would move the button away under the click.
    const card = event.target.closest(".card");
    const place = card && $(card.dataset.question + "-error");
    if (place && place.textContent) fits(card);
  });
  addEventListener("pagehide", () => {
    if (state.dirty || (cards[at] && cards[at].contains(document.activeElement))) save();
  });

  try {
    const kept = JSON.parse(sessionStorage.getItem(shelf));
    // A page returned by the server (422) is newer than the stored state.
    if (!preview && kept?.key && !form.querySelector(".problem")) {
      if (kept.version === text.version) {
        state = kept;
        fill(kept.pairs);
      } else if (kept.dirty) {
        // Answers to an older version: sent as far as possible, and this version starts over.
        request(kept).catch(() => {});
      }
    }
  } catch {}

  document.documentElement.classList.add("js");
  // The editor names the question being edited. Not by an element's id: the browser would move the focus there.
  const asked = () => cards.findIndex((card) => preview && "#at=" + card.dataset.question === location.hash);
  addEventListener("hashchange", () => asked() >= 0 && show(asked()));
  const wrong = cards.findIndex((card) => card.querySelector(".error:not(:empty)"));
  const answered = cards.findIndex((card) => !state.pairs.some(([name]) => name === card.dataset.question));
  show(wrong >= 0 ? wrong : asked() >= 0 ? asked() : state.pairs.length ? (answered < 0 ? cards.length - 1 : answered) : 0, wrong >= 0);
  tell("ready", { height: Math.ceil(content.getBoundingClientRect().height) });
  if (state.dirty) send();
})();
