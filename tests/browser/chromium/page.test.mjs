// What a page shows: ops, scrolling, selections, policies, tabs, time.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { afterEach, test } from 'node:test';

import { LONG, Service, Site, browse, shows, stands, tab, until } from './bench.mjs';

const site = await Site.start();
const service = await Service.start({ RILLMARK_ALLOWED_ORIGINS: site.url });
const browser = await browse();
const context = await browser.newContext({ viewport: { width: 800, height: 600 } });

// A browser opens six connections to an origin over HTTP/1.1, for all its tabs.
afterEach(() => Promise.all(context.pages().map((page) => page.close())));

let number = 0;
const channelName = () => `c${(number += 1)}`;
const script = (channel, more = '') =>
  `<script type="module" src="${service.url}/client.js" data-rillmark-channel="${channel}" ${more}></script>`;
/** A page of its own channel, connected. */
async function open(body, { more, headers, channel = channelName() } = {}) {
  const page = await tab(context, site.page(`/${channel}`, script(channel, more) + body, headers));
  page.channel = channel;
  await stands(page, 'open');
  return page;
}
const text = (text, more) => ({ op: 'text', text, ...more });

test('the cases of the wire hold in Chromium', async () => {
  const top = new URL('../../../', import.meta.url);
  const cases = JSON.parse(readFileSync(new URL('tests/vectors/pages.json', top), 'utf8'));
  const page = await tab(context, site.page('/vectors', '<p>'));
  const differences = await page.evaluate(
    async ([client, cases]) => {
      const { Page } = await import(client);
      const beside = /^(aria-(live|busy)|data-rillmark-state)$/;
      const normal = (body) => {
        const copy = body.cloneNode(true);
        for (const el of copy.querySelectorAll('*')) {
          const kept = [...el.attributes].filter(({ name }) => !beside.test(name)).sort((a, b) => (a.name < b.name ? -1 : 1));
          for (const { name } of [...el.attributes]) el.removeAttribute(name);
          for (const { name, value } of kept) el.setAttribute(name, value);
        }
        return copy.innerHTML;
      };
      const found = [];
      for (const { name, page: body, frames, after, events, rillmark } of cases) {
        document.body.innerHTML = body;
        window.seen = [];
        const page = new Page('c');
        page.remember(false);
        for (const frame of frames) page.receive(frame);
        await new Promise((resolve) => requestAnimationFrame(() => setTimeout(resolve)));
        page.close();
        const wanted = document.createElement('body');
        wanted.innerHTML = rillmark?.after ?? after;
        const same = (a, b) => JSON.stringify(a, (_, v) => (v?.constructor === Object ? Object.entries(v).sort() : v)) ===
          JSON.stringify(b, (_, v) => (v?.constructor === Object ? Object.entries(v).sort() : v));
        if (normal(document.body) !== normal(wanted)) found.push([name, normal(document.body), normal(wanted)]);
        if (!same(window.seen, rillmark?.events ?? events)) found.push([name, window.seen, events]);
      }
      return found;
    },
    [`${service.url}/client.js`, cases],
  );
  assert.deepEqual(differences, []);
});

test('every op and its event, from the service', async () => {
  const page = await open('<ul dj-stream="a"></ul><p dj-stream="b">x</p>');
  const { channel } = page;
  const target = '#two';
  await service.publish(
    channel,
    'a',
    { op: 'start' },
    { op: 'append', html: '<li id="two">2</li>' },
    { op: 'prepend', html: '<li>1</li>' },
    { op: 'append', html: '<li>3</li><li>4</li>' },
    { op: 'prune', limit: 3, edge: 'bottom' },
    { op: 'text', target, text: '!' },
    { op: 'delete', target },
    { op: 'event', name: 'title', detail: { text: 'Numbers' } },
    { op: 'done' },
  );
  await service.publish(channel, 'b', { op: 'replace', html: '<b>y</b>' }, { op: 'error', error: 'no' });
  await shows(page, '[dj-stream=b]', 'no');
  const seen = await page.evaluate(() => window.seen.map(([name, at, detail]) => [name, at, JSON.parse(JSON.stringify(detail))]));
  const [a, b] = [{ stream: 'a' }, { stream: 'b' }];
  assert.deepEqual(seen, [
    ['stream:start', 'a', a],
    ['stream:update', 'a', { op: 'append', ...a }],
    ['stream:update', 'a', { op: 'prepend', ...a }],
    ['stream:update', 'a', { op: 'append', ...a }],
    ['stream:prune', 'a', { edge: 'bottom', limit: 3, ...a }],
    ['stream:text', 'two', { text: '!', mode: 'append', ...a }],
    ['stream:remove', 'two', a],
    ['stream:event', 'a', { name: 'title', detail: { text: 'Numbers' }, ...a }],
    ['stream:done', 'a', a],
    ['stream:start', 'b', b],
    ['stream:update', 'b', { op: 'replace', ...b }],
    ['stream:error', 'b', { error: 'no', ...b }],
  ]);
  assert.equal(await page.innerHTML('ul'), '<li>1</li><li>3</li>');
  assert.equal(await page.getAttribute('[dj-stream=b] > [role=alert]', 'class'), 'dj-stream-error');
  assert.deepEqual(page.complaints, []);
});

test('a reader at the end is kept there, one who scrolled up is left alone', async () => {
  const box = 'style="height: 150px; overflow-y: auto"';
  const page = await open(`<div ${box} dj-stream="a"></div><div ${box} id="outer"><p>before</p><div dj-stream="b"></div></div>`);
  const { channel } = page;
  const lines = (count, word) => Array.from({ length: count }, (_, at) => `<p>${word} ${at}</p>`).join('');
  const left = (selector) =>
    page.evaluate((selector) => {
      const el = document.querySelector(selector);
      return Math.round(el.scrollHeight - el.clientHeight - el.scrollTop);
    }, selector);
  const put = async (stream, op, html, word) => {
    await service.publish(channel, stream, { op, html });
    await shows(page, `[dj-stream=${stream}]`, word);
    // The scroll follows in the same animation frame.
    await page.evaluate(() => new Promise((resolve) => requestAnimationFrame(() => setTimeout(resolve))));
  };
  const [a, outer] = ['[dj-stream=a]', '#outer'];
  // From a box that does not scroll yet, by a chunk that is taller than any threshold.
  await put('a', 'append', lines(30, 'first'), 'first 29');
  assert.equal(await left(a), 0);
  // Near the end, but not at it.
  await page.evaluate((a) => (document.querySelector(a).scrollTop -= 60), a);
  await put('a', 'append', lines(3, 'second'), 'second 2');
  assert.equal(await left(a), 0);
  // Replaced as a whole.
  await put('a', 'replace', lines(50, 'third'), 'third 49');
  assert.equal(await left(a), 0);
  // Scrolled up.
  await page.evaluate((a) => (document.querySelector(a).scrollTop = 200), a);
  await put('a', 'append', lines(5, 'fourth'), 'fourth 4');
  assert.equal(await page.evaluate((a) => document.querySelector(a).scrollTop, a), 200);
  // What scrolls stands around the stream.
  await put('b', 'append', lines(20, 'nested'), 'nested 19');
  assert.equal(await left(outer), 0);
  await page.evaluate((outer) => (document.querySelector(outer).scrollTop = 10), outer);
  await put('b', 'append', lines(20, 'unseen'), 'unseen 19');
  assert.equal(await page.evaluate((outer) => document.querySelector(outer).scrollTop, outer), 10);
});

/** Selects a text in an element, where it stands last, and says what is selected. */
const select = (page, selector, text) =>
  page.evaluate(
    ([selector, text]) => {
      const walker = document.createTreeWalker(document.querySelector(selector), NodeFilter.SHOW_TEXT);
      while (walker.nextNode()) {
        const at = walker.currentNode.data.indexOf(text);
        if (at < 0) continue;
        getSelection().setBaseAndExtent(walker.currentNode, at, walker.currentNode, at + text.length);
      }
      return String(getSelection());
    },
    [selector, text],
  );

test('a selection outlives 500 tokens', async () => {
  const page = await open('<div dj-stream="a"></div><p dj-stream="b"></p>');
  const body = service.reply(page.channel, 'a');
  body.write('Select **these words** here.\n\nThen ');
  await service.publish(page.channel, 'b', text('And these in text. '));
  await shows(page, '[dj-stream=b]', 'And these');
  await shows(page, '[dj-stream=a]', 'Then');
  assert.equal(await select(page, '[dj-stream=a]', 'these words'), 'these words');
  for (let at = 0; at < 250; at += 1) {
    body.write(`token${at} ${at % 25 === 24 ? '\n\n' : ''}`);
    if (at % 10 === 0) await new Promise((resolve) => setTimeout(resolve, 10));
  }
  await shows(page, '[dj-stream=a]', 'token249');
  assert.equal(await page.evaluate(() => String(getSelection())), 'these words');
  body.end();
  await select(page, '[dj-stream=b]', 'these in');
  for (let at = 0; at < 250; at += 25) {
    await service.publish(page.channel, 'b', ...Array.from({ length: 25 }, (_, n) => text(` t${at + n}`)));
  }
  await shows(page, '[dj-stream=b]', 't249');
  assert.equal(await page.evaluate(() => String(getSelection())), 'these in');
});

test('a selection in a list item outlives 500 tokens of the same list', async () => {
  const page = await open('<div dj-stream="a"></div>');
  const body = service.reply(page.channel, 'a');
  body.write('1. first\n2. select **these words** here\n   - and\n3. ');
  await shows(page, '[dj-stream=a]', 'and');
  assert.equal(await select(page, '[dj-stream=a]', 'these words'), 'these words');
  await page.evaluate(() => (window.items = [...document.querySelectorAll('ol > li')].slice(0, 2)));
  let next = 4;
  for (let at = 0; at < 500; at += 1) {
    const mark = at % 7 === 0 ? '**' : '';
    body.write(`${mark}token${at}${mark} ${at % 12 === 5 ? '\n   - ' : at % 12 === 11 ? `\n${next++}. ` : ''}`);
    if (at % 10 === 0) await new Promise((resolve) => setTimeout(resolve, 10));
  }
  await shows(page, '[dj-stream=a]', 'token499');
  assert.equal(await page.evaluate(() => String(getSelection())), 'these words');
  const stand = () => window.items.every((item, at) => document.querySelectorAll('ol > li')[at] === item);
  assert.ok(await page.evaluate(stand), 'the items are the same nodes');
  body.end();
  await shows(page, '[dj-stream=a]', 'token499');
  assert.equal(await page.evaluate(() => String(getSelection())), 'these words');
});

test('it works under a strict policy and Trusted Types', async () => {
  const headers = {
    'content-security-policy':
      `default-src 'none'; script-src ${service.url}; connect-src ${service.url}; ` +
      `require-trusted-types-for 'script'; trusted-types rillmark`,
  };
  const page = await open('<div dj-stream="a"></div>', { headers });
  await service.publish(page.channel, 'a', { op: 'append', html: '<p>safe</p>' }, { op: 'replace', html: '<b>and sound</b>' });
  await shows(page, '[dj-stream=a]', 'and sound');
  assert.deepEqual(page.complaints, []);
  // The policy holds for others: the test would see nothing where it did not.
  const refused = await page.evaluate(() => {
    try {
      document.body.innerHTML = '<p>';
      return false;
    } catch {
      return true;
    }
  });
  assert.ok(refused);
});

test('a button that a page puts into a live element stays with what is finished', async () => {
  const page = await open('<div dj-stream="a"></div>');
  const body = service.reply(page.channel, 'a');
  body.write('```js\nlet a = 1;\n```\n\nand ');
  await shows(page, '[dj-stream=a]', 'and');
  await page.evaluate(() => {
    const copy = Object.assign(document.createElement('button'), { textContent: 'Copy' });
    document.querySelector('pre').append(copy);
  });
  body.write('so on, *for a while*.\n\n- until\n- it ends\n');
  body.end();
  await page.waitForFunction(() => window.seen.some(([name]) => name === 'stream:done'));
  assert.equal(await page.textContent('pre > button'), 'Copy');
  const shown = await page.evaluate(() => {
    document.querySelector('pre > button').remove();
    return document.querySelector('[dj-stream=a]').innerHTML;
  });
  assert.equal(shown, await service.html(page.channel, 'a'));
});

test('what a page has taken out of a live element comes back whole', async () => {
  const page = await open('<div dj-stream="a"></div>');
  const body = service.reply(page.channel, 'a');
  body.write('One.\n\nTwo ');
  await shows(page, '[dj-stream=a]', 'Two');
  await page.evaluate(() => document.querySelector('[dj-stream=a]').replaceChildren());
  body.write('and three');
  await shows(page, '[dj-stream=a]', 'Two and three');
  body.end('.\n');
  await page.waitForFunction(() => window.seen.some(([name]) => name === 'stream:done'));
  assert.equal(await page.innerHTML('[dj-stream=a]'), await service.html(page.channel, 'a'));
});

test('a second tab that comes in between ends with the same page', async () => {
  const channel = channelName();
  const body = '<div dj-stream="a">was</div><ul dj-stream="log"></ul>';
  const first = await open(body, { channel });
  const reply = service.reply(channel, 'a');
  reply.write('# Title\n\nSome *emph');
  await service.publish(channel, 'log', { op: 'append', html: '<li>1</li><li>2</li>' });
  await shows(first, '[dj-stream=log]', '2');
  const second = await open(body, { channel, more: 'data-rillmark-transport="websocket"' });
  await shows(second, '[dj-stream=a]', 'emph');
  reply.write('asis* and more.\n\n| a | b |\n|---|---|\n| 1 | 2 |\n');
  await service.publish(channel, 'log', { op: 'append', html: '<li>3</li>' }, { op: 'prune', limit: 2 });
  reply.end();
  const done = (page) => page.waitForFunction(() => window.seen.some(([name]) => name === 'stream:done'));
  await Promise.all([done(first), done(second), shows(first, 'ul', '3'), shows(second, 'ul', '3')]);
  const shown = (page) => page.evaluate(() => [...document.querySelectorAll('[dj-stream]')].map((el) => el.innerHTML));
  assert.deepEqual(await shown(first), await shown(second));
  assert.deepEqual(await shown(first), [await service.html(channel, 'a'), '<li>2</li><li>3</li>']);
  // Whoever comes when all is over sees the same, and is told of the end (a snapshot may be some ticks old, and those
  // follow it).
  const third = await open(body, { channel });
  await Promise.all([done(third), shows(third, 'ul', '3')]);
  assert.deepEqual(await shown(third), await shown(first));
  const seen = await third.evaluate(() => window.seen.filter(([, at]) => at === 'a').map(([name]) => name));
  assert.equal(seen[0], 'stream:reset');
  assert.equal(seen.filter((name) => name === 'stream:done').length, 1, String(seen));
});

test('what is declared later is picked up, what is removed is let go, one connection carries all', async () => {
  const [one, two] = [channelName(), channelName()];
  const page = await tab(context, site.page('/late', `<script type="module" src="${service.url}/client.js"></script><main></main>`));
  const streams = [];
  page.on('request', (request) => request.url().includes('/sse') && streams.push(request.url()));
  const section = (channel) =>
    `<section id="${channel}" data-rillmark-url="${service.url}" data-rillmark-channel="${channel}"><p dj-stream="a"></p></section>`;
  await service.publish(two, 'a', text('two'));
  await page.evaluate((html) => (document.querySelector('main').innerHTML = html), section(one) + section(two));
  await shows(page, `#${two} p`, 'two');
  await service.publish(one, 'a', text('one'));
  await shows(page, `#${one} p`, 'one');
  assert.equal(await page.getAttribute(`#${one}`, 'data-rillmark-state'), 'open');
  assert.deepEqual(streams.map((url) => new URL(url).pathname), ['/sse']);
  await page.evaluate((id) => document.getElementById(id).remove(), one);
  await until('the subscription to be let go', async () => {
    const state = await (await fetch(`${service.url}/channels/${one}`)).json();
    return state.subscribers === 0;
  });
  await service.publish(two, 'a', text(' more'));
  await shows(page, `#${two} p`, 'two more');
});

test('an element that comes too late for a stream gets all of it', async () => {
  const page = await open('<p dj-stream="b"></p>');
  const body = service.reply(page.channel, 'late');
  body.write('Once **upon** a time');
  await service.publish(page.channel, 'b', text('sync'));
  await shows(page, '[dj-stream=b]', 'sync');
  await page.evaluate(() => document.body.insertAdjacentHTML('beforeend', '<div dj-stream="late"></div>'));
  await shows(page, '[dj-stream=late]', 'Once upon a time');
  body.end(' there was.');
  await shows(page, '[dj-stream=late]', 'there was.');
});

test('a frame costs as much at the end of 5,000 tokens as at the beginning', async () => {
  const page = await open('<div dj-stream="a" style="height: 400px; overflow-y: auto"></div>');
  await page.evaluate(() => {
    window.times = [];
    const ask = window.requestAnimationFrame;
    window.requestAnimationFrame = (act) =>
      ask((now) => {
        const began = performance.now();
        act(now);
        document.body.offsetHeight; // The layout that it caused, too.
        window.times.push(performance.now() - began);
      });
  });
  const tokens = LONG ? 20_000 : 5_000;
  const body = service.reply(page.channel, 'a');
  for (let at = 0; at < tokens; at += 1) {
    body.write(`word${at % 60 === 59 ? '.\n\n' : at % 20 === 19 ? ' **bold** ' : ' '}`);
    if (at % 7 === 6) await new Promise((resolve) => setTimeout(resolve, 15));
  }
  body.end('The end.');
  await shows(page, '[dj-stream=a]', 'The end.');
  const times = await page.evaluate(() => window.times);
  assert.ok(times.length >= 300, `${times.length} frames`);
  const part = Math.min(500, Math.floor(times.length / 2));
  // Of 500 frames some wait for another process: the middle half says what a frame costs.
  const mean = (list) => {
    const middle = list.sort((a, b) => a - b).slice(part / 4, (3 * part) / 4);
    return middle.reduce((sum, time) => sum + time, 0) / middle.length;
  };
  const [first, last] = [mean(times.slice(0, part)), mean(times.slice(-part))];
  console.log(`${times.length} frames; ${first.toFixed(2)} ms each of the first ${part}, ${last.toFixed(2)} ms of the last`);
  assert.ok(last <= 1.5 * first + 0.1, `${first} ms grew to ${last} ms`);
});
