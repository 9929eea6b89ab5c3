// Chromium and the system's own Firefox, driven the same way: Playwright drives only a Firefox of its own.
import { chromium } from '@playwright/test';
import puppeteer from 'puppeteer-core';

/** Where each browser is; nothing where it is missing. */
export const BROWSERS = {
  chromium: process.env.EARSHOT_CHROMIUM || chromium.executablePath(),
  firefox: process.env.EARSHOT_FIREFOX,
};

/** Starts one. */
export function launch(name) {
  const args = name === 'chromium' ? ['--disable-gpu', '--no-first-run', ...(process.getuid?.() === 0 ? ['--no-sandbox'] : [])] : [];
  // A machine that is busy starts a browser slowly.
  return puppeteer.launch({ browser: name === 'chromium' ? 'chrome' : name, executablePath: BROWSERS[name], args, timeout: 120_000, protocolTimeout: 120_000 });
}
