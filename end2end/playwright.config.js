// Every spec runs twice, with JavaScript on and off, against the program that `cargo xtask test` builds: unoptimized, with the files of a release.
// A title with @js needs JavaScript; one with @nojs is about its absence.
import { defineConfig } from '@playwright/test';

const isRoot = process.getuid?.() === 0;

export const browser = {
  executablePath: process.env.EARSHOT_CHROMIUM || undefined,
  args: [
    '--disable-gpu',
    '--disable-quic',
    '--no-first-run',
    '--disable-background-networking',
    '--disable-component-update',
    '--disable-sync',
    ...(isRoot ? ['--no-sandbox'] : []),
  ],
};

export default defineConfig({
  testDir: 'tests',
  outputDir: 'test-results',
  fullyParallel: true,
  workers: 2,
  forbidOnly: Boolean(process.env.CI),
  // A flaky test indicates a fault in the test or the program: it never counts as passed.
  retries: 0,
  // For slow machines: a test checks the outcome, not the speed.
  timeout: 240_000,
  expect: { timeout: 30_000 },
  reporter: [['list', { printSteps: false }]],
  use: {
    launchOptions: browser,
    viewport: { width: 1280, height: 800 },
    locale: 'en-GB',
    reducedMotion: 'reduce',
    trace: 'retain-on-failure',
    screenshot: 'only-on-failure',
  },
  projects: [
    { name: 'js', use: { javaScriptEnabled: true }, grepInvert: /@nojs/ },
    { name: 'no-js', use: { javaScriptEnabled: false }, grepInvert: /@js/ },
  ],
});
