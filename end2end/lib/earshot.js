// The program under test: each server has its own port and data directory.
import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const PROGRAM = process.env.EARSHOT_PROGRAM;

/** The account that signs in. */
export const OWNER = { name: 'Olga Owner', email: 'olga@example.com', password: 'seven wooden horses' };
export const COLLEAGUE = { name: 'Carl Colleague', email: 'carl@example.com', password: 'nine paper lanterns' };

export class Earshot {
  /**
   * Starts a server. `demo` adds the demonstration and its host site; `mail` (a `Mailbox` of lib/mail.js) receives its e-mails;
   * `limits` are the flags for rate limits; `listen` is its address, for tests that need to know it before the start.
   */
  static async start({ demo = false, args = [], mail, listen, limits = ['--rate-per-address', '100000', '--rate-per-key', '100000'] } = {}) {
    if (!PROGRAM) throw new Error('start the browser tests with: cargo xtask test --only browser');
    const server = new Earshot();
    server.dir = await mkdtemp(join(tmpdir(), 'earshot-e2e-'));
    server.demo = demo;
    server.args = [...limits, ...args];
    server.mail = mail;
    // Links in e-mails contain the address, so it must be known before the start.
    await server.launch(listen ?? (mail ? `127.0.0.1:${await freePort()}` : '127.0.0.1:0'));
    return server;
  }

  async launch(listen) {
    this.log = '';
    const args = ['serve', '--data', this.dir, '--listen', listen, ...(this.demo ? ['--demo', '--demo-listen', '127.0.0.1:0'] : []), ...this.args];
    const env = { ...process.env };
    if (this.mail) Object.assign(env, { EARSHOT_SMTP_URL: this.mail.url, EARSHOT_MAIL_FROM: 'Earshot <feedback@earshot.test>', EARSHOT_PUBLIC_URL: `http://${listen}` });
    this.child = spawn(PROGRAM, args, { cwd: this.dir, env, stdio: ['ignore', 'pipe', 'pipe'] });
    for (const stream of [this.child.stdout, this.child.stderr]) {
      stream.setEncoding('utf8').on('data', (text) => (this.log += text));
    }
    this.url = await this.logged(/is serving (https?:\/\/\S+)(?=\s)/);
    if (this.demo) {
      this.survey = await this.logged(/its survey is at (http:\/\/\S+)(?=\s)/);
      this.hostUrl = (await this.logged(/site with the widget is at (http:\/\/\S+)(?=\s)/)).replace(/\/$/, '');
    }
  }

  /** Waits for a log line that matches and returns the pattern's group. */
  async logged(pattern) {
    const end = Date.now() + 180_000;
    while (Date.now() < end) {
      const found = this.log.match(pattern);
      if (found) return found[1];
      if (this.child.exitCode !== null) throw new Error(`the program ended:\n${this.log}`);
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    throw new Error(`not in the log: ${pattern}\n${this.log}`);
  }

  /** The setup URL of an empty installation. */
  setupUrl() {
    return this.logged(/(http:\/\/\S+\/setup\?token=\S+)(?=\s)/);
  }

  /** Runs `earshot …` on the same data and returns its output. */
  command(args, input = '') {
    return new Promise((resolve, reject) => {
      const child = execFile(PROGRAM, [...args, '--data', this.dir], (error, stdout, stderr) =>
        error ? reject(new Error(`${error.message}\n${stderr}`)) : resolve(stdout),
      );
      // A command that reads no input may exit before its input is closed; its exit status is checked above.
      child.stdin.on('error', () => {}).end(input);
    });
  }

  /** Creates an owner of all projects without a browser. */
  async withOwner(person = OWNER) {
    await this.command(['admin', 'create-owner', '--email', person.email, '--name', person.name, '--password-stdin'], person.password);
    return this;
  }

  async createProject(name) {
    return JSON.parse(await this.command(['admin', 'create-project', '--name', name]));
  }

  /** Stops it but keeps the data. */
  async halt() {
    if (this.child.exitCode === null) {
      this.child.kill('SIGTERM');
      const late = setTimeout(() => this.child.kill('SIGKILL'), 5_000);
      await once(this.child, 'exit');
      clearTimeout(late);
    }
  }

  /** Starts it again on the same address. */
  async resume() {
    await this.launch(new URL(this.url).host);
  }

  async stop() {
    await this.halt();
    await rm(this.dir, { recursive: true, force: true });
  }
}

/** A free port. */
export async function freePort() {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address();
  server.close();
  await once(server, 'close');
  return port;
}

/** Signs in through the page. */
export async function signIn(page, server, person = OWNER) {
  await page.goto(`${server.url}/sign-in`);
  await page.getByLabel('E-mail address').fill(person.email);
  await page.getByLabel('Password').fill(person.password);
  await page.getByRole('button', { name: 'Sign in' }).click();
  await page.waitForURL((url) => !url.pathname.startsWith('/sign-in'));
}

/** Waits until the console's islands are ready; returns at once if JavaScript is off. */
export async function ready(page, javaScriptEnabled = true) {
  if (javaScriptEnabled) await page.locator('html[data-ready]').waitFor({ state: 'attached' });
}
