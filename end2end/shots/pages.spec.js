import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';

import { signIn } from '../lib/earshot.js';
import { consolePages, fileName, publicPages } from '../lib/pages.js';
import { test } from '../lib/test.js';

const out = process.env.SHOTS ?? 'shots-out';

for (const theme of ['light', 'dark']) {
  for (const width of [1280, 360]) {
    test(`${theme} ${width}`, async ({ page, demo, browser }) => {
      await mkdir(out, { recursive: true });
      const survey = new URL(demo.survey).pathname;
      const visitor = await (await browser.newContext()).newPage();
      const open = await publicPages(page.request, demo, survey);
      await signIn(page, demo);
      for (const [shown, urls] of [[page, await consolePages(page.request, demo)], [visitor, open]]) {
        await shown.emulateMedia({ colorScheme: theme, reducedMotion: 'reduce' });
        await shown.setViewportSize({ width, height: 800 });
        for (const [kind, url] of urls) {
          await shown.goto(url);
          await shown.screenshot({ path: join(out, `${fileName(kind)}-${width}-${theme}.png`), fullPage: true });
        }
      }
    });
  }
}
