// The survey editor's islands: autosave, reordering by keyboard and mouse, undo, the live preview.
import { ready } from '../lib/earshot.js';
import { test, expect } from '../lib/test.js';

test('a draft saves itself, moves by keys and mouse, and is taken back @js', async ({ page, own, context }) => {
  await page.goto(`${own.url}/p/${own.project.slug}/surveys/new`);
  await page.getByRole('button', { name: 'Use Onboarding' }).click();
  await page.waitForURL(/\/edit/);
  await ready(page);
  const fields = page.locator('[name$="-title"]');
  const titles = () => fields.evaluateAll((all) => all.map((field) => field.value));
  const [one, two, ...rest] = await titles();
  expect(rest.length).toBeGreaterThan(0);

  await fields.first().fill('Changed by hand');
  await expect(page.locator('#editor-status')).toHaveText('Saved');
  await expect(page.frameLocator('iframe[title="Preview"]').locator('form')).toContainText('Changed by hand');
  const elsewhere = await context.newPage();
  await elsewhere.goto(page.url());
  await expect(elsewhere.locator('[name$="-title"]').first()).toHaveValue('Changed by hand');
  await elsewhere.close();

  await fields.first().focus();
  await page.keyboard.press('Alt+ArrowDown');
  await expect.poll(titles).toEqual([two, 'Changed by hand', ...rest]);
  // The moved field keeps the focus.
  await expect(fields.nth(1)).toBeFocused();
  await page.evaluate(() => document.activeElement.blur());
  await page.keyboard.press('Control+z');
  await expect.poll(titles).toEqual(['Changed by hand', two, ...rest]);

  await page.getByRole('button', { name: /^Delete/ }).first().click();
  await expect.poll(titles).toEqual([two, ...rest]);
  await page.locator('#toasts').getByRole('button', { name: /^Undo/ }).click();
  await expect.poll(titles).toEqual(['Changed by hand', two, ...rest]);
  expect(one).not.toBe('Changed by hand');
});
