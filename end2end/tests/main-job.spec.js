// The main job: set up, create a survey, answer it on a customer's site, find the response by a word, link it, see it at the backlog item.
import { Host, complaints } from '../lib/host.js';
import { OWNER } from '../lib/earshot.js';
import { launchByButton, readQuestions } from '../lib/steps.js';
import { test, expect } from '../lib/test.js';

test('from set-up to a backlog item with evidence', async ({ page, context, empty, javaScriptEnabled }) => {
  await page.goto(await empty.setupUrl());
  await page.getByLabel('Your name').fill(OWNER.name);
  await page.getByLabel('E-mail address').fill(OWNER.email);
  await page.getByLabel('Password').fill(OWNER.password);
  await page.getByLabel('First project').fill('Corner shop');
  await page.getByRole('button', { name: 'Set up' }).click();
  await page.waitForURL(/\/p\/corner-shop\//);

  await page.getByRole('link', { name: 'Surveys' }).first().click();
  await page.getByRole('link', { name: 'Create the first survey' }).click();
  await page.getByRole('button', { name: 'Use NPS with reason' }).click();
  await launchByButton(page);
  await page.getByRole('button', { name: 'Publish', exact: true }).click();
  await expect(page.getByText('Live', { exact: true }).first()).toBeVisible();
  const survey = new URL(page.url()).pathname.match(/surveys\/([^/]+)/)[1];

  await page.goto(`${empty.url}/p/corner-shop/embed`);
  const key = (await page.content()).match(/data-project=(?:"|&quot;)([^"&]+)/)[1];

  const host = await Host.start({
    earshot: empty.url,
    pages: {
      '/': `<h1>A shop</h1><script async src="${empty.url}/embed.js" data-project="${key}"></script>`,
      '/plain': `<h1>A shop</h1><iframe src="${empty.url}/s/${survey}?embed=1" title="Survey" width="400" height="700"></iframe>`,
    },
  });
  try {
    const visitor = await context.browser().newContext({ javaScriptEnabled, locale: 'en-GB' });
    const shop = await visitor.newPage();
    const wrong = complaints(shop);
    await answer(shop, host, javaScriptEnabled);
    expect(wrong).toEqual([]);
    await visitor.close();
  } finally {
    await host.stop();
  }

  // Found by one of its words; the index follows within a fraction of a second.
  await expect(async () => {
    await page.goto(`${empty.url}/p/corner-shop/inbox?q=umbrella`);
    await expect(page.locator('#inbox-list mark').first()).toHaveText(/umbrella/i, { timeout: 500 });
  }).toPass({ timeout: 90_000 });
  await page.locator('a.row-link').first().click();
  const detail = page.locator('#inbox-detail');
  await expect(detail.locator('[data-quote-source]')).toContainText('The umbrella stand blocks the door.');

  const panel = page.locator('#link-panel');
  await panel.getByLabel('Or create a new item').fill('Move the umbrella stand');
  await panel.getByRole('button', { name: 'Create and link' }).last().click();
  await expect(page.locator('#link-panel').getByRole('link', { name: /Move the umbrella stand/ })).toBeVisible();
  await page.locator('#link-panel').getByRole('link', { name: /Move the umbrella stand/ }).click();
  await expect(page.getByRole('heading', { level: 1 })).toContainText('Move the umbrella stand');
  await expect(page.locator('#evidence')).toContainText('The umbrella stand blocks the door.');
  await expect(page.getByText('1 person')).toBeVisible();

  await page.getByRole('link', { name: 'Surveys' }).first().click();
  await page.getByRole('link', { name: /1 responses?: results|results/ }).first().click();
  await expect(page.getByRole('main')).toContainText('The umbrella stand blocks the door.');
});

/** Answers the survey as a visitor of the shop: with JavaScript in the popover, without it in a plain iframe. */
async function answer(shop, host, javaScriptEnabled) {
  if (javaScriptEnabled) {
    await shop.goto(`${host.url}/`);
    await shop.getByRole('button', { name: /feedback/i }).click();
    const frame = shop.frameLocator('iframe');
    await frame.locator('label', { hasText: /^3$/ }).click();
    // Clicking a number advances automatically.
    await frame.getByRole('textbox').first().fill('The umbrella stand blocks the door.');
    await readQuestions(shop);
    await frame.getByRole('button', { name: 'Send' }).click();
    await expect(frame.locator('#thanks')).toBeVisible();
  } else {
    await shop.goto(`${host.url}/plain`);
    const frame = shop.frameLocator('iframe');
    await frame.locator('label', { hasText: /^3$/ }).click();
    await frame.getByRole('textbox').first().fill('The umbrella stand blocks the door.');
    await readQuestions(shop);
    await frame.locator('#next').click();
    await expect(frame.locator('#thanks')).toBeVisible();
  }
}
