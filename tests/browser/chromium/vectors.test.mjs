// The cases of the wire's vectors that are for clients, taken by the client as it is served, in Chromium.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';

import { Service, Site, browse, tab } from './bench.mjs';

const top = new URL('../../../', import.meta.url);
const vectors = (name) => JSON.parse(readFileSync(new URL(`tests/vectors/${name}.json`, top), 'utf8'));
const site = await Site.start();
const service = await Service.start();
const both = readFileSync(new URL('tests/browser/both.mjs', top), 'utf8');
site.pages.set('/both.mjs', { type: 'text/javascript', body: both });
const page = await tab(await (await browse()).newContext(), site.page('/', '<p>'));
const modules = [`${service.url}/client.js`, `${site.url}/both.mjs`];

/** What comes out otherwise than the cases say, on djust's wire or recast for the compact one. */
const differences = (cases, isRecast = false) =>
  page.evaluate(
    async ([[client, both], cases, isRecast]) => {
      const { differences, recast } = await import(both);
      if (isRecast) cases = cases.map(recast).filter(Boolean);
      return { count: cases.length, found: await differences(await import(client), cases) };
    },
    [modules, cases, isRecast],
  );

test('the cases of the wire hold in Chromium, on both wires', async () => {
  const [pages, compact] = [vectors('pages'), vectors('compact')];
  assert.ok(pages.length >= 40 && compact.length >= 20);
  assert.deepEqual(await differences(pages), { count: pages.length, found: [] });
  assert.deepEqual(await differences(pages, true), { count: pages.length - 1, found: [] });
  assert.deepEqual(await differences(compact), { count: compact.length, found: [] });
  const { found } = await differences([{ ...compact[0], after: '<p>other' }]);
  assert.equal(found.length, 1, 'they can fail');
});

test('events are read as they were written, whatever the network cut', async () => {
  const cases = { ticks: vectors('ticks'), controls: vectors('controls') };
  const read = async ([[client, both], cases]) => (await import(both)).misread(await import(client), cases);
  assert.deepEqual(await page.evaluate(read, [modules, cases]), []);
  assert.deepEqual(page.complaints, []);
});
