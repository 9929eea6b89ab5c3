// Somebody's site: another origin, under the strictest policy that our widget promises to work with.
import { createServer } from 'node:http';
import { once } from 'node:events';

export class Host {
  /**
   * Serves `pages`: path → HTML body, or `{ html, headers, type }` for a whole document with headers of its own and without our policy.
   * Scripts of its own come from /site.js.
   */
  static async start({ earshot, pages, script = '' }) {
    const host = new Host();
    const csp = `default-src 'none'; script-src 'self' ${earshot}; connect-src ${earshot}; frame-src ${earshot}`;
    host.server = createServer((request, response) => {
      const path = new URL(request.url, 'http://host').pathname;
      if (path === '/site.js') return response.writeHead(200, { 'content-type': 'text/javascript' }).end(script);
      const body = pages[path];
      if (body?.html !== undefined) {
        return response.writeHead(200, { 'content-type': body.type ?? 'text/html; charset=utf-8', ...body.headers }).end(body.html);
      }
      response.writeHead(body === undefined ? 404 : 200, { 'content-type': 'text/html; charset=utf-8', 'content-security-policy': csp });
      response.end(`<!doctype html><html lang="en"><head><title>A shop</title><script src="/site.js"></script></head><body>${body ?? ''}</body></html>`);
    });
    host.server.listen(0, '127.0.0.1');
    await once(host.server, 'listening');
    // `localhost` and not 127.0.0.1: another site than the program's, not only another port.
    host.url = `http://localhost:${host.server.address().port}`;
    return host;
  }

  async stop() {
    this.server.closeAllConnections();
    this.server.close();
    await once(this.server, 'close');
  }
}

/** Collects what a page complains about: errors, refused resources, broken policies. */
export function complaints(page) {
  const found = [];
  page.on('pageerror', (error) => found.push(`error: ${error.message}`));
  page.on('console', (message) => {
    if (message.type() === 'error') found.push(`console: ${message.text()}`);
  });
  return found;
}
