// Searching the inbox, with JavaScript and without: results, messages, and complete pagination under concurrent writes.
import { said } from '../lib/steps.js';
import { expect, test } from '../lib/test.js';

/** Searches with the search box. */
async function search(page, query) {
  await page.getByRole('searchbox', { name: 'Search feedback' }).fill(query);
  await page.getByRole('searchbox', { name: 'Search feedback' }).press('Enter');
  await expect(page).toHaveURL((url) => url.searchParams.get('q') === query);
}

test('an address, a path and signs are searched for as they are written', async ({ page, own }) => {
  await said(own, page, ['Ask elif.haddad@vertex-legal.example', 'vertex-legal.example is down', 'C:\\Users\\ann is full', 'The billing page', 'An invoice']);
  const rows = page.locator('.inbox-row');
  await search(page, 'elif.haddad@vertex-legal.example');
  await expect(rows).toHaveCount(1);
  await expect(rows.first()).toContainText('Ask elif');
  await search(page, 'C:\\Users\\ann');
  await expect(rows).toHaveCount(1);
  await search(page, 'billing OR invoice');
  await expect(rows).toHaveCount(2);
  await search(page, '>>>');
  await expect(page.getByText('Nothing to search for')).toBeVisible();
  await search(page, 'statsu:new');
  await expect(page.getByText('Did you mean status:?').first()).toBeVisible();
  await search(page, 'attr.plan:enterprise');
  await expect(page.getByText('cannot be searched').first()).toBeVisible();
});

test('the second page of a search goes on where the first ended, whatever arrives', async ({ page, own }) => {
  await said(own, page, Array.from({ length: 60 }, (_, n) => `A zebra, number ${n + 1} ${'and more '.repeat(n % 7)}`.trim()));
  const inbox = `${own.url}/p/${own.project.slug}/inbox?q=zebra`;
  const ids = () => page.locator('.inbox-row').evaluateAll((rows) => rows.map((row) => row.dataset.id));
  await page.goto(inbox);
  await expect(page.locator('#inbox-count')).toContainText('60 items');
  const first = await ids();
  const next = await page.getByRole('link', { name: /^Next/ }).getAttribute('href');
  await said(own, page, ['Something unrelated']);
  await page.goto(own.url + next);
  await expect(page.locator('.inbox-row')).toHaveCount(10);
  const second = await ids();
  expect(new Set([...first, ...second]).size).toBe(60);
  await page.getByRole('link', { name: /^Previous/ }).click();
  await expect(page.locator('.inbox-row')).toHaveCount(50);
  expect(await ids()).toEqual(first);
});
