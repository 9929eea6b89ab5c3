// API keys: created on the page, shown once, used, revoked; and the API reference.
import { randomUUID } from 'node:crypto';

import { test, expect } from '../lib/test.js';

/** The response to a request with the key. */
function program(server, key) {
  return (path, { method = 'GET', body, ...headers } = {}) =>
    fetch(`${server.url}/api/v1${path}`, {
      method,
      headers: { authorization: `Bearer ${key}`, ...(body && { 'content-type': 'application/json' }), ...headers },
      body: body && JSON.stringify(body),
    });
}

test('a key is made, shown once, used and revoked', async ({ page, own, settle }) => {
  const url = `${own.url}/p/${own.project.slug}/keys`;
  await page.goto(url);
  await settle();
  await expect(page.getByText('No API keys yet')).toBeVisible();
  await page.getByLabel('Name').fill('Nightly export');
  await page.getByLabel('Scope').selectOption('write');
  await page.getByRole('button', { name: 'Create key' }).click();
  const key = await page.getByLabel('API key', { exact: true }).inputValue();
  expect(key).toMatch(/^eas_[\w-]{43}$/);
  await page.goto(url);
  await settle();
  await expect(page.getByRole('rowheader', { name: /Nightly export/ })).toBeVisible();
  await expect(page.locator('body')).not.toContainText(key);

  const ask = program(own, key);
  const added = await ask('/feedback', { method: 'POST', body: { text: 'A pear tree from a program' }, 'idempotency-key': randomUUID() });
  expect(added.status).toBe(201);
  await expect.poll(async () => (await (await ask('/feedback?q=pear')).json()).total).toBe(1);
  await page.goto(`${own.url}/p/${own.project.slug}/inbox`);
  await expect(page.getByText('A pear tree from a program').first()).toBeVisible();

  await page.goto(url);
  await settle();
  await expect(page.getByRole('row', { name: /Nightly export/ })).toContainText('just now');
  await page.getByText('Revoke', { exact: true }).click();
  await expect(page.getByText('This cannot be undone.')).toBeVisible();
  await page.getByRole('button', { name: 'Revoke permanently' }).click();
  await expect(page.locator('#toasts')).toContainText('Key revoked.');
  await expect(page.getByRole('row', { name: /Nightly export/ })).toContainText('Revoked just now');
  const refused = await ask('/me');
  expect([refused.status, refused.headers.get('content-type')]).toEqual([401, 'application/problem+json']);
});

test('the command line makes a key', async ({ own }) => {
  const made = JSON.parse(await own.command(['admin', 'create-api-key', '--project', own.project.slug, '--scope', 'read', '--name', 'Cron']));
  const me = await program(own, made.key)('/me');
  expect(await me.json()).toMatchObject({ name: 'Cron', scope: 'read', expires_at: null });
  await expect(own.command(['admin', 'create-api-key', '--project', 'nowhere', '--scope', 'read'])).rejects.toThrow(/no project/);
});

test('the reference leads from its contents to each operation', async ({ page, own }) => {
  await page.goto(`${own.url}/api/docs`);
  await page.getByRole('navigation', { name: 'Contents' }).getByRole('link', { name: 'Add feedback' }).click();
  await expect(page).toHaveURL(/#create_feedback$/);
  await expect(page.locator('#create_feedback')).toBeInViewport();
  await expect(page.locator('#create_feedback pre')).toContainText(`${own.url}/api/v1/feedback`);
});
