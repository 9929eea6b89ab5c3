// Small islands: selected text becomes the quote, snippets are copied, an import's page updates by itself.
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';

import { said, uploadFile } from '../lib/steps.js';
import { test, expect } from '../lib/test.js';

const SAID = 'The till is slow, and the drawer jams when it rains.';

/** Selects words of a text with the mouse. */
async function select(page, source, words) {
  const { from, to } = await source.evaluate((element, words) => {
    const walker = element.ownerDocument.createTreeWalker(element, NodeFilter.SHOW_TEXT);
    while (walker.nextNode()) {
      const at = walker.currentNode.data.indexOf(words);
      if (at < 0) continue;
      const range = element.ownerDocument.createRange();
      range.setStart(walker.currentNode, at);
      range.setEnd(walker.currentNode, at + words.length);
      const box = range.getBoundingClientRect();
      return { from: { x: box.left + 1, y: box.top + box.height / 2 }, to: { x: box.right - 1, y: box.top + box.height / 2 } };
    }
    throw new Error(`not there: ${words}`);
  }, words);
  await page.mouse.move(from.x, from.y);
  await page.mouse.down();
  await page.mouse.move(to.x, to.y, { steps: 5 });
  await page.mouse.up();
}

test('words of an item are quoted at the backlog item', async ({ page, own, settle, javaScriptEnabled }) => {
  await said(own, page, [SAID]);
  await settle();
  await page.locator('a.row-link').first().click();
  await expect(page.locator('#inbox-detail')).toHaveAttribute('data-open', '');

  const quote = page.getByLabel('Quote');
  if (javaScriptEnabled) {
    await select(page, page.locator('[data-quote-source]'), 'the drawer jams');
    await expect(quote).toHaveValue('the drawer jams');
    // Text selected elsewhere does not become the quote.
    await select(page, page.getByRole('heading', { name: 'Comments' }), 'Comments');
    await expect(quote).toHaveValue('the drawer jams');
  } else {
    await quote.fill('the drawer jams');
  }
  const panel = page.locator('#link-panel');
  await panel.getByLabel('Or create a new item').fill('Mend the drawer');
  await panel.getByRole('button', { name: 'Create and link' }).last().click();
  await expect(panel.locator('blockquote')).toHaveText('the drawer jams');
  await panel.getByRole('link', { name: /Mend the drawer/ }).click();
  await expect(page.locator('#evidence')).toContainText('the drawer jams');
});

test('a snippet is copied by its button @js', async ({ page, own, settle, context }) => {
  await context.grantPermissions(['clipboard-read', 'clipboard-write'], { origin: own.url });
  await page.goto(`${own.url}/p/${own.project.slug}/embed`);
  await settle();
  const button = page.getByRole('button', { name: 'Copy: Script for your site' });
  await button.click();
  await expect(page.locator('[data-copy="#snippet-script"]')).toHaveText('Copied');
  const copied = await page.evaluate(() => navigator.clipboard.readText());
  expect(copied).toBe(`<script async src="${own.url}/embed.js" data-project="${own.project.key}"></script>`);
});

test('the page of an import keeps itself up to date @js', async ({ page, own }) => {
  test.setTimeout(600_000);
  const file = join(own.dir, 'many.csv');
  const lines = Array.from({ length: 30_000 }, (_, n) => `"Message number ${n} says that parcel ${n * 7} never arrived"`);
  await writeFile(file, `text\n${lines.join('\n')}\n`);
  await uploadFile(page, own, file);
  // Without wasm, the button loads another document; with it, this document stays until the end.
  await page.locator('html[data-ready]').waitFor({ state: 'attached' });
  await page.evaluate(() => {
    window.sameDocument = true;
    // The import may finish before the check, so the page itself records the polling.
    const look = () => { if (document.querySelector('#import[data-poll]')?.checkVisibility()) window.polled = true; };
    new MutationObserver(look).observe(document.body, { childList: true, subtree: true, attributes: true });
  });
  await page.getByRole('button', { name: 'Start the import' }).click();
  await expect.poll(() => page.evaluate(() => window.polled)).toBe(true);
  // The automatic reload for browsers without scripts must be inactive here, and the mapping texts are gone.
  await expect(page.locator('meta[http-equiv="refresh"]')).toHaveCount(0);
  await expect(page.getByText('Map the columns')).toHaveCount(0);
  await expect(page.getByRole('heading', { name: 'Result' })).toBeVisible({ timeout: 300_000 });
  await expect(page.locator('.imports-counts div').filter({ hasText: 'Added' }).locator('dd')).toHaveText('30,000');
  await expect(page.locator('#import')).not.toHaveAttribute('data-poll');
  expect(await page.evaluate(() => window.sameDocument)).toBe(true);
});
