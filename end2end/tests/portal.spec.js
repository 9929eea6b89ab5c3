// The public ticket portal for strangers, with and without JavaScript: write with an image, read, write again, close, reopen.
import { deflateSync } from 'node:zlib';

import { faultsOfPages } from '../lib/axe.js';
import { readQuestions } from '../lib/steps.js';
import { expect, test } from '../lib/test.js';

/** A green image of 12 × 8 pixels. */
function png() {
  const crc = (bytes) => {
    let sum = 0xffffffff;
    for (const byte of bytes) {
      sum ^= byte;
      for (let i = 0; i < 8; i += 1) sum = sum & 1 ? (sum >>> 1) ^ 0xedb88320 : sum >>> 1;
    }
    return (sum ^ 0xffffffff) >>> 0;
  };
  const part = (name, data) => {
    const body = Buffer.concat([Buffer.from(name), data]);
    const out = Buffer.alloc(body.length + 8);
    out.writeUInt32BE(data.length);
    body.copy(out, 4);
    out.writeUInt32BE(crc(body), body.length + 4);
    return out;
  };
  const head = Buffer.from([0, 0, 0, 12, 0, 0, 0, 8, 8, 2, 0, 0, 0]);
  const row = Buffer.concat([Buffer.from([0]), Buffer.alloc(36, Buffer.from([0, 160, 80]))]);
  const rows = deflateSync(Buffer.concat(Array.from({ length: 8 }, () => row)));
  return Buffer.concat([Buffer.from('89504e470d0a1a0a', 'hex'), part('IHDR', head), part('IDAT', rows), part('IEND', Buffer.alloc(0))]);
}

async function visitor(browser, javaScriptEnabled, options = {}) {
  const context = await browser.newContext({ javaScriptEnabled, locale: 'en-GB', ...options });
  return context.newPage();
}

async function fill(page, { subject = 'The till jams', message = 'It beeps twice, then nothing.', email = 'rosa@example.com' } = {}) {
  await page.getByLabel('Subject').fill(subject);
  await page.getByLabel('Message').fill(message);
  await page.getByLabel('Your e-mail address').fill(email);
}

test('a stranger writes with a picture, reads, writes again, closes and opens', async ({ own, browser, javaScriptEnabled }) => {
  const page = await visitor(browser, javaScriptEnabled);
  const scripts = [];
  page.on('request', (request) => ['script', 'fetch', 'xhr'].includes(request.resourceType()) && scripts.push(request.url()));
  await page.goto(`${own.url}/p/${own.project.slug}`);
  await fill(page);
  await page.getByLabel(/^Files/).setInputFiles([
    { name: 'till.png', mimeType: 'image/png', buffer: png() },
    { name: 'page.html', mimeType: 'image/png', buffer: Buffer.from('<script>document.title = "bad"</script>') },
  ]);
  await readQuestions(page);
  await page.getByRole('button', { name: 'Send', exact: true }).click();
  await expect(page.getByRole('heading', { name: 'Your message has arrived: Ticket 1' })).toBeVisible();
  const link = await page.getByRole('textbox', { name: 'Link to this conversation' }).inputValue();
  expect(page.url()).toBe(`${link}?sent=1`);
  await expect(page.locator('#state')).toContainText('Waiting for a reply');
  const picture = page.getByRole('img', { name: 'Image: till.png' });
  await picture.scrollIntoViewIfNeeded();
  if (javaScriptEnabled) await expect.poll(() => picture.evaluate((img) => img.naturalWidth)).toBe(12);

  // Other files are downloaded, whatever type they claim.
  const [download] = await Promise.all([page.waitForEvent('download'), page.getByRole('link', { name: 'Download: page.html' }).click()]);
  expect(download.suggestedFilename()).toBe('page.html');

  await page.goto(link);
  await page.getByLabel('Message').fill('It works now.');
  await page.getByRole('button', { name: 'Send', exact: true }).click();
  await expect(page.locator('.message').last()).toContainText('It works now.');
  await page.getByRole('button', { name: 'Mark as solved' }).click();
  await expect(page.locator('#state')).toContainText('Closed');
  await page.getByRole('button', { name: 'Reopen' }).click();
  await expect(page.locator('#state')).toContainText('Waiting for a reply');
  expect(scripts).toEqual([]);

  await page.goto(`${link.slice(0, -1)}${link.endsWith('A') ? 'B' : 'A'}`);
  await expect(page.getByRole('heading', { name: 'Page not found' })).toBeVisible();
  await page.context().close();
});

test('what is refused comes back with its words and files', async ({ own, browser, javaScriptEnabled }) => {
  const page = await visitor(browser, javaScriptEnabled, { locale: 'de-DE' });
  await page.goto(`${own.url}/p/${own.project.slug}`);
  await page.getByLabel('Betreff').fill('Die Kasse klemmt');
  await page.getByLabel('Nachricht').fill('Sie piept zweimal.');
  // Browsers accept this as an address, the server does not.
  await page.getByLabel('Ihre E-Mail-Adresse').fill('rosa@-nowhere-');
  await page.locator('form').evaluate((form) => { form.noValidate = true; }).catch(() => {});
  await page.getByLabel(/^Dateien/).setInputFiles({ name: 'bon.txt', mimeType: 'text/plain', buffer: Buffer.from('1 Brot') });
  await readQuestions(page);
  await page.getByRole('button', { name: 'Absenden' }).click();
  await expect(page.getByText('Geben Sie eine E-Mail-Adresse wie name@example.com an.').first()).toBeVisible();
  await expect(page.getByLabel('Nachricht')).toHaveValue('Sie piept zweimal.');
  await expect(page.getByLabel(/bon\.txt/)).toBeChecked();
  await page.getByLabel('Ihre E-Mail-Adresse').fill('rosa@example.com');
  await page.getByRole('button', { name: 'Absenden' }).click();
  await expect(page.getByRole('link', { name: 'Herunterladen: bon.txt' })).toBeVisible();
  await page.context().close();
});

test('the portal has no accessibility faults and fits a phone, in light and dark @js', async ({ own, browser }) => {
  const page = await visitor(browser, true);
  const portal = `${own.url}/p/${own.project.slug}`;
  await page.goto(portal);
  await fill(page, { subject: `Long: ${'Donaudampfschifffahrt'.repeat(4)}`, message: `It beeps.\n\nhttps://example.com/${'a'.repeat(120)}` });
  await page.getByLabel(/^Files/).setInputFiles([{ name: 'till.png', mimeType: 'image/png', buffer: png() }, { name: 'log.txt', mimeType: 'text/plain', buffer: Buffer.from('x') }]);
  await readQuestions(page);
  await page.getByRole('button', { name: 'Send', exact: true }).click();
  await page.waitForURL(/\/t\//);
  const conversation = page.url();
  expect(await faultsOfPages(page, { portal, conversation, nothing: `${portal}/t/nothing` })).toEqual([]);
  await page.context().close();
});
