// The demonstration's own small single-page site: links marked data-go change the address without loading a page.
(() => {
  const views = [...document.querySelectorAll("[data-view]")];
  const show = (focus) => {
    const view = views.find((v) => v.dataset.view === location.pathname) || views[0];
    for (const other of views) other.hidden = other !== view;
    for (const link of document.querySelectorAll("nav a")) {
      if (link.pathname === view.dataset.view) link.setAttribute("aria-current", "page");
      else link.removeAttribute("aria-current");
    }
    const heading = view.querySelector("h1");
    document.title = heading.textContent + " · Gantry";
    if (focus) heading.focus();
  };
  if (views.length) {
    document.addEventListener("click", (event) => {
      const link = event.target.closest("a[data-go]");
      if (!link || event.metaKey || event.ctrlKey || event.shiftKey) return;
      event.preventDefault();
      history.pushState({}, "", link.href);
      show(true);
    });
    addEventListener("popstate", () => show(true));
    show(false);
  }
  // The widget's functions for the site.
  const call = (id, ...args) => {
    const button = document.getElementById(id);
    if (button) button.addEventListener("click", () => window.earshot && window.earshot(...args));
  };
  call("ask", "open");
  call("paid", "track", "plan_chosen");
  call("sign-in", "identify", { id: "gantry-1204", email: "mira@studio.example", name: "Mira Stein", attributes: { plan: "Team", seats: 14 } });
  const log = document.getElementById("log");
  if (log && window.addEventListener) {
    const listen = () => {
      for (const name of ["open", "answer", "finish", "close"]) {
        window.earshot("on", name, () => { log.textContent = "The widget says: " + name; });
      }
    };
    if (window.earshot) listen();
    else addEventListener("load", () => window.earshot && listen());
  }
})();
