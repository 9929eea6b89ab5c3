// The widget on another site: another origin, with the strictest policy that it supports.
import { embedAgain, expect, launcher, test } from '../lib/shop.js';
import { readQuestions, waitForText } from '../lib/steps.js';

test('nothing is loaded before a survey is shown, and no cookie is ever set @js', async ({ shop: { host, visitor, wrong, frame }, own }) => {
  const asked = [];
  visitor.on('request', (request) => request.url().startsWith(own.url) && asked.push(new URL(request.url()).pathname));
  await visitor.goto(`${host.url}/`);
  await expect(launcher(visitor)).toBeVisible();
  await expect(visitor.locator('iframe')).toHaveCount(0);
  expect(asked.map((path) => path.replace(/v1\/[^/]+/, 'v1/KEY'))).toEqual(['/embed.js', '/embed/v1/KEY/config']);
  await launcher(visitor).click();
  await expect(frame.locator('#survey')).toBeVisible();
  expect(asked.filter((path) => path.endsWith('.wasm'))).toEqual([]);
  expect(await visitor.context().cookies()).toEqual([]);
  expect(wrong).toEqual([]);
});

test('it survives single-page navigation @js', async ({ shop: { host, visitor, wrong, frame } }) => {
  await visitor.goto(`${host.url}/`);
  await expect(launcher(visitor)).toBeVisible();
  await visitor.locator('#go').click();
  await expect(visitor.locator('#view')).toHaveText('The second view');
  await launcher(visitor).click();
  await expect(frame.locator('#survey')).toBeVisible();
  expect(wrong).toEqual([]);
});

test('its height follows the content up and down @js', async ({ shop: { host, visitor, frame } }) => {
  await visitor.goto(`${host.url}/`);
  await launcher(visitor).click();
  await expect(frame.locator('#next')).toBeVisible();
  const height = () => visitor.locator('iframe').evaluate((f) => f.getBoundingClientRect().height);
  const settled = async () => {
    let last = -1;
    await expect.poll(async () => { const now = await height(); const same = now === last; last = now; return same; }).toBe(true);
    return last;
  };
  const small = await settled();
  await frame.locator('body').evaluate((body) => {
    const box = body.ownerDocument.createElement('p');
    box.id = 'taller';
    box.textContent = 'word '.repeat(200);
    body.ownerDocument.querySelector('main').append(box);
  });
  await expect.poll(height).toBeGreaterThan(small + 40);
  await frame.locator('#taller').evaluate((box) => box.remove());
  await expect.poll(height).toBe(small);
});

test('after an automatic advance, a habitual click does nothing, and one after typing sends @js', async ({ shop: { host, visitor, wrong, frame } }) => {
  await visitor.goto(`${host.url}/`);
  await launcher(visitor).click();
  await frame.locator('.card:visible label', { hasText: /^7$/ }).waitFor();
  await readQuestions(visitor);
  // In the page's own time: between the advance and the clicks nothing may take half a second.
  const stayed = await frame.locator('body').evaluate(async () => {
    const text = document.querySelector('textarea');
    const card = text.closest('.card');
    const advanced = new Promise((resolve) => new MutationObserver(() => card.hidden || resolve()).observe(card, { attributes: true }));
    [...document.querySelectorAll('.card:not([hidden]) label')].find((label) => label.textContent.trim() === '7').click();
    await advanced;
    const send = document.querySelector('#next');
    send.click();
    const waits = !send.hasAttribute('aria-busy');
    text.value = 'Typed at once';
    text.dispatchEvent(new InputEvent('input', { bubbles: true }));
    send.click();
    return waits && send.hasAttribute('aria-busy');
  });
  expect(stayed).toBe(true);
  await expect(frame.locator('#thanks')).toBeVisible();
  expect(wrong).toEqual([]);
});

test('it can be answered by keyboard alone @js', async ({ shop: { host, visitor, wrong, frame }, own, page }) => {
  await visitor.goto(`${host.url}/`);
  await launcher(visitor).focus();
  await visitor.keyboard.press('Enter');
  await expect(frame.locator('#survey')).toBeVisible();
  const inside = () => frame.locator('body').evaluate((body) => body.contains(body.ownerDocument.activeElement) && body.ownerDocument.hasFocus());
  await expect.poll(inside).toBe(true);
  await readQuestions(visitor);
  const focused = () => frame.locator(':focus').evaluate((e) => `${e.localName} ${e.getAttribute('type') ?? ''} ${e.id}`).catch(() => '');
  for (let n = 0; n < 8 && !(await focused()).includes('radio'); n += 1) await visitor.keyboard.press('Tab');
  // Space would choose and advance after a moment; the arrow keys only choose.
  await visitor.keyboard.press('ArrowRight');
  const place = async () => `${await frame.locator('#progress').textContent()} ${await frame.locator('#thanks').isVisible()}`;
  for (let cards = 0; cards < 4 && !(await frame.locator('#thanks').isVisible()); cards += 1) {
    for (let n = 0; n < 8 && !(await focused()).includes('next'); n += 1) {
      if ((await focused()).startsWith('textarea')) await visitor.keyboard.type('Answered without a mouse');
      await visitor.keyboard.press('Tab');
    }
    const before = await place();
    await visitor.keyboard.press('Enter');
    await expect.poll(place).not.toBe(before);
  }
  await expect(frame.locator('#thanks')).toBeVisible();
  await visitor.keyboard.press('Escape');
  await expect(visitor.locator('iframe:visible')).toHaveCount(0);
  await expect(launcher(visitor)).toBeFocused();
  await waitForText(page, `${own.url}/p/${own.project.slug}/inbox`, '#inbox-list', 'Answered without a mouse');
  expect(wrong).toEqual([]);
});

test('the host page notices nothing when the server is down @js', async ({ shop: { host, visitor, wrong }, own }) => {
  await visitor.goto(`${host.url}/`);
  await expect(launcher(visitor)).toBeVisible();
  await own.halt();
  await launcher(visitor).click();
  await visitor.locator('#go').click();
  await expect(visitor.locator('#view')).toHaveText('The second view');
  // The server is down from the start: the browser itself reports the script that it cannot load, nothing else happens.
  await visitor.goto(`${host.url}/`);
  await visitor.locator('#go').click();
  await expect(visitor.locator('#view')).toHaveText('The second view');
  await expect(visitor.locator('html[data-broken]')).toHaveCount(0);
  expect(wrong.filter((text) => !/Failed to load resource|ERR_CONNECTION_REFUSED/.test(text))).toEqual([]);
});

test('an answer survives a failed request and arrives once @js', async ({ shop: { host, visitor, frame }, own, page }) => {
  await visitor.goto(`${host.url}/`);
  await launcher(visitor).click();
  await frame.locator('label', { hasText: /^7$/ }).click();
  await frame.getByRole('textbox').first().fill('Written while the line was down');
  await readQuestions(visitor);
  const next = frame.getByRole('button', { name: /Send|Try again/ });
  await own.halt();
  await next.click();
  await expect(frame.locator('#status')).toContainText('not been sent yet');
  await own.resume();
  await expect(async () => {
    if (await next.isVisible()) await next.click({ timeout: 500 }).catch(() => {});
    await expect(frame.locator('#thanks')).toBeVisible({ timeout: 1_000 });
  }).toPass({ timeout: 90_000 });
  await waitForText(page, `${own.url}/p/${own.project.slug}/inbox`, '#inbox-list', 'Written while the line was down');
  await expect(page.locator('.inbox-row')).toHaveCount(1);
});

test('a survey that comes by itself waits until the open one is closed @js', async ({ shop: { host, visitor, survey, wrong }, own, page }) => {
  await page.goto(`${own.url}/p/${own.project.slug}/surveys/new`);
  await page.getByRole('button', { name: 'Use Effort after a task' }).click();
  await page.getByRole('button', { name: 'Publish', exact: true }).click();
  await expect(page.locator('#editor-head').getByText('Live', { exact: true })).toBeVisible();
  await visitor.goto(`${host.url}/`);
  await launcher(visitor).click();
  const shown = visitor.locator('.popover.shown iframe');
  await expect(shown).toHaveAttribute('src', new RegExp(survey));
  await visitor.evaluate(() => window.earshot('track', 'task_done'));
  await visitor.evaluate(() => window.earshot('track', 'task_done'));
  await expect(visitor.locator('iframe')).toHaveCount(1);
  await visitor.evaluate(() => window.earshot('close'));
  await expect(shown).toHaveAttribute('title', 'How easy was that?');
  await visitor.evaluate(() => window.earshot('close'));
  await expect(visitor.locator('iframe')).toHaveCount(0);
  expect(wrong).toEqual([]);
});

test('what is too long on the way is said at its field, and nothing is lost @js', async ({ shop: { visitor, survey }, own, page }) => {
  await visitor.goto(`${own.url}/s/${survey}`);
  await visitor.locator('label', { hasText: /^7$/ }).click();
  await visitor.route('**/embed/v1/*/responses*/**', (route) => route.fulfill({ status: 413 }));
  await visitor.route('**/embed/v1/*/responses', (route) => route.fulfill({ status: 413 }));
  // More than browsers send when the page closes, but allowed.
  const long = `${'字'.repeat(9_000)} the end`;
  await visitor.getByRole('textbox').first().fill(long);
  await readQuestions(visitor);
  await visitor.getByRole('button', { name: 'Send' }).click();
  await expect(visitor.getByText('This is too long to send. Please shorten it.').first()).toBeVisible();
  await expect(visitor.getByRole('textbox').first()).toHaveValue(long);
  await visitor.unrouteAll();
  await visitor.getByRole('button', { name: 'Send' }).click();
  await expect(visitor.locator('#thanks')).toBeVisible();
  await waitForText(page, `${own.url}/p/${own.project.slug}/inbox`, '#inbox-list', '字字字');
});

test('a survey stands inside a page, and the page talks to the widget @js', async ({ shop: { host, visitor, wrong, frame, survey }, own }) => {
  await visitor.goto(`${host.url}/inline`);
  await expect(frame.locator('#survey')).toBeVisible();
  await visitor.goto(`${host.url}/`);
  await expect(launcher(visitor)).toBeVisible();
  await visitor.evaluate(() => window.earshot('open'));
  await expect(frame.locator('#survey')).toBeVisible();
  await visitor.evaluate(() => window.earshot('close'));
  await expect(visitor.locator('iframe:visible')).toHaveCount(0);
  await visitor.evaluate(() => window.earshot('shutdown'));
  await expect(launcher(visitor)).toHaveCount(0);
  // It reappears when the site loads it again, also inside the page.
  await visitor.evaluate((survey) => (document.querySelector('#view').innerHTML = `<earshot-survey survey="${survey}"></earshot-survey>`), survey);
  await embedAgain(visitor, own);
  await expect(launcher(visitor)).toBeVisible();
  await expect(frame.locator('#survey')).toBeVisible();
  expect(wrong).toEqual([]);
});

test('it opens the ticket portal beside the page, and says where it was opened @js', async ({ shop: { host, visitor, wrong }, own, page }) => {
  await visitor.goto(`${host.url}/?step=2`);
  await expect(launcher(visitor)).toBeVisible();
  const opened = visitor.context().waitForEvent('page');
  await visitor.getByRole('button', { name: 'Help' }).click();
  const portal = await opened;
  await expect(portal.getByRole('heading', { name: `Contact ${own.project.name}` })).toBeVisible();
  expect(new URL(portal.url()).pathname).toBe(`/p/${own.project.slug}`);
  expect(await portal.evaluate(() => window.opener)).toBe(null);
  await portal.getByLabel('Subject').fill('The cart is empty');
  await portal.getByLabel('Message').fill('It was full before.');
  await portal.getByLabel('Your e-mail address').fill('rosa@example.com');
  await readQuestions(portal);
  await portal.getByRole('button', { name: 'Send', exact: true }).click();
  await expect(portal.getByRole('heading', { name: 'Your message has arrived: Ticket 1' })).toBeVisible();
  // The visitor's original page is unchanged.
  expect(visitor.url()).toBe(`${host.url}/?step=2`);
  await waitForText(page, `${own.url}/p/${own.project.slug}/inbox`, '#inbox-list', 'The cart is empty');
  await page.locator('.row-link').first().click();
  // Without its query, which may contain a secret.
  await expect(page.locator('#inbox-detail')).toContainText(`${host.url}/`);
  await expect(page.locator('#inbox-detail')).not.toContainText('step=2');
  await expect(page.locator('#inbox-detail')).toContainText('2.4.1');
  expect(wrong).toEqual([]);
});
