// Triage: twenty items by keyboard alone, and two people at one item.
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';

import { COLLEAGUE, OWNER, ready, signIn } from '../lib/earshot.js';
import { importFile } from '../lib/steps.js';
import { test, expect } from '../lib/test.js';

/** Puts `texts` into the inbox and waits until the search knows them. */
async function said(server, page, texts) {
  const file = join(server.dir, `said-${texts.length}-${Date.now()}.csv`);
  await writeFile(file, `text\n${texts.map((t) => `"${t}"`).join('\n')}\n`);
  await importFile(page, server, file);
  await expect(async () => {
    await page.goto(`${server.url}/p/${server.project.slug}/inbox`);
    await expect(page.locator('.inbox-row')).not.toHaveCount(0, { timeout: 500 });
    await expect(page.locator('#inbox-list')).toContainText(texts[0], { timeout: 500 });
  }).toPass({ timeout: 20_000 });
}

test('twenty items are triaged by keyboard alone @js', async ({ page, own, settle }) => {
  test.setTimeout(120_000);
  await said(own, page, Array.from({ length: 20 }, (_, n) => `Message number ${n + 1} about the till`));
  await page.goto(`${own.url}/p/${own.project.slug}/inbox?q=status:new`);
  await settle();
  const detail = page.locator('#inbox-detail');
  const done = [];
  for (let n = 0; n < 20; n += 1) {
    const before = await detail.getAttribute('data-id');
    await page.keyboard.press('j');
    await page.keyboard.press('Enter');
    await expect.poll(() => detail.getAttribute('data-id')).not.toBe(before);
    const id = await detail.getAttribute('data-id');
    expect(done).not.toContain(id);
    done.push(id);
    if (n % 4 === 1) {
      await page.keyboard.press('t');
      await page.keyboard.type('till');
      await page.keyboard.press('Enter');
      await expect(detail.locator('.tag', { hasText: 'till' })).toBeVisible();
      await page.keyboard.press('Escape');
    }
    await page.keyboard.press(n % 4 === 3 ? 's' : 'e');
    await expect(page.locator(`#row-${id}[data-status="new"]`)).toHaveCount(0);
  }
  await page.goto(`${own.url}/p/${own.project.slug}/inbox?q=status:resolved`);
  await expect(page.locator('#inbox-count')).toContainText('15 items');
  await page.goto(`${own.url}/p/${own.project.slug}/inbox?q=status:spam`);
  await expect(page.locator('#inbox-count')).toContainText('5 items');
  await page.goto(`${own.url}/p/${own.project.slug}/inbox?q=tag:till+status:resolved`);
  await expect(page.locator('#inbox-count')).toContainText('5 items');
});

test('an item is triaged, commented, tagged and taken back', async ({ page, own }) => {
  await said(own, page, ['The receipt printer jams']);
  await page.locator('a.row-link').first().click();
  const detail = page.locator('#inbox-detail');
  await detail.getByRole('button', { name: /^Resolved/ }).click();
  await expect(detail.getByRole('button', { name: /^Resolved/ })).toHaveAttribute('aria-pressed', 'true');
  await page.getByRole('button', { name: /^Undo/ }).click();
  await expect(detail.getByRole('button', { name: /^Resolved/ })).toHaveAttribute('aria-pressed', 'false');

  await detail.getByLabel(/^Tags/).fill('hardware');
  await detail.getByRole('button', { name: 'Add', exact: true }).click();
  await expect(detail.locator('.tag', { hasText: 'hardware' })).toBeVisible();
  await detail.getByLabel(/^Assignee/).selectOption({ label: OWNER.name });
  await detail.getByRole('button', { name: 'Assign' }).click();
  await detail.getByLabel(/^Comment/).fill('Ask the supplier');
  await detail.getByRole('button', { name: 'Comment' }).click();
  await expect(detail.locator('.comments')).toContainText('Ask the supplier');
  await expect(detail.locator('.timeline')).toContainText(/assigned/i);
});

test('a change made by another person meanwhile is not overwritten @js', async ({ page, own, browser }) => {
  await said(own, page, ['The till is slow']);
  await page.locator('a.row-link').first().click();
  const url = `${own.url}/p/${own.project.slug}/feedback/${await page.locator('#inbox-detail').getAttribute('data-id')}`;
  // Without wasm in the first browser, so that nothing tells it of the change before it writes.
  const stale = await (await browser.newContext({ javaScriptEnabled: false })).newPage();
  await own.withOwner(COLLEAGUE);
  await signIn(stale, own, COLLEAGUE);
  await stale.goto(url);
  await page.goto(url);
  await page.locator('#inbox-detail').getByRole('button', { name: /^Triaged/ }).click();
  await expect(page.locator('#inbox-detail').getByRole('button', { name: /^Triaged/ })).toHaveAttribute('aria-pressed', 'true');

  await stale.locator('#inbox-detail').getByRole('button', { name: /^Resolved/ }).click();
  await expect(stale.getByText('Your change was not applied.').first()).toBeVisible();
  await stale.goto(url);
  await expect(stale.locator('#inbox-detail').getByRole('button', { name: /^Triaged/ })).toHaveAttribute('aria-pressed', 'true');
  await stale.context().close();
});

test('what arrives is told without losing one’s place @js', async ({ page, own, browser, settle }) => {
  await said(own, page, ['The first message', 'The second message']);
  await page.goto(`${own.url}/p/${own.project.slug}/inbox`);
  await page.locator('a.row-link').first().click();
  await settle();
  const open = await page.locator('#inbox-detail').getAttribute('data-id');

  const other = await (await browser.newContext()).newPage();
  await own.withOwner(COLLEAGUE);
  await signIn(other, own, COLLEAGUE);
  await importFile(other, own, await oneLine(own));
  await expect(page.locator('.inbox-live')).toContainText(/new/i, { timeout: 15_000 });
  expect(await page.locator('#inbox-detail').getAttribute('data-id')).toBe(open);

  // A change in the other window shows here.
  await other.goto(page.url());
  await ready(other);
  await other.locator('#inbox-detail').getByRole('button', { name: /^Resolved/ }).click();
  await expect(page.locator('#detail-changed, .inbox-live')).toContainText([/changed/i], { timeout: 15_000 });
  await other.context().close();
});

async function oneLine(server) {
  const file = join(server.dir, 'late.csv');
  await writeFile(file, 'text\n"A late message"\n');
  return file;
}
