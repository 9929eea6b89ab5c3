// Steps in the console that many tests need.
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';

import { expect } from '@playwright/test';

/** In the editor: makes the widget show a button for this survey. */
export async function launchByButton(page) {
  await page.getByLabel('A button at the edge of the page').check();
  await page.getByLabel('Button label').fill('Feedback');
}

/**
 * Creates a survey from a template and publishes it; returns its id. `page` is signed in. `prepare` changes the draft first, by default
 * so that a button launches it.
 */
export async function publishSurvey(page, server, prepare = launchByButton, template = 'NPS with reason') {
  await page.goto(`${server.url}/p/${server.project.slug}/surveys/new`);
  await page.getByRole('button', { name: `Use ${template}` }).click();
  await page.waitForURL(/\/edit/);
  await prepare(page);
  await page.getByRole('button', { name: 'Publish', exact: true }).click();
  await expect(page.locator('#editor-head').getByText('Live', { exact: true })).toBeVisible();
  return new URL(page.url()).pathname.match(/surveys\/([^/]+)/)[1];
}

/** Creates an invitation link; the page that shows it stays open. `page` is signed in. */
export async function invite(page, server, role) {
  await page.goto(`${server.url}/p/${server.project.slug}/members`);
  await page.getByLabel('Role', { exact: true }).selectOption(role);
  await page.getByRole('button', { name: 'Create invitation link' }).click();
  return page.getByRole('textbox', { name: 'Invitation link' }).inputValue();
}

/** Reloads the page until it shows the text: the index follows within a fraction of a second. */
export async function waitForText(page, url, selector, text) {
  await expect(async () => {
    await page.goto(url);
    await expect(page.locator(selector)).toContainText(text, { timeout: 500 });
  }).toPass({ timeout: 90_000 });
}

/** Reloads the page and waits until it receives live updates: the server subscribes before it responds. */
export async function listening(page) {
  const eventStream = page.waitForResponse((response) => new URL(response.url()).pathname.endsWith('/events'));
  await page.reload();
  await eventStream;
}

/** Adds `texts` to the inbox and waits until the search finds them; the inbox is then open. */
export async function said(server, page, texts) {
  const file = join(server.dir, `said-${texts.length}-${Date.now()}.csv`);
  await writeFile(file, `text\n${texts.map((t) => `"${t}"`).join('\n')}\n`);
  await server.command(['import', '--project', server.project.name, file, '--map', 'text=text']);
  await expect(async () => {
    await page.goto(`${server.url}/p/${server.project.slug}/inbox`);
    await expect(page.locator('.inbox-row')).not.toHaveCount(0, { timeout: 500 });
    // The last line is the newest, so it is listed first.
    await expect(page.locator('#inbox-list')).toContainText(texts.at(-1), { timeout: 500 });
  }).toPass({ timeout: 90_000 });
}

/** Uploads a CSV file and chooses its columns: `text`, and optionally one for tags. Ends on the page with the preview. */
export async function uploadFile(page, server, file, tags) {
  await page.goto(`${server.url}/p/${server.project.slug}/imports`);
  await page.getByLabel('CSV file').setInputFiles(file);
  await page.getByRole('button', { name: 'Upload and map columns' }).click();
  await page.getByLabel('Text', { exact: true }).selectOption('text');
  if (tags) await page.getByLabel(/^Tags?$/).selectOption(tags);
  await page.getByRole('button', { name: 'Update preview' }).click();
  await expect(page.locator('.imports-preview tbody tr').first()).toBeVisible();
}

/** Starts the uploaded import and waits for its result. */
export async function finishImport(page) {
  await page.getByRole('button', { name: 'Start the import' }).click();
  await expect(page.getByRole('heading', { name: 'Result' })).toBeVisible({ timeout: 300_000 });
}

/** Imports a CSV file through the page. */
export async function importFile(page, server, file, tags) {
  await uploadFile(page, server, file, tags);
  await finishImport(page);
}

/** A form submitted sooner after it was rendered is suspected spam. */
const READING = 2_000;

/**
 * Simulates reading time. Waits until the forms of the page and of its frames are old enough according to their signed time; time that
 * has already passed counts.
 */
export async function readQuestions(page) {
  const made = (frame) => frame.evaluate(() => [...document.querySelectorAll('[name=started]')].map((field) => parseInt(field.value, 10))).catch(() => []);
  await expect
    .poll(async () => {
      const all = (await Promise.all(page.frames().map(made))).flat();
      return all.length > 0 && Date.now() - Math.max(...all) > READING;
    })
    .toBe(true);
}
