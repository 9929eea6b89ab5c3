// The demonstration: its own site, on another origin under a strict policy, and the path of a response from there to the backlog.
import { complaints } from '../lib/host.js';
import { signIn } from '../lib/earshot.js';
import { readQuestions, waitForText } from '../lib/steps.js';
import { test, expect } from '../lib/test.js';

test('an answer on the host site is found, linked and seen', async ({ page, browser, demo, javaScriptEnabled }, info) => {
  const words = `The zebra crossing ${info.project.name} squeaks`;
  const visitor = await (await browser.newContext({ javaScriptEnabled, locale: 'en-GB' })).newPage();
  const wrong = complaints(visitor);
  await visitor.goto(`${demo.hostUrl}/${javaScriptEnabled ? 'inline' : 'frame'}`);
  const frame = visitor.frameLocator('iframe').first();
  await expect(frame.locator('#survey')).toBeVisible();
  const next = frame.locator('#next');
  const place = () => frame.locator('body').evaluate((body) => {
    const shown = (selector) => body.querySelector(selector)?.checkVisibility() ?? false;
    return `${body.querySelector('#progress')?.textContent} ${shown('#thanks')}`;
  });
  for (let cards = 0; cards < 12 && !(await frame.locator('#thanks').isVisible()); cards += 1) {
    const before = await place();
    await readQuestions(visitor);
    // Choosing a number advances automatically, except on the last card.
    const leadsOn = javaScriptEnabled && (await frame.locator('.card:visible .scale').count()) > 0 && (await next.textContent()) !== 'Send';
    // For any question: the middle of a scale, the first choice, a text.
    for (const card of await frame.locator('.card:visible').all()) {
      const area = card.locator('textarea');
      if (await area.count()) await area.fill(words);
      const line = card.locator('input[type=text]:not(.other)');
      if (await line.count()) await line.first().fill(words);
      const choices = card.locator('label:has(input[type=radio]), label:has(input[type=checkbox])');
      const n = await choices.count();
      if (n > 0) await choices.nth(n > 4 ? 3 : 0).click();
    }
    if (!leadsOn) await next.click();
    // Without scripts the frame reloads, and may be read during the reload.
    const after = async () => ((await frame.locator('#next, #thanks').count()) > 0 ? place() : before);
    await expect.poll(() => after().catch(() => before)).not.toBe(before);
  }
  await expect(frame.locator('#thanks')).toBeVisible();
  expect(wrong).toEqual([]);
  await visitor.context().close();

  await signIn(page, demo);
  await page.goto(`${demo.url}/inbox`);
  const inbox = page.url().split('?')[0];
  await waitForText(page, `${inbox}?q=${encodeURIComponent(`zebra squeaks ${info.project.name}`)}`, '#inbox-list', 'zebra');
  await page.locator('a.row-link').first().click();
  await expect(page.locator('#inbox-detail [data-quote-source]')).toContainText('zebra');
  const panel = page.locator('#link-panel');
  await panel.locator('.link-panel-hits button').first().click();
  await expect(panel.locator('.link-panel-linked a').first()).toBeVisible();
  await panel.locator('.link-panel-linked a').first().click();
  await expect(page.locator('#evidence')).toContainText(words);
});
