// Features of every console page: loading state, shortcuts, undo.
import { OWNER, signIn } from '../lib/earshot.js';
import { publishSurvey } from '../lib/steps.js';
import { test, expect } from '../lib/test.js';

test('a late answer draws a skeleton, and a failed one gives back what was there @js', async ({ page, demo, settle }) => {
  await signIn(page, demo);
  await page.goto(`${demo.url}/inbox`);
  await settle();
  const list = page.locator('#inbox-list');
  let answer;
  await page.route(/[?&]q=/, (route) => new Promise((done) => (answer = (how) => done(how(route)))));
  await page.getByLabel('Search feedback').fill('export');
  await page.keyboard.press('Enter');
  await expect.poll(() => typeof answer).toBe('function');
  await expect(list).toHaveAttribute('data-waiting', '');
  await expect(list).toHaveAttribute('aria-busy', 'true');
  await expect(list.locator('.inbox-row').first()).toBeHidden();
  await answer((route) => route.abort());
  await expect(list).not.toHaveAttribute('data-waiting');
  await expect(list.locator('.inbox-row').first()).toBeVisible();
  await expect(page.locator('#toasts')).toContainText('No connection');

  await page.unrouteAll();
  await page.getByLabel('Search feedback').press('Enter');
  await expect(list.locator('mark').first()).toBeVisible();
  await expect(list).not.toHaveAttribute('aria-busy');
});

test('lists are walked through with j and k @js', async ({ page, demo, settle }) => {
  await signIn(page, demo);
  await page.goto(`${demo.url}/backlog`);
  await settle();
  const rows = page.locator('a[data-row]');
  await page.keyboard.press('j');
  await expect(rows.nth(0)).toBeFocused();
  await page.keyboard.press('j');
  await expect(rows.nth(1)).toBeFocused();
  await page.keyboard.press('k');
  await expect(rows.nth(0)).toBeFocused();
  await page.keyboard.press('/');
  await expect(page.getByLabel('Search the backlog')).toBeFocused();
  await page.keyboard.type('jk');
  await expect(page.getByLabel('Search the backlog')).toHaveValue('jk');
  await page.keyboard.press('Escape');
  await rows.nth(0).focus();
  await page.keyboard.press('Enter');
  await expect(page).toHaveURL(/\/backlog\/\d+$/);
});

test('an item made by mistake is taken back', async ({ page, demo }) => {
  await signIn(page, demo);
  await page.goto(`${demo.url}/inbox?q=status:new`);
  await page.locator('a.row-link').first().click();
  const panel = page.locator('#link-panel');
  await panel.getByLabel('Or create a new item').fill('Made by mistake');
  await panel.getByRole('button', { name: 'Create and link' }).click();
  await expect(panel.getByRole('link', { name: /Made by mistake/ })).toBeVisible();
  await page.locator('#toasts').getByRole('button', { name: /^Undo/ }).click();
  await expect(page.locator('#toasts')).toContainText('Removed');
  await expect(panel.getByRole('link', { name: /Made by mistake/ })).toHaveCount(0);
  await page.goto(`${demo.url}/backlog?q=mistake`);
  await expect(page.getByText('No items here')).toBeVisible();
});

test('the preview shows the question that is worked on @js', async ({ page, own, settle }) => {
  await publishSurvey(page, own);
  await settle();
  const titles = page.locator('.question');
  const preview = page.frameLocator('#preview-frame');
  const second = titles.nth(1).getByLabel('Question', { exact: true });
  await second.fill('What could be better?');
  await expect(preview.getByRole('heading', { name: 'What could be better?' })).toBeVisible();
  await expect(second).toBeFocused();
  await titles.nth(0).getByLabel('Question', { exact: true }).focus();
  await expect(preview.getByRole('heading', { name: 'What could be better?' })).toBeHidden();
  await expect(titles.nth(0).getByLabel('Question', { exact: true })).toBeFocused();
});

test('the menu says which theme is in use, and keeps it', async ({ page, own }) => {
  await page.goto(`${own.url}/inbox`);
  const menu = page.locator('.nav-account summary');
  await menu.click();
  await expect(page.getByRole('button', { name: 'Auto' })).toHaveAttribute('aria-pressed', 'true');
  await page.getByRole('button', { name: 'Dark' }).click();
  await expect(page.locator('html')).toHaveAttribute('data-theme', 'dark');
  await page.reload();
  await expect(page.locator('html')).toHaveAttribute('data-theme', 'dark');
  await menu.filter({ hasText: OWNER.name }).click();
  await expect(page.getByRole('button', { name: 'Dark' })).toHaveAttribute('aria-pressed', 'true');
});
