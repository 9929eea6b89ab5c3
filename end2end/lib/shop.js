// A shop that embeds the widget of a project with one live survey, and a visitor.
import { Host, complaints } from './host.js';
import { publishSurvey } from './steps.js';
import { test as base } from './test.js';

// A single-page site: links replace the content and the URL without a page load.
const SITE = `
  addEventListener('click', (event) => {
    if (event.target.id !== 'go') return;
    history.pushState({}, '', '/second');
    document.querySelector('#view').textContent = 'The second view';
  });
  addEventListener('click', (event) => event.target.id === 'help' && window.earshot('portal'));
  addEventListener('error', () => { document.documentElement.dataset.broken = 'yes'; });
`;

export const test = base.extend({
  /** A shop that embeds the widget of a project with one live survey, and a visitor's page. */
  shop: async ({ own, page, browser }, use) => {
    const survey = await publishSurvey(page, own);
    const tag = `<script async src="${own.url}/embed.js" data-project="${own.project.key}" data-release="2.4.1"></script>`;
    const host = await Host.start({
      earshot: own.url,
      script: SITE,
      pages: {
        '/': `<h1>A shop</h1><button id="go">Go on</button><button id="help">Help</button><div id="view">The first view</div>${tag}`,
        '/inline': `<h1>A shop</h1>${tag}<earshot-survey survey="${survey}"></earshot-survey>`,
      },
    });
    const visitor = await (await browser.newContext({ locale: 'en-GB', reducedMotion: 'reduce' })).newPage();
    await use({ host, visitor, survey, wrong: complaints(visitor), frame: visitor.frameLocator('iframe') });
    await visitor.context().close();
    await host.stop();
  },
});

/** The widget's button. */
export const launcher = (page) => page.getByRole('button', { name: /feedback/i });

/** Loads the widget again in a page that shut it down. */
export const embedAgain = (page, server) =>
  page.evaluate(
    ({ url, key }) => {
      const script = document.createElement('script');
      script.src = `${url}/embed.js`;
      script.dataset.project = key;
      document.head.append(script);
    },
    { url: server.url, key: server.project.key },
  );

export { expect } from '@playwright/test';
