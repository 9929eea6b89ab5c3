// A file of messages comes in through the page, is found by its words, and adds nothing the second time.
import { existsSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';

import { importFile } from '../lib/steps.js';
import { test, expect } from '../lib/test.js';

const beside = fileURLToPath(new URL('../../../shared/data/customer-queries.csv', import.meta.url));
const real = process.env.EARSHOT_REAL_CSV ?? (existsSync(beside) ? beside : undefined);

const SUBJECTS = ['The card', 'My refund', 'The delivery', 'This invoice', 'The new app', 'A transfer'];
const TROUBLES = ['never arrived', 'was declined twice', 'shows the wrong amount', 'takes far too long', 'asks me to sign in again'];

/** Messages as people write them, with quotes, commas, line breaks and accents. */
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
  await expect(count('Bad lines')).toHaveText('0');

  // The index catches up while we ask.
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
  await expect(count('Already there')).toHaveText(number);
});

test('bad lines are named and the good ones go in', async ({ page, own }, info) => {
  const file = info.outputPath('mixed.csv');
  await writeFile(file, 'text,category\nThe first is fine,a\n,b\nThe third is fine,c\n');
  await importFile(page, own, file, 'category');
  const count = (name) => page.locator('.imports-counts div').filter({ hasText: name }).locator('dd');
  await expect(count('Added')).toHaveText('2');
  await expect(count('Bad lines')).toHaveText('1');
  await expect(page.getByRole('region', { name: 'Lines that could not go in' }).getByRole('row').nth(1)).toContainText('3');
});

test('an import with the wrong columns is taken back and the file imported again', async ({ page, own }, info) => {
  const file = info.outputPath('wrong.csv');
  await writeFile(file, generated(1_200));
  await importFile(page, own, file, 'category');
  await page.getByText('Take this import back').click();
  await expect(page.getByText('This removes 1,200 items')).toBeVisible();
  await page.getByRole('button', { name: 'Remove 1,200 items' }).click();
  await expect(async () => {
    await expect(page.getByText('Taken back: 1,200 items removed.')).toBeVisible({ timeout: 2_000 });
  }).toPass({ timeout: 120_000 });
  await expect(page.getByText('Take this import back')).toHaveCount(0);
  await importFile(page, own, file);
  await expect(page.locator('.imports-counts div').filter({ hasText: 'Added' }).locator('dd')).toHaveText('1,200');
});
