// A file of messages is imported through the page, the search finds its words, and a second import adds nothing.
import { existsSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';

import { importFile } from '../lib/steps.js';
import { test, expect } from '../lib/test.js';

const beside = fileURLToPath(new URL('../../../shared/data/customer-queries.csv', import.meta.url));
const real = process.env.EARSHOT_REAL_CSV ?? (existsSync(beside) ? beside : undefined);

const SUBJECTS = ['The card', 'My refund', 'The delivery', 'This invoice', 'The new app', 'A transfer'];
const TROUBLES = ['never arrived', 'was declined twice', 'shows the wrong amount', 'takes far too long', 'asks me to sign in again'];

/** Realistic messages, with quotes, commas, line breaks and accents. */
function generated(rows) {
  const lines = ['text,category'];
  for (let n = 0; n < rows; n += 1) {
    const text = `${SUBJECTS[n % 6]} ${TROUBLES[n % 5]}, since order ${n}.${n % 50 === 0 ? '\nI asked for a "café" voucher instead.' : ''}`;
    lines.push(`"${text.replaceAll('"', '""')}",topic ${n % 20}`);
  }
  return `${lines.join('\n')}\n`;
}

test('a real file is imported and searched', async ({ page, own }, info) => {
  test.setTimeout(600_000);
  let [file, expected, word, least] = [real, 10_003, 'contactless', 30];
  if (!file) {
    [file, expected, word, least] = [info.outputPath('messages.csv'), 4_000, 'voucher', 80];
    await writeFile(file, generated(expected));
  }
  const number = expected.toLocaleString('en-GB');
  const count = (name) => page.locator('.imports-counts div').filter({ hasText: name }).locator('dd');

  await importFile(page, own, file, 'category');
  await expect(count('Added')).toHaveText(number);
  await expect(count('Failed')).toHaveText('0');

  // The index catches up meanwhile.
  await expect(async () => {
    await page.goto(`${own.url}/p/${own.project.slug}/inbox`);
    await expect(page.locator('#inbox-count')).toContainText(number, { timeout: 1_000 });
  }).toPass({ timeout: 120_000 });
  await page.getByRole('searchbox', { name: 'Search feedback' }).fill(word);
  await page.getByRole('button', { name: 'Search' }).click();
  await expect(page.locator('#inbox-list mark').first()).toHaveText(new RegExp(word, 'i'));
  const found = Number((await page.locator('#inbox-count').textContent()).match(/[\d,]+/)[0].replace(',', ''));
  expect(found).toBeGreaterThanOrEqual(least);
  expect(found).toBeLessThan(expected / 5);

  await importFile(page, own, file, 'category');
  await expect(count('Added')).toHaveText('0');
  await expect(count('Duplicates')).toHaveText(number);
});

test('bad lines are named and the good ones go in', async ({ page, own }, info) => {
  const file = info.outputPath('mixed.csv');
  await writeFile(file, 'text,category\nThe first is fine,a\n,b\nThe third is fine,c\n');
  await importFile(page, own, file, 'category');
  const count = (name) => page.locator('.imports-counts div').filter({ hasText: name }).locator('dd');
  await expect(count('Added')).toHaveText('2');
  await expect(count('Failed')).toHaveText('1');
  await expect(page.getByRole('region', { name: 'Rows that failed' }).getByRole('row').nth(1)).toContainText('3');
});

test('an import with the wrong columns is taken back and the file imported again', async ({ page, own }, info) => {
  const file = info.outputPath('wrong.csv');
  await writeFile(file, generated(1_200));
  await importFile(page, own, file, 'category');
  await page.getByText('Undo this import').click();
  await expect(page.getByText('This permanently removes 1,200 items')).toBeVisible();
  await page.getByRole('button', { name: 'Remove 1,200 items' }).click();
  await expect(async () => {
    await expect(page.getByText('Import undone: 1,200 items removed.')).toBeVisible({ timeout: 2_000 });
  }).toPass({ timeout: 120_000 });
  await expect(page.getByText('Undo this import')).toHaveCount(0);
  await importFile(page, own, file);
  await expect(page.locator('.imports-counts div').filter({ hasText: 'Added' }).locator('dd')).toHaveText('1,200');
});

/** Uploads a file; ends on the page with the columns. */
async function upload(page, own, name, buffer) {
  await page.goto(`${own.url}/p/${own.project.slug}/imports`);
  await page.getByLabel('CSV file').setInputFiles({ name, mimeType: 'text/csv', buffer });
  await page.getByRole('button', { name: 'Upload and map columns' }).click();
  await expect(page.getByRole('heading', { name: 'Preview' })).toBeVisible();
}

/** Chooses in a list of the form; with scripts, the preview updates by itself. */
async function choose(page, settle, label, value, javaScriptEnabled) {
  await settle();
  await page.getByLabel(label, { exact: true }).selectOption(value);
  if (!javaScriptEnabled) await page.getByRole('button', { name: 'Update preview' }).click();
}

test('the encoding of a file is shown and can be changed', async ({ page, own, settle, javaScriptEnabled }) => {
  // "Größe;Ärger" as Excel saves it on Windows: Windows-1252.
  await upload(page, own, 'excel.csv', Buffer.from('Größe;Stars\nDie Übersicht fehlt und lädt nie;4\nSchön wäre größer;2\n', 'latin1'));
  await expect(page.getByLabel('Encoding', { exact: true })).toHaveValue('windows-1252');
  await expect(page.getByText('Detected: Western European (Windows-1252).')).toBeVisible();
  await choose(page, settle, 'Text', 'Größe', javaScriptEnabled);
  const preview = page.locator('.imports-preview');
  await expect(preview).toContainText('Die Übersicht fehlt und lädt nie');
  await expect(preview).toContainText('4 of 5');

  // Decoded as Mac Roman, the letters differ; the chosen column stays selected under its other name.
  await choose(page, settle, 'Encoding', 'macintosh', javaScriptEnabled);
  await expect(preview).toContainText('Die ‹bersicht');
  await expect(page.getByLabel('Text', { exact: true })).toHaveValue('Gr\u02c6\ufb02e');
  await choose(page, settle, 'Encoding', 'windows-1252', javaScriptEnabled);
  await expect(preview).toContainText('Die Übersicht');
  await page.getByRole('button', { name: 'Start the import' }).click();
  await expect(page.getByText('All rows imported.')).toBeVisible({ timeout: 60_000 });
});

/** Holds the previews that the page asks for until they are let go; tells how many were answered. */
async function holdPreviews(page) {
  const held = { waiting: [], answered: 0 };
  page.on('requestfinished', (request) => (held.answered += request.url().endsWith('/preview') ? 1 : 0));
  await page.route('**/preview', (route) => new Promise((done) => held.waiting.push(() => done(route.continue()))));
  return held;
}

test('a press counts although the page is replaced before the release @js', async ({ page, own, settle }) => {
  await upload(page, own, 'press.csv', Buffer.from('text,words\nOne,a\nTwo,b\n'));
  await settle();
  const previews = await holdPreviews(page);
  await page.getByRole('button', { name: 'Update preview' }).click();
  await expect.poll(() => previews.waiting.length).toBe(1);
  await page.getByRole('button', { name: 'Start the import' }).hover();
  await page.mouse.down();
  previews.waiting[0]();
  await expect.poll(() => previews.answered).toBe(1);
  // A later response is read: the page has had its time for the preview.
  await page.evaluate(async () => {
    await (await fetch('/healthz')).text();
    await new Promise(requestAnimationFrame);
    await new Promise(requestAnimationFrame);
  });
  await page.mouse.up();
  await expect(page.getByText('All rows imported.')).toBeVisible({ timeout: 60_000 });
});

test('choices made while a preview loads are kept @js', async ({ page, own, settle }) => {
  await upload(page, own, 'quick.csv', Buffer.from('a,b,c\nOne,x,3\nTwo,y,4\n'));
  await settle();
  const previews = await holdPreviews(page);
  await page.getByLabel('Text', { exact: true }).selectOption('a');
  await expect.poll(() => previews.waiting.length).toBe(1);
  await page.getByLabel(/^Tags?$/).selectOption('b');
  previews.waiting[0]();
  await expect.poll(() => previews.waiting.length).toBe(2);
  await page.getByLabel('Score', { exact: true }).selectOption('c');
  previews.waiting[1]();
  await expect.poll(() => previews.waiting.length).toBe(3);
  previews.waiting[2]();
  const preview = page.locator('.imports-preview');
  await expect(preview.locator('.num', { hasText: '4' })).toBeVisible();
  await expect(preview.locator('.tag', { hasText: 'x' })).toBeVisible();
  await expect(page.getByLabel(/^Tags?$/)).toHaveValue('b');
  await expect(page.getByLabel('Text', { exact: true })).toHaveValue('a');
});

test('dates that can be read in two ways are asked about', async ({ page, own, settle, javaScriptEnabled }) => {
  await upload(page, own, 'dates.csv', Buffer.from('text,date\nOne,01/02/2025\nTwo,03/04/2025 10:30\n'));
  const order = page.getByLabel('Order of day and month');
  await expect(order).toHaveValue('');
  await expect(order.locator('option')).toHaveText(['Choose the order', 'Day first: 1 Feb 2025', 'Month first: 2 Jan 2025']);
  await page.getByRole('button', { name: 'Start the import' }).click();
  await expect(page.getByRole('alert')).toContainText('Dates like 01/02/2025 are ambiguous.');
  await choose(page, settle, 'Order of day and month', 'mdy', javaScriptEnabled);
  await expect(page.locator('.imports-preview')).toContainText('2 Jan 2025');
  await page.getByRole('button', { name: 'Start the import' }).click();
  await expect(page.getByText('All rows imported.')).toBeVisible({ timeout: 60_000 });
  await page.getByText('Column mapping').click();
  await expect(page.getByText('Month first')).toBeVisible();
});

test('when nothing was imported, the columns are changed and the same file goes in', async ({ page, own, settle, javaScriptEnabled }) => {
  const lines = Array.from({ length: 40 }, (_, n) => `,Message number ${n},01.09.2026`);
  await upload(page, own, 'usual.csv', Buffer.from(`text,words,date\n${lines.join('\n')}\n`));
  await expect(page.getByText('None of the first 40 rows can be imported.')).toBeVisible();
  await expect(page.getByRole('button', { name: 'Start the import' })).toHaveCount(0);
  await page.getByRole('button', { name: 'Start anyway' }).click();
  await expect(page.getByRole('heading', { name: 'Nothing imported' })).toBeVisible({ timeout: 60_000 });
  await expect(page.getByText('Done', { exact: true })).toHaveCount(0);
  const problems = page.locator('.imports-problems');
  await expect(problems).toContainText('40 ×');
  await expect(problems).toContainText('No text');

  await page.getByRole('button', { name: 'Change columns' }).click();
  await expect(page.getByText('None of the first 40 rows can be imported.')).toBeVisible();
  await choose(page, settle, 'Text', 'words', javaScriptEnabled);
  await expect(page.locator('.imports-preview')).toContainText('Message number 0');
  await expect(page.locator('.imports-preview')).toContainText('1 Sep 2026');
  await page.getByRole('button', { name: 'Start the import' }).click();
  await expect(page.getByText('All rows imported.')).toBeVisible({ timeout: 60_000 });
  await expect(page.locator('.imports-counts div').filter({ hasText: 'Added' }).locator('dd')).toHaveText('40');
});
