// Playwright's `test` with our servers: `demo` is shared by the tests of a worker, `empty` belongs to one test.
import { test as base } from '@playwright/test';

import { Earshot, ready, signIn } from './earshot.js';

export const test = base.extend({
  /** A server with the demonstration and an owner; tests must not count on its exact contents. */
  demo: [
    async ({}, use) => {
      const server = await Earshot.start({ demo: true });
      await server.withOwner();
      await use(server);
      await server.stop();
    },
    { scope: 'worker', timeout: 90_000 },
  ],

  /** A server where nobody has been yet. */
  empty: async ({}, use) => {
    const server = await Earshot.start();
    await use(server);
    await server.stop();
  },

  /** A server with one owner and one project, and a page signed in there. */
  own: async ({ page }, use) => {
    const server = await Earshot.start();
    await server.withOwner();
    server.project = await server.createProject('Corner shop');
    await signIn(page, server);
    await use(server);
    await server.stop();
  },

  /** Waits until the console's islands listen. */
  settle: async ({ page, javaScriptEnabled }, use) => {
    await use(() => ready(page, javaScriptEnabled));
  },
});

export { expect } from '@playwright/test';
