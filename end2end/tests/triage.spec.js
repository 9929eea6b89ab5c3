// Triage by mouse and forms, with JavaScript and without; two people on one item. By keyboard: inbox.spec.js.
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
  await detail.getByRole('button', { name: 'Create tag “hardware”' }).click();
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
  // Reading an attribute does not wait for the item to appear.
  await expect(page.locator('#inbox-detail')).toHaveAttribute('data-open', '');
  const url = `${own.url}/p/${own.project.slug}/feedback/${await page.locator('#inbox-detail').getAttribute('data-id')}`;
  // Without wasm in the first browser, so that it gets no live update before it writes.
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

test('what is refused at an item is mended without losing the list', async ({ page, own }) => {
  await said(own, page, ['The shelf wobbles', 'The shelf is too high']);
  await page.goto(`${own.url}/p/${own.project.slug}/inbox?q=shelf`);
  await page.locator('a.row-link').first().click();
  const detail = page.locator('#inbox-detail');
  await detail.getByLabel(/^Tags/).fill('a:b');
  await detail.getByRole('button', { name: 'Add', exact: true }).click();
  await expect(detail.getByText('Tags can be up to 60 characters')).toBeVisible();
  await expect(page.locator('.inbox-row')).toHaveCount(2);
  await expect(page.getByRole('searchbox', { name: 'Search feedback' })).toHaveValue('shelf');
  await detail.getByLabel(/^Tags/).fill('furniture');
  await detail.getByRole('button', { name: 'Add', exact: true }).click();
  await detail.getByRole('button', { name: 'Create tag “furniture”' }).click();
  await expect(detail.locator('.tag', { hasText: 'furniture' })).toBeVisible();
  await expect(page).toHaveURL(/inbox\?q=shelf/);
});

test('the page is selected, then all that match, changed and taken back in one @js', async ({ page, own, settle }) => {
  const texts = Array.from({ length: 60 }, (_, n) => `The lamp flickers, number ${n + 1}`);
  await said(own, page, texts.slice().reverse());
  const inbox = `${own.url}/p/${own.project.slug}/inbox?q=status%3Anew`;
  await expect(async () => {
    await page.goto(inbox);
    await expect(page.locator('#inbox-count')).toContainText('60 items', { timeout: 500 });
  }).toPass({ timeout: 90_000 });
  await settle();
  const [whole, count] = [page.getByLabel('Select all on this page'), page.locator('#bulk-count')];
  await whole.check();
  await expect(count).toHaveText('50 selected');
  await page.getByRole('button', { name: 'Select all 60 that match' }).click();
  await expect(count).toHaveText('All that match');
  // With one row unchecked, only the rest of the page is selected, and the offer is gone.
  await page.locator('.row-check').first().uncheck();
  await expect(count).toHaveText('49 selected');
  await expect(page.locator('#select-all')).toBeHidden();
  await whole.check();
  await page.getByRole('button', { name: 'Select all 60 that match' }).click();
  await page.getByRole('button', { name: 'Only this page' }).click();
  await expect(count).toHaveText('50 selected');
  await page.getByRole('button', { name: 'Select all 60 that match' }).click();
  await page.keyboard.press('e');
  await expect(page.locator('#toasts')).toContainText('60 items set to Resolved.');
  await expect(page.locator('.inbox-row')).toHaveCount(0);
  await page.keyboard.press('z');
  await expect(page.locator('#inbox-count')).toContainText('60 items');
  await expect(page.getByLabel('Select all on this page')).not.toBeChecked();
});

test('only the row whose item is on its way looks open @js', async ({ page, own, settle }) => {
  await said(own, page, ['The first one', 'The second one']);
  await settle();
  await page.locator('a.row-link').first().click();
  await expect(page.locator('#inbox-detail')).toHaveAttribute('data-open', '');
  let answer;
  const held = new Promise((resolve) => {
    answer = resolve;
  });
  await page.route(/item=/, async (route) => {
    await held;
    await route.continue();
  });
  await page.locator('a.row-link').nth(1).click();
  await expect(page.locator('.inbox-row').nth(1)).toHaveAttribute('data-open', '');
  await expect(page.locator('.inbox-row[data-open], .inbox-row:has(.row-link[aria-current])')).toHaveCount(1);
  answer();
  await expect(page.locator('#inbox-detail .detail-text')).toHaveText((await page.locator('.inbox-row').nth(1).locator('.row-text').textContent()).trim());
  await expect(page.locator('.inbox-row[data-open]')).toHaveCount(1);
});
