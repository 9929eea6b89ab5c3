// Accounts: password, sessions, invitations, roles.
import { OWNER, signIn } from '../lib/earshot.js';
import { invite } from '../lib/steps.js';
import { test, expect } from '../lib/test.js';

const NEW_PASSWORD = 'eleven green bottles';

/** Tries to sign in; returns the resulting page. */
async function trySignIn(page, server, email, password) {
  await page.goto(`${server.url}/sign-in`);
  await page.getByLabel('E-mail address').fill(email);
  await page.getByLabel('Password').fill(password);
  await page.getByRole('button', { name: 'Sign in' }).click();
}

/** Runs `run` in another browser. */
async function elsewhere(browser, options, run) {
  const context = await browser.newContext(options);
  await run(await context.newPage(), context);
  await context.close();
}

test('a password is changed, and ends the other sessions', async ({ page, own, browser, javaScriptEnabled }) => {
  const { email, password } = OWNER;
  await elsewhere(browser, { javaScriptEnabled }, async (other) => {
    await signIn(other, own);
    await page.goto(`${own.url}/account`);
    const change = async (current, next) => {
      await page.getByLabel('Current password').fill(current);
      await page.getByLabel('New password').fill(next);
      await page.getByRole('button', { name: 'Change password' }).click();
    };
    await change('not the password', NEW_PASSWORD);
    await expect(page.locator('#current-error')).toHaveText('Your current password is incorrect.');
    await expect(page.getByLabel('Current password')).toHaveAttribute('aria-invalid', 'true');
    await other.goto(`${own.url}/account`);
    await expect(other.getByRole('heading', { name: 'Account' })).toBeVisible();

    await change(password, NEW_PASSWORD);
    await expect(page.locator('#toasts')).toContainText('Password changed.');
    // The browser that changed it stays signed in; the other one is signed out.
    await page.goto(`${own.url}/account`);
    await expect(page.getByRole('heading', { name: 'Account' })).toBeVisible();
    await other.reload();
    await expect(other).toHaveURL(/\/sign-in/);

    await trySignIn(other, own, email, password);
    await expect(other.getByRole('alert')).toContainText('The e-mail address or password is incorrect.');
    await expect(other).toHaveURL(/\/sign-in/);
    await trySignIn(other, own, email, NEW_PASSWORD);
    await expect(other).toHaveURL(/\/p\/corner-shop\/inbox/);
  });
});

test('sessions are listed, and the one that is ended is signed out', async ({ page, own, browser, javaScriptEnabled }) => {
  const userAgent = 'Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0';
  const rows = page.getByRole('region', { name: 'Sessions' }).locator('tbody tr');
  await elsewhere(browser, { javaScriptEnabled, userAgent }, async (other) => {
    await elsewhere(browser, { javaScriptEnabled }, async (third) => {
      await signIn(other, own);
      await signIn(third, own);
      await page.goto(`${own.url}/account`);
      await expect(rows).toHaveCount(3);
      await expect(rows.filter({ hasText: 'This session' })).toHaveCount(1);
      await page.getByRole('button', { name: 'Sign out Firefox on Linux' }).click();
      await expect(rows).toHaveCount(2);
      await other.goto(`${own.url}/account`);
      await expect(other).toHaveURL(/\/sign-in\?next=%2Faccount/);
      await third.goto(`${own.url}/account`);
      await expect(third.getByRole('heading', { name: 'Account' })).toBeVisible();

      // After signing in again, the person is back on the previous page, and all other sessions end at once.
      await other.getByLabel('E-mail address').fill(OWNER.email);
      await other.getByLabel('Password').fill(OWNER.password);
      await other.getByRole('button', { name: 'Sign in' }).click();
      await expect(other).toHaveURL(`${own.url}/account`);
      await page.reload();
      await expect(rows).toHaveCount(3);
      await page.getByRole('button', { name: 'Sign out other sessions' }).click();
      await expect(page.locator('#toasts')).toContainText('2 sessions signed out.');
      await expect(rows).toHaveCount(1);
      for (const out of [other, third]) {
        await out.reload();
        await expect(out).toHaveURL(/\/sign-in/);
      }
    });
  });
  // Signing out ends the last session.
  await page.locator('.nav-account summary').click();
  await page.getByRole('button', { name: 'Sign out' }).click();
  await expect(page).toHaveURL(/\/sign-in/);
  await page.goto(`${own.url}/account`);
  await expect(page).toHaveURL(/\/sign-in/);
});

test('an invitation makes one member, whose role is what they were given', async ({ page, own, browser, javaScriptEnabled }) => {
  const link = await invite(page, own, 'triager');
  const role = page.getByLabel('Role of Ida Invited', { exact: true });
  const sections = (shown) => shown.getByRole('navigation', { name: 'Sections' });
  await elsewhere(browser, { javaScriptEnabled }, async (ida) => {
    // Opening the link, as link scanners do, does not use it up.
    await ida.goto(link);
    await ida.goto(link);
    await expect(ida.getByRole('heading', { name: 'Join Corner shop' })).toBeVisible();
    await expect(ida.getByText(/invited you to join as triager/)).toBeVisible();
    await ida.getByLabel('Your name').fill('Ida Invited');
    await ida.getByLabel('E-mail address').fill('ida@example.com');
    await ida.getByLabel('Password').fill(NEW_PASSWORD);
    await ida.getByRole('button', { name: 'Create account and join' }).click();
    await expect(ida).toHaveURL(/\/p\/corner-shop\/inbox/);
    await expect(ida.locator('#toasts')).toContainText('Welcome to Corner shop.');
    await expect(sections(ida).getByRole('link', { name: 'Backlog' })).toBeVisible();
    await expect(sections(ida).getByRole('link', { name: 'Imports' })).toHaveCount(0);
    const imports = await ida.goto(`${own.url}/p/corner-shop/imports`);
    expect(imports.status()).toBe(403);

    // It works only once.
    await elsewhere(browser, { javaScriptEnabled }, async (late) => {
      await late.goto(link);
      await expect(late.getByRole('heading', { name: 'This invitation is not valid' })).toBeVisible();
      await expect(late.getByLabel('Password')).toHaveCount(0);
    });

    await page.goto(`${own.url}/p/corner-shop/members`);
    await expect(page.getByRole('row', { name: /Ida Invited/ })).toContainText('ida@example.com');
    await expect(role).toHaveValue('triager');
    await role.selectOption('admin');
    await page.getByRole('button', { name: 'Save the role of Ida Invited' }).click();
    await expect(page.locator('#toasts')).toContainText('Role changed.');
    await ida.goto(`${own.url}/p/corner-shop/inbox`);
    await expect(sections(ida).getByRole('link', { name: 'Imports' })).toBeVisible();

    // After the removal they have no access; undo restores everything.
    await page.getByRole('button', { name: 'Remove Ida Invited' }).click();
    await expect(page.getByRole('row', { name: /Ida Invited/ })).toHaveCount(0);
    expect((await ida.goto(`${own.url}/p/corner-shop/inbox`)).status()).toBe(404);
    await page.locator('#toasts').getByRole('button', { name: /^Undo/ }).click();
    await expect(role).toHaveValue('admin');
    expect((await ida.goto(`${own.url}/p/corner-shop/inbox`)).status()).toBe(200);
  });
});

test('who has an account joins with it, and a revoked link joins nobody', async ({ page, own, browser, javaScriptEnabled }) => {
  const [first, second] = [await invite(page, own, 'viewer'), await invite(page, own, 'viewer')];
  expect(first).not.toBe(second);
  await page.goto(`${own.url}/p/corner-shop/members`);
  const open = page.getByRole('button', { name: /^Revoke the invitation/ });
  await expect(open).toHaveCount(2);
  await elsewhere(browser, { javaScriptEnabled }, async (ida) => {
    await ida.goto(first);
    await ida.getByLabel('Your name').fill('Ida Invited');
    await ida.getByLabel('E-mail address').fill('ida@example.com');
    await ida.getByLabel('Password').fill(NEW_PASSWORD);
    await ida.getByRole('button', { name: 'Create account and join' }).click();
    await expect(ida).toHaveURL(/\/p\/corner-shop\/inbox/);

    await own.command(['admin', 'create-project', '--name', 'Second shop']);
    await page.goto(`${own.url}/p/second-shop/members`);
    await page.getByLabel('Role', { exact: true }).selectOption('admin');
    await page.getByRole('button', { name: 'Create invitation link' }).click();
    const link = await page.getByRole('textbox', { name: 'Invitation link' }).inputValue();
    // After signing out, they are asked to sign in and return to the invitation.
    await ida.context().clearCookies();
    await ida.goto(link);
    await ida.getByRole('link', { name: 'Sign in first' }).click();
    await ida.getByLabel('E-mail address').fill('ida@example.com');
    await ida.getByLabel('Password').fill(NEW_PASSWORD);
    await ida.getByRole('button', { name: 'Sign in' }).click();
    await expect(ida.getByText('You are signed in as Ida Invited')).toBeVisible();
    await ida.getByRole('button', { name: 'Join' }).click();
    await expect(ida).toHaveURL(/\/p\/second-shop\/inbox/);
  });

  await page.goto(`${own.url}/p/corner-shop/members`);
  await expect(open).toHaveCount(1);
  await open.click();
  await expect(page.locator('#toasts')).toContainText('Invitation revoked.');
  await expect(open).toHaveCount(0);
  await elsewhere(browser, { javaScriptEnabled }, async (late) => {
    await late.goto(second);
    await expect(late.getByRole('heading', { name: 'This invitation is not valid' })).toBeVisible();
  });
});

test('a removal shows what somebody leaves behind, and hands over what is to go on', async ({ page, own, browser, javaScriptEnabled }) => {
  const link = await invite(page, own, 'admin');
  await elsewhere(browser, { javaScriptEnabled }, async (ida) => {
    await ida.goto(link);
    await ida.getByLabel('Your name').fill('Ida Invited');
    await ida.getByLabel('E-mail address').fill('ida@example.com');
    await ida.getByLabel('Password').fill(NEW_PASSWORD);
    await ida.getByRole('button', { name: 'Create account and join' }).click();
    await expect(ida).toHaveURL(/\/p\/corner-shop\/inbox/);
    const makeKey = async (name) => {
      await ida.goto(`${own.url}/p/corner-shop/keys`);
      await expect(ida.getByLabel('Expires')).toHaveValue('90');
      await ida.getByLabel('Name').fill(name);
      await ida.getByRole('button', { name: 'Create key' }).click();
      return ida.getByLabel('API key', { exact: true }).inputValue();
    };
    const [nightly, forgotten] = [await makeKey('Nightly export'), await makeKey('Forgotten test')];
    const status = async (key) => (await fetch(`${own.url}/api/v1/me`, { headers: { authorization: `Bearer ${key}` } })).status;
    expect([await status(nightly), await status(forgotten)]).toEqual([200, 200]);

    await page.goto(`${own.url}/p/corner-shop/members`);
    await page.getByRole('button', { name: 'Remove Ida Invited' }).click();
    await expect(page.getByRole('heading', { name: 'Remove Ida Invited' })).toBeVisible();
    await expect(page.getByText('Acting for Ida Invited: 2 API keys.')).toBeVisible();
    // The confirmation page changes nothing.
    await page.getByRole('link', { name: 'Cancel' }).click();
    expect([await status(nightly), await status(forgotten)]).toEqual([200, 200]);

    await page.getByRole('button', { name: 'Remove Ida Invited' }).click();
    await expect(page.getByLabel('What happens to Forgotten test')).toHaveValue('');
    await page.getByLabel('What happens to Nightly export').selectOption({ label: 'Hand over to the project' });
    await page.getByRole('button', { name: 'Remove', exact: true }).click();
    await expect(page.locator('#toasts')).toContainText('Member removed. 1 API key revoked, 1 handed over.');
    expect([await status(nightly), await status(forgotten)]).toEqual([200, 401]);
    expect((await ida.goto(`${own.url}/p/corner-shop/inbox`)).status()).toBe(404);
  });
  await page.goto(`${own.url}/p/corner-shop/keys`);
  await expect(page.getByRole('row', { name: /Nightly export/ })).toContainText('Handed over to the project');
});
