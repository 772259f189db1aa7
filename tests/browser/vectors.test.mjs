// The cases of the wire's vectors that are for clients, taken by the browser client in jsdom.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';

import { differences, misread, recast } from './both.mjs';
import { openWindow } from './dom.mjs';

const top = new URL('../../', import.meta.url);
const vectors = (name) => JSON.parse(readFileSync(new URL(`tests/vectors/${name}.json`, top), 'utf8'));
const { complaints } = openWindow();
const client = await import(new URL('clients/browser/rillmark.js', top));

const pages = vectors('pages');
const recasts = pages.map(recast).filter(Boolean);

for (const [wire, cases, least] of [
  ["djust's wire", pages, 40],
  ["the compact wire, with djust's ops", recasts, pages.length - 1],
  ['the compact wire', vectors('compact'), 20],
]) {
  test(`each op does to the page what ${wire} says`, async () => {
    assert.ok(cases.length >= least, `${cases.length} cases`);
    assert.deepEqual(await differences(client, cases), []);
    assert.deepEqual(complaints, []);
  });
}

test('the cases can fail', async () => {
  const [one] = vectors('compact');
  const wrong = { ...one, after: one.page, events: [], skipped: 1 };
  const found = await differences(client, [wrong]);
  assert.deepEqual(found.map(([, what]) => what), ['page', 'events', 'skipped']);
});

test('events are read as they were written, whatever the network cut', () => {
  assert.deepEqual(misread(client, { ticks: vectors('ticks'), controls: vectors('controls') }), []);
});

/** Sockets that are opened are here; the network is not. */
const sockets = [];
globalThis.WebSocket = class {
  constructor() {
    sockets.push(this);
  }
  send() {}
  close() {}
};

test('after each code of a close the client comes back, or stays away', async () => {
  for (const { code, name, come_back } of vectors('closes')) {
    // Each with a token of its own: they share no connection, and no failed attempts.
    const handle = client.connect({ url: 'http://localhost/', channel: `c-${code}`, token: name, transport: 'websocket' });
    const socket = await new Promise((resolve) => {
      const look = () => (sockets.length > 0 ? resolve(sockets.pop()) : setTimeout(look));
      look();
    });
    socket.onclose({ code, reason: name });
    await new Promise((resolve) => setTimeout(resolve));
    const away = code === 4101 ? 'ended' : 'closed';
    assert.equal(handle.state, come_back ? 'reconnecting' : away, `${code} ${name}`);
    handle.close();
  }
});
