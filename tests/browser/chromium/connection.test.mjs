// What becomes of a connection: reloads, restarts, cuts, tokens, and what Chromium's own EventSource makes of the wire.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { afterEach, test } from 'node:test';

import { Road, Service, Site, browse, shows, stands, tab, until } from './bench.mjs';

const site = await Site.start();
const browser = await browse();
const context = await browser.newContext();
const plain = await Service.start({ RILLMARK_ALLOWED_ORIGINS: site.url });
const OFFLINE = 30_000;

// A browser opens six connections to an origin over HTTP/1.1, for all its tabs.
afterEach(() => Promise.all(context.pages().map((page) => page.close())));

let number = 0;
const channelName = () => `c${(number += 1)}`;
async function open(body, { service = plain, more = '', channel = channelName(), state = 'open', context: other = context } = {}) {
  const script = `<script type="module" src="${service.url}/client.js" data-rillmark-channel="${channel}" ${more}></script>`;
  const page = await tab(other, site.page(`/${channel}`, script + body));
  page.channel = channel;
  await stands(page, state);
  return page;
}
const text = (text) => ({ op: 'text', text });
const pause = (milliseconds) => new Promise((resolve) => setTimeout(resolve, milliseconds));
const content = (page, stream) => page.evaluate((stream) => document.querySelector(`[dj-stream=${stream}]`).innerHTML, stream);

/** Pages that are offline for half a minute, by a cut that they notice or one that nobody tells: meanwhile the other tests run. */
const offline = ['sse', 'websocket'].flatMap((transport) => ['cut', 'fallSilent'].map(async (how) => {
  const [road, away] = [await Road.to(plain), await browser.newContext()];
  const more = `data-rillmark-transport="${transport}"`;
  const page = await open('<p dj-stream="a"></p>', { service: road, context: away, more });
  await plain.publish(page.channel, 'a', text('1'));
  await shows(page, '[dj-stream=a]', '1');
  road[how]();
  await away.setOffline(true);
  await plain.publish(page.channel, 'a', text('2'));
  await pause(OFFLINE);
  const meanwhile = await page.textContent('[dj-stream=a]');
  await plain.publish(page.channel, 'a', text('3'));
  road.mend();
  const back = performance.now();
  await away.setOffline(false);
  await shows(page, '[dj-stream=a]', '3');
  const told = { way: `${how}, ${transport}`, meanwhile, after: await page.textContent('[dj-stream=a]'), took: performance.now() - back };
  told.resets = await page.evaluate(() => window.seen.filter(([name]) => name === 'stream:reset').length);
  await away.close();
  return told;
}));
Promise.allSettled(offline); // What fails is told by the test that waits for it, the last one.

test('a reload in the middle of a reply loses nothing', async () => {
  const page = await open('<div dj-stream="a"></div>');
  const body = plain.reply(page.channel, 'a');
  body.write('# One\n\nTwo **thr');
  await shows(page, '[dj-stream=a]', 'thr');
  await page.reload();
  await shows(page, '[dj-stream=a]', 'thr');
  body.end('ee** four\n');
  await shows(page, '[dj-stream=a]', 'four');
  await page.waitForFunction(() => window.seen.some(([name]) => name === 'stream:done'));
  assert.equal(await content(page, 'a'), await plain.html(page.channel, 'a'));
});

test('a page that was rendered at an id goes on from there', async () => {
  const channel = channelName();
  const body = plain.reply(channel, 'a');
  body.write('Already here.\n\nAnd ');
  const state = await until('the text', async () => {
    const answer = await fetch(`${plain.url}/channels/${channel}/streams/a`);
    const state = answer.ok ? await answer.json() : {};
    return state.html?.includes('And') && state;
  });
  const settings = `data-rillmark-url="${plain.url}" data-rillmark-channel="${channel}" data-rillmark-id="${state.id}"`;
  const section = `<section ${settings}><div dj-stream="a">${state.html}</div></section>`;
  const page = await tab(context, site.page('/filled', `<script type="module" src="${plain.url}/client.js"></script>${section}`));
  await stands(page, 'open');
  body.end('more.');
  await shows(page, '[dj-stream=a]', 'And more.');
  assert.equal(await content(page, 'a'), await plain.html(channel, 'a'));
  const resets = await page.evaluate(() => window.seen.filter(([name]) => name === 'stream:reset').length);
  assert.equal(resets, 0, 'nothing flashes');
});

for (const transport of ['sse', 'websocket']) {
  test(`the service is killed and comes back: finished replies stay, the active one says so (${transport})`, async () => {
    const service = await Service.start({ RILLMARK_ALLOWED_ORIGINS: site.url });
    const page = await open('<div dj-stream="a"></div><div dj-stream="b"></div>', {
      service,
      more: `data-rillmark-transport="${transport}"`,
    });
    await service.publish(page.channel, 'a', { op: 'start' }, { op: 'markdown', text: 'A *finished* answer.' }, { op: 'done' });
    await service.publish(page.channel, 'b', { op: 'start' }, { op: 'markdown', text: 'One that was' });
    await shows(page, '[dj-stream=b]', 'was');
    await service.down('SIGKILL');
    await stands(page, 'reconnecting');
    await service.up();
    await shows(page, '[dj-stream=b] > .dj-stream-error', 'Interrupted');
    assert.equal(await content(page, 'a'), '<p>A <em>finished</em> answer.</p>');
    assert.match(await content(page, 'b'), /^<p>One that was<\/p><div/);
    await stands(page, 'open');
    await service.publish(page.channel, 'b', { op: 'start' }, { op: 'markdown', text: 'A new one' });
    await shows(page, '[dj-stream=b]', 'A new one');
    assert.equal(await page.evaluate(() => document.querySelector('.dj-stream-error')), null);
  });
}

test('a stop and a restart in between', async () => {
  const service = await Service.start({ RILLMARK_ALLOWED_ORIGINS: site.url });
  const page = await open('<p dj-stream="a"></p>', { service });
  await service.publish(page.channel, 'a', text('before'));
  await shows(page, '[dj-stream=a]', 'before');
  await service.down('SIGTERM');
  await stands(page, 'reconnecting');
  await service.up();
  await stands(page, 'open');
});

test('tokens come from where the page says, and anew when their time is over', async () => {
  const env = { RILLMARK_ALLOWED_ORIGINS: site.url, RILLMARK_API_KEYS: 'k'.repeat(40), RILLMARK_TOKEN_SECRET: 's'.repeat(40) };
  const service = await Service.start(env);
  const sign = (...args) => {
    const how = { env: { ...process.env, ...env }, encoding: 'utf8' };
    return execFileSync(process.env.RILLMARK_BIN, ['token', ...args], how).trim();
  };
  for (const transport of ['sse', 'websocket']) {
    const channel = channelName();
    let signed = 0;
    const body = () => JSON.stringify({ token: sign('--subscribe', channel, '--cancel', channel, '--until', (signed += 1) === 1 ? '2s' : '1h') });
    site.pages.set('/token', { type: 'application/json', body });
    const more = `data-rillmark-transport="${transport}" data-rillmark-token-url="/token"`;
    const page = await open('<p dj-stream="a"></p>', { service, channel, more });
    await service.publish(channel, 'a', text('1'));
    await shows(page, '[dj-stream=a]', '1');
    await until('a second token', () => signed === 2);
    await service.publish(channel, 'a', text('2'));
    await shows(page, '[dj-stream=a]', '12');
    assert.equal(await page.textContent('[dj-stream=a]'), '12');
    await page.close();
  }
  // Nothing is asked of another origin's address for tokens.
  const more = `data-rillmark-channel="c" data-rillmark-token-url="${plain.url}/token"`;
  const foreign = await tab(context, site.page('/foreign', `<script type="module" src="${service.url}/client.js" ${more}></script>`));
  await foreign.waitForSelector('script[data-rillmark-state=closed]', { state: 'attached' });
  assert.match(String(foreign.complaints), /another origin/);
  // One that cannot be renewed, and one that opens another channel.
  const other = sign('--subscribe', 'other');
  const [none, wrong] = [await open('', { service, state: 'closed' }), await open('', { service, more: `data-rillmark-token="${other}"`, state: 'closed' })];
  assert.equal(await none.getAttribute('script', 'data-rillmark-state'), 'closed');
  assert.deepEqual(await wrong.evaluate(() => window.states), ['connecting', 'closed']);
  // A script that has a better one tries anew.
  const better = sign('--subscribe', wrong.channel);
  await wrong.evaluate(
    async ([url, channel, token]) => (await import(`${url}/client.js`)).connect({ url, channel, token }),
    [service.url, wrong.channel, better],
  );
  await stands(wrong, 'open');
});

for (const transport of ['sse', 'websocket']) {
  test(`two channels of a page go on from where each stood (${transport})`, async () => {
    const [service, road] = [plain, await Road.to(plain)];
    const [one, two] = [channelName(), channelName()];
    const of = (channel) => `<section data-rillmark-channel="${channel}" data-rillmark-url="${road.url}" ` +
      `data-rillmark-transport="${transport}"><p dj-stream="a">${channel}: </p></section>`;
    const module = `<script type="module" src="${service.url}/client.js"></script>`;
    const page = await tab(context, site.page('/two', module + of(one) + of(two)));
    const shown = (channel) => page.textContent(`[data-rillmark-channel=${channel}]`);
    await until('both', () => page.evaluate(() => document.querySelectorAll('[data-rillmark-state=open]').length === 2));
    for (const channel of [one, two, one]) await service.publish(channel, 'a', text('x'));
    await until('both', async () => (await shown(one)) === `${one}: xx` && (await shown(two)) === `${two}: x`);
    road.cut();
    await service.publish(two, 'a', text('y'));
    await until('the cut', () => page.evaluate(() => document.querySelectorAll('[data-rillmark-state=reconnecting]').length === 2));
    await service.publish(one, 'a', text('y'));
    road.mend();
    await until('both', async () => (await shown(one)) === `${one}: xxy` && (await shown(two)) === `${two}: xy`);
    assert.equal(await page.evaluate(() => window.seen.some(([name]) => name === 'stream:reset')), false, 'nothing anew');
  });
}

test('tabs beyond those that a browser has connections for take sockets, and all are served', async () => {
  const channel = channelName();
  const more = `data-rillmark-channel="${channel}"`;
  const url = site.page('/many', `<script type="module" src="${plain.url}/client.js" ${more}></script><p dj-stream="a"></p>`);
  const tabs = [];
  for (let at = 0; at < 8; at += 1) {
    tabs.push(await tab(context, url));
    await stands(tabs[at], 'open');
  }
  const transports = await Promise.all(tabs.map((page) => page.evaluate(() => window.stands.at(-1).transport)));
  assert.deepEqual(transports, [...Array(4).fill('sse'), ...Array(4).fill('websocket')]);
  await plain.publish(channel, 'a', { op: 'start' }, text('for all'));
  await Promise.all(tabs.map((page) => shows(page, 'p', 'for all')));
  const told = await Promise.all(tabs.map((page) => page.evaluate(async (client) => {
    const { handleOf } = await import(client);
    const began = performance.now();
    const { cancelled } = await handleOf(document.querySelector('script')).cancel('a');
    return [cancelled, performance.now() - began < 5_000];
  }, `${plain.url}/client.js`)));
  // Requests of other kinds get through: one tab has stopped it.
  assert.equal(told.filter(([cancelled]) => cancelled).length, 1);
  assert.ok(told.every(([, soon]) => soon));
});

test('where connections cannot be counted, a tab that gets none takes a socket after ten seconds', async () => {
  const counted = await browser.newContext();
  await counted.addInitScript(() => Object.defineProperty(navigator, 'locks', { value: undefined }));
  const channel = channelName();
  const more = `data-rillmark-channel="${channel}"`;
  const url = site.page('/uncounted', `<script type="module" src="${plain.url}/client.js" ${more}></script><p dj-stream="a"></p>`);
  for (let at = 0; at < 6; at += 1) await stands(await tab(counted, url), 'open');
  const last = await tab(counted, url, (page) => page.clock.install());
  await last.clock.runFor(5_000);
  assert.deepEqual(await last.evaluate(() => window.states), ['connecting']);
  await last.clock.runFor(6_000);
  await stands(last, 'open');
  await plain.publish(channel, 'a', text('also here'));
  await last.clock.runFor(1_000);
  await until('the text', async () => (await last.clock.runFor(100), (await last.textContent('p')).includes('also here')));
  await counted.close();
});

test('a script can connect, stop a reply, and let go', async () => {
  const channel = channelName();
  const page = await tab(context, site.page('/script', '<div dj-stream="a"></div>'));
  const body = plain.reply(channel, 'a');
  body.write('Something that goes on');
  await page.evaluate(
    async ([url, channel]) => {
      const { connect } = await import(`${url}/client.js`);
      window.ticks = [];
      window.handle = connect({ url, channel, transport: 'websocket' });
      window.handle.addEventListener('tick', ({ detail }) => window.ticks.push(detail.id));
    },
    [plain.url, channel],
  );
  await shows(page, '[dj-stream=a]', 'goes on');
  const told = await page.evaluate(() => window.handle.cancel('a'));
  assert.equal(told.cancelled, true);
  await page.waitForFunction(() => window.seen.some(([name, , { cancelled }]) => name === 'stream:done' && cancelled));
  assert.deepEqual(await page.evaluate(() => [window.handle.state, window.handle.id === window.ticks.at(-1)]), ['open', true]);
  await page.evaluate(() => window.handle.close());
  await until('nobody to watch', async () => (await (await fetch(`${plain.url}/channels/${channel}`)).json()).subscribers === 0);
});

test('where no WebSocket gets through, events do', async () => {
  const blocked = await browser.newContext();
  await blocked.addInitScript(() => {
    window.WebSocket = class extends WebSocket {
      constructor(url, protocols) {
        super(url.href.replace('/ws', '/nowhere'), protocols);
      }
    };
  });
  const channel = channelName();
  const more = `data-rillmark-channel="${channel}" data-rillmark-transport="websocket"`;
  const url = site.page('/blocked', `<script type="module" src="${plain.url}/client.js" ${more}></script><p dj-stream="a"></p>`);
  const other = await tab(blocked, url);
  await stands(other, 'open');
  await plain.publish(channel, 'a', text('by events'));
  await shows(other, '[dj-stream=a]', 'by events');
  await blocked.close();
});

test('an ended channel is left alone', async () => {
  const page = await open('<p dj-stream="a"></p>');
  await plain.publish(page.channel, 'a', text('the last'));
  await fetch(`${plain.url}/channels/${page.channel}`, { method: 'DELETE' });
  await stands(page, 'ended');
  await page.reload();
  await stands(page, 'ended');
  await shows(page, '[dj-stream=a]', 'the last');
});

test("Chromium's own EventSource follows the wire", async () => {
  const page = await tab(context, site.page('/source', '<p>'));
  const channel = channelName();
  const first = await plain.publish(channel, 'a', text('1'));
  const heard = await page.evaluate(
    ([url]) =>
      new Promise((resolve) => {
        const heard = (window.heard = []);
        const source = (window.source = new EventSource(url));
        source.addEventListener('rillmark', ({ data }) => heard.push(JSON.parse(data).type));
        source.onmessage = ({ data, lastEventId }) => {
          heard.push([JSON.parse(data).ops.map(({ text }) => text).join(''), lastEventId]);
          resolve(heard);
        };
      }),
    [`${plain.url}/channels/${channel}/sse`],
  );
  assert.deepEqual(heard, ['subscribed', ['1', first]]);
  const second = await plain.publish(channel, 'a', text('2'));
  await page.waitForFunction(() => window.heard.length === 3);
  assert.deepEqual(await page.evaluate(() => window.heard[2]), ['2', second]);
  await fetch(`${plain.url}/channels/${channel}`, { method: 'DELETE' });
  // Told `ended`, it comes back by itself with its last id, and the 204 stops it.
  await page.waitForFunction(() => window.source.readyState === EventSource.CLOSED, null, { timeout: 10_000 });
});

test('half a minute offline, then all of it at once', async () => {
  for (const { way, meanwhile, after, took, resets } of await Promise.all(offline)) {
    assert.deepEqual([way, meanwhile, after, resets], [way, '1', '123', 0], 'each of it once');
    assert.ok(took < 3_000, `${way}: ${took} ms, though the browser has told that it is online`);
  }
});
