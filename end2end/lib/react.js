// A site made with React: rendered here, hydrated in the browser by the development build, which reports every mismatch.
import { fileURLToPath } from 'node:url';

import { build } from 'esbuild';
import { createElement as h } from 'react';
import { renderToString } from 'react-dom/server';

// The same trees for the server and the browser.
const TREES = `
  export const shop = (h, tag) =>
    h('html', null,
      h('head', null, h('title', null, 'A shop'), h('script', { async: true, ...tag })),
      h('body', null, h('h1', null, 'A shop'), h('button', { id: 'count' }, 'Count')));
  export const inside = (h, survey) => h('main', null, h('h1', null, 'A shop'), h('earshot-survey', { survey }), h('p', null, 'The end'));
`;

const CLIENT = `
  import { createElement as h } from 'react';
  import { hydrateRoot } from 'react-dom/client';
  import { shop, inside } from 'trees';
  window.faults = [];
  const log = console.error;
  console.error = (...args) => { window.faults.push(args.map(String).join(' ')); log(...args); };
  const options = { onRecoverableError: (error) => window.faults.push(String(error)) };
  const settled = () => new Promise((resolve) => requestIdleCallback(() => setTimeout(resolve, 100)));
  window.hydrateDocument = (tag) => { hydrateRoot(document, shop(h, tag), options); return settled(); };
  window.hydrateInside = (survey) => { hydrateRoot(document.getElementById('root'), inside(h, survey), options); return settled(); };
`;

const trees = await import(`data:text/javascript,${encodeURIComponent(TREES)}`);

/** The script that hydrates: `hydrateDocument(tag)`, `hydrateInside(survey)`, and `faults`, the errors reported by React. */
export async function clientScript() {
  const resolved = {
    name: 'trees',
    setup(plugin) {
      plugin.onResolve({ filter: /^trees$/ }, () => ({ path: 'trees', namespace: 'trees' }));
      plugin.onLoad({ filter: /.*/, namespace: 'trees' }, () => ({ contents: TREES }));
    },
  };
  const result = await build({
    stdin: { contents: CLIENT, resolveDir: fileURLToPath(new URL('.', import.meta.url)) },
    bundle: true,
    write: false,
    define: { 'process.env.NODE_ENV': '"development"' },
    plugins: [resolved],
  });
  return result.outputFiles[0].text;
}

/** A whole document with the widget's script in its head. */
export const shopPage = (tag) => `<!doctype html>${renderToString(trees.shop(h, tag))}`;

/** The content of the root element on a page with a survey. */
export const insidePage = (survey) => renderToString(trees.inside(h, survey));
