// Chromium and the system's Firefox, driven the same way: Playwright supports only its own build of Firefox.
import { chromium } from '@playwright/test';
import puppeteer from 'puppeteer-core';

/** Paths of the browsers; undefined if missing. */
export const BROWSERS = {
  chromium: process.env.EARSHOT_CHROMIUM || chromium.executablePath(),
  firefox: process.env.EARSHOT_FIREFOX,
};

/** Starts a browser. */
export function launch(name) {
  const args = name === 'chromium' ? ['--disable-gpu', '--no-first-run', ...(process.getuid?.() === 0 ? ['--no-sandbox'] : [])] : [];
  // A busy machine starts a browser slowly.
  return puppeteer.launch({ browser: name === 'chromium' ? 'chrome' : name, executablePath: BROWSERS[name], args, timeout: 120_000, protocolTimeout: 120_000 });
}
