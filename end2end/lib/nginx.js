// A real nginx in front of the program, with the configuration from docs/operation.md.
import { spawn, execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

export const NGINX = process.env.EARSHOT_NGINX;

/** The page's block that begins with ```nginx. */
export async function documented() {
  const page = await readFile(fileURLToPath(new URL('../../docs/operation.md', import.meta.url)), 'utf8');
  return page.match(/```nginx\n([\s\S]*?)```/)[1];
}

export class Nginx {
  /** Starts nginx with this `server` block, which listens on `port`; it writes to its own directory only. */
  static async start(server, port) {
    const proxy = new Nginx();
    proxy.dir = await mkdtemp(join(tmpdir(), 'earshot-nginx-'));
    const at = (name) => join(proxy.dir, name);
    const subject = ['-subj', '/CN=feedback.example.com', '-addext', 'subjectAltName=DNS:feedback.example.com'];
    execFileSync('openssl', ['req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-days', '2', '-keyout', at('key.pem'), '-out', at('cert.pem'), ...subject], { stdio: 'ignore' });
    const own = server.replace(/\/etc\/ssl\/\S+\.pem/, at('cert.pem')).replace(/\/etc\/ssl\/\S+\.key/, at('key.pem'));
    const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map((kind) => `${kind}_temp_path ${at(kind)};`).join('\n');
    await writeFile(
      at('nginx.conf'),
      `daemon off; master_process off; pid ${at('pid')}; error_log stderr warn;\nevents {}\nhttp { access_log off;\n${temporary}\n${own}\n}\n`,
    );
    proxy.child = spawn(NGINX, ['-p', proxy.dir, '-c', at('nginx.conf')], { stdio: ['ignore', 'ignore', 'pipe'] });
    proxy.log = '';
    proxy.child.stderr.setEncoding('utf8').on('data', (text) => (proxy.log += text));
    const end = Date.now() + 60_000;
    while (!(await listens(port))) {
      if (proxy.child.exitCode !== null || Date.now() > end) throw new Error(`nginx did not start:\n${proxy.log}`);
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
    return proxy;
  }

  async stop() {
    if (this.child.exitCode === null) {
      this.child.kill('SIGTERM');
      await once(this.child, 'exit');
    }
    await rm(this.dir, { recursive: true, force: true });
  }
}

function listens(port) {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1', () => resolve(socket.destroy() && true)).on('error', () => resolve(false));
  });
}
