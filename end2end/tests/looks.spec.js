// Every page: no axe violations in light and dark; no horizontal scrolling on a phone.
import AxeBuilder from '@axe-core/playwright';

import { everyPage } from '../lib/pages.js';
import { test, expect } from '../lib/test.js';

const STANDARDS = ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa'];

for (const theme of ['light', 'dark']) {
  test(`no page has accessibility faults in ${theme} @js`, async ({ page, demo, empty, browser }) => {
    test.setTimeout(1_200_000);
    const visitor = await (await browser.newContext()).newPage();
    for (const shown of [page, visitor]) await shown.emulateMedia({ colorScheme: theme, reducedMotion: 'reduce' });
    const faults = [];
    let seen = 0;
    for await (const [kind, shown] of everyPage({ page, visitor, demo, empty })) {
      const { violations } = await new AxeBuilder({ page: shown }).withTags(STANDARDS).analyze();
      for (const { id, nodes } of violations) {
        faults.push(`${kind}: ${id}: ${nodes.slice(0, 3).map((n) => `${n.target} ${n.any.map((a) => a.message).join(' ')}`).join(' | ')}`);
      }
      seen += 1;
    }
    expect(faults).toEqual([]);
    expect(seen).toBeGreaterThan(30);
    await visitor.context().close();
  });
}

test('every page fits a phone of 360 px', async ({ page, demo, empty, browser, javaScriptEnabled }) => {
  test.setTimeout(1_200_000);
  const visitor = await (await browser.newContext({ javaScriptEnabled })).newPage();
  for (const shown of [page, visitor]) await shown.setViewportSize({ width: 360, height: 740 });
  const wide = [];
  for await (const [kind, shown] of everyPage({ page, visitor, demo, empty })) {
    const width = await shown.evaluate(() => document.documentElement.scrollWidth);
    if (width > 360) wide.push(`${kind}: ${width} px`);
  }
  expect(wide).toEqual([]);
  await visitor.context().close();
});
