// Webhooks: created, tested, and verified by a receiver that checks the signature; exports are opened as files.
import { createHmac } from 'node:crypto';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { createServer } from 'node:http';

import { Earshot, signIn } from '../lib/earshot.js';
import { test, expect } from '../lib/test.js';

/** A program that receives and stores webhooks. */
async function receiver() {
  const got = [];
  const server = createServer((request, response) => {
    const pieces = [];
    request.on('data', (piece) => pieces.push(piece));
    request.on('end', () => {
      got.push({ headers: request.headers, body: Buffer.concat(pieces).toString() });
      response.end('thank you');
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return { got, server, url: `http://127.0.0.1:${server.address().port}/hook` };
}

test('a webhook is made, tried, and told of feedback', async ({ page }) => {
  const listener = await receiver();
  const own = await Earshot.start({ args: ['--webhook-allow', '127.0.0.1'] });
  try {
    await own.withOwner();
    own.project = await own.createProject('Corner shop');
    await signIn(page, own);
    await page.goto(`${own.url}/p/${own.project.slug}/webhooks`);
    await page.getByLabel('URL').fill('https://169.254.169.254/latest');
    await page.getByRole('button', { name: 'Create webhook' }).click();
    await expect(page.getByText('There is a problem')).toBeVisible();
    await page.getByLabel('URL').fill(listener.url);
    await page.getByLabel('Name').fill('Chat');
    await page.getByRole('checkbox', { name: /^Backlog item created/ }).check();
    await page.getByRole('button', { name: 'Create webhook' }).click();
    await expect(page.getByRole('heading', { name: 'Chat' })).toBeVisible();
    await page.getByText('Show the secret').click();
    const secret = await page.getByRole('textbox', { name: 'Signing secret' }).inputValue();
    await page.getByRole('button', { name: 'Send a test' }).click();
    await expect.poll(() => listener.got.length).toBe(1);
    const { headers, body } = listener.got[0];
    const signed = `${headers['webhook-id']}.${headers['webhook-timestamp']}.${body}`;
    const signature = createHmac('sha256', Buffer.from(secret.replace('whsec_', ''), 'base64')).update(signed).digest('base64');
    expect(headers['webhook-signature']).toBe(`v1,${signature}`);
    expect(JSON.parse(body).type).toBe('webhook.test');
    // The page updates by itself.
    await expect(page.getByRole('cell', { name: 'Delivered' })).toBeVisible();
    await page.getByRole('link', { name: 'webhook.test' }).click();
    await expect(page.getByText('thank you')).toBeVisible();

    await page.goto(`${own.url}/p/${own.project.slug}/backlog`);
    await page.getByLabel('Title').fill('Faster export');
    await page.getByRole('button', { name: 'Create item' }).click();
    await expect.poll(() => listener.got.map((event) => JSON.parse(event.body).data.title)).toContain('Faster export');
  } finally {
    listener.server.close();
    await own.stop();
  }
});

test('exports are downloaded and complete', async ({ page, demo }) => {
  await signIn(page, demo);
  await page.goto(`${demo.url}/inbox`);
  await page.getByRole('link', { name: 'Settings' }).click();
  await page.getByRole('link', { name: 'Export', exact: true }).click();
  const open = async (name) => {
    const [download] = await Promise.all([page.waitForEvent('download'), page.getByRole('button', { name, exact: true }).click()]);
    const bytes = await readFile(await download.path());
    return { name: download.suggestedFilename(), bytes, text: bytes.toString('utf8') };
  };
  const lines = await open('Feedback as JSON lines');
  expect(lines.name).toMatch(/-feedback-\d{4}-\d\d-\d\d\.jsonl$/);
  const items = lines.text.trimEnd().split('\n').map((line) => JSON.parse(line));
  expect(items.length).toBeGreaterThan(50);
  expect(new Set(items.map((item) => item.id)).size).toBe(items.length);
  const table = await open('Feedback as CSV');
  expect(table.text.startsWith('id,kind,text,')).toBe(true);
  for (const item of items) expect(table.text).toContain(item.id);
  expect((await open('Feedback as CSV with BOM')).bytes.subarray(0, 3)).toEqual(Buffer.from([0xef, 0xbb, 0xbf]));
  const workbook = await open('Feedback as Excel');
  expect(workbook.name).toMatch(/-feedback-\d{4}-\d\d-\d\d\.xlsx$/);
  expect(workbook.bytes.subarray(0, 4)).toEqual(Buffer.from('PK\u0003\u0004'));
  const responses = await open('Responses to a survey as CSV');
  expect(responses.text.split('\r\n')[0]).toMatch(/ \[[^\]]+\]/);
  const backlog = await open('Backlog as JSON lines');
  expect(JSON.parse(backlog.text.split('\n')[0]).number).toBe(1);
});
