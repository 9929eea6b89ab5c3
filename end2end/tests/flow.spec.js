// Working in the console: shortcuts apply to the item being read, typed text is kept, and the focus is where the next key is expected.
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';

import { COLLEAGUE, ready, signIn } from '../lib/earshot.js';
import { publishSurvey, readQuestions, said, waitForText } from '../lib/steps.js';
import { expect, test } from '../lib/test.js';

const detail = (page) => page.locator('#inbox-detail');
const row = (page, text) => page.locator('.inbox-row', { hasText: text });
const comment = (page) => detail(page).getByLabel(/^Comment/);
const shown = (page) => detail(page).locator('.detail-text');
const current = (page) => page.locator('.inbox-row[data-open], .inbox-row:has(.row-link[aria-current])');
const drafts = (page) => page.evaluate(() => Object.keys(localStorage).filter((key) => key.startsWith('earshot:draft')).length);

async function inbox(page, server, settle, texts = ['The till is slow', 'The lamp is broken', 'The door squeaks'], query = '') {
  await said(server, page, texts);
  if (query) await page.goto(`${server.url}/p/${server.project.slug}/inbox?q=${query}`);
  await settle();
}

/** Opens an item and waits until it is shown. */
async function open(page, text) {
  await row(page, text).locator('.row-link').click();
  await expect(shown(page)).toContainText(text);
}

/** Creates a ticket through the portal. */
async function ticket(page, server, browser, subject) {
  const context = await browser.newContext();
  const visitor = await context.newPage();
  await visitor.goto(`${server.url}/p/${server.project.slug}`);
  await visitor.getByLabel('Subject').fill(subject);
  await visitor.getByLabel('Message').fill('It beeps twice.');
  await visitor.getByLabel('Your e-mail address').fill('rosa@example.com');
  await readQuestions(visitor);
  await visitor.getByRole('button', { name: 'Send', exact: true }).click();
  await visitor.waitForURL(/\/t\//);
  await context.close();
  await waitForText(page, `${server.url}/p/${server.project.slug}/inbox`, '#inbox-list', subject);
}

test('a half-written comment survives a look at another item @js', async ({ page, own, settle }) => {
  await inbox(page, own, settle);
  await open(page, 'till');
  await comment(page).fill('Ask the supplier');
  await expect(row(page, 'till').locator('.row-draft')).toHaveText('Draft');
  await open(page, 'lamp');
  await expect(comment(page)).toHaveValue('');
  await expect(row(page, 'till').locator('.row-draft')).toBeVisible();
  await expect(row(page, 'lamp').locator('.row-draft')).toHaveCount(0);
  await open(page, 'till');
  await expect(comment(page)).toHaveValue('Ask the supplier');
  // A day later.
  await page.goto(`${own.url}/p/${own.project.slug}/inbox`);
  await settle();
  await open(page, 'till');
  await expect(comment(page)).toHaveValue('Ask the supplier');
  await page.locator('#comment-send').click();
  await expect(page.locator('.comments')).toContainText('Ask the supplier');
  await expect(comment(page)).toHaveValue('');
  await expect(page.locator('.row-draft')).toHaveCount(0);
  expect(await drafts(page)).toBe(0);
});

test('an answer and a note are drafts of their own @js', async ({ page, own, browser, settle }) => {
  await ticket(page, own, browser, 'The first question');
  await ticket(page, own, browser, 'The second question');
  await settle();
  await row(page, 'first').locator('.row-link').click();
  await expect(detail(page)).toContainText('The first question');
  await page.locator('#answer').fill('Open the lid');
  await page.locator('#note-form textarea').fill('Bad batch');
  await row(page, 'second').locator('.row-link').click();
  await expect(detail(page)).toContainText('The second question');
  await expect(page.locator('#answer')).toHaveValue('');
  await row(page, 'first').locator('.row-link').click();
  await expect(detail(page)).toContainText('The first question');
  await expect(page.locator('#answer')).toHaveValue('Open the lid');
  await expect(page.locator('#note-form textarea')).toHaveValue('Bad batch');
  // Sent with the shortcut named on its button; the note is still unsent.
  await expect(page.locator('#answer-send')).toHaveAttribute('aria-keyshortcuts', 'Control+Enter Meta+Enter');
  await expect(page.locator('#answer-send .send-keys')).toBeVisible();
  await page.locator('#answer').press('Control+Enter');
  await expect(page.locator('.message-staff')).toContainText('Open the lid');
  await expect(page.locator('#answer')).toHaveValue('');
  await expect(page.locator('#note-form textarea')).toHaveValue('Bad batch');
  await page.locator('#note-form textarea').press('Meta+Enter');
  await expect(page.locator('.message-note')).toContainText('Bad batch');
  expect(await drafts(page)).toBe(0);
});

test('a refused comment stays as a draft @js', async ({ page, own, settle }) => {
  await inbox(page, own, settle);
  await open(page, 'till');
  await comment(page).fill('Ask the supplier');
  await page.locator('form[action$="/comments"] input[name=idempotency_key]').evaluate((key) => key.remove());
  await page.locator('#comment-send').click();
  await expect(page.locator('#toasts .toast-error')).toBeVisible();
  await open(page, 'lamp');
  await open(page, 'till');
  await expect(comment(page)).toHaveValue('Ask the supplier');
});

test('drafts belong to one account @js', async ({ page, own, context, settle }) => {
  await inbox(page, own, settle);
  await own.withOwner(COLLEAGUE);
  await open(page, 'till');
  await comment(page).fill('Between us');
  expect(await drafts(page)).toBe(1);
  // The session ends silently, and a colleague signs in on the same device.
  const here = page.url();
  await context.clearCookies();
  await signIn(page, own, COLLEAGUE);
  await page.goto(here);
  await settle();
  await expect(shown(page)).toContainText('till');
  await expect(comment(page)).toHaveValue('');
  await expect(page.locator('.row-draft')).toHaveCount(0);
  expect(await drafts(page)).toBe(0);
  // Signing out removes the account's own drafts.
  await comment(page).fill('Mine');
  expect(await drafts(page)).toBe(1);
  await page.locator('.nav-account summary').click();
  await page.getByRole('button', { name: 'Sign out' }).click();
  await page.waitForURL(/sign-in/);
  expect(await drafts(page)).toBe(0);
});

test('keys change the item that is read, and the next one opens @js', async ({ page, own, settle }) => {
  await inbox(page, own, settle, ['one apple', 'two pears', 'three plums', 'four nuts'], 'status%3Anew');
  await expect(page.locator('.inbox-row')).toHaveCount(4);
  const keyboard = page.keyboard;
  await keyboard.press('j');
  await keyboard.press('Enter');
  await expect(shown(page)).toContainText('four nuts');
  const length = await page.evaluate(() => history.length);
  // The next item is opened, not only marked, and exactly one row is current.
  await keyboard.press('j');
  await expect(shown(page)).toContainText('three plums');
  await expect(current(page)).toHaveCount(1);
  await expect(current(page)).toContainText('three plums');
  await keyboard.press('k');
  await expect(shown(page)).toContainText('four nuts');
  // Steps add no history entries.
  expect(await page.evaluate(() => history.length)).toBe(length);
  await keyboard.press('e');
  await expect(page.locator('.inbox-row')).toHaveCount(3);
  await expect(shown(page)).toContainText('three plums');
  await expect(current(page)).toHaveCount(1);
  await expect(page.locator('body')).not.toHaveAttribute('data-loading');
  await keyboard.press('e');
  await expect(page.locator('.inbox-row')).toHaveCount(2);
  await expect(shown(page)).toContainText('two pears');
  await expect(page.locator('body')).not.toHaveAttribute('data-loading');
  // The restored item is opened again.
  await keyboard.press('z');
  await expect(page.locator('.inbox-row')).toHaveCount(3);
  await expect(shown(page)).toContainText('three plums');
  // Two steps are undone one after the other.
  await expect(page.locator('body')).not.toHaveAttribute('data-loading');
  await keyboard.press('z');
  await expect(page.locator('.inbox-row')).toHaveCount(4);
  await expect(shown(page)).toContainText('four nuts');
});

test('a key never resolves an item that is still on its way @js', async ({ page, own, settle }) => {
  await inbox(page, own, settle, ['one apple', 'two pears', 'three plums']);
  await open(page, 'three plums');
  await row(page, 'three plums').locator('.row-link').focus();
  let go;
  const held = new Promise((resolve) => (go = resolve));
  await page.route(/inbox\?.*item=/, async (route) => {
    await held;
    await route.continue();
  });
  const posts = [];
  page.on('request', (request) => request.method() === 'POST' && posts.push(request.url()));
  await page.keyboard.press('j');
  await expect(page.locator('body')).toHaveAttribute('data-loading');
  await page.keyboard.press('e');
  go();
  await expect(shown(page)).toContainText('two pears');
  await expect(page.locator('body')).not.toHaveAttribute('data-loading');
  expect(posts).toEqual([]);
  // Control: once it is loaded, the key works.
  await page.keyboard.press('e');
  await expect(page.locator('#toasts')).toContainText('Status set to Resolved.');
  expect(posts).toHaveLength(1);
  await expect(row(page, 'two pears')).toHaveAttribute('data-status', 'resolved');
  await expect(row(page, 'three plums')).toHaveAttribute('data-status', 'new');
});

test('after a tag or an assignee the next key is a key again @js', async ({ page, own, settle }) => {
  await inbox(page, own, settle, ['one apple', 'two pears', 'three plums']);
  const keyboard = page.keyboard;
  await open(page, 'one apple');
  // A new tag needs confirmation; Escape cancels it.
  await keyboard.press('t');
  await expect(page.locator('#add')).toBeFocused();
  await keyboard.type('prcing');
  await keyboard.press('Enter');
  const create = page.getByRole('button', { name: 'Create tag “prcing”' });
  await expect(create).toBeFocused();
  await expect(page.locator('#add-error')).toContainText('There is no tag “prcing” yet.');
  await keyboard.press('Escape');
  await expect(row(page, 'one apple').locator('.row-link')).toBeFocused();
  await keyboard.press('t');
  await keyboard.type('pricing');
  await keyboard.press('Enter');
  await page.getByRole('button', { name: 'Create tag “pricing”' }).press('Enter');
  await expect(page.locator('#tags-form .tag')).toHaveText(/^pricing/);

  // Shortcuts for triage: a tag, an assignee, the next item. None of the keys ends up in a field.
  await open(page, 'three plums');
  await row(page, 'three plums').locator('.row-link').focus();
  await keyboard.press('t');
  await keyboard.type('pricing');
  await keyboard.press('Enter');
  await expect(page.locator('#tags-form .tag')).toHaveText(/^pricing/);
  await expect(row(page, 'three plums').locator('.row-link')).toBeFocused();
  await keyboard.press('a');
  await expect(page.locator('#assignee')).toBeFocused();
  await keyboard.type('Olga');
  await keyboard.press('Enter');
  await expect(page.locator('#toasts')).toContainText('Assigned.');
  await expect(row(page, 'three plums').locator('.row-link')).toBeFocused();
  await keyboard.press('j');
  await expect(shown(page)).toContainText('two pears');
  await expect(page.locator('#known-tags option')).toHaveCount(1);
  // 2 sets the middle status.
  await expect(page.locator('body')).not.toHaveAttribute('data-loading');
  await keyboard.press('2');
  await expect(row(page, 'two pears')).toHaveAttribute('data-status', 'triaged');
});

test('a new tag takes a second word, for one item and for many', async ({ page, own, settle, javaScriptEnabled }) => {
  await inbox(page, own, settle);
  await open(page, 'till');
  await page.locator('#add').fill('hardware');
  await page.locator('#tags-form').getByRole('button', { name: 'Add', exact: true }).click();
  await expect(page.locator('#tags-form .tag')).toHaveCount(0);
  await page.getByRole('button', { name: 'Create tag “hardware”' }).click();
  await expect(page.locator('#tags-form .tag')).toHaveText(/^hardware/);

  await page.goto(`${own.url}/p/${own.project.slug}/inbox`);
  await settle();
  for (const text of ['lamp', 'door']) await row(page, text).locator('.row-check').check();
  await page.locator('#bulk-tag').fill('furniture');
  await page.locator('.bulk').getByRole('button', { name: 'Add', exact: true }).click();
  await expect(page.locator('#bulk-refused')).toContainText('There is no tag “furniture” yet.');
  await expect(page.locator('.row-check:checked')).toHaveCount(2);
  if (javaScriptEnabled) await expect(page.locator('#bulk-count')).toHaveText('2 selected');
  await page.getByRole('button', { name: 'Create tag “furniture”' }).click();
  await expect(page.locator('#toasts')).toContainText('2 items tagged.');
  await expect(page.locator('.inbox-row .tag', { hasText: 'furniture' })).toHaveCount(2);
  await expect(page.locator('.row-check:checked')).toHaveCount(0);
  // An existing tag is added at once.
  await row(page, 'till').locator('.row-check').check();
  await page.locator('#bulk-tag').fill('furniture');
  await page.locator('.bulk').getByRole('button', { name: 'Add', exact: true }).click();
  await expect(page.locator('.inbox-row .tag', { hasText: 'furniture' })).toHaveCount(3);
});

test('menus close when somebody clicks or tabs elsewhere @js', async ({ page, own, settle }) => {
  await inbox(page, own, settle);
  const menu = page.locator('.nav-account');
  const summary = menu.locator('summary');
  await summary.click();
  await expect(menu).toHaveAttribute('open');
  await page.locator('.inbox-count').click();
  await expect(menu).not.toHaveAttribute('open');
  // By keyboard: out at its end, and Escape back to its button.
  await summary.press('Enter');
  await expect(menu).toHaveAttribute('open');
  await page.getByRole('button', { name: 'Sign out' }).focus();
  await expect(menu).toHaveAttribute('open');
  await page.keyboard.press('Tab');
  await expect(menu).not.toHaveAttribute('open');
  await open(page, 'till');
  await summary.press('Enter');
  await page.keyboard.press('Tab');
  await page.keyboard.press('Escape');
  await expect(menu).not.toHaveAttribute('open');
  await expect(summary).toBeFocused();
  // The Escape closed only the menu: the item is still open.
  await expect(detail(page)).toHaveAttribute('data-open', '');
});

for (const width of [1280, 360]) {
  test(`what was refused is read below the header at ${width} px @js`, async ({ page, own, settle }) => {
    await page.setViewportSize({ width, height: 700 });
    await page.goto(`${own.url}/p/${own.project.slug}/webhooks`);
    await settle();
    await page.getByLabel('URL').fill('http://x');
    await page.getByRole('button', { name: 'Create webhook' }).click();
    const summary = page.locator('.error-summary');
    await expect(summary).toBeFocused();
    const { top, covered } = await summary.evaluate((element) => {
      const box = element.getBoundingClientRect();
      const at = element.ownerDocument.elementFromPoint(box.left + box.width / 2, box.top + 4);
      return { top: box.top, covered: !element.contains(at) };
    });
    expect(covered).toBe(false);
    expect(top).toBeGreaterThan(await page.locator('.nav').evaluate((nav) => nav.getBoundingClientRect().bottom));
  });
}

test('enter in the search leads to the first result @js', async ({ page, own, settle }) => {
  await inbox(page, own, settle);
  await page.keyboard.press('/');
  await page.keyboard.type('lamp');
  await page.keyboard.press('Enter');
  await expect(page.locator('.inbox-row')).toHaveCount(1);
  await expect(row(page, 'lamp').locator('.row-link')).toBeFocused();
  await page.keyboard.press('e');
  await expect(row(page, 'lamp')).toHaveAttribute('data-status', 'resolved');
  await expect(page.getByLabel('Search feedback')).toHaveValue('lamp');
  // After a search without results or with an error, the focus stays in the search field.
  for (const query of ['nothinglikeit', 'score:what']) {
    await page.getByLabel('Search feedback').fill(query);
    await page.getByLabel('Search feedback').press('Enter');
    await expect(page.locator('.inbox-row')).toHaveCount(0);
    await expect(page.getByLabel('Search feedback')).toBeFocused();
  }
});

test('the number of open tickets is the number that the inbox lists', async ({ page, own, browser, settle }) => {
  await ticket(page, own, browser, 'The till jams');
  await ticket(page, own, browser, 'The lid is stuck');
  // Imports create no tickets, whatever the column says: no requester is waiting for a reply.
  const file = join(own.dir, 'old.csv');
  await writeFile(file, 'text,kind\n"From the old system",ticket\n"Another one",ticket\n');
  await own.command(['import', '--project', own.project.name, file, '--map', 'text=text', '--map', 'kind=kind']);
  await waitForText(page, `${own.url}/p/${own.project.slug}/inbox`, '#inbox-list', 'Another one');
  await page.goto(`${own.url}/p/${own.project.slug}/tickets`);
  await settle();
  const link = page.getByRole('link', { name: /^Open tickets in the inbox/ });
  const count = Number((await link.textContent()).match(/\((\d+)\)/)[1]);
  expect(count).toBe(2);
  await link.click();
  await expect(page.locator('.inbox-row')).toHaveCount(count);
  await expect(page.locator('#inbox-count')).toContainText(`${count} items`);
  // The same for each of the other numbers.
  await page.goto(`${own.url}/p/${own.project.slug}/tickets`);
  for (const url of await page.locator('main :is(dd, td) a').evaluateAll((links) => links.map((a) => [a.href, a.textContent]))) {
    await page.goto(url[0]);
    await expect(page.locator('.inbox-row')).toHaveCount(Number(url[1]));
  }
});

test('a comment is sent by its keys @js', async ({ page, own, settle }) => {
  await inbox(page, own, settle);
  await open(page, 'till');
  await expect(page.getByRole('button', { name: 'Comment', exact: true })).toBeVisible();
  await comment(page).fill('By keys');
  await comment(page).press('Control+Enter');
  await expect(page.locator('.comments')).toContainText('By keys');
  await expect(page.locator('.comments li')).toHaveCount(1);
});

test('a message that offers to undo goes in time, and the key still works @js', async ({ page, own, settle }) => {
  await page.clock.install();
  await inbox(page, own, settle);
  await row(page, 'till').locator('.row-link').focus();
  await page.keyboard.press('e');
  await expect(page.locator('#toasts')).toContainText('Status set to Resolved.');
  await page.clock.runFor(5_000);
  await expect(page.locator('#toasts .toast')).toHaveCount(1);
  await page.clock.runFor(6_000);
  await expect(page.locator('#toasts .toast')).toHaveCount(0);
  await page.keyboard.press('z');
  await expect(row(page, 'till')).toHaveAttribute('data-status', 'new');
});

test('settings that are not saved are not left without a question @js', async ({ page, own, settle }) => {
  const questions = [];
  page.on('dialog', (dialog) => {
    questions.push(dialog.type());
    void dialog.accept();
  });
  await page.goto(`${own.url}/p/${own.project.slug}/settings`);
  await settle();
  await page.getByLabel('Name', { exact: true }).first().click();
  await page.goto(`${own.url}/p/${own.project.slug}/backlog`);
  expect(questions).toEqual([]);
  await page.goto(`${own.url}/p/${own.project.slug}/settings`);
  await settle();
  await page.getByLabel('Name', { exact: true }).first().click();
  await page.keyboard.type(' and more');
  await page.goto(`${own.url}/p/${own.project.slug}/backlog`);
  expect(questions).toEqual(['beforeunload']);
  // Saving does not ask for confirmation.
  await page.goto(`${own.url}/p/${own.project.slug}/settings`);
  await settle();
  await page.getByLabel('Name', { exact: true }).first().click();
  await page.keyboard.type(' and more');
  await page.getByRole('button', { name: /^Save/ }).first().click();
  await expect(page.locator('#toasts')).toContainText(/saved/i);
  expect(questions).toEqual(['beforeunload']);
});

test('a move in the editor is taken back from the field it leads to @js', async ({ page, own }) => {
  await publishSurvey(page, own, async () => {}, 'Onboarding');
  await page.reload();
  await ready(page);
  const fields = page.locator('[name$="-title"]');
  const titles = () => fields.evaluateAll((all) => all.map((field) => field.value));
  const before = await titles();
  await fields.first().focus();
  await page.keyboard.press('Alt+ArrowDown');
  await expect.poll(titles).not.toEqual(before);
  await expect(fields.nth(1)).toBeFocused();
  await page.keyboard.press('Control+z');
  await expect.poll(titles).toEqual(before);
});

test('paper is white, with the words and without the header', async ({ page, own }) => {
  await said(own, page, ['The till is slow']);
  await page.emulateMedia({ media: 'print', colorScheme: 'dark' });
  for (const theme of ['light', 'dark', 'auto']) {
    await page.evaluate((word) => (document.documentElement.dataset.theme = word), theme);
    await expect(page.locator('.nav')).toBeHidden();
    const [text, ground] = await page.evaluate(() => {
      const { color, backgroundColor } = getComputedStyle(document.body);
      return [color, backgroundColor];
    });
    expect([text, ground]).toEqual(['rgb(27, 31, 39)', 'rgb(255, 255, 255)']);
  }
});

test('a button is called what it says', async ({ page, own }) => {
  await page.goto(`${own.url}/p/${own.project.slug}/surveys/new`);
  const says = await page.getByRole('button', { name: /^Use / }).evaluateAll((all) => all.map((button) => button.innerText));
  expect(says.length).toBeGreaterThan(3);
  for (const name of says) await expect(page.getByRole('button', { name, exact: true })).toHaveCount(1);
});
