// A project's time zone: set in its settings, shown where days are chosen, taken from the browser for a new project.
import { publishSurvey } from '../lib/steps.js';
import { expect, test } from '../lib/test.js';

test.use({ timezoneId: 'Asia/Tokyo' });

test('a time zone is chosen, and results and exports name it', async ({ page, own, settle }) => {
  await page.goto(`${own.url}/p/${own.project.slug}/settings`);
  await settle();
  const zone = page.getByLabel('Time zone');
  await expect(zone).toHaveValue('UTC');
  await zone.selectOption({ label: 'Kolkata (UTC+5:30)' });
  await page.getByRole('button', { name: 'Save settings' }).click();
  await expect(page.locator('#toasts')).toContainText('Settings saved.');
  await expect(zone).toHaveValue('Asia/Kolkata');
  await expect(zone).toHaveAccessibleDescription(/It is now .* UTC\+5:30 in Asia\/Kolkata\.$/);
  const survey = await publishSurvey(page, own);
  await page.goto(`${own.url}/p/${own.project.slug}/surveys/${survey}/results`);
  await expect(page.getByText('Days in Asia/Kolkata')).toBeVisible();
  await page.goto(`${own.url}/p/${own.project.slug}/export`);
  await expect(page.getByText('Times are in the project’s time zone, Asia/Kolkata, and include the UTC offset.')).toBeVisible();
});

test('a new project begins with the time zone of the browser', async ({ page, own, settle, javaScriptEnabled }) => {
  await page.goto(`${own.url}/projects/new`);
  await settle();
  await page.getByLabel('Name', { exact: true }).fill('Kissaten');
  await page.getByRole('button', { name: 'Create project' }).click();
  await expect(page.locator('#toasts')).toContainText('Kissaten is ready.');
  await page.goto(`${own.url}/p/kissaten/settings`);
  await expect(page.getByLabel('Time zone')).toHaveValue(javaScriptEnabled ? 'Asia/Tokyo' : 'UTC');
});
