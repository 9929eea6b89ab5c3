// Every page: nothing for axe to complain about, in light and dark; nothing to scroll sideways on a phone.
import AxeBuilder from '@axe-core/playwright';

import { signIn } from '../lib/earshot.js';
import { consolePages, kind, publicPages } from '../lib/pages.js';
import { test, expect } from '../lib/test.js';

const STANDARDS = ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa'];

/** All pages of the demonstration; the page that opened them is signed in afterwards. */
async function allPages(page, demo) {
  const open = await publicPages(page.request, demo, new URL(demo.survey).pathname);
  await signIn(page, demo);
  return { open, console: await consolePages(page.request, demo) };
}

for (const theme of ['light', 'dark']) {
  test(`no page has accessibility faults in ${theme} @js`, async ({ page, demo, browser }) => {
    test.setTimeout(300_000);
    const pages = await allPages(page, demo);
    const visitor = await (await browser.newContext()).newPage();
    const faults = [];
    for (const [shown, urls] of [[page, pages.console], [visitor, pages.open]]) {
      await shown.emulateMedia({ colorScheme: theme, reducedMotion: 'reduce' });
      for (const url of urls.values()) {
        await shown.goto(url);
        const { violations } = await new AxeBuilder({ page: shown }).withTags(STANDARDS).analyze();
        for (const { id, nodes } of violations) {
          faults.push(`${kind(url)}: ${id}: ${nodes.slice(0, 3).map((n) => `${n.target} ${n.any.map((a) => a.message).join(' ')}`).join(' | ')}`);
        }
      }
    }
    expect(faults).toEqual([]);
    expect(pages.console.size).toBeGreaterThan(10);
    await visitor.context().close();
  });
}

test('every page fits a phone of 360 px', async ({ page, demo, browser, javaScriptEnabled }) => {
  test.setTimeout(300_000);
  const pages = await allPages(page, demo);
  const visitor = await (await browser.newContext({ javaScriptEnabled })).newPage();
  const wide = [];
  for (const [shown, urls] of [[page, pages.console], [visitor, pages.open]]) {
    await shown.setViewportSize({ width: 360, height: 740 });
    for (const url of urls.values()) {
      await shown.goto(url);
      const width = await shown.evaluate(() => document.documentElement.scrollWidth);
      if (width > 360) wide.push(`${kind(url)}: ${width} px`);
    }
  }
  expect(wide).toEqual([]);
  await visitor.context().close();
});
