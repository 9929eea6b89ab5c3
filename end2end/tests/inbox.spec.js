// Triage: twenty items by keyboard alone, and two browsers on one item.
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';

import { signIn } from '../lib/earshot.js';
import { listening } from '../lib/steps.js';
import { expect, test } from '../lib/test.js';

/** A project with items to triage, imported from a file. */
async function withItems(server, count) {
  const file = join(server.dir, 'items.csv');
  const lines = Array.from({ length: count }, (_, n) => `"item number ${n + 1}"`);
  await writeFile(file, `text\n${lines.join('\n')}\n`);
  await server.command(['import', '--project', 'Corner shop', file, '--map', 'text=text']);
}

async function listed(page, server, query, count) {
  await expect(async () => {
    await page.goto(`${server.url}/p/corner-shop/inbox?q=${query}`);
    await expect(page.locator('#inbox-count')).toContainText(`${count} item`, { timeout: 300 });
  }).toPass({ timeout: 90_000 });
}

test('twenty items are triaged by keyboard alone @js', async ({ page, own, settle }) => {
  await withItems(own, 20);
  await listed(page, own, 'status%3Anew', 20);
  await settle();
  const keyboard = page.keyboard;
  const rows = page.locator('.inbox-row');
  const focused = () => page.evaluate(() => document.activeElement?.id ?? '');
  await keyboard.press('j');
  for (let left = 20; left > 12; left -= 1) {
    await expect.poll(focused).toMatch(/^open-/);
    await keyboard.press('e');
    await expect(rows).toHaveCount(left - 1);
  }
  // Undone, and done again.
  await keyboard.press('u');
  await expect(rows).toHaveCount(13);
  await expect.poll(focused).toMatch(/^open-/);
  await keyboard.press('s');
  await expect(rows).toHaveCount(12);
  // Opened, tagged, assigned, commented.
  await keyboard.press('Enter');
  await expect(page.locator('#inbox-detail')).toHaveAttribute('data-open', '');
  await keyboard.press('t');
  await expect.poll(focused).toBe('add');
  await keyboard.type('slow');
  await keyboard.press('Enter');
  await expect(page.getByRole('button', { name: 'Create tag “slow”' })).toBeFocused();
  await keyboard.press('Enter');
  await expect(page.locator('#tags-form .tag')).toContainText('slow');
  await expect.poll(focused).toMatch(/^open-/);
  await keyboard.press('a');
  await expect.poll(focused).toBe('assignee');
  await keyboard.press('ArrowDown');
  await keyboard.press('Enter');
  await expect(page.locator('#toasts')).toContainText('Assigned');
  await expect.poll(focused).toMatch(/^open-/);
  await keyboard.press('c');
  await keyboard.type('Seen it too');
  await keyboard.press('Tab');
  await keyboard.press('Enter');
  await expect(page.locator('.comments')).toContainText('Seen it too');
  await keyboard.press('Escape');
  // The rest at once: the first with X, the others with Shift from there.
  await page.locator('.row-link').first().focus();
  await keyboard.press('x');
  for (let n = 0; n < 11; n += 1) await keyboard.press('j');
  await keyboard.press('Shift+X');
  await expect(page.locator('#bulk-count')).toHaveText('12 selected');
  await keyboard.press('e');
  await expect(rows).toHaveCount(0);
  await expect(page.locator('#toasts')).toContainText('12 items set to Resolved.');
  await keyboard.press('z');
  await expect(rows).toHaveCount(12);
  await keyboard.press('?');
  await expect(page.getByRole('dialog')).toBeVisible();
});

test('two browsers on one item hear of each other @js', async ({ page, browser, own, settle }) => {
  await withItems(own, 3);
  await listed(page, own, '', 3);
  await page.locator('.row-link').first().click();
  const one = page.locator('#inbox-detail');
  await expect(one).toHaveAttribute('data-open', '');
  await listening(page);
  await settle();
  const context = await browser.newContext();
  const other = await context.newPage();
  await signIn(other, own);
  await other.goto(page.url());
  await other.getByRole('button', { name: 'Resolved E' }).click();
  await expect(other.locator('#toasts')).toContainText('Status set to Resolved.');
  await expect(page.locator('#detail-changed')).toContainText('Olga Owner changed this just now.');
  // The row is up to date, but the open item is not replaced.
  await expect(page.locator('.inbox-row[data-open]')).toHaveAttribute('data-status', 'resolved');
  await expect(page.locator('#status-new')).toHaveAttribute('aria-pressed', 'true');
  await page.getByRole('link', { name: 'Reload' }).click();
  await expect(page.locator('#status-resolved')).toHaveAttribute('aria-pressed', 'true');
  await context.close();
});

test('what arrives waits behind a button @js', async ({ page, own, settle }) => {
  await withItems(own, 2);
  await listed(page, own, '', 2);
  await listening(page);
  await settle();
  const file = join(own.dir, 'more.csv');
  await writeFile(file, 'text\n"brand new"\n');
  await own.command(['import', '--project', 'Corner shop', file, '--map', 'text=text']);
  const show = page.getByRole('button', { name: '1 new — show' });
  await expect(show).toBeVisible();
  await expect(page.locator('.inbox-row')).toHaveCount(2);
  await show.click();
  await expect(page.locator('.inbox-row')).toHaveCount(3);
  await expect(show).toBeHidden();
});
