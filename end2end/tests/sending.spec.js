// Messages for respondents when a response is rejected: a permanent error is not retried, a temporary one is.
import { expect, test } from '../lib/shop.js';
import { readQuestions, waitForText } from '../lib/steps.js';

/** Records the requests to the server's response endpoints. */
function sent(visitor) {
  const found = [];
  visitor.on('request', (request) => /\/embed\/v1\/[^/]+\/responses/.test(request.url()) && found.push(request.method()));
  return found;
}

const RESPONSES = /\/embed\/v1\/[^/]+\/responses/;

/** Opens the survey as a separate page, and answers everything without sending it. */
async function fill(visitor, own, survey, text) {
  await visitor.goto(`${own.url}/s/${survey}`);
  await visitor.locator('label', { hasText: /^7$/ }).click();
  await visitor.getByRole('textbox').first().fill(text);
  await readQuestions(visitor);
}

test('a survey that was closed meanwhile says so once, and what was typed stays @js', async ({ shop: { visitor, survey }, own, page }) => {
  await visitor.goto(`${own.url}/s/${survey}`);
  await page.goto(`${own.url}/p/${own.project.slug}/surveys/${survey}/edit`);
  await page.getByRole('button', { name: 'Pause', exact: true }).click();
  await expect(page.locator('#editor-head').getByText('Paused', { exact: true })).toBeVisible();
  await visitor.clock.install();
  const requests = sent(visitor);
  await visitor.locator('label', { hasText: /^7$/ }).click();
  const status = visitor.locator('#status');
  await expect(status).toContainText('It no longer accepts answers');
  const text = visitor.getByRole('textbox').first();
  await visitor.clock.fastForward(1_000);
  await text.fill('Written for nothing');
  await text.blur();
  // Nothing is retried automatically, however long the page stays open.
  await visitor.clock.fastForward(600_000);
  await visitor.evaluate(() => window.dispatchEvent(new Event('online')));
  await expect(text).toHaveValue('Written for nothing');
  expect(requests).toEqual(['POST']);

  // Once resumed, the survey accepts the kept answers.
  await page.getByRole('button', { name: 'Resume', exact: true }).click();
  await expect(page.locator('#editor-head').getByText('Live', { exact: true })).toBeVisible();
  await visitor.getByRole('button', { name: 'Send' }).click();
  await expect(visitor.locator('#thanks')).toBeVisible();
  await waitForText(page, `${own.url}/p/${own.project.slug}/inbox`, '#inbox-list', 'Written for nothing');
  await expect(page.locator('.inbox-row')).toHaveCount(1);
});

test('an answer that the server refuses for good is told in its words, and what was typed survives a reload @js', async ({ shop: { visitor, survey }, own, page }) => {
  await fill(visitor, own, survey, 'Kept for later');
  // The real server rejects this with 422, without naming a question.
  await visitor.route(RESPONSES, (route) => route.continue({ postData: JSON.stringify({ ...route.request().postDataJSON(), answers: [['q1']] }) }));
  const requests = sent(visitor);
  await visitor.getByRole('button', { name: 'Send' }).click();
  await expect(visitor.locator('#status')).toContainText('Each answer must be a pair of name and value');
  await expect(visitor.getByRole('textbox').first()).toHaveValue('Kept for later');
  const before = requests.length;
  await visitor.unrouteAll();
  await visitor.reload();
  await expect(visitor.getByRole('textbox').first()).toHaveValue('Kept for later');
  expect(requests).toHaveLength(before);
  await readQuestions(visitor);
  await visitor.getByRole('button', { name: 'Send' }).click();
  await expect(visitor.locator('#thanks')).toBeVisible();
  await waitForText(page, `${own.url}/p/${own.project.slug}/inbox`, '#inbox-list', 'Kept for later');
});

for (const [status, words] of [
  [400, 'The words of the server'],
  [403, 'This site is not allowed to send answers to this survey.'],
  [404, 'It no longer accepts answers'],
  [410, 'It no longer accepts answers'],
  [415, 'The words of the server'],
]) {
  test(`${status} is final, and can be sent again by hand @js`, async ({ shop: { visitor, survey }, own, page }) => {
    await visitor.clock.install();
    await visitor.goto(`${own.url}/s/${survey}`);
    await visitor.clock.fastForward(5_000);
    const requests = sent(visitor);
    await visitor.route(RESPONSES, (route) => route.fulfill({ status, contentType: 'application/problem+json', body: JSON.stringify({ detail: 'The words of the server' }) }));
    await visitor.locator('label', { hasText: /^7$/ }).click();
    await expect(visitor.locator('#status')).toContainText(words);
    await visitor.clock.fastForward(1_000);
    await visitor.getByRole('textbox').first().fill(`Refused with ${status}`);
    await visitor.getByRole('textbox').first().blur();
    await visitor.clock.fastForward(600_000);
    expect(requests).toHaveLength(1);
    await visitor.unrouteAll();
    await readQuestions(visitor);
    await visitor.getByRole('button', { name: 'Send' }).click();
    await expect(visitor.locator('#thanks')).toBeVisible();
    await waitForText(page, `${own.url}/p/${own.project.slug}/inbox`, '#inbox-list', `Refused with ${status}`);
  });
}

for (const status of [408, 429, 500, 503]) {
  test(`${status} is tried again by itself @js`, async ({ shop: { visitor, survey }, own, page }) => {
    await visitor.clock.install();
    await visitor.goto(`${own.url}/s/${survey}`);
    await visitor.clock.fastForward(5_000);
    const requests = sent(visitor);
    await visitor.route(RESPONSES, (route) => route.fulfill({ status, headers: { 'retry-after': '90' }, body: '' }));
    await visitor.locator('label', { hasText: /^7$/ }).click();
    await expect(visitor.locator('#status')).toContainText('not been sent yet');
    expect(requests).toHaveLength(1);
    await visitor.unrouteAll();
    // Not before the server's Retry-After.
    await visitor.clock.fastForward(60_000);
    expect(requests).toHaveLength(1);
    await visitor.clock.fastForward(60_000);
    await expect(visitor.locator('#status')).toContainText('Your answers have been sent.');
    expect(requests.filter((method) => method === 'POST')).toHaveLength(2);
    await waitForText(page, `${own.url}/p/${own.project.slug}/inbox`, '#inbox-list', '1 item');
    await expect(page.locator('.inbox-row')).toHaveCount(1);
  });
}
