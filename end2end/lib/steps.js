// What people do in the console, as the tests need it again and again.
import { expect } from '@playwright/test';

/** Makes a survey from a template and publishes it; gives its id. `page` is signed in. */
export async function publishSurvey(page, server, template = 'NPS with reason', change = async () => {}) {
  await page.goto(`${server.url}/p/${server.project.slug}/surveys/new`);
  await page.getByRole('button', { name: `Use ${template}` }).click();
  await change(page);
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
