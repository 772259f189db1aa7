// The cases of the wire's vectors that are for clients, taken by the browser client in jsdom.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';

import { normal, openWindow, parsed, placeOf } from './dom.mjs';

const top = new URL('../../', import.meta.url);
const vectors = (name) => JSON.parse(readFileSync(new URL(`tests/vectors/${name}.json`, top), 'utf8'));
const { window, complaints } = openWindow();
const { EventReader, Page } = await import(new URL('clients/browser/rillmark.js', top));

const EVENTS = ['start', 'text', 'update', 'remove', 'error', 'done', 'prune', 'event', 'reset'];
let seen = [];
for (const name of EVENTS) {
  document.addEventListener(`stream:${name}`, ({ type, target, detail }) => {
    seen.push([type, placeOf(target), JSON.parse(JSON.stringify(detail))]);
  });
}
let warned = 0;
console.warn = () => (warned += 1);

/** Until all that has come is shown. */
const shown = () => new Promise((resolve) => window.requestAnimationFrame(() => setTimeout(resolve)));

test('each op does to the page what the wire says', async (t) => {
  const cases = vectors('pages');
  assert.ok(cases.length > 40);
  for (const { name, page: body, frames, after, events, skipped, rillmark } of cases) {
    await t.test(name, async () => {
      document.body.innerHTML = body;
      seen = [];
      warned = 0;
      const page = new Page('c');
      page.remember(false);
      for (const frame of frames) page.receive(frame);
      await shown();
      page.close();
      assert.equal(normal(document.body), parsed(rillmark?.after ?? after));
      assert.deepEqual(seen, rillmark?.events ?? events);
      assert.equal(warned, skipped ?? 0);
      assert.deepEqual(complaints, []);
    });
  }
});

test('events are read as they were written, whatever the network cut', () => {
  const read = (text, size) => {
    const events = [];
    const reader = new EventReader((event) => events.push(event));
    for (let at = 0; at < text.length; at += size) reader.push(text.slice(at, at + size));
    return events;
  };
  for (const { name, messages, sse } of vectors('ticks')) {
    const wanted = messages.map((message) => JSON.parse(message));
    for (const size of [1, 2, 3, 7, 4096]) {
      const events = read(sse, size);
      assert.deepEqual(events.map(({ data }) => JSON.parse(data)), wanted, name);
      assert.deepEqual(events.map(({ id }) => id), wanted.map(({ id }) => id), name);
    }
  }
  for (const { sse, control, id } of vectors('controls')) {
    const [event] = read(sse, 3);
    assert.deepEqual([JSON.parse(event.data), event.id], [control, id]);
  }
  const odd = 'retry: 500\r\n\r\n: hi\rdata: a\rid: 1\r\rdata:b\ndata: c\n\nid: 2\n\ndata: d\n\ndata: lost\n';
  for (const size of [1, 2, 5, 100]) {
    assert.deepEqual(read(odd, size), [{ retry: 500 }, { data: 'a', id: '1' }, { data: 'b\nc' }, { data: 'd' }]);
  }
});
