// The demo at `/`, as a visitor uses it.
import assert from 'node:assert/strict';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { test } from 'node:test';

import { PATIENCE, Service, browse, shows, tab } from './bench.mjs';

const service = await Service.start();
const browser = await browse();
const axe = createRequire(join(process.cwd(), 'x.js')).resolve('axe-core/axe.min.js');

const counted = (page, selector) => page.evaluate((selector) => parseInt(document.querySelector(selector).textContent, 10), selector);
const ends = (page) => page.waitForSelector('.play:text("Stream")', { timeout: PATIENCE });

test('it plays, is cut and resumes, and stops', async () => {
  const page = await tab(await browser.newContext(), service.url);
  await shows(page, '.raw', '**white**');
  await shows(page, '.rendered', 'white');
  assert.equal(await page.textContent('.state'), 'live');
  await page.click('.cut');
  await shows(page, '.state', 'reconnecting');
  await shows(page, '.status', 'Nothing lost');
  assert.equal(await page.textContent('.state'), 'live');
  await page.click('.stop');
  await shows(page, '.status', 'Stopped');
  await ends(page);
  assert.ok((await counted(page, '.tokens')) > 20);
  assert.ok((await counted(page, '.frames')) > 10);
  assert.deepEqual(page.complaints, []);
});

test('each sample ends as one render of it, over either transport', async () => {
  const context = await browser.newContext({ reducedMotion: 'reduce' });
  const [page, blank] = [await tab(context, service.url), await context.newPage()];
  assert.equal(await page.textContent('.tokens'), '0', 'nothing moves unasked');
  await page.click('.play');
  await page.waitForSelector('.rendered[data-stream-active] > p');
  const caret = await page.evaluate(() => getComputedStyle(document.querySelector('.rendered > p'), '::after').animationName);
  assert.equal(caret, 'none', 'nor blinks');
  await page.evaluate(() => (document.querySelector('[name=rate]').value = 100));
  for (const [at, name] of ['Code', 'Table', 'List', 'Math', 'Hostile HTML'].entries()) {
    if (at === 2) await page.click('text=WebSocket');
    await page.click(`.chips >> text=${name}`);
    await page.waitForSelector('.play:text("Restart")');
    await ends(page);
    const source = await page.inputValue('textarea');
    const options = { provisional: false, dense: true, tail: 'complete', images: 'none', table_align: 'attribute', task_lists: true, math: true, alerts: true };
    const answer = await fetch(`${service.url}/render`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ source, options }),
    });
    const { html } = await answer.json();
    // The demo's own page lets nobody parse HTML but the client.
    const wanted = await blank.evaluate((html) => new DOMParser().parseFromString(html, 'text/html').body.innerHTML, html);
    assert.equal(await page.innerHTML('.rendered'), wanted, name);
    assert.equal(await page.textContent('.raw'), source, name);
  }
  assert.deepEqual(page.complaints, []);
});

for (const [name, options] of Object.entries({
  'light, on a desk': { viewport: { width: 1280, height: 900 } },
  'dark, on a phone': { viewport: { width: 390, height: 844 }, colorScheme: 'dark', isMobile: true, hasTouch: true },
  'light, on a small phone': { viewport: { width: 320, height: 568 }, isMobile: true, hasTouch: true },
})) {
  test(`it can be read, reached and pressed: ${name}`, async () => {
    // The check is a script of its own, which the page's policy would keep out.
    const page = await tab(await browser.newContext({ ...options, bypassCSP: true }), service.url);
    await page.click('.chips >> text=Table');
    await shows(page, '.rendered', 'Mercury');
    assert.equal(await page.evaluate(() => document.documentElement.scrollWidth), options.viewport.width, 'nothing sticks out');
    for (const selector of ['.stop', '.cut', '.play', '.edit']) {
      const { width, height } = await (await page.$(selector)).boundingBox();
      assert.ok(width >= 24 && height >= 24, `${selector}: ${width} × ${height}`);
    }
    await page.addScriptTag({ path: axe });
    const faults = async () => (await page.evaluate(() => window.axe.run(document))).violations.map(({ id, nodes }) => [id, nodes.map(({ html }) => html)]);
    assert.deepEqual(await faults(), [], 'while it plays');
    await page.click('.stop');
    await ends(page);
    assert.deepEqual(await faults(), [], 'and then');
  });
}

test('without scripts the form is rendered by the service', async () => {
  const page = await tab(await browser.newContext({ javaScriptEnabled: false }), service.url);
  await page.fill('textarea', 'Hi *there* <script>');
  await page.click('.render');
  assert.match(await page.innerHTML('.rendered'), /Hi <em>there<\/em> &lt;script&gt;/);
});
