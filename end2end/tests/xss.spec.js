// Script injection attempts in every field that is shown anywhere: none of them runs, on any page.
import { Earshot, signIn } from '../lib/earshot.js';
import { crawl } from '../lib/pages.js';
import { expect, test } from '../lib/test.js';
import { launchByButton, publishSurvey, waitForText } from '../lib/steps.js';

/** Breaks out of text, attributes, scripts and textareas, and reports where it ran. */
const payload = (n) => `x${n}'"></textarea></title></script><img src=x onerror="window.ran='${n}'"><svg onload="window.ran='${n}'"><script>window.ran='${n}'</script>`;
/** The same for short fields. */
const brief = (n) => `x${n}"><img src=x onerror=ran='${n}'>`;
const address = (n) => `javascript:window.ran='${n}'//${n}`;

/** A tag cannot contain white space, quotes, commas or colons. */
const TAG = '<img/src=x/onerror=ran=1>xlabel';

/** Records scripts that ran, and those that only the policy blocked. */
async function watch(page) {
  const stopped = [];
  page.on('console', (message) => {
    if (/Content Security Policy|Content-Security-Policy/.test(message.text())) stopped.push(`${page.url()}: ${message.text()}`);
  });
  page.on('dialog', (dialog) => {
    stopped.push(`a dialog at ${page.url()}`);
    void dialog.dismiss();
  });
  return stopped;
}

/** Posts a form as the page would. */
async function post(page, server, path, form) {
  const response = await page.request.post(`${server.url}${path}`, {
    form: { idempotency_key: `xss-${Math.random()}`, ...form },
    headers: { origin: server.url },
    maxRedirects: 0,
  });
  expect(response.status(), `${path}: ${response.status()}`).toBe(303);
  return response;
}

test.skip(({ javaScriptEnabled }) => !javaScriptEnabled, 'without JavaScript nothing runs');

test('the watch itself sees what runs', async ({ page }) => {
  await page.setContent(payload('control'));
  await expect.poll(() => page.evaluate(() => window.ran)).toBe('control');
});

test('no text runs on any page', async ({ page, browser }) => {
  test.setTimeout(600_000);
  const server = await Earshot.start();
  try {
    await server.withOwner({ name: brief('owner'), email: 'olga@example.com', password: 'seven wooden horses' });
    server.project = await server.createProject(brief('project'));
    const { slug, key } = server.project;
    await signIn(page, server);
    const stopped = await watch(page);

    const survey = await publishSurvey(page, server, async () => {
      await launchByButton(page);
      for (const field of await page.locator('#editor input[type=text]:visible, #editor textarea:visible, form input[type=text]:visible').all()) {
        // The language is not free text.
        if ((await field.inputValue()) === 'en') continue;
        const most = Number((await field.getAttribute('maxlength')) ?? 5000);
        const text = payload('survey');
        await field.fill(most < text.length ? `<b onclick=ran=1>${'x'.repeat(3)}`.slice(0, most) : text);
      }
      await page.getByLabel('Button label').fill('<img src=x>');
    });
    const answer = await page.request.post(`${server.url}/embed/v1/${key}/responses`, {
      data: {
        survey, finished: true, idempotency_key: 'xss-answer', answers: [['q1', '2'], ['q2', payload('answer')]],
        context: {
          page_url: `https://example.com/${payload('page')}`, referrer: address('referrer'), release: brief('release'), environment: brief('environment'),
          contact: { id: brief('contact-id'), email: 'ann@example.com', name: brief('contact'), attributes: { [brief('attribute')]: brief('value') } },
        },
      },
    });
    expect(answer.status()).toBe(201);
    await post(page, server, `/p/${slug}/backlog`, { title: payload('backlog'), body: payload('backlog-body') });
    await post(page, server, `/p/${slug}/backlog`, { title: 'Links', body: `${address('link')} [x](${address('markdown')}) https://example.com/"onmouseover="ran=1` });
    await post(page, server, `/p/${slug}/replies`, { name: brief('reply'), body: payload('reply-body') });
    await post(page, server, `/p/${slug}/webhooks`, { url: `https://example.com/?${payload('hook')}`, note: brief('hook-note'), kinds: 'feedback.created' });
    await page.goto(`${server.url}/p/${slug}/keys`);
    await page.getByLabel('Name').fill(brief('key'));
    await page.getByRole('button', { name: 'Create key' }).click();
    await expect(page.getByLabel('API key', { exact: true })).toBeVisible();

    // The portal, as a stranger.
    const visitor = await browser.newPage();
    const stoppedThere = await watch(visitor);
    await visitor.goto(`${server.url}/p/${slug}`);
    for (const field of await visitor.locator('form input[type=text]:visible, form textarea:visible').all()) {
      const most = Number((await field.getAttribute('maxlength')) ?? 5000);
      await field.fill(payload('ticket').slice(0, most));
    }
    await visitor.locator('form input[type=email]').fill('ann@example.com');
    const file = visitor.locator('form input[type=file]');
    if (await file.count()) await file.setInputFiles({ name: `${payload('file').replaceAll('/', '')}.svg`, mimeType: 'image/svg+xml', buffer: Buffer.from(`<svg xmlns="http://www.w3.org/2000/svg" onload="window.ran='svg'"/>`) });
    await visitor.locator('form button[type=submit], form button:not([type])').first().click();
    await visitor.waitForURL(/\/t\//);
    const conversation = visitor.url();

    // A file to import, with payloads in name, header and cells.
    await page.goto(`${server.url}/p/${slug}/imports`);
    const csv = `text,"${payload('column').replaceAll('"', '""')}"\n"${payload('cell').replaceAll('"', '""')}","${payload('tag').replaceAll('"', '""')}"\n,bad\n`;
    await page.getByLabel('CSV file').setInputFiles({ name: `${payload('csv').replaceAll('/', '')}.csv`, mimeType: 'text/csv', buffer: Buffer.from(csv) });
    await page.getByRole('button', { name: 'Upload and map columns' }).click();
    await page.getByLabel('Text', { exact: true }).selectOption('text');
    await page.getByRole('button', { name: 'Update preview' }).click();
    await page.getByRole('button', { name: 'Start the import' }).click();
    await expect(page.getByRole('heading', { name: 'Result' })).toBeVisible({ timeout: 300_000 });

    await waitForText(page, `${server.url}/p/${slug}/inbox`, '#inbox-list', 'xcell');
    const items = await page.locator('.inbox-row a').evaluateAll((links) => links.map((a) => a.href));
    const feedback = items[0].match(/[0-9a-f-]{36}/)[0];
    // The visitor's ticket is suspected spam, correctly; the team still adds a note and a reply.
    await page.goto(`${server.url}/p/${slug}/inbox?q=kind%3Aticket+status%3Aspam`);
    const ticket = await page.locator('.inbox-row a').first().getAttribute('href');
    const ticketId = ticket.match(/item=([0-9a-f-]{36})/)[1];
    await post(page, server, `/p/${slug}/feedback/${ticketId}/note`, { note: payload('note') });
    await post(page, server, `/p/${slug}/feedback/${feedback}/comments`, { body: payload('comment') });
    const version = await page.request.get(`${server.url}/p/${slug}/feedback/${feedback}`).then((r) => r.text()).then((html) => html.match(/data-version="(\d+)"/)[1]);
    await post(page, server, `/p/${slug}/feedback/${feedback}/tags`, { version, create: TAG });
    // An error redirects to the page as well: the tag must exist.
    await page.goto(`${server.url}/p/${slug}/feedback/${feedback}`);
    await expect(page.locator('#tags-form .tag', { hasText: TAG })).toHaveCount(1);

    // Every kind of page, each item, and the page of a search.
    const kinds = await crawl(page.request, server, ['/inbox', '/backlog', '/surveys', '/account', '/projects/new', `/p/${slug}/settings`, `/p/${slug}/embed`, `/p/${slug}/members`, `/p/${slug}/replies`, `/p/${slug}/webhooks`, `/p/${slug}/keys`]);
    const pages = new Set([...kinds.values(), ...items, `${server.url}${ticket}`, conversation, `${server.url}/p/${slug}/backlog/1`, `${server.url}/p/${slug}`, `${server.url}/s/${survey}`, `${server.url}/s/${survey}?embed=1`]);
    pages.add(`${server.url}/p/${slug}/inbox?q=${encodeURIComponent(payload('query'))}`);
    pages.add(`${server.url}/p/${slug}/inbox?q=${encodeURIComponent(`tag:"${payload('facet')}"`)}&cursor=${encodeURIComponent(payload('cursor'))}`);
    pages.add(`${server.url}/sign-in?next=${encodeURIComponent(address('next'))}`);
    pages.add(`${server.url}/s/${survey}?lang=${encodeURIComponent(payload('lang'))}&parent=${encodeURIComponent(address('parent'))}`);
    let seen = '';
    for (const url of pages) {
      const response = await page.goto(url);
      expect(response.status(), url).toBeLessThan(500);
      await page.evaluate(() => new Promise((resolve) => requestAnimationFrame(() => setTimeout(resolve))));
      expect(await page.evaluate(() => window.ran), `ran at ${url}`).toBeUndefined();
      expect(await page.locator('a[href^="javascript:" i], a[href^="data:" i], form[action^="javascript:" i], img[src="x"], svg[onload]').count(), `got into the page at ${url}`).toBe(0);
      seen += await page.content();
    }
    expect(stopped, 'stopped by the policy alone').toEqual([]);
    expect(stoppedThere).toEqual([]);
    const shown = ['owner', 'survey', 'answer', 'contact', 'attribute', 'value', 'release', 'backlog', 'backlog-body', 'ticket', 'reply', 'reply-body', 'hook', 'hook-note', 'key', 'cell',
      'comment', 'note', 'csv', 'query', 'label'];
    expect(shown.filter((where) => !seen.includes(`x${where}`)), 'each is shown somewhere, so that this test means something').toEqual([]);
    await visitor.close();
  } finally {
    await server.stop();
  }
});
