// The browser's Back button with its back/forward cache, which Playwright disables in the browsers that it starts.
import { chromium } from '@playwright/test';

import { browser as options } from '../playwright.config.js';

/** Opens a page in a separate browser with the back/forward cache enabled, and closes it afterwards. */
export async function withHistory(javaScriptEnabled, run) {
  const browser = await chromium.launch({ ...options, ignoreDefaultArgs: ['--disable-back-forward-cache'] });
  try {
    const context = await browser.newContext({ javaScriptEnabled, locale: 'en-GB', viewport: { width: 1280, height: 800 } });
    await run(await context.newPage());
  } finally {
    await browser.close();
  }
}

/** Presses Back. `page.goBack` does not work: it waits for a load, which a page from the cache does not have. */
export async function pressBack(page, url) {
  page.evaluate(() => history.back()).catch(() => {});
  await page.waitForURL(url, { waitUntil: 'commit' });
}
