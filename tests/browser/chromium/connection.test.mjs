// What becomes of a connection: reloads, restarts, cuts, tokens, and what Chromium's own EventSource makes of the wire.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { afterEach, test } from 'node:test';

import { LONG, Service, Site, browse, shows, stands, tab, until } from './bench.mjs';

const site = await Site.start();
const browser = await browse();
const context = await browser.newContext();
const plain = await Service.start({ RILLMARK_ALLOWED_ORIGINS: site.url });

// A browser opens six connections to an origin over HTTP/1.1, for all its tabs.
afterEach(() => Promise.all(context.pages().map((page) => page.close())));

let number = 0;
const channelName = () => `c${(number += 1)}`;
async function open(body, { service = plain, more = '', channel = channelName(), state = 'open' } = {}) {
  const script = `<script type="module" src="${service.url}/client.js" data-rillmark-channel="${channel}" ${more}></script>`;
  const page = await tab(context, site.page(`/${channel}`, script + body));
  page.channel = channel;
  await stands(page, state);
  return page;
}
const text = (text) => ({ op: 'text', text });
const pause = (milliseconds) => new Promise((resolve) => setTimeout(resolve, milliseconds));
const content = (page, stream) => page.evaluate((stream) => document.querySelector(`[dj-stream=${stream}]`).innerHTML, stream);

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

test('offline for a while, then all of it', async () => {
  for (const transport of ['sse', 'websocket']) {
    const page = await open('<p dj-stream="a"></p>', { more: `data-rillmark-transport="${transport}"` });
    await plain.publish(page.channel, 'a', text('1'));
    await shows(page, '[dj-stream=a]', '1');
    await context.setOffline(true);
    await plain.publish(page.channel, 'a', text('2'));
    await pause(LONG ? 30_000 : 1_500);
    await plain.publish(page.channel, 'a', text('3'));
    await context.setOffline(false);
    await shows(page, '[dj-stream=a]', '123');
    assert.equal(await page.textContent('[dj-stream=a]'), '123', 'each of it once');
    await page.close();
  }
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
