// Finds every page by following links, one of each kind: whoever adds a page gets it checked and pictured without listing it.

const IDS = [
  [/[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}/g, '{id}'],
  [/\/\d+(?=\/|$)/g, '/{n}'],
];

/** The kind of a page: its path with the ids taken out, and the names of the query's parameters. */
export function kind(url) {
  const { pathname, searchParams } = new URL(url);
  let path = pathname;
  for (const [id, name] of IDS) path = path.replace(id, name);
  const names = [...new Set(searchParams.keys())].sort().join('&');
  return names ? `${path}?${names}` : path;
}

/** All kinds of pages that can be reached from `starts`; `request` is signed in or not. Gives kind → URL. */
export async function crawl(request, server, starts) {
  const found = new Map();
  const waiting = starts.map((path) => new URL(path, server.url).href);
  while (waiting.length > 0) {
    const url = waiting.shift();
    if (found.has(kind(url))) continue;
    const response = await request.get(url);
    // Files to download are not pages.
    if (!(response.headers()['content-type'] ?? '').includes('text/html')) continue;
    const arrived = response.url();
    if (!arrived.startsWith(server.url) || (found.has(kind(arrived)) && arrived !== url)) continue;
    found.set(kind(arrived), arrived);
    if (!response.ok()) throw new Error(`${url} answered ${response.status()}`);
    const html = await response.text();
    for (const [, href] of html.matchAll(/<a\b[^>]*?\bhref="([^"]+)"/g)) {
      const link = new URL(href.replaceAll('&amp;', '&'), arrived);
      link.hash = '';
      if (link.origin === server.url && !found.has(kind(link.href))) waiting.push(link.href);
    }
  }
  return found;
}

/** Pages for people who are signed in, of the demonstration's project. */
export function consolePages(request, server) {
  return crawl(request, server, ['/inbox', '/backlog', '/surveys', '/account', '/projects/new']);
}

/** Pages for everybody else. */
export async function publicPages(request, server, survey) {
  const pages = await crawl(request, server, ['/sign-in', ...(survey ? [survey] : [])]);
  pages.set('/nowhere', `${server.url}/nowhere`);
  return pages;
}

/** A file's name for a kind of page. */
export function fileName(kind) {
  return kind.replace(/^\/p\/[^/]+/, 'console').replaceAll(/[{}]/g, '').replaceAll(/[^a-z0-9]+/gi, '-').replaceAll(/^-|-$/g, '') || 'home';
}
