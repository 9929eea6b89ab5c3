// When the widget shows a survey, and its interface for the surrounding site.
import { embedAgain, expect, launcher, test } from '../lib/shop.js';
import { publishSurvey, readQuestions, waitForText } from '../lib/steps.js';

/** In the editor: opens automatically after this many seconds. */
const after = (seconds) => async (page) => {
  await page.getByLabel('Automatically after a delay').check();
  await page.getByLabel('Seconds on the page').fill(String(seconds));
};

/** In the editor: opens on this event of the site. */
const on = (event) => async (page) => {
  await page.getByLabel('When your site calls earshot.track(name)').check();
  await page.getByLabel('Event name').fill(event);
};

/** Records in `window.heard` the events of the widget. Runs before any script of the page, so it needs the widget's stub. */
function listen() {
  if (window !== window.top) return;
  window.earshot = function stub() { (window.earshot.q = window.earshot.q || []).push(arguments); };
  window.heard = [];
  for (const event of ['open', 'answer', 'finish', 'close']) window.earshot('on', event, (detail) => window.heard.push([event, detail.survey]));
}

const heard = (page) => page.evaluate(() => window.heard);

test('it opens by itself after a while, once, and takes no focus @js', async ({ shop: { host, visitor, wrong, frame }, own, page }) => {
  const survey = await publishSurvey(page, own, after(1_000));
  const shown = visitor.locator(`iframe[src*="${survey}"]`);
  await visitor.clock.install();
  await visitor.goto(`${host.url}/`);
  await expect(launcher(visitor)).toBeVisible();
  await visitor.locator('#go').focus();
  await visitor.clock.fastForward(600_000);
  await expect(shown).toHaveCount(0);
  await visitor.clock.fastForward(401_000);
  await expect(shown).toBeVisible();
  await expect(frame.locator('#survey')).toBeVisible();
  await expect(visitor.locator('#go')).toBeFocused();
  await visitor.getByRole('button', { name: 'Close' }).click();
  await expect(shown).toHaveCount(0);

  // A visitor who dismissed it is not asked again.
  await visitor.reload();
  await expect(launcher(visitor)).toBeVisible();
  await visitor.clock.fastForward(1_100_000);
  await launcher(visitor).click();
  await expect(frame.locator('#survey')).toBeVisible();
  await expect(shown).toHaveCount(0);
  expect(wrong).toEqual([]);
});

test('it opens when the site names the event, once @js', async ({ shop: { host, visitor, wrong, frame }, own, page }) => {
  const survey = await publishSurvey(page, own, on('checkout-done'));
  await visitor.addInitScript(listen);
  await visitor.goto(`${host.url}/`);
  await expect(launcher(visitor)).toBeVisible();
  await visitor.evaluate(() => window.earshot('track', 'something-else'));
  await expect(visitor.locator('iframe')).toHaveCount(0);
  await visitor.evaluate(() => window.earshot.track('checkout-done'));
  await expect(frame.locator('#survey')).toBeVisible();
  await visitor.getByRole('button', { name: 'Close' }).click();
  await expect(visitor.locator('iframe')).toHaveCount(0);
  // The event does not open it a second time: the next survey to open is the requested one.
  await visitor.evaluate(() => window.earshot('track', 'checkout-done'));
  await launcher(visitor).click();
  await expect(frame.locator('#survey')).toBeVisible();
  await expect.poll(async () => (await heard(visitor)).map(([event]) => event)).toEqual(['open', 'close', 'open']);
  const opened = (await heard(visitor)).filter(([event]) => event === 'open').map(([, id]) => id);
  expect(opened[0]).toBe(survey);
  expect(opened[1]).not.toBe(survey);
  expect(wrong).toEqual([]);
});

test('calls made before the script came are carried out @js', async ({ shop: { host, visitor, wrong, frame, survey }, own }) => {
  await visitor.addInitScript(listen);
  await visitor.addInitScript(() => window === window.top && window.earshot('open'));
  await visitor.goto(`${host.url}/`);
  await expect(frame.locator('#survey')).toBeVisible();
  await expect.poll(() => heard(visitor)).toEqual([['open', survey]]);
  await visitor.evaluate(() => window.earshot('close'));
  await expect(visitor.locator('iframe')).toHaveCount(0);
  await expect.poll(() => heard(visitor)).toEqual([['open', survey], ['close', survey]]);

  // Nothing is left, and nothing reappears.
  await visitor.evaluate(() => window.earshot('shutdown'));
  await expect(visitor.locator('#earshot-widget')).toHaveCount(0);
  await visitor.evaluate(() => window.earshot('open'));
  await expect(visitor.locator('iframe')).toHaveCount(0);
  expect(await heard(visitor)).toHaveLength(2);

  // Unless the site loads it again.
  await embedAgain(visitor, own);
  await expect(launcher(visitor)).toBeVisible();
  await visitor.evaluate(() => window.earshot('open'));
  await expect(frame.locator('#survey')).toBeVisible();
  expect(wrong).toEqual([]);
});

test('what the site says of a person stands beside what they say @js', async ({ shop: { host, visitor, wrong, frame, survey }, own, page }) => {
  await visitor.addInitScript(listen);
  await visitor.goto(`${host.url}/`);
  await visitor.evaluate(() =>
    window.earshot('identify', { id: 17, email: 'Ada@Example.com', name: 'Ada Lovelace', attributes: { plan: 'pro', seats: 3, since: { year: 1843 } } }),
  );
  await launcher(visitor).click();
  await frame.locator('label', { hasText: /^7$/ }).click();
  await frame.getByRole('textbox').first().fill('The engine computes by itself');
  await readQuestions(visitor);
  await frame.getByRole('button', { name: 'Send' }).click();
  await expect(frame.locator('#thanks')).toBeVisible();
  const events = async () => [...new Set((await heard(visitor)).map((entry) => entry.join(' ')))];
  await expect.poll(events).toEqual([`open ${survey}`, `answer ${survey}`, `finish ${survey}`]);
  expect(wrong).toEqual([]);

  const inbox = `${own.url}/p/${own.project.slug}/inbox`;
  await waitForText(page, inbox, '#inbox-list', 'The engine computes by itself');
  await page.locator('a.row-link').first().click();
  const fact = (label) => page.locator('#inbox-detail .facts dt', { hasText: label }).locator('xpath=following-sibling::dd[1]');
  await expect(fact(/^Name$/)).toHaveText('Ada Lovelace');
  await expect(fact(/^E-mail$/)).toHaveText('ada@example.com');
  await expect(fact(/^User ID$/)).toHaveText('17');
  await expect(fact(/^plan$/)).toHaveText('pro');
  await expect(fact(/^seats$/)).toHaveText('3');
  await expect(fact(/^Page$/)).toHaveText(`${host.url}/`);
  await expect(page.locator('#inbox-detail .facts')).not.toContainText('1843');
});
