// axe's rules for WCAG 2.2 AA, on a page as it is shown.
import AxeBuilder from '@axe-core/playwright';

const STANDARDS = ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa'];
/** The rules whose result depends on colours. All others say the same in both colour schemes. */
const OF_COLOURS = ['color-contrast', 'link-in-text-block'];

const described = (name, violations) =>
  violations.map(
    ({ id, nodes }) => `${name}: ${id}: ${nodes.slice(0, 3).map((n) => `${n.target} ${n.any.map((a) => a.message).join(' ')}`).join(' | ')}`,
  );

/** Everything that axe finds on the page, a line each. */
export async function faults(page, name) {
  const { violations } = await new AxeBuilder({ page }).withTags(STANDARDS).analyze();
  return described(name, violations);
}

/** Everything that axe finds in both colour schemes. The page is left in the dark one. */
export async function faultsInBothSchemes(page, name) {
  await page.emulateMedia({ colorScheme: 'light', reducedMotion: 'reduce' });
  const light = await faults(page, `${name}, light`);
  await page.emulateMedia({ colorScheme: 'dark' });
  const { violations } = await new AxeBuilder({ page }).withRules(OF_COLOURS).analyze();
  return [...light, ...described(`${name}, dark`, violations)];
}

/** What axe finds on each page, by its name, on a wide screen and on a phone, and pages that are wider than the screen. */
export async function faultsOfPages(page, pages) {
  const found = [];
  for (const [name, url] of Object.entries(pages)) {
    for (const width of [1280, 360]) {
      await page.setViewportSize({ width, height: 800 });
      await page.goto(url);
      found.push(...(await faultsInBothSchemes(page, `${name} at ${width} px`)));
      const wide = await page.evaluate(() => document.documentElement.scrollWidth);
      if (wide > width) found.push(`${name}: ${wide} px wide at ${width}`);
    }
  }
  return found;
}
