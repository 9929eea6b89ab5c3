// A customer's site: another origin, with the strictest policy that the widget supports.
import { createServer } from 'node:http';
import { once } from 'node:events';

export class Host {
  /**
   * Serves `pages`: path → HTML body, or `{ html, headers, type }` for a whole document with its own headers and without the policy.
   * Its scripts come from /site.js.
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
    // `localhost` rather than 127.0.0.1: a different site than the program's, not just a different port.
    host.url = `http://localhost:${host.server.address().port}`;
    return host;
  }

  async stop() {
    this.server.closeAllConnections();
    this.server.close();
    await once(this.server, 'close');
  }
}

/** Collects a page's problems: errors, failed resources, policy violations. */
export function complaints(page) {
  const found = [];
  page.on('pageerror', (error) => found.push(`error: ${error.message}`));
  page.on('console', (message) => {
    if (message.type() === 'error') found.push(`console: ${message.text()}`);
  });
  return found;
}
