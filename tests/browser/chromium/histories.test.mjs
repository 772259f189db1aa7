// Random lives of a channel, recorded by the service's own tests: whatever a page missed and from wherever it came back,
// the client ends at every id as the page that took every op alone.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';

import { Site, browse, tab } from './bench.mjs';

const top = new URL('../../../', import.meta.url);
/** The forms of frames that the client reads. */
const WIRES = ['djust', 'compact'];

const site = await Site.start();
const browser = await browse();

/** Plays histories in a page; gives what differed, and how many places were compared. */
async function play([client, body, wires, histories]) {
  const { Page } = await import(client);
  // Applied as it comes.
  window.requestAnimationFrame = (act) => act();
  const fresh = () => {
    document.body.innerHTML = body;
    const page = new Page('c');
    page.remember(false);
    return page;
  };
  const shown = () => {
    const copy = document.body.cloneNode(true);
    copy.normalize();
    for (const el of copy.querySelectorAll('*')) {
      const kept = [...el.attributes].filter(({ name }) => !/^aria-(live|busy)$/.test(name));
      kept.sort((a, b) => (a.name < b.name ? -1 : 1));
      for (const { name } of [...el.attributes]) el.removeAttribute(name);
      for (const { name, value } of kept) el.setAttribute(name, value);
    }
    return copy.innerHTML;
  };
  const found = [];
  let compared = 0;
  for (const [number, { alone, heard }] of histories.entries()) {
    const bodies = alone.map((messages) => {
      const page = fresh();
      const bodies = [shown()];
      for (const message of messages) {
        page.receive(JSON.parse(message));
        bodies.push(shown());
      }
      page.close();
      return bodies;
    });
    for (const { wire, messages } of heard) {
      if (!wires.includes(wire)) continue;
      const page = fresh();
      for (const [at, message] of messages.entries()) {
        if (message === 'cut') page.cut();
        else if (typeof message === 'string') page.receive(JSON.parse(message));
        else {
          compared += 1;
          const [is, wanted] = [shown(), bodies[message.at[0]][message.at[1]]];
          if (is !== wanted) found.push({ number, at, is, wanted, messages: messages.slice(0, at) });
        }
      }
      page.close();
    }
  }
  return { found: found.slice(0, 3), differences: found.length, compared };
}

test('every way to an id makes the same page', async () => {
  const { page: body, histories } = JSON.parse(readFileSync(new URL('target/tmp/histories.json', top), 'utf8'));
  assert.ok(histories.length >= 1_000);
  const client = readFileSync(new URL('clients/browser/rillmark.js', top), 'utf8');
  site.pages.set('/client.js', { type: 'text/javascript', body: client });
  const page = await tab(await browser.newContext(), site.page('/', ''));
  let compared = 0;
  for (let at = 0; at < histories.length; at += 100) {
    const told = await page.evaluate(play, [`${site.url}/client.js`, body, WIRES, histories.slice(at, at + 100)]);
    compared += told.compared;
    assert.equal(told.differences, 0, JSON.stringify(told.found, null, 1));
  }
  console.log(`${histories.length} histories, ${compared} places compared`);
  assert.ok(compared > 2_000);
});
