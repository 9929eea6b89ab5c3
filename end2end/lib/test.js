// Playwright's `test` with our servers: `demo` is shared by all tests of a worker, `empty` belongs to one test.
import { writeFile } from 'node:fs/promises';

import { test as base } from '@playwright/test';

import { Earshot, ready, signIn } from './earshot.js';
import { Mailbox } from './mail.js';

/** Stops the server however `run` ends, so that none keeps running. A failed test keeps the end of the server's log. */
async function using(server, info, run) {
  try {
    await run(server);
  } finally {
    await server.stop();
    if (info && info.status !== info.expectedStatus) {
      await writeFile(info.outputPath('server.log'), server.log.split('\n').slice(-60).join('\n'));
    }
  }
}

export const test = base.extend({
  /** A server with the demonstration and an owner; tests must not depend on its exact contents. */
  demo: [
    async ({}, use) => {
      await using(await Earshot.start({ demo: true }), undefined, async (server) => {
        await server.withOwner();
        await use(server);
      });
    },
    { scope: 'worker', timeout: 240_000 },
  ],

  /** A server that is not set up yet. */
  empty: async ({}, use, info) => {
    await using(await Earshot.start(), info, use);
  },

  /** A server with one owner and one project, and a page signed in there. */
  own: async ({ page }, use, info) => {
    await using(await Earshot.start(), info, async (server) => {
      await server.withOwner();
      server.project = await server.createProject('Corner shop');
      await signIn(page, server);
      await use(server);
    });
  },

  /** As `own`, with e-mail: `mailed.mail` is the `Mailbox` that receives it. */
  mailed: async ({ page }, use, info) => {
    const mail = await Mailbox.start();
    try {
      await using(await Earshot.start({ mail }), info, async (server) => {
        await server.withOwner();
        server.project = await server.createProject('Corner shop');
        await signIn(page, server);
        await use(server);
      });
    } finally {
      await mail.stop();
    }
  },

  /** Waits until the console's islands are ready. */
  settle: async ({ page, javaScriptEnabled }, use) => {
    await use(() => ready(page, javaScriptEnabled));
  },
});

export { expect } from '@playwright/test';
