// Every error is shown to the person concerned, and typed text is kept. Each error comes from the real server for a real reason, with
// JavaScript and without.
import { COLLEAGUE, Earshot, ready, signIn } from '../lib/earshot.js';
import { holdWriteLock } from '../lib/lock.js';
import { publishSurvey, readQuestions, said } from '../lib/steps.js';
import { expect, test } from '../lib/test.js';

const WORDS = 'The supplier says\nthat the spring is from a bad batch';

/** The page's error: a message with scripts, a page without. */
const reason = (page, javaScriptEnabled) => page.locator(javaScriptEnabled ? '#toasts .toast-error' : '[data-refusal]');

/** Checks that typed text is kept: in its field, or shown on the error page. */
async function keepsWords(page, field, javaScriptEnabled) {
  await expect(javaScriptEnabled ? field : page.getByRole('region', { name: 'What you wrote' }).getByRole('textbox')).toHaveValue(WORDS);
  await expect(page.locator('body')).not.toContainText(/reload/i);
}

/** Opens the first item of the inbox and waits until a comment can be written. */
async function openItem(page, server, settle) {
  await said(server, page, ['The till is slow']);
  await settle();
  await page.locator('a.row-link').first().click();
  const field = page.locator('#inbox-detail').getByLabel(/^Comment/);
  await expect(field).toBeVisible();
  return field;
}

/** A colleague changes the owner's role to viewer. */
async function demoteOwner(own, browser) {
  await own.withOwner(COLLEAGUE);
  const admin = await (await browser.newContext()).newPage();
  await signIn(admin, own, COLLEAGUE);
  await admin.goto(`${own.url}/p/${own.project.slug}/members`);
  await admin.getByLabel('Role of Olga Owner', { exact: true }).selectOption('viewer');
  await admin.getByRole('button', { name: 'Save the role of Olga Owner' }).click();
  await expect(admin.locator('#toasts')).toContainText('Role changed.');
  await admin.context().close();
}

const sendComment = (page) => page.locator('#comment-send').click();

test('403: the role was taken away meanwhile', async ({ page, own, browser, settle, javaScriptEnabled }) => {
  const field = await openItem(page, own, settle);
  await field.fill(WORDS);
  await demoteOwner(own, browser);
  await sendComment(page);
  await expect(reason(page, javaScriptEnabled)).toContainText('Your role in this project does not allow this.');
  await keepsWords(page, field, javaScriptEnabled);
  // A retry would not help.
  await expect(page.getByRole('button', { name: 'Send again' })).toHaveCount(0);
});

test('409: somebody else changed it meanwhile', async ({ page, own, context, settle }) => {
  const replies = `${own.url}/p/${own.project.slug}/replies`;
  await page.goto(replies);
  await page.getByLabel('Name', { exact: true }).fill('On the way');
  await page.getByLabel('Text').fill('It is on its way.');
  await page.getByRole('button', { name: 'Save reply' }).click();
  await page.locator('.replies-list a').first().click();
  await expect(page).toHaveURL(/\/replies\/.+/);
  await settle();
  const other = await context.newPage();
  await other.goto(page.url());
  await other.getByLabel('Text').fill('It left today.');
  await other.getByRole('button', { name: 'Save reply' }).click();
  await expect(other.locator('.replies-list')).toContainText('It left today.');

  await page.getByLabel('Text').fill(WORDS);
  await page.getByRole('button', { name: 'Save reply' }).click();
  await expect(page.locator('.notice-warn')).toBeVisible();
  await expect(page.getByLabel('Text')).toHaveValue(WORDS);
  await page.goto(replies);
  await expect(page.locator('.replies-list')).toContainText('It left today.');
});

test('413: more than the form accepts', async ({ page, own, settle, javaScriptEnabled }) => {
  const field = await openItem(page, own, settle);
  // Longer than the field allows, as another program or an old page may send it.
  const length = await field.evaluate((area) => {
    area.removeAttribute('maxlength');
    area.value = 'so many words '.repeat(22_000);
    return area.value.length;
  });
  await sendComment(page);
  await expect(reason(page, javaScriptEnabled)).toContainText('This is larger than the form allows. Shorten it and send it again.');
  await expect(page.locator('body')).not.toContainText(/reload/i);
  if (javaScriptEnabled) {
    expect(await field.evaluate((area) => area.value.length)).toBe(length);
    await field.fill(WORDS);
    await sendComment(page);
    await expect(page.locator('.comments')).toContainText('a bad batch');
  }
});

test('413: a file too large for an answer leaves its words', async ({ page, own, browser, settle, javaScriptEnabled }) => {
  const visitor = await (await browser.newContext()).newPage();
  await visitor.goto(`${own.url}/p/${own.project.slug}`);
  await visitor.getByLabel('Subject').fill('The till jams');
  await visitor.getByLabel('Message').fill('It beeps.');
  await visitor.getByLabel('Your e-mail address').fill('rosa@example.com');
  await readQuestions(visitor);
  await visitor.getByRole('button', { name: 'Send', exact: true }).click();
  await visitor.waitForURL(/\/t\//);
  await visitor.context().close();
  await expect(async () => {
    await page.goto(`${own.url}/p/${own.project.slug}/inbox`);
    await page.locator('a.row-link').first().click({ timeout: 500 });
  }).toPass();
  await settle();
  const field = page.locator('#answer');
  await field.fill(WORDS);
  await page.locator('#answer-files').setInputFiles({ name: 'film.bin', mimeType: 'application/octet-stream', buffer: Buffer.alloc(11 << 20, 7) });
  await page.locator('#answer-send').click();
  await expect(page.locator('#answer-files-error')).toContainText('up to 10 MB in total');
  await expect(field).toHaveValue(WORDS);
  expect(javaScriptEnabled).toBe(await page.evaluate(() => 'ready' in document.documentElement.dataset));
});

test('422: what was typed does not fit', async ({ page, own, settle }) => {
  await openItem(page, own, settle);
  const tag = page.locator('#add');
  await tag.fill('a:b');
  await page.locator('#tags-form').getByRole('button', { name: 'Add', exact: true }).click();
  await expect(page.locator('#add-error')).toContainText('Tags can be');
  await expect(tag).toHaveValue('a:b');
});

test('422: a form that is out of date', async ({ page, own, settle, javaScriptEnabled }) => {
  const field = await openItem(page, own, settle);
  await field.fill(WORDS);
  // A page rendered by an older version has no key.
  await page.locator('form[action$="/comments"] input[name=idempotency_key]').evaluate((key) => key.remove());
  await sendComment(page);
  await expect(reason(page, javaScriptEnabled)).toContainText('This form is out of date. Open the page in a new tab and send it from there.');
  await keepsWords(page, field, javaScriptEnabled);
});

test('429: too many attempts', async ({ page, own }) => {
  for (let n = 0; ; n += 1) {
    expect(n).toBeLessThan(60);
    await page.goto(`${own.url}/account`);
    await page.getByLabel('Current password').fill('not mine at all');
    await page.getByLabel(/^New password/).fill('nor is this one here');
    const answer = page.waitForResponse((response) => response.request().method() === 'POST');
    await page.getByRole('button', { name: 'Change password' }).click();
    if ((await answer).status() === 429) break;
  }
  await expect(page.locator('[data-refusal]')).toContainText(/^Too many attempts. Try again in \d+ seconds\.$/);
  await expect(page.locator('body')).not.toContainText('not mine at all');
});

test('429: a ticket sent too often comes back with its words', async ({ page }) => {
  const server = await Earshot.start({ limits: ['--rate-per-address', '1'] });
  try {
    await server.withOwner();
    const project = await server.createProject('Corner shop');
    for (let n = 0; ; n += 1) {
      expect(n).toBeLessThan(60);
      await page.goto(`${server.url}/p/${project.slug}`);
      await page.getByLabel('Subject').fill('The till jams');
      await page.getByLabel('Message').fill(WORDS);
      await page.getByLabel('Your e-mail address').fill('rosa@example.com');
      const answer = page.waitForResponse((response) => response.request().method() === 'POST');
      await page.getByRole('button', { name: 'Send', exact: true }).click();
      if ((await answer).status() === 429) break;
    }
    await expect(page.getByRole('alert').first()).toContainText(/\d+ seconds/);
    await expect(page.getByLabel('Message')).toHaveValue(WORDS);
  } finally {
    await server.stop();
  }
});

test('503: the database is busy, and the same is sent again', async ({ page, own, settle, javaScriptEnabled }) => {
  const field = await openItem(page, own, settle);
  await field.fill(WORDS);
  const release = await holdWriteLock(own);
  try {
    await sendComment(page);
    await expect(reason(page, javaScriptEnabled)).toContainText('Earshot is too busy to accept this right now. Nothing was changed; try again in a moment.');
    await keepsWords(page, field, javaScriptEnabled);
  } finally {
    await release();
  }
  if (javaScriptEnabled) await sendComment(page);
  else await page.getByRole('button', { name: 'Send again' }).click();
  await expect(page.locator('.comments li')).toHaveCount(1);
  await expect(page.locator('.comments')).toContainText('a bad batch');
});

test('503: a link that fails leaves the page as it is @js', async ({ page, own, settle }) => {
  const field = await openItem(page, own, settle);
  await field.fill(WORDS);
  await page.route(/[?&]q=slow/, (route) => route.fulfill({ status: 503, contentType: 'text/html', body: '<p data-refusal>Busy just now.</p>' }));
  await page.getByLabel('Search feedback').fill('slow');
  await page.getByLabel('Search feedback').press('Enter');
  await expect(page.locator('#toasts .toast-error')).toContainText('Busy just now.');
  await expect(field).toHaveValue(WORDS);
  await page.locator('#toasts').getByRole('button', { name: 'Close this message' }).click();
  await expect(page.locator('#toasts .toast-error')).toHaveCount(0);
});

test('the editor says why it did not save, and saves later @js', async ({ page, own, browser }) => {
  await publishSurvey(page, own);
  await page.reload();
  await ready(page);
  const field = page.locator('[name$="-title"]').first();
  const status = page.locator('#editor-status');

  const release = await holdWriteLock(own);
  try {
    await field.fill('Typed while busy');
    await expect(status).toContainText('Not saved. Earshot is too busy to accept this right now. Nothing was changed; try again in a moment.');
  } finally {
    await release();
  }
  await page.getByRole('button', { name: 'Retry' }).click();
  await expect(status).toHaveText('Saved');

  await demoteOwner(own, browser);
  await field.fill('Typed without the role');
  await expect(status).toContainText('Not saved. Your role in this project does not allow this.');
  await expect(field).toHaveValue('Typed without the role');
});

test('the editor keeps what is too large @js', async ({ page, own }) => {
  await publishSurvey(page, own);
  await page.reload();
  await ready(page);
  const intro = page.locator('#editor textarea').first();
  await intro.evaluate((area) => {
    area.removeAttribute('maxlength');
    area.value = 'words '.repeat(60_000);
    area.dispatchEvent(new Event('input', { bubbles: true }));
  });
  await expect(page.locator('#editor-status')).toContainText('Not saved. This is larger than the form allows. Shorten it and send it again.');
  await intro.fill('Fewer words');
  await expect(page.locator('#editor-status')).toHaveText('Saved');
});

test('a form from another site is refused with words', async ({ page, own }) => {
  const { Host } = await import('../lib/host.js');
  const action = `${own.url}/p/${own.project.slug}/backlog`;
  const form = `<form method="post" action="${action}"><input name="title" value="Smuggled"><button>Go</button></form>`;
  const host = await Host.start({ earshot: own.url, pages: { '/': form } });
  try {
    await page.goto(host.url);
    await page.getByRole('button', { name: 'Go' }).click();
    await expect(page.locator('[data-refusal]')).toContainText('This form was sent from another site, so nothing was changed.');
    await expect(page.locator('body')).not.toContainText('Smuggled');
  } finally {
    await host.stop();
  }
});
