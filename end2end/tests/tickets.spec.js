// A ticket's whole life: written in the portal, answered at the desk, read from the e-mail, answered again, closed.
import { faultsOfPages } from '../lib/axe.js';
import { Earshot, signIn } from '../lib/earshot.js';
import { Mailbox, linkIn } from '../lib/mail.js';
import { listening, readQuestions, waitForText } from '../lib/steps.js';
import { expect, test as base } from '../lib/test.js';

const REQUESTER = 'rosa@example.com';
const NOTE = 'The spring is from the bad batch';

const test = base.extend({
  /** A server that sends e-mail to a mailbox, with an owner and a project; and a requester's page. */
  desk: async ({ page, browser, javaScriptEnabled }, use) => {
    const mail = await Mailbox.start();
    const server = await Earshot.start({ mail });
    try {
      await server.withOwner();
      server.project = await server.createProject('Corner shop');
      await signIn(page, server);
      const context = await browser.newContext({ javaScriptEnabled, locale: 'en-GB' });
      await use({ server, mail, requester: await context.newPage(), base: `${server.url}/p/${server.project.slug}` });
      await context.close();
    } finally {
      await server.stop();
      await mail.stop();
    }
  },
});

/** Writes a ticket in the portal; ends on its conversation. */
async function write(requester, base, subject, message) {
  await requester.goto(base);
  await requester.getByLabel('Subject').fill(subject);
  await requester.getByLabel('Message').fill(message);
  await requester.getByLabel('Your e-mail address').fill(REQUESTER);
  // A form sent too quickly is classified as spam.
  await readQuestions(requester);
  await requester.getByRole('button', { name: 'Send', exact: true }).click();
  await requester.waitForURL(/\/t\//);
}

/** Opens the ticket on its own page, through the inbox, once the search finds it. */
async function open(page, base, subject) {
  await waitForText(page, `${base}/inbox?q=kind%3Aticket`, '#inbox-list', subject);
  await page.locator('a.row-link', { hasText: subject }).first().click();
  await expect(page.locator('#inbox-detail')).toContainText(subject);
}

const detail = (page) => page.locator('#inbox-detail');

test('a ticket goes from the portal to the desk, by mail back, and is closed', async ({ page, desk, javaScriptEnabled, settle }) => {
  const { base, mail, requester } = desk;
  await page.goto(`${base}/inbox`);
  if (javaScriptEnabled) await listening(page);
  await settle();
  await write(requester, base, 'The till jams', 'It beeps twice, then nothing.');
  const confirmation = await mail.letter(REQUESTER);
  expect(linkIn(confirmation, `/p/${desk.server.project.slug}/t/`)).toBe(requester.url().split('?')[0]);
  if (javaScriptEnabled) {
    // The page was not reloaded: this is a live update.
    await page.getByRole('button', { name: '1 new — show' }).click();
    await expect(page.locator('.inbox-row')).toContainText('#1 The till jams');
  }
  await open(page, base, 'The till jams');
  await expect(detail(page).getByText('No reply yet')).toBeVisible();

  await detail(page).getByLabel('Internal note').fill(NOTE);
  await detail(page).getByRole('button', { name: 'Add note' }).click();
  await expect(detail(page).locator('.message-note')).toContainText(NOTE);
  await expect(detail(page).locator('.message-note')).toContainText('Internal note');
  await detail(page).getByLabel(/^Reply to/).fill('Please open the lid and take the paper out.');
  await detail(page).getByLabel('Files').setInputFiles({ name: 'how-to.txt', mimeType: 'text/plain', buffer: Buffer.from('Pull the lever.') });
  await detail(page).getByRole('button', { name: 'Send', exact: true }).click();
  await expect(detail(page).locator('.message-staff')).toContainText('Please open the lid');
  await expect(detail(page).getByText('Waiting for requester').first()).toBeVisible();
  await expect(detail(page).getByLabel(/^Reply to/)).toHaveValue('');

  const letter = await mail.letter(REQUESTER);
  expect(letter.text).toContain('Please open the lid');
  expect(letter.text).not.toContain(NOTE);
  await requester.goto(linkIn(letter, `/p/${desk.server.project.slug}/t/`));
  await expect(requester.locator('main')).toContainText('Please open the lid');
  await expect(requester.getByRole('link', { name: /how-to\.txt/ })).toBeVisible();
  expect(await requester.content()).not.toContain(NOTE);
  await requester.getByLabel('Message').fill('That did it, thank you.');
  await requester.getByRole('button', { name: 'Send', exact: true }).click();
  await expect(requester.locator('main')).toContainText('That did it, thank you.');

  if (javaScriptEnabled) {
    await expect(page.locator('#detail-changed')).toContainText('The requester changed this just now.');
    await page.getByRole('link', { name: 'Reload' }).click();
  } else {
    await page.reload();
  }
  await expect(detail(page).locator('.message-requester').last()).toContainText('That did it, thank you.');
  await detail(page).getByLabel(/^Reply to/).fill('Good to hear.');
  await detail(page).getByRole('button', { name: 'Send and close' }).click();
  await expect(detail(page).getByText('Closed', { exact: true })).toBeVisible();
  await expect(detail(page).getByText(/^Closed after/)).toBeVisible();
  await mail.letter(REQUESTER);
  await requester.reload();
  await expect(requester.locator('#state')).toContainText('Closed');
  expect(await requester.content()).not.toContain(NOTE);

  await page.goto(`${base}/tickets`);
  await expect(page.getByRole('row', { name: /to the first reply/ })).toContainText('too few');
});

test('an answer to words that nobody read yet waits, and a canned reply is put in', async ({ page, desk, javaScriptEnabled }) => {
  const { base, requester } = desk;
  await page.goto(`${base}/replies`);
  await page.getByLabel('Name', { exact: true }).fill('On the way');
  await page.getByLabel('Text').fill('Hello {name}, number {number} is on the way.');
  await page.getByRole('button', { name: 'Save reply' }).click();
  await expect(page.locator('.replies-list')).toContainText('On the way');

  await write(requester, base, 'Where is my order', 'It was due on Monday.');
  await open(page, base, 'Where is my order');
  await detail(page).getByLabel(/^Reply to/).fill('First words.');
  await detail(page).getByLabel('Files').setInputFiles({ name: 'label.txt', mimeType: 'text/plain', buffer: Buffer.from('Box 7') });
  await detail(page).getByLabel('Canned reply').selectOption('On the way');
  await detail(page).getByRole('button', { name: 'Insert' }).click();
  await expect(detail(page).getByLabel(/^Reply to/)).toHaveValue('First words.\n\nHello there, number 1 is on the way.');
  await expect(detail(page).getByText('Already attached: label.txt')).toBeVisible();
  await expect(detail(page).getByLabel(/^Reply to/)).toBeFocused();
  await expect(detail(page).locator('.message-staff')).toHaveCount(0);

  // The requester writes first: the typed text is kept, and their message is shown above it.
  await requester.getByLabel('Message').fill('It has just come.');
  await requester.getByRole('button', { name: 'Send', exact: true }).click();
  await expect(requester.locator('main')).toContainText('It has just come.');
  await detail(page).getByRole('button', { name: 'Send', exact: true }).click();
  await expect(detail(page).getByText('Not sent yet.')).toBeVisible();
  await expect(detail(page).locator('.message-requester').last()).toContainText('It has just come.');
  await expect(detail(page).getByLabel(/^Reply to/)).toHaveValue(/^First words\./);
  await detail(page).getByLabel(/^Reply to/).fill('Good.');
  await detail(page).getByRole('button', { name: 'Send', exact: true }).click();
  await expect(detail(page).locator('.message-staff')).toContainText('Good.');
  await expect(detail(page).getByRole('link', { name: 'label.txt' })).toBeVisible();
  if (javaScriptEnabled) await expect(page).toHaveURL(/inbox/);
});

test('a ticket is answered by keyboard @js', async ({ page, desk, settle }) => {
  const { base, requester } = desk;
  await write(requester, base, 'A question', 'When do you open?');
  await waitForText(page, `${base}/inbox`, '#inbox-list', 'A question');
  await settle();
  await page.keyboard.press('j');
  await page.keyboard.press('r');
  await expect(detail(page).getByLabel(/^Reply to/)).toBeFocused();
  await page.keyboard.type('At nine.');
  await page.keyboard.press('Escape');
  await page.keyboard.press('p');
  await expect(detail(page).getByLabel(/^Priority/)).toBeFocused();
  await page.keyboard.press('ArrowDown');
  await page.keyboard.press('Enter');
  await expect(page.locator('#toasts')).toContainText('Priority set to High.');
  // The text typed for the reply is still there.
  await expect(detail(page).getByLabel(/^Reply to/)).toHaveValue('At nine.');
  await page.getByRole('button', { name: /^Undo/ }).click();
  await expect(page.locator('#toasts')).toContainText('Priority set to Normal.');
  await page.keyboard.press('?');
  await expect(page.getByRole('dialog')).toContainText('reply to a ticket');
});

test('letters that were refused are told of at the ticket', async ({ page, desk }) => {
  const { base, mail, requester } = desk;
  mail.refuseAll('No such mailbox here');
  await write(requester, base, 'A question', 'When do you open?');
  await open(page, base, 'A question');
  await expect(async () => {
    await page.reload();
    await expect(detail(page).getByText('was not delivered')).toBeVisible({ timeout: 500 });
  }).toPass({ timeout: 90_000 });
});

test('the desk has no accessibility faults and fits a phone, in light and dark @js', async ({ page, desk }) => {
  test.setTimeout(600_000);
  const { base, requester } = desk;
  await write(requester, base, `Long words: ${'Donaudampfschifffahrt'.repeat(4)}`, 'It beeps.\n\nhttps://example.com/a-very-long-address-without-any-space-in-it/and-more-of-it/and-more');
  await page.goto(`${base}/replies`);
  await page.getByLabel('Name', { exact: true }).fill('On the way');
  await page.getByLabel('Text').fill('Hello {nmae}, number {number} is on the way.');
  await page.getByRole('button', { name: 'Save reply' }).click();
  await expect(page.locator('.replies-list')).toContainText('On the way');
  await open(page, base, 'Long words');
  await detail(page).getByLabel('Internal note').fill(NOTE);
  await detail(page).getByRole('button', { name: 'Add note' }).click();
  await expect(detail(page).locator('.message-note')).toBeVisible();
  await detail(page).getByLabel(/^Reply to/).fill('Please open the lid.');
  await detail(page).getByRole('button', { name: 'Send', exact: true }).click();
  await expect(detail(page).locator('.message-staff')).toBeVisible();
  const ticket = page.url();
  const reply = await (async () => {
    await page.goto(`${base}/replies`);
    return page.locator('.replies-list a').first().getAttribute('href');
  })();
  expect(await faultsOfPages(page, { ticket, tickets: `${base}/tickets`, replies: `${base}/replies`, reply: new URL(reply, base).href, list: `${base}/inbox?q=kind%3Aticket` })).toEqual([]);
});
