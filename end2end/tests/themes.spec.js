// Light, dark and text direction: of public pages, as set by project and survey; of the console, as set by each person.
import { expect, launcher, test as shop } from '../lib/shop.js';
import { publishSurvey } from '../lib/steps.js';
import { test } from '../lib/test.js';

const DARK = 'rgb(28, 32, 39)';
const LIGHT = 'rgb(255, 255, 255)';

/** Sets the theme of the project's survey pages. */
async function looks(page, server, label) {
  await page.goto(`${server.url}/p/${server.project.slug}/settings`);
  await page.getByLabel('Theme of survey and portal pages').selectOption({ label });
  await page.getByRole('button', { name: 'Save settings' }).click();
  await expect(page.locator('#toasts')).toContainText('Settings saved.');
}

/** The background of the page when the system prefers `scheme`. */
async function background(page, scheme, element = 'html') {
  await page.emulateMedia({ colorScheme: scheme });
  return page.locator(element).evaluate((e) => getComputedStyle(e).backgroundColor);
}

test('a survey is light or dark as the project says', async ({ page, own, browser, javaScriptEnabled }) => {
  const survey = await publishSurvey(page, own);
  const visitor = await (await browser.newContext({ javaScriptEnabled })).newPage();
  const expected = { Light: [LIGHT, LIGHT], Dark: [DARK, DARK], 'Match system': [LIGHT, DARK] };
  for (const [label, colours] of Object.entries(expected)) {
    await looks(page, own, label);
    await visitor.goto(`${own.url}/s/${survey}`);
    expect([await background(visitor, 'light'), await background(visitor, 'dark')], label).toEqual(colours);
  }
  await visitor.context().close();
});

test('the console keeps the theme that was chosen', async ({ page, own }) => {
  const inbox = `${own.url}/p/${own.project.slug}/inbox?q=status%3Anew`;
  await page.goto(inbox);
  const both = async () => [await background(page, 'light', 'body'), await background(page, 'dark', 'body')];
  const [light, dark] = await both();
  expect(light).not.toBe(dark);
  for (const [name, expected] of [['Dark', [dark, dark]], ['Light', [light, light]], ['Auto', [light, dark]]]) {
    await page.locator('.nav-account summary').click();
    await page.locator('.theme-switch').getByRole('button', { name }).click();
    await expect(page.locator('html')).toHaveAttribute('data-theme', name.toLowerCase());
    expect(page.url()).toBe(inbox);
    await page.reload();
    await expect(page.locator('html')).toHaveAttribute('data-theme', name.toLowerCase());
    expect(await both()).toEqual(expected);
  }
  // The same setting on the account page.
  await page.goto(`${own.url}/account`);
  await page.getByRole('radio', { name: 'Dark' }).check();
  await page.getByRole('button', { name: 'Save theme' }).click();
  await expect(page.locator('html')).toHaveAttribute('data-theme', 'dark');
  await expect(page.getByRole('radio', { name: 'Dark' })).toBeChecked();
});

/** In the editor: an Arabic survey behind a button. */
async function inArabic(page) {
  await page.getByLabel('Language', { exact: true }).selectOption('ar');
  await page.getByLabel('Heading', { exact: true }).fill('ما رأيك في متجرنا؟');
  await page.getByLabel('A button at the edge of the page').check();
  await page.getByLabel('Button label').fill('رأيك');
}

test('a survey in a language written from the right is mirrored', async ({ page, own, browser, javaScriptEnabled }) => {
  const survey = await publishSurvey(page, own, inArabic);
  const visitor = await (await browser.newContext({ javaScriptEnabled })).newPage();
  await visitor.setViewportSize({ width: 360, height: 740 });
  for (const embed of ['', '?embed=1']) {
    await visitor.goto(`${own.url}/s/${survey}${embed}`);
    await expect(visitor.locator('html')).toHaveAttribute('dir', 'rtl');
    await expect(visitor.locator('html')).toHaveAttribute('lang', 'ar');
    const box = (locator) => locator.boundingBox();
    const [zero, one] = [await box(visitor.locator('.scale label').nth(0)), await box(visitor.locator('.scale label').nth(1))];
    expect(zero.y).toBe(one.y);
    expect(zero.x).toBeGreaterThan(one.x);
    const [least, most] = [await box(visitor.locator('.ends span').first()), await box(visitor.locator('.ends span').last())];
    expect(least.x).toBeGreaterThan(most.x);
    const next = await box(visitor.locator('#next'));
    expect(next.x + next.width / 2).toBeGreaterThan(180);
    // No scrolling to the right nor, as on right-to-left pages, to the left.
    expect(await visitor.evaluate(() => document.documentElement.scrollWidth)).toBeLessThanOrEqual(360);
    expect(await visitor.evaluate(() => { scrollTo(-999, 0); const left = scrollX; scrollTo(999, 0); return [left, scrollX]; })).toEqual([0, 0]);
  }
  await visitor.context().close();
});

shop('the widget of such a survey stands at the left @js', async ({ shop: { host, visitor, wrong, frame }, own, page }) => {
  await page.goto(`${own.url}/p/${own.project.slug}/surveys`);
  await page.getByRole('link', { name: 'NPS with reason' }).first().click();
  await inArabic(page);
  await page.getByRole('button', { name: 'Publish changes' }).click();
  await expect(page.locator('#toasts')).toContainText(/publish|live/i);
  await visitor.goto(`${host.url}/`);
  const button = visitor.getByRole('button', { name: 'رأيك' });
  await expect(button).toBeVisible();
  const middle = (box) => box.x + box.width / 2;
  expect(middle(await button.boundingBox())).toBeLessThan(640);
  await button.click();
  await expect(frame.locator('html[dir=rtl] #survey')).toBeVisible();
  const popover = visitor.getByRole('dialog');
  await expect(popover).toBeVisible();
  const [around, cross] = [await popover.boundingBox(), await popover.locator('.close').boundingBox()];
  expect(middle(around)).toBeLessThan(640);
  expect(middle(cross)).toBeLessThan(middle(around));
  await expect(launcher(visitor)).toHaveCount(0);
  expect(wrong).toEqual([]);
});
