// The widget on realistic sites, in Chromium and in Firefox: other ways to load it, isolation, sandboxes, styles that hide elements,
// modal dialogs, React. From bug reports of comparable products.
import { BROWSERS, launch } from '../lib/browsers.js';
import { Earshot, signIn } from '../lib/earshot.js';
import { Host } from '../lib/host.js';
import { clientScript, insidePage, shopPage } from '../lib/react.js';
import { launchByButton, publishSurvey, waitForText } from '../lib/steps.js';
import { test as base, expect } from '../lib/test.js';

const document = (body, head = '') => `<!doctype html><html lang="en"><head><title>A shop</title>${head}</head><body><h1>A shop</h1>${body}</body></html>`;

const test = base.extend({
  /** Two projects, each with a live survey behind a button. */
  two: [
    async ({ browser }, use) => {
      const server = await Earshot.start();
      try {
        await server.withOwner();
        const page = await (await browser.newContext()).newPage();
        await signIn(page, server);
        const projects = [];
        for (const name of ['Corner shop', 'Second shop']) {
          server.project = await server.createProject(name);
          const survey = await publishSurvey(page, server, async (page) => {
            await launchByButton(page);
            await page.getByLabel('Button label').fill(`Feedback on ${name}`);
          });
          projects.push({ ...server.project, survey });
        }
        await page.context().close();
        await use({ server, first: projects[0], second: projects[1] });
      } finally {
        await server.stop();
      }
    },
    { scope: 'worker', timeout: 240_000 },
  ],

  /** Starts each browser once for all tests of a worker. */
  started: [
    async ({}, use) => {
      const started = {};
      await use((name) => (started[name] ??= launch(name)));
      for (const browser of Object.values(started)) await (await browser).close();
    },
    { scope: 'worker', timeout: 240_000 },
  ],
});

/** Runs a test in both browsers. `body` gets a fresh page there, the fixture `two`, the script tag, and `serve(pages)`. */
function both(title, body) {
  for (const name of Object.keys(BROWSERS)) {
    test(`${title} (${name}) @js`, async ({ two, started, page: console_, browser: _ }) => {
      test.skip(!BROWSERS[name], 'no Firefox: set EARSHOT_FIREFOX to where it is');
      const { server, first } = two;
      const context = await (await started(name)).createBrowserContext();
      const hosts = [];
      const serve = async (pages) => {
        const host = await Host.start({ earshot: server.url, pages });
        hosts.push(host);
        return host.url;
      };
      const tag = (project = first, attributes = 'async') => `<script ${attributes} src="${server.url}/embed.js" data-project="${project.key}"></script>`;
      const element = (project = first) => `<earshot-survey survey="${project.survey}"></earshot-survey>`;
      try {
        const page = await context.newPage();
        await page.setViewport({ width: 1000, height: 800 });
        await body({ page, name, two, tag, element, serve, console: console_ });
      } finally {
        await context.close();
        for (const host of hosts) await host.stop();
      }
    });
  }
}

/** The position of the `nth` button in the viewport, once it is drawn. */
async function button(frame, nth = 0) {
  const at = () =>
    frame.evaluate((nth) => {
      const button = globalThis.document.querySelector('#earshot-widget')?.shadowRoot.querySelectorAll('.launcher')[nth];
      const box = button?.getBoundingClientRect();
      return box?.width && getComputedStyle(button).visibility === 'visible' ? { x: box.x + box.width / 2, y: box.y + box.height / 2 } : null;
    }, nth);
  await expect.poll(at).not.toBe(null);
  return at();
}

/** Clicks the button with a real mouse click. */
async function press(page, nth) {
  const { x, y } = await button(page, nth);
  await page.mouse.click(x, y);
}

/** The frame of a survey, once its form is visible there. */
async function surveyFrame(page, survey) {
  let found;
  await expect
    .poll(async () => {
      found = page.frames().find((frame) => frame.url().includes(`/s/${survey}`));
      return Boolean(await found?.evaluate(() => globalThis.document.querySelector('#next')?.getBoundingClientRect().height > 0).catch(() => false));
    })
    .toBe(true);
  return found;
}

/** The height of the element's frame on its page. */
const height = (frame, nth = 0) =>
  frame.evaluate(
    (nth) => globalThis.document.querySelectorAll('earshot-survey')[nth]?.shadowRoot?.querySelector('iframe')?.getBoundingClientRect().height ?? 0,
    nth,
  );

/** The survey in the popover, if any. */
const shown = (page) =>
  page.evaluate(() => globalThis.document.querySelector('#earshot-widget')?.shadowRoot.querySelector('.popover.shown iframe')?.src.match(/\/s\/([^?]+)/)[1] ?? '');

/** Answers the survey in its frame with a text. */
async function answer(frame, text) {
  // Simulates reading time: a form submitted within two seconds after the server rendered it is suspected spam.
  const made = await frame.evaluate(() => parseInt(globalThis.document.querySelector('[name=started]').value, 10));
  await expect.poll(() => Date.now() - made).toBeGreaterThan(2_000);
  await frame.evaluate((text) => {
    const $ = (selector) => globalThis.document.querySelector(selector);
    $('.scale input[value="7"]').click();
    const field = $('textarea');
    field.value = text;
    field.dispatchEvent(new Event('change', { bubbles: true }));
  }, text);
  await expect
    .poll(async () => {
      await frame.evaluate(() => globalThis.document.querySelector('#survey').requestSubmit());
      return frame.evaluate(() => !globalThis.document.querySelector('#thanks').hidden);
    })
    .toBe(true);
}

/** Waits until the inbox of a project shows a text. */
async function arrived(console, { server }, project, text) {
  await signIn(console, server);
  await waitForText(console, `${server.url}/p/${project.slug}/inbox`, '#inbox-list', text);
}

for (const [what, attributes] of [['crossorigin', 'async crossorigin="anonymous"'], ['type=module', 'type="module"']]) {
  both(`the script works with ${what}`, async ({ page, two, tag, element, serve }) => {
    const url = await serve({ '/': { html: document(tag(undefined, attributes) + element()) } });
    await page.goto(url);
    await surveyFrame(page, two.first.survey);
    await press(page);
    await expect.poll(() => shown(page)).toBe(two.first.survey);
  });
}

for (const [what, attributes] of [['scripts', 'async'], ['modules', 'type="module"']]) {
  both(`two projects work on one page (${what})`, async ({ page, two, tag, element, serve, console }) => {
    const { first, second } = two;
    const stub = '<script>window.earshot = function () { (earshot.q = earshot.q || []).push(arguments); }; earshot("identify", { id: "u1", name: "Ann Two" });</script>';
    const body = tag(first, attributes) + tag(second, attributes) + element(first) + element(second);
    await page.goto(await serve({ '/': { html: document(body, stub) } }));
    await surveyFrame(page, first.survey);
    const frame = await surveyFrame(page, second.survey);
    for (const nth of [0, 1]) await expect.poll(() => height(page, nth)).toBeGreaterThan(100);
    // Each project has a button, and each button opens its survey.
    const opened = [];
    for (const nth of [0, 1]) {
      await press(page, nth);
      await expect.poll(() => shown(page)).not.toBe('');
      opened.push(await shown(page));
      await page.evaluate(() => window.earshot('close'));
    }
    expect(opened.sort()).toEqual([first.survey, second.survey].sort());
    await page.evaluate((id) => window.earshot('open', id), second.survey);
    await expect.poll(() => shown(page)).toBe(second.survey);
    await page.evaluate(() => window.earshot('close'));
    await answer(frame, `Said to the second (${what})`);
    await arrived(console, two, second, `Said to the second (${what})`);
  });
}

for (const policy of ['require-corp', 'credentialless']) {
  both(`it works on a page that is isolated (${policy})`, async ({ page, two, tag, element, serve }) => {
    const headers = { 'cross-origin-embedder-policy': policy, 'cross-origin-opener-policy': 'same-origin' };
    await page.goto(await serve({ '/': { html: document(tag() + element()), headers } }));
    expect(await page.evaluate(() => window.crossOriginIsolated)).toBe(true);
    await surveyFrame(page, two.first.survey);
    await expect.poll(() => height(page)).toBeGreaterThan(100);
    await press(page);
    await expect.poll(() => shown(page)).toBe(two.first.survey);
  });
}

for (const [what, outer] of [['an iframe', '<iframe id="box" sandbox="allow-scripts allow-forms" src="/inner" width="700" height="700"></iframe>'], ['a policy', null]]) {
  both(`it works in a page without an origin, sandboxed by ${what}`, async ({ page, name, two, tag, element, serve, console }) => {
    const headers = outer ? {} : { 'content-security-policy': 'sandbox allow-scripts allow-forms' };
    const url = await serve({ '/': outer ? { html: document(outer) } : undefined, '/inner': { html: document(tag() + element()), headers } });
    await page.goto(outer ? url : `${url}/inner`);
    const frame = await surveyFrame(page, two.first.survey);
    const inner = page.frames().find((f) => f.url().endsWith('/inner'));
    expect(await inner.evaluate(() => window.origin)).toBe('null');
    await expect.poll(() => height(inner)).toBe(480);
    await button(inner);
    const text = `From a sandbox, by ${what}, in ${name}`;
    await answer(frame, text);
    await arrived(console, two, two.first, text);
  });
}

both('nobody but the frame of the survey is listened to', async ({ page, two, tag, element, serve }) => {
  const url = await serve({
    '/': { html: document(`${tag()}${element()}<iframe id="other" src="/other"></iframe>`) },
    '/other': { html: document('') },
  });
  await page.goto(url);
  const frame = await surveyFrame(page, two.first.survey);
  await page.evaluate(() => {
    window.heard = [];
    for (const event of ['answer', 'finish']) window.earshot('on', event, () => window.heard.push(event));
  });
  const lie = { earshot: 1, type: 'finish', height: 7 };
  await page.evaluate((lie) => window.postMessage(lie, '*'), lie);
  await page.frames().find((f) => f.url().endsWith('/other')).evaluate((lie) => window.parent.postMessage(lie, '*'), lie);
  // Messages keep their order, so the forged ones arrived first. Receiving this one shows that they could have been received.
  await frame.evaluate(() => window.parent.postMessage({ earshot: 1, type: 'answer' }, '*'));
  await expect.poll(() => page.evaluate(() => window.heard)).toEqual(['answer']);
  expect(await height(page)).toBeGreaterThan(100);
});

const STYLES = {
  'hides empty elements': 'a:empty,ul:empty,div:empty,section:empty,p:empty{display:none}',
  'hides all it can': 'div,#earshot-widget{display:none!important;visibility:hidden!important;opacity:0!important;transform:scale(0)!important;pointer-events:none!important;clip-path:inset(50%)!important;width:0!important;overflow:hidden!important}',
  'moves the body': 'body{transform:translateX(-3000px);overflow:hidden;height:0}',
};
for (const [what, css] of Object.entries(STYLES)) {
  both(`the button can be pressed where the site's style ${what}`, async ({ page, two, tag, serve }) => {
    await page.goto(await serve({ '/': { html: document(tag(), `<style>${css}</style>`) } }));
    await press(page);
    await expect.poll(() => shown(page)).toBe(two.first.survey);
    await surveyFrame(page, two.first.survey);
  });
}

both('it may be loaded again after shutdown', async ({ page, two, tag, element, serve }) => {
  await page.goto(await serve({ '/': { html: document(tag() + element()) } }));
  await surveyFrame(page, two.first.survey);
  for (const round of [1, 2]) {
    await page.evaluate(() => window.earshot.shutdown());
    await expect.poll(() => page.frames().length).toBe(1);
    expect(await page.evaluate(() => globalThis.document.querySelector('#earshot-widget'))).toBe(null);
    await page.evaluate(
      ({ url, key, survey, round }) => {
        // Sites that delete the global, and sites that keep it.
        if (round === 2) delete window.earshot;
        const script = globalThis.document.createElement('script');
        Object.assign(script, { async: true, src: `${url}/embed.js` });
        script.dataset.project = key;
        globalThis.document.head.append(script);
        globalThis.document.body.innerHTML = `<earshot-survey survey="${survey}"></earshot-survey>`;
      },
      { url: two.server.url, key: two.first.key, survey: two.first.survey, round },
    );
    await surveyFrame(page, two.first.survey);
    await expect.poll(() => height(page)).toBeGreaterThan(100);
    await press(page);
    await expect.poll(() => shown(page)).toBe(two.first.survey);
  }
  expect(await page.evaluate(() => globalThis.document.querySelectorAll('#earshot-widget').length)).toBe(1);
});

both('the button can be pressed while the site shows a modal dialog', async ({ page, two, tag, serve }) => {
  const body = `<main><div id="app"><dialog id="d" style="transform:scale(0.9);width:200px;height:100px">A question</dialog></div></main>${tag()}`;
  await page.goto(await serve({ '/': { html: document(body) } }));
  await button(page);
  await page.evaluate(() => globalThis.document.querySelector('#d').showModal());
  const parent = () => page.evaluate(() => globalThis.document.querySelector('#earshot-widget')?.parentNode.localName);
  await expect.poll(parent).toBe('dialog');
  await press(page);
  await expect.poll(() => shown(page)).toBe(two.first.survey);
  await surveyFrame(page, two.first.survey);
  await page.evaluate(() => window.earshot('close'));
  await page.evaluate(() => globalThis.document.querySelector('#d').close());
  await expect.poll(parent).toBe('body');
  await press(page);
  await expect.poll(() => shown(page)).toBe(two.first.survey);
  await page.evaluate(() => window.earshot('close'));
  // Removing an open dialog does not remove the widget.
  await page.evaluate(() => globalThis.document.querySelector('#d').showModal());
  await expect.poll(parent).toBe('dialog');
  await page.evaluate(() => globalThis.document.querySelector('#app').replaceChildren());
  await expect.poll(parent).toBe('body');
  await press(page);
  await expect.poll(() => shown(page)).toBe(two.first.survey);
});

both('React hydrates the document, and finds nothing of ours', async ({ page, two, serve }) => {
  const script = { src: `${two.server.url}/embed.js`, 'data-project': two.first.key };
  // The control adds an element where the widget used to be: next to the body.
  const pages = { '/': { html: shopPage(script) }, '/react.js': { html: await clientScript(), type: 'text/javascript' } };
  const url = await serve(pages);
  const hydrate = async (before) => {
    await page.goto(url);
    await button(page);
    await page.evaluate(before);
    await page.addScriptTag({ url: `${url}/react.js` });
    await page.evaluate((script) => window.hydrateDocument(script), script);
    return page.evaluate(() => window.faults);
  };
  expect(await hydrate(() => {})).toEqual([]);
  expect(await page.evaluate(() => globalThis.document.querySelectorAll('#earshot-widget').length)).toBe(1);
  await press(page);
  await expect.poll(() => shown(page)).toBe(two.first.survey);

  const faults = await hydrate(() => globalThis.document.documentElement.append(globalThis.document.createElement('div')));
  expect(faults.join()).toContain('Hydration failed');
  // React discarded and rebuilt the whole page; the button reappears.
  await press(page);
  await expect.poll(() => shown(page)).toBe(two.first.survey);
});

both('React hydrates a page with a survey in it, and finds nothing of ours', async ({ page, two, tag, serve }) => {
  const body = `<div id="root">${insidePage(two.first.survey)}</div>${tag()}`;
  const url = await serve({ '/': { html: document(body) }, '/react.js': { html: await clientScript(), type: 'text/javascript' } });
  const hydrate = async (before) => {
    await page.goto(url);
    await surveyFrame(page, two.first.survey);
    await page.evaluate(before);
    await page.addScriptTag({ url: `${url}/react.js` });
    await page.evaluate((survey) => window.hydrateInside(survey), two.first.survey);
    return page.evaluate(() => window.faults);
  };
  expect(await hydrate(() => {})).toEqual([]);
  await expect.poll(() => height(page)).toBeGreaterThan(100);
  const faults = await hydrate(() => globalThis.document.querySelector('earshot-survey').append(globalThis.document.createElement('iframe')));
  expect(faults.join()).toContain('Hydration failed');
});

both('half an emoji in what the site says of a visitor costs no answer', async ({ page, name, two, element, serve, console }) => {
  const stub = `<script>window.earshot = function () { (earshot.q = earshot.q || []).push(arguments); }; earshot('identify', { id: 'cut-${name}', name: 'Ann 😀'.slice(0, 5), attributes: { plan: '😀'.slice(1) } });</script>`;
  const cut = `<script>var s = document.createElement('script'); s.src = '${two.server.url}/embed.js'; s.dataset.project = '${two.first.key}'; s.dataset.release = '1.0 😀'.slice(0, 5); document.head.append(s);</script>`;
  await page.goto(await serve({ '/': { html: document(cut + element(), stub) } }));
  const frame = await surveyFrame(page, two.first.survey);
  const text = `Said with half a smile in ${name}`;
  await answer(frame, `${text} 😀`.slice(0, -1));
  await arrived(console, two, two.first, text);
});

both('of the address of a page only what the project keeps leaves it', async ({ page, name, two, tag, element, serve, console }) => {
  const { server, first } = two;
  await signIn(console, server);
  await console.goto(`${server.url}/p/${first.slug}/settings`);
  await console.getByLabel('Query parameters to keep').fill('plan');
  await console.getByRole('button', { name: 'Save settings' }).click();
  await expect(console.getByText('Settings saved.')).toBeVisible();
  const sent = [];
  page.on('request', (request) => {
    // Firefox does not report bodies; their content is stored, and checked below.
    const body = name === 'chromium' ? request.postData() : '';
    if (request.url().startsWith(server.url)) sent.push([request.url(), body, JSON.stringify(request.headers())].join('\n'));
  });
  // The site itself would send its full URL as the referrer.
  const url = await serve({ '/reset': { html: document(tag() + element()), headers: { 'referrer-policy': 'unsafe-url' } } });
  await page.goto(`${url}/reset?token=SECRET&plan=pro#SECRET`);
  const frame = await surveyFrame(page, first.survey);
  const text = `Said on a page with a secret in ${name}`;
  await answer(frame, text);
  // The request for our script is controlled by the site's own tag.
  const ours = sent.filter((request) => !/^\S+\/embed\.js\n/.test(request));
  expect(ours.length).toBeGreaterThan(3);
  expect(ours.filter((request) => request.includes('SECRET'))).toEqual([]);
  await waitForText(console, `${server.url}/p/${first.slug}/inbox`, '#inbox-list', text);
  await console.locator('.inbox-row', { hasText: text }).locator('a.row-link').click();
  await expect(console.locator('#inbox-detail')).toContainText(`${url}/reset?plan=pro`);
  await expect(console.locator('#inbox-detail')).not.toContainText('SECRET');
});
