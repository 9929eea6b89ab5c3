import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';

import { everyPage, fileName } from '../lib/pages.js';
import { test } from '../lib/test.js';

const out = process.env.SHOTS ?? 'shots-out';

for (const theme of ['light', 'dark']) {
  for (const width of [1280, 360]) {
    test(`${theme} ${width}`, async ({ page, demo, empty, browser }) => {
      await mkdir(out, { recursive: true });
      const visitor = await (await browser.newContext()).newPage();
      for (const shown of [page, visitor]) {
        await shown.emulateMedia({ colorScheme: theme, reducedMotion: 'reduce' });
        await shown.setViewportSize({ width, height: 800 });
      }
      for await (const [kind, shown] of everyPage({ page, visitor, demo, empty })) {
        // Sticky elements would appear in the middle of the screenshot.
        await shown.evaluate(() => scrollTo(0, 0));
        await shown.screenshot({ path: join(out, `${fileName(kind)}-${width}-${theme}.png`), fullPage: true });
      }
      await visitor.context().close();
    });
  }
}
