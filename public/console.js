// Starts the console's wasm and hydrates each island. Without it every page still works.
const meta = document.querySelector('meta[name="earshot-wasm"]');

async function hydrateIslands(module) {
  const waiting = [];
  async function walk(node) {
    if (node.nodeType !== Node.ELEMENT_NODE) return;
    const tag = node.localName;
    if (tag === 'leptos-island') {
      const hydrate = module[node.dataset.component];
      if (hydrate) {
        const announce = waiting[waiting.length - 1];
        if (announce) announce();
        await hydrate(node);
      }
    }
    if (tag === 'leptos-children') waiting.push(node.$$on_hydrate);
    for (const child of [...node.children]) await walk(child);
    if (tag === 'leptos-children') waiting.pop();
  }
  await walk(document.body);
  document.documentElement.dataset.ready = '';
}

if (meta) {
  import(meta.dataset.js)
    .then(async (module) => {
      await module.default({ module_or_path: meta.content });
      module.hydrate();
      await hydrateIslands(module);
    })
    .catch((error) => console.warn('Earshot: this page works without keyboard shortcuts.', error));
}
