// Behind a real nginx, configured as in docs/operation.md.
import { chromium, expect, test } from '@playwright/test';

import { browser } from '../playwright.config.js';
import { Earshot, freePort, signIn } from '../lib/earshot.js';
import { NGINX, Nginx, documented } from '../lib/nginx.js';

const VISITOR = '203.0.113.9';

/** A program behind nginx, and a browser that resolves the proxy's name to this machine. */
async function behind({ url, change, javaScriptEnabled }, run) {
  const port = Number(new URL(url).port);
  const upstream = await freePort();
  const server = await Earshot.start({ listen: `127.0.0.1:${upstream}`, args: ['--public-url', url, '--trusted-proxies', '127.0.0.1'] });
  const proxy = await Nginx.start(change(await documented(), port, upstream), port);
  const { executablePath, args: flags } = browser;
  const own = await chromium.launch({ executablePath, args: [...flags, `--host-resolver-rules=MAP ${new URL(url).hostname} 127.0.0.1`] });
  try {
    await server.withOwner();
    await server.createProject('Corner shop');
    // As if another trusted proxy were in front, which passes the visitor's address.
    const extraHTTPHeaders = { 'x-forwarded-for': VISITOR };
    const context = await own.newContext({ ignoreHTTPSErrors: true, javaScriptEnabled, extraHTTPHeaders });
    await run({ page: await context.newPage(), context, server });
  } finally {
    await own.close();
    await proxy.stop();
    await server.stop();
  }
}

async function signInAndWork(page, url) {
  await signIn(page, { url });
  await page.goto(`${url}/account`);
  await page.getByLabel('Name', { exact: true }).fill('Olga Behind');
  await page.getByRole('button', { name: 'Save' }).first().click();
  await expect(page.getByText('Name saved.')).toBeVisible();
}

test.skip(!NGINX, 'nginx is not installed here');

test('the documented nginx serves over TLS, with Secure cookies and the visitor’s address', async ({ javaScriptEnabled }) => {
  const port = await freePort();
  const url = `https://feedback.example.com:${port}`;
  const change = (text, listen, upstream) => text.replace('listen 443 ssl', `listen 127.0.0.1:${listen} ssl`).replace('127.0.0.1:3000', `127.0.0.1:${upstream}`);
  await behind({ url, change, javaScriptEnabled }, async ({ page, context }) => {
    await signInAndWork(page, url);
    const cookies = await context.cookies(url);
    expect(cookies.find((c) => c.name === '__Host-earshot')).toMatchObject({ secure: true, httpOnly: true });
    const answer = await page.goto(`${url}/account`);
    expect(answer.headers()['strict-transport-security']).toContain('includeSubDomains');
    await expect(page.locator('td[data-label="Address"]')).toHaveText(VISITOR);
  });
});

test('signing in works over plain HTTP where the proxy drops the port from Host', async ({ javaScriptEnabled }) => {
  const port = await freePort();
  const url = `http://intranet.test:${port}`;
  const change = (text, listen, upstream) =>
    text
      .replace('listen 443 ssl', `listen 127.0.0.1:${listen}`)
      .replace(/ssl_certificate.*\n/g, '')
      .replace('server_name feedback.example.com', 'server_name intranet.test')
      .replace('$http_host', '$host')
      .replace('127.0.0.1:3000', `127.0.0.1:${upstream}`);
  await behind({ url, change, javaScriptEnabled }, async ({ page }) => {
    await signInAndWork(page, url);
  });
});
