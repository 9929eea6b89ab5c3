// A form reached with the browser's Back button still has its submitted values and its key. If its text is changed and sent again, it is
// accepted as well: nothing is acknowledged and then dropped.
import { pressBack, withHistory } from '../lib/back.js';
import { publishSurvey, readQuestions, waitForText } from '../lib/steps.js';
import { expect, test } from '../lib/test.js';

const send = (page) => page.getByRole('button', { name: 'Send', exact: true });

test('a second ticket written after Back is a second ticket', async ({ own, javaScriptEnabled }) => {
  await withHistory(javaScriptEnabled, async (page) => {
    const portal = `${own.url}/p/${own.project.slug}`;
    await page.goto(portal);
    const key = await page.locator('[name=idempotency_key]').first().inputValue();
    await page.getByLabel('Subject').fill('The till jams');
    await page.getByLabel('Message').fill('It beeps twice.');
    await page.getByLabel('Your e-mail address').fill('rosa@example.com');
    await readQuestions(page);
    await send(page).click();
    await expect(page.getByRole('heading', { name: 'Your message has arrived: Ticket 1' })).toBeVisible();
    await pressBack(page, portal);
    // The cached page, not a reloaded one.
    await expect(page.getByLabel('Subject')).toHaveValue('The till jams');
    expect(await page.locator('[name=idempotency_key]').first().inputValue()).toBe(key);
    await page.getByLabel('Subject').fill('The door sticks');
    await page.getByLabel('Message').fill('In the morning only.');
    await send(page).click();
    await expect(page.getByRole('heading', { name: 'Your message has arrived: Ticket 2' })).toBeVisible();
    await expect(page.getByRole('heading', { name: /The door sticks/ })).toBeVisible();
    // Sending the same again is a retry.
    await pressBack(page, portal);
    await expect(page.getByLabel('Subject')).toHaveValue('The door sticks');
    await send(page).click();
    await expect(page.getByRole('heading', { name: 'Your message has arrived: Ticket 2' })).toBeVisible();
  });
});

test('a second answer written after Back is added', async ({ own, javaScriptEnabled }) => {
  await withHistory(javaScriptEnabled, async (page) => {
    const portal = `${own.url}/p/${own.project.slug}`;
    await page.goto(portal);
    await page.getByLabel('Subject').fill('The till jams');
    await page.getByLabel('Message').fill('It beeps twice.');
    await page.getByLabel('Your e-mail address').fill('rosa@example.com');
    await readQuestions(page);
    await send(page).click();
    await page.waitForURL(/sent=1/);
    const sent = page.url();
    await page.getByLabel('Message').fill('It still jams.');
    await send(page).click();
    await expect(page.locator('.message')).toHaveCount(2);
    await pressBack(page, sent);
    await page.getByLabel('Message').fill('Now it smokes.');
    await send(page).click();
    await expect(page.locator('.message')).toHaveCount(3);
    await expect(page.locator('.message').last()).toContainText('Now it smokes.');
    await expect(page.locator('.message').nth(1)).toContainText('It still jams.');
  });
});

test('answers changed after Back change the response @nojs', async ({ own, page }) => {
  const survey = await publishSurvey(page, own);
  await withHistory(false, async (visitor) => {
    const address = `${own.url}/s/${survey}`;
    await visitor.goto(address);
    const key = await visitor.locator('[name=idempotency_key]').inputValue();
    await visitor.locator('label', { hasText: /^7$/ }).click();
    await visitor.getByRole('textbox').first().fill('The first words.');
    await readQuestions(visitor);
    await visitor.locator('#next').click();
    await expect(visitor.locator('#thanks')).toBeVisible();
    await waitForText(page, `${own.url}/p/${own.project.slug}/inbox`, '#inbox-list', 'The first words.');
    await pressBack(visitor, address);
    await expect(visitor.getByRole('textbox').first()).toHaveValue('The first words.');
    expect(await visitor.locator('[name=idempotency_key]').inputValue()).toBe(key);
    await visitor.locator('label', { hasText: /^2$/ }).click();
    await visitor.getByRole('textbox').first().fill('Quite other words.');
    await visitor.locator('#next').click();
    await expect(visitor.locator('#thanks')).toBeVisible();
  });
  await waitForText(page, `${own.url}/p/${own.project.slug}/inbox`, '#inbox-list', 'Quite other words.');
  await expect(page.locator('#inbox-list')).not.toContainText('The first words.');
  await expect(page.locator('.inbox-row')).toHaveCount(1);
});

test('an answer that is changed while the first attempt seems lost arrives as it was changed @js', async ({ own, page, browser }) => {
  const survey = await publishSurvey(page, own);
  const context = await browser.newContext({ locale: 'en-GB' });
  const visitor = await context.newPage();
  // Requests reach the server, but responses are lost until `lost` is reset.
  let lost = true;
  await visitor.route('**/embed/v1/**', async (route) => {
    if (!lost) return route.continue();
    await route.fetch().catch(() => {});
    return route.abort();
  });
  await visitor.goto(`${own.url}/s/${survey}`);
  await visitor.locator('label', { hasText: /^7$/ }).click();
  await visitor.getByRole('textbox').first().fill('The first words.');
  await readQuestions(visitor);
  await visitor.locator('#next').click();
  await expect(visitor.locator('#status')).toContainText('not been sent yet');
  await waitForText(page, `${own.url}/p/${own.project.slug}/inbox`, '#inbox-list', 'The first words.');
  await visitor.getByRole('textbox').first().fill('Quite other words.');
  lost = false;
  await visitor.locator('#next').click();
  await expect(visitor.locator('#thanks')).toBeVisible();
  await waitForText(page, `${own.url}/p/${own.project.slug}/inbox`, '#inbox-list', 'Quite other words.');
  await expect(page.locator('.inbox-row')).toHaveCount(1);
  await context.close();
});
