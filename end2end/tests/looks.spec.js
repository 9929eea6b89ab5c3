// Every page: no axe violations in light and dark; no horizontal scrolling on a phone.
import { faultsInBothSchemes } from '../lib/axe.js';
import { everyPage } from '../lib/pages.js';
import { test, expect } from '../lib/test.js';

test('no page has accessibility faults in light or dark @js', async ({ page, demo, empty, browser }) => {
  test.setTimeout(1_200_000);
  const visitor = await (await browser.newContext()).newPage();
  const found = [];
  let seen = 0;
  for await (const [kind, shown] of everyPage({ page, visitor, demo, empty })) {
    found.push(...(await faultsInBothSchemes(shown, kind)));
    seen += 1;
  }
  expect(found).toEqual([]);
  expect(seen).toBeGreaterThan(30);
  await visitor.context().close();
});

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
