// Finds every page by following links, one of each kind, so that new pages are checked and captured without being listed.
// Pages that no link leads to are at the end.
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';

import { expect } from '@playwright/test';

import { Earshot, OWNER, signIn } from './earshot.js';
import { Mailbox, linkIn } from './mail.js';
import { finishImport, invite, publishSurvey, readQuestions, uploadFile } from './steps.js';

const IDS = [
  [/[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}/g, '{id}'],
  [/\/t\/[0-9a-f]{32}-[\w-]+/g, '/t/{token}'],
  [/\/\d+(?=\/|$)/g, '/{n}'],
];

/** The kind of a page: its path without ids, and the names of its query parameters. */
function kind(url) {
  const { pathname, searchParams } = new URL(url);
  let path = pathname;
  for (const [id, name] of IDS) path = path.replace(id, name);
  const names = [...new Set(searchParams.keys())].sort().join('&');
  return names ? `${path}?${names}` : path;
}

/** All kinds of pages reachable from `starts`; `request` may be signed in. Returns kind → URL. */
export async function crawl(request, server, starts) {
  const found = new Map();
  const waiting = starts.map((path) => new URL(path, server.url).href);
  while (waiting.length > 0) {
    const url = waiting.shift();
    if (found.has(kind(url))) continue;
    const response = await request.get(url);
    // Downloads are not pages.
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

/** Pages for signed-in people, of the demonstration's project. */
function consolePages(request, server) {
  return crawl(request, server, ['/inbox', '/inbox?q=kind%3Aticket+priority%3Aurgent', '/backlog', '/surveys', '/account', '/projects/new']);
}

/** Public pages. */
async function publicPages(request, server) {
  const survey = new URL(server.survey).pathname;
  const pages = await crawl(request, server, ['/sign-in', survey]);
  pages.set('/s/{id}/thanks', `${server.url}${survey}/thanks`);
  pages.set('/nowhere', `${server.url}/nowhere`);
  return pages;
}

/**
 * Opens every page, one after another; yields its kind and the browser page that shows it. Nobody is signed in at first: `page` will be,
 * `visitor` stays anonymous. `empty` gets its owner, a project and an import on the way.
 */
export async function* everyPage({ page, visitor, demo, empty }) {
  for (const [kind, url] of await publicPages(visitor.request, demo)) {
    await visitor.goto(url);
    yield [kind, visitor];
  }
  await signIn(page, demo);
  for (const [kind, url] of await consolePages(page.request, demo)) {
    await page.goto(url);
    yield [kind, page];
  }
  await page.goto(`${demo.url}/nowhere`);
  yield ['/nowhere signed in', page];
  yield* firstMinutes({ page, visitor, server: empty });
  yield* lettersGoOut({ page, visitor });
}

/** Pages that no link of the demonstration leads to: setup, invitation, empty pages, error pages, a running import. */
async function* firstMinutes({ page, visitor, server }) {
  await visitor.goto(`${server.url}/setup`);
  yield ['/setup locked', visitor];
  await visitor.goto(await server.setupUrl());
  yield ['/setup', visitor];
  // Accepted by the browser, rejected by the server.
  await visitor.getByLabel('Your name').fill(' ');
  await visitor.getByLabel('E-mail address').fill('somebody@nowhere');
  await visitor.getByLabel('Password').fill('not yet a password');
  await visitor.getByLabel('First project').fill(' ');
  await visitor.getByLabel(/^Address of the site/).fill('no address');
  await visitor.getByRole('button', { name: 'Set up' }).click();
  await expect(visitor.getByText('There is a problem')).toBeVisible();
  yield ['/setup refused', visitor];

  await server.withOwner();
  server.project = await server.createProject('Corner shop');
  const base = `${server.url}/p/${server.project.slug}`;
  await visitor.goto(`${server.url}/sign-in`);
  await visitor.getByLabel('E-mail address').fill('olga@example.com');
  await visitor.getByLabel('Password').fill('not her password');
  await visitor.getByRole('button', { name: 'Sign in' }).click();
  await expect(visitor.getByText('There is a problem')).toBeVisible();
  yield ['/sign-in refused', visitor];

  await signIn(page, server);
  for (const path of ['inbox', 'inbox?q=score:what', 'tickets', 'replies', 'backlog', 'surveys', 'imports', 'embed', 'webhooks', 'export', 'keys']) {
    await page.goto(`${base}/${path}`);
    yield [`/p/{slug}/${path} empty`, page];
  }
  await page.goto(`${server.url}/projects/new`);
  await page.getByLabel('Name', { exact: true }).fill('Second shop');
  await page.getByLabel(/^Allowed sites/).fill('no address');
  await page.getByRole('button', { name: 'Create project' }).click();
  await expect(page.getByText('There is a problem')).toBeVisible();
  yield ['/projects/new refused', page];

  await page.goto(`${base}/webhooks`);
  await page.getByLabel('URL').fill('https://10.0.0.1/hook');
  await page.getByRole('button', { name: 'Create webhook' }).click();
  await expect(page.getByText('There is a problem')).toBeVisible();
  yield ['/p/{slug}/webhooks refused', page];
  await page.getByLabel('URL').fill('https://hooks.example/a/rather/long/address/as/chats/have/them/T024BE7LH/B0QQQQQQQ/abcdefghijklmnopqrstuvwx');
  await page.getByRole('button', { name: 'Create webhook' }).click();
  await expect(page.getByText('Nothing sent yet')).toBeVisible();
  yield ['/p/{slug}/webhooks/{id}', page];

  await visitor.goto(base);
  await visitor.getByLabel('Subject').fill('The till jams');
  await visitor.getByLabel('Message').fill('It beeps twice, then nothing.');
  await visitor.getByLabel('Your e-mail address').fill('rosa@example.com');
  await readQuestions(visitor);
  await visitor.getByRole('button', { name: 'Send', exact: true }).click();
  await expect(visitor.getByRole('heading', { name: 'Your message has arrived: Ticket 1' })).toBeVisible();
  yield ['/p/{slug}/t/{token}?sent', visitor];
  await visitor.goto(visitor.url().split('?')[0]);
  yield ['/p/{slug}/t/{token}', visitor];
  await visitor.goto(`${base}/t/nothing`);
  yield ['/p/{slug}/t/{token} gone', visitor];

  const link = await invite(page, server, 'triager');
  yield ['/p/{slug}/members invitation', page];
  await visitor.goto(link);
  yield ['/invite/{token}', visitor];
  await visitor.getByLabel('Your name').fill(' ');
  await visitor.getByLabel('E-mail address').fill('ida@nowhere');
  await visitor.getByLabel('Password').fill('not yet a password');
  await visitor.getByRole('button', { name: 'Create account and join' }).click();
  await expect(visitor.getByText('There is a problem')).toBeVisible();
  yield ['/invite/{token} refused', visitor];
  await page.goto(link);
  yield ['/invite/{token} signed in', page];
  await visitor.goto(`${server.url}/invite/used-or-wrong`);
  yield ['/invite/{token} gone', visitor];

  const survey = await publishSurvey(page, server);
  await page.goto(`${base}/surveys/${survey}/results`);
  yield ['/p/{slug}/surveys/{id}/results empty', page];
  await page.goto(`${base}/surveys/${survey}/edit`);
  await page.getByRole('button', { name: 'Pause' }).click();
  await expect(page.locator('#editor-head').getByText('Paused', { exact: true })).toBeVisible();
  await visitor.goto(`${server.url}/s/${survey}`);
  yield ['/s/{id} paused', visitor];

  const file = join(server.dir, 'messages.csv');
  await writeFile(file, 'text,category,a column with quite a long name\nThe first is fine,a,1\n,b,2\nThe third is fine,c,3\n');
  await uploadFile(page, server, file, 'category');
  yield ['/p/{slug}/imports/{id} mapping', page];
  await finishImport(page);
  yield ['/p/{slug}/imports/{id} result', page];
  await page.goto(`${base}/imports`);
  yield ['/p/{slug}/imports one file', page];
}

/** Pages of a program with e-mail configured. */
async function* lettersGoOut({ page, visitor }) {
  const mail = await Mailbox.start();
  const server = await Earshot.start({ mail });
  try {
    await server.withOwner();
    server.project = await server.createProject('Corner shop');
    await visitor.goto(`${server.url}/forgot`);
    yield ['/forgot with mail', visitor];
    await visitor.getByLabel('E-mail address').fill(OWNER.email);
    await visitor.getByRole('button', { name: 'Send the link' }).click();
    await expect(visitor.getByRole('heading', { name: 'Check your inbox' })).toBeVisible();
    yield ['/forgot/sent', visitor];
    await visitor.goto(linkIn(await mail.letter(OWNER.email), '/reset/'));
    yield ['/reset/{token}', visitor];
    await visitor.goto(`${server.url}/reset/used-or-wrong`);
    yield ['/reset/{token} gone', visitor];
    await signIn(page, server);
    mail.refuseAll();
    await page.goto(`${server.url}/p/${server.project.slug}/members`);
    await page.getByLabel(/^E-mail address/).fill('ida@example.com');
    await page.getByRole('button', { name: 'Create invitation link' }).click();
    await expect(page.getByRole('textbox', { name: 'Invitation link' })).toBeVisible();
    yield ['/p/{slug}/members mailed', page];
    await expect(async () => {
      await page.goto(`${server.url}/operator/mail`);
      await expect(page.getByText('Failed (1)')).toBeVisible({ timeout: 500 });
    }).toPass({ timeout: 90_000 });
    yield ['/operator/mail given up', page];
    await page.goto(`${server.url}/p/${server.project.slug}/members`);
    yield ['/p/{slug}/members not delivered', page];
  } finally {
    await server.stop();
    await mail.stop();
  }
}

/** A file name for a kind of page. */
export function fileName(kind) {
  return kind.replace(/^\/p\/[^/]+/, 'console').replaceAll(/[{}]/g, '').replaceAll(/[^a-z0-9]+/gi, '-').replaceAll(/^-|-$/g, '') || 'home';
}
