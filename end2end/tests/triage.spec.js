// Triage by mouse and forms, with JavaScript and without; two people at one item. By keyboard: inbox.spec.js.
import { COLLEAGUE, OWNER, signIn } from '../lib/earshot.js';
import { said } from '../lib/steps.js';
import { test, expect } from '../lib/test.js';

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
  // Reading an attribute does not wait for the item to be there.
  await expect(page.locator('#inbox-detail')).toHaveAttribute('data-open', '');
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
