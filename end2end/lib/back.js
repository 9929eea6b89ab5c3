// The browser's Back button with its back/forward cache, which Playwright turns off in the browsers that it starts by itself.
import { chromium } from '@playwright/test';

import { browser as options } from '../playwright.config.js';

/** Opens a page in a browser of its own, one that keeps the pages that it leaves, and closes it afterwards. */
export async function withHistory(javaScriptEnabled, run) {
  const browser = await chromium.launch({ ...options, ignoreDefaultArgs: ['--disable-back-forward-cache'] });
  try {
    const context = await browser.newContext({ javaScriptEnabled, locale: 'en-GB', viewport: { width: 1280, height: 800 } });
    await run(await context.newPage());
  } finally {
    await browser.close();
  }
}

/** Presses Back. Not by `page.goBack`: it waits for a load, which a page out of the cache does not have. */
export async function pressBack(page, url) {
  page.evaluate(() => history.back()).catch(() => {});
  await page.waitForURL(url, { waitUntil: 'commit' });
}
