// Signed identity: a secret is created on the page, shown once, retired; two can be valid at a time; unsigned claims can be turned off.
import { test, expect } from '../lib/test.js';

test('a secret for identities is made, shown once and retired', async ({ page, own, settle }) => {
  const url = `${own.url}/p/${own.project.slug}/identity`;
  const secrets = [];
  for (const n of [1, 2]) {
    await page.goto(url);
    await settle();
    await page.getByRole('button', { name: 'Create secret' }).click();
    secrets.push(await page.getByLabel('Identity secret', { exact: true }).inputValue());
    expect(secrets.at(-1)).toMatch(/^eis_[\w-]{43}$/);
    await expect(page.getByRole('rowheader')).toHaveCount(n);
  }
  await page.goto(url);
  await settle();
  for (const secret of secrets) await expect(page.locator('body')).not.toContainText(secret);
  await expect(page.getByRole('button', { name: 'Create secret' })).toHaveCount(0);
  await expect(page.getByText('Two secrets are valid.')).toBeVisible();

  await page.getByText('Retire', { exact: true }).last().click();
  await expect(page.getByText('This cannot be undone.').last()).toBeVisible();
  await page.getByRole('button', { name: 'Retire permanently' }).last().click();
  await expect(page.locator('#toasts')).toContainText('Secret retired.');
  await expect(page.getByRole('rowheader').last()).toContainText('Retired just now');
  await expect(page.getByRole('button', { name: 'Create secret' })).toBeVisible();

  await page.getByLabel('Ignore them').check();
  await page.getByRole('button', { name: 'Save' }).click();
  await expect(page.locator('#toasts')).toContainText('Saved.');
  await page.goto(url);
  await expect(page.getByLabel('Ignore them')).toBeChecked();
});
