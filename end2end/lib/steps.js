// What people do in the console, as the tests need it again and again.
import { expect } from '@playwright/test';

/** In the editor: the widget shows a button for this survey. */
export async function launchByButton(page) {
  await page.getByLabel('A button at the edge of the page').check();
  await page.getByLabel('Words on the button').fill('Feedback');
}

/** Makes a survey from a template, launched by a button, and publishes it; gives its id. `page` is signed in. */
export async function publishSurvey(page, server, template = 'NPS with reason') {
  await page.goto(`${server.url}/p/${server.project.slug}/surveys/new`);
  await page.getByRole('button', { name: `Use ${template}` }).click();
  await launchByButton(page);
  await page.getByRole('button', { name: 'Publish', exact: true }).click();
  await expect(page.locator('#editor-head').getByText('Live', { exact: true })).toBeVisible();
  return new URL(page.url()).pathname.match(/surveys\/([^/]+)/)[1];
}

/** Loads the page until it shows the text: the index follows within a fraction of a second. */
export async function waitForText(page, url, selector, text) {
  await expect(async () => {
    await page.goto(url);
    await expect(page.locator(selector)).toContainText(text, { timeout: 500 });
  }).toPass({ timeout: 20_000 });
}

/** Imports a CSV file through the page: the column `text`, and one for tags if it is named. */
export async function importFile(page, server, file, tags) {
  await page.goto(`${server.url}/p/${server.project.slug}/imports`);
  await page.getByLabel('CSV file').setInputFiles(file);
  await page.getByRole('button', { name: 'Upload and choose columns' }).click();
  await page.getByLabel('Text', { exact: true }).selectOption('text');
  if (tags) await page.getByLabel(/^Tags?$/).selectOption(tags);
  await page.getByRole('button', { name: 'Update preview' }).click();
  await expect(page.locator('.imports-preview tbody tr').first()).toBeVisible();
  await page.getByRole('button', { name: 'Start the import' }).click();
  await expect(async () => {
    await expect(page.getByRole('heading', { name: 'Result' })).toBeVisible({ timeout: 2_000 });
  }).toPass({ timeout: 120_000 });
}

/** A person reads before answering: what is finished within two seconds is suspected spam. */
export function readQuestions(page) {
  return page.waitForTimeout(2_200);
}
