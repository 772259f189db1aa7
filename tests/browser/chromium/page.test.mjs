// What a page shows: ops, scrolling, selections, policies, tabs, time.
import assert from 'node:assert/strict';
import { afterEach, test } from 'node:test';

import { Service, Site, browse, shows, stands, tab, until } from './bench.mjs';

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
  const box = 'style="height: 150px; overflow-y: auto; scroll-behavior: smooth"';
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
  const scroll = (selector, how, top) =>
    page.evaluate(([selector, how, top]) => document.querySelector(selector)[how]({ top, behavior: 'instant' }), [selector, how, top]);
  const [a, outer] = ['[dj-stream=a]', '#outer'];
  // From a box that does not scroll yet, by a chunk that is taller than any threshold.
  await put('a', 'append', lines(30, 'first'), 'first 29');
  assert.equal(await left(a), 0);
  // Near the end, but not at it.
  await scroll(a, 'scrollBy', -60);
  await put('a', 'append', lines(3, 'second'), 'second 2');
  assert.equal(await left(a), 0);
  // Replaced as a whole.
  await put('a', 'replace', lines(50, 'third'), 'third 49');
  assert.equal(await left(a), 0);
  // Scrolled up.
  await scroll(a, 'scrollTo', 200);
  await put('a', 'append', lines(5, 'fourth'), 'fourth 4');
  assert.equal(await page.evaluate((a) => document.querySelector(a).scrollTop, a), 200);
  // What scrolls stands around the stream.
  await put('b', 'append', lines(20, 'nested'), 'nested 19');
  assert.equal(await left(outer), 0);
  await scroll(outer, 'scrollTo', 10);
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

test('what has the focus keeps it while the text around it grows', async () => {
  const page = await open('<div dj-stream="a"></div><div dj-stream="b"><input id="own" value="mine"></div>');
  const body = service.reply(page.channel, 'a');
  body.write('See [this link](/u).\n\nThen ');
  await shows(page, '[dj-stream=a]', 'Then');
  const focused = () => page.evaluate(() => document.activeElement.id || document.activeElement.textContent);
  await page.focus('[dj-stream=a] a');
  body.write('*more* of it\n\n- and\n- more');
  await shows(page, '[dj-stream=a]', 'more of it');
  body.end();
  await page.waitForFunction(() => window.seen.some(([name]) => name === 'stream:done'));
  assert.equal(await focused(), 'this link');
  await page.focus('#own');
  await page.evaluate(() => document.querySelector('#own').setSelectionRange(1, 3));
  await service.publish(page.channel, 'b', { op: 'append', html: '<p>below</p>' }, { op: 'prepend', html: '<p>above</p>' });
  await shows(page, '[dj-stream=b]', 'below');
  assert.equal(await focused(), 'own');
  assert.deepEqual(await page.evaluate(() => [document.activeElement.selectionStart, document.activeElement.selectionEnd]), [1, 3]);
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

for (const wire of ['compact', 'djust']) {
  test(`a page steps in before ops and edits, and asks for what it left out (${wire})`, async () => {
    const page = await open('<div dj-stream="a"></div><p dj-stream="b"></p>', { more: `data-rillmark-wire="${wire}"` });
    await page.evaluate(() => {
      window.paused = false;
      document.addEventListener('stream:before', (event) => {
        const { op } = event.detail;
        if (window.paused) event.preventDefault();
        else if (op.html) op.html = op.html.replaceAll('<a ', '<a target="_blank" ');
      });
    });
    const body = service.reply(page.channel, 'a');
    body.write('One [link](/u) ');
    await shows(page, '[dj-stream=a]', 'One link');
    assert.equal(await page.getAttribute('[dj-stream=a] a', 'target'), '_blank');
    await page.evaluate(() => (window.paused = true));
    body.write('and more.\n\n- a list\n- of [two](/v)\n\n');
    await service.publish(page.channel, 'b', text('left out'));
    await until('the text', async () => (await service.html(page.channel, 'a')).includes('two'));
    await page.evaluate(() => new Promise((resolve) => setTimeout(resolve, 300)));
    assert.equal(await page.textContent('[dj-stream=a]'), 'One link');
    assert.equal(await page.textContent('[dj-stream=b]'), '');
    await page.evaluate(async () => {
      window.paused = false;
      const { handleOf } = await import(document.querySelector('script').src);
      handleOf(document.querySelector('script')).refresh();
    });
    await shows(page, '[dj-stream=b]', 'left out');
    body.end('The *end*.');
    await page.waitForFunction(() => window.seen.some(([name]) => name === 'stream:done'));
    const whole = (await service.html(page.channel, 'a')).replaceAll('<a ', '<a target="_blank" ');
    assert.equal(await page.innerHTML('[dj-stream=a]'), whole.replace(/<a target="_blank" (href="[^"]*") ([^>]*)>/g, '<a target="_blank" $1 $2>'));
    assert.deepEqual(page.complaints, []);
  });
}

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

test('settings that change are heeded, and what is shown goes on', async () => {
  const channel = channelName();
  const declared = `<section data-rillmark-channel="${channel}"><ul dj-stream="log"><li>was</li></ul></section>`;
  const page = await tab(context, site.page('/changing', `<script type="module" src="${service.url}/client.js"></script>${declared}`));
  await stands(page, 'open');
  const set = (name, value) => page.evaluate(([name, value]) => document.querySelector('section').setAttribute(`data-rillmark-${name}`, value), [name, value]);
  const items = () => page.evaluate(() => [...document.querySelectorAll('li')].map((li) => li.textContent).join(' '));
  const put = (channel, item) => service.publish(channel, 'log', { op: 'append', html: `<li>${item}</li>` });
  await put(channel, '1');
  await shows(page, 'ul', '1');
  // Another token, another transport: the same channel, from where it stands.
  for (const [name, value, item] of [['token', 'other', '2'], ['transport', 'websocket', '3'], ['wire', 'djust', '4']]) {
    await set(name, value);
    await put(channel, item);
    await shows(page, 'ul', item);
  }
  assert.equal(await items(), 'was 1 2 3 4');
  assert.equal(await page.evaluate(() => window.stands.at(-1).transport), 'websocket');
  assert.equal(await page.evaluate(() => window.seen.some(([name]) => name === 'stream:reset')), false);
  // Another channel shows what is its own, and the first one again all of it.
  const other = channelName();
  await put(other, 'x');
  await set('channel', other);
  await shows(page, 'ul', 'x');
  assert.equal(await items(), 'was x');
  await set('channel', channel);
  await shows(page, 'ul', '4');
  assert.equal(await items(), 'was 1 2 3 4');
  assert.deepEqual(page.complaints, []);
});

test('a channel that is let go and watched again shows nothing twice', async () => {
  const channel = channelName();
  const page = await tab(context, site.page('/again', '<ul dj-stream="log"><li>was</li></ul><p id="note">note</p>'));
  const items = () => page.evaluate(() => [...document.querySelectorAll('li')].map((li) => li.textContent).join(' '));
  const watch = (more) =>
    page.evaluate(
      async ([url, channel, more]) => {
        const { connect } = await import(`${url}/client.js`);
        window.id = window.handle?.id;
        window.handle?.close();
        window.handle = connect({ url, channel, ...(more && { id: window.id }) });
      },
      [service.url, channel, more],
    );
  await watch();
  await service.publish(channel, 'log', { op: 'append', html: '<li>1</li>' }, { op: 'text', target: '#note', text: '!' });
  await shows(page, '#note', 'note!');
  await watch();
  await service.publish(channel, 'log', { op: 'append', html: '<li>2</li>' });
  await shows(page, 'ul', '2');
  assert.equal(await items(), 'was 1 2');
  assert.equal(await page.textContent('#note'), 'note!');
  // With the id of what is shown, only what is missing is sent.
  await watch(true);
  await service.publish(channel, 'log', { op: 'append', html: '<li>3</li>' });
  await shows(page, 'ul', '3');
  assert.equal(await items(), 'was 1 2 3');
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
