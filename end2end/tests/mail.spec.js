// E-mail sent by the program: password reset, invitation, failed delivery.
import { OWNER } from '../lib/earshot.js';
import { linkIn } from '../lib/mail.js';
import { test, expect } from '../lib/test.js';

const NEW_PASSWORD = 'eleven green bottles';

test('a forgotten password is set by the link in a letter', async ({ page, mailed, browser, javaScriptEnabled }) => {
  const context = await browser.newContext({ javaScriptEnabled });
  const visitor = await context.newPage();
  await visitor.goto(`${mailed.url}/sign-in`);
  await visitor.getByRole('link', { name: 'Forgot your password?' }).click();
  await visitor.getByLabel('E-mail address').fill(OWNER.email);
  await visitor.getByRole('button', { name: 'Send the link' }).click();
  await expect(visitor.getByRole('heading', { name: 'Check your inbox' })).toBeVisible();

  const letter = await mailed.mail.letter(OWNER.email, /Reset your Earshot password/);
  await visitor.goto(linkIn(letter, '/reset/'));
  await visitor.getByLabel('New password').fill(NEW_PASSWORD);
  await visitor.getByRole('button', { name: 'Set password' }).click();
  await expect(visitor.getByText('Your new password is set.')).toBeVisible();
  await visitor.getByLabel('E-mail address').fill(OWNER.email);
  await visitor.getByLabel('Password').fill(NEW_PASSWORD);
  await visitor.getByRole('button', { name: 'Sign in' }).click();
  await expect(visitor).toHaveURL(/\/p\/corner-shop\/inbox/);

  // The other browser is signed out, and the owner is notified.
  await page.goto(`${mailed.url}/account`);
  await expect(page).toHaveURL(/\/sign-in/);
  await mailed.mail.letter(OWNER.email, /was changed/);
  await context.close();
});

test('an invitation arrives and is accepted', async ({ page, mailed, browser, javaScriptEnabled }) => {
  await page.goto(`${mailed.url}/p/corner-shop/members`);
  await page.getByLabel('Role', { exact: true }).selectOption('viewer');
  await page.getByLabel(/^E-mail address/).fill('ida@example.com');
  await page.getByRole('button', { name: 'Create invitation link' }).click();
  await expect(page.getByText('We are e-mailing the invitation to ida@example.com.')).toBeVisible();

  const letter = await mailed.mail.letter('ida@example.com', /invited you to Corner shop/);
  const context = await browser.newContext({ javaScriptEnabled });
  const visitor = await context.newPage();
  await visitor.goto(linkIn(letter, '/invite/'));
  await visitor.getByLabel('Your name').fill('Ida Invited');
  await visitor.getByLabel('Password').fill(NEW_PASSWORD);
  await visitor.getByRole('button', { name: 'Create account and join' }).click();
  await expect(visitor).toHaveURL(/\/p\/corner-shop\/inbox/);
  await context.close();
});

test('a letter that was refused is sent again by hand', async ({ page, mailed }) => {
  mailed.mail.refuseAll('No such mailbox');
  await page.goto(`${mailed.url}/p/corner-shop/members`);
  await page.getByLabel(/^E-mail address/).fill('ida@example.com');
  await page.getByRole('button', { name: 'Create invitation link' }).click();
  await expect(async () => {
    await page.goto(`${mailed.url}/operator/mail`);
    await expect(page.getByText('The mail server responded with 550: No such mailbox.')).toBeVisible({ timeout: 500 });
  }).toPass({ timeout: 90_000 });
  await page.getByRole('button', { name: /^Discard/ }).click();
  await expect(page.getByRole('heading', { name: 'No undelivered e-mails' })).toBeVisible();
  await page.getByRole('button', { name: /^Undo/ }).click();
  await expect(page.getByRole('heading', { name: 'Failed (1)' })).toBeVisible();
  mailed.mail.refuseNothing();
  await page.getByRole('button', { name: /^Send again/ }).click();
  await mailed.mail.letter('ida@example.com', /invited you/);
});
