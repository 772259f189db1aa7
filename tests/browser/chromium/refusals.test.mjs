// What a page makes of a service that refuses it, breaks off or falls silent: when it comes back, and whether. The
// service is a stand-in that says what each test wants, and the page's clock is turned by hand.
import assert from 'node:assert/strict';
import { afterEach, test } from 'node:test';

import { Service, Site, browse, tab, until } from './bench.mjs';

const site = await Site.start();
const service = await Service.start();
const context = await (await browse()).newContext();
afterEach(() => Promise.all(context.pages().map((page) => page.close())));

/** A stand-in for a channel's events: each request is answered by the next of `answers`, the last one for ever. */
function standIn(path, answers) {
  const asked = [];
  const answer = (request, response) => {
    asked.push(request);
    const how = answers.length > 1 ? answers.shift() : answers[0];
    response.setHeader('access-control-allow-origin', '*');
    how(response, request);
  };
  site.pages.set(path, { answer });
  return asked;
}

const refuse = (status, problem, headers = {}) => (response) =>
  response.writeHead(status, { 'content-type': 'application/problem+json', ...headers }).end(JSON.stringify(problem));
const busy = refuse(503, { title: 'Busy', status: 503 });
const subscribed = `event: rillmark\ndata: ${JSON.stringify({ type: 'subscribed', channel: 'c', id: '1f-0', by: 'replay', streams: [], cursor: null })}\n\n`;
const events = (text = '') => (response) => {
  response.writeHead(200, { 'content-type': 'text/event-stream' });
  response.write(text);
};

/** A page on the stand-in, whose clock stands still. `connect` may have more settings, written as JavaScript. */
async function open(settings = '') {
  const page = await tab(context, site.page('/page', '<p dj-stream="a"></p>'), (page) => page.clock.install());
  await page.clock.pauseAt(new Date(Date.now() + 60_000));
  await page.addScriptTag({
    type: 'module',
    content: `import { connect } from '${service.url}/client.js'; window.handle = connect({ url: '${site.url}', channel: 'c', ${settings} });`,
  });
  const next = async (ready) => until('the next state', () => page.evaluate(`window.stands.slice(window.read ?? 0).find(${ready})`));
  /** The pause that begins next, and what it is for; then it is over. */
  page.wait = async () => {
    const { wait, problem, attempt } = await next('({ wait }) => wait !== undefined');
    await page.evaluate(() => (window.read = window.stands.length));
    await page.clock.runFor(Math.ceil(wait));
    return { wait, problem, attempt };
  };
  page.stand = async (state) => (await page.clock.runFor(1), next(`({ state }) => state === '${state}'`));
  return page;
}
const within = (wait, base) => assert.ok(wait >= 0.7 * base && wait <= 1.3 * base, `${wait} ms for ${base} ms`);

test('pauses grow from half a second to a minute, each by chance somewhat longer or shorter', async () => {
  const asked = standIn('/channels/c/sse', [busy]);
  const page = await open();
  const ratios = [];
  for (const base of [500, 1_000, 2_000, 4_000, 8_000, 16_000, 32_000, 60_000, 60_000]) {
    const { wait, problem, attempt } = await page.wait();
    within(wait, base);
    ratios.push(wait / base);
    assert.deepEqual([problem.title, attempt], ['Busy', ratios.length]);
  }
  assert.ok(new Set(ratios).size > 5, 'by chance');
  await until('the attempt', () => asked.length === 10);
  // Who is told that there is a network again does not wait for the minute to be over.
  await page.stand('reconnecting');
  await page.evaluate(() => dispatchEvent(new Event('online')));
  await until('the attempt', () => asked.length === 11);
});

test('a service that says when to come back is obeyed', async () => {
  const fresh = (text) => (response) => (events(text)(response), response.end());
  standIn('/channels/c/sse', [
    refuse(503, { title: 'Draining' }, { 'retry-after': '7', 'access-control-expose-headers': 'retry-after' }),
    refuse(429, { title: 'Slower' }, { 'retry-after': '90', 'access-control-expose-headers': 'retry-after' }),
    fresh(`${subscribed}event: rillmark\ndata: {"type":"bye","reason":"restart","come_back":true,"after_ms":1234}\n\n`),
    fresh(`retry: 3000\n\n${subscribed}`),
    busy,
  ]);
  const page = await open();
  const [draining, slower, bye, retry] = [await page.wait(), await page.wait(), await page.wait(), await page.wait()];
  assert.ok(draining.wait >= 7_000 && draining.wait <= 9_100, String(draining.wait));
  assert.equal(draining.problem.title, 'Draining');
  assert.ok(slower.wait >= 90_000 && slower.wait <= 117_000, String(slower.wait));
  assert.equal(bye.wait, 1_234);
  within(retry.wait, 3_000 * 2 ** 3);
});

test('a service that says to stay away is obeyed, and a script may try again', async () => {
  const asked = standIn('/channels/c/sse', [
    refuse(403, { title: 'Forbidden', status: 403, detail: 'not this channel' }),
    (response) => (events(`${subscribed}event: rillmark\ndata: {"type":"bye","reason":"cut-off","come_back":false}\n\n`)(response), response.end()),
    (response) => response.writeHead(204).end(),
  ]);
  for (const [state, reason, title] of [['closed', 'refused', 'Forbidden'], ['closed', 'cut-off'], ['ended', 'ended']]) {
    const page = await open();
    const told = await page.stand(state);
    assert.deepEqual([told.reason, told.problem?.title], [reason, title]);
    await page.clock.runFor(300_000);
    await page.close();
  }
  assert.equal(asked.length, 3, 'each asked once');
});

test('a token that is refused is replaced at once, then with pauses', async () => {
  const refused = refuse(401, { title: 'Unauthorized', status: 401 });
  const asked = standIn('/channels/c/sse', [refused, events(subscribed), refused]);
  // The browser asks first whether a page may show a token.
  const { answer } = site.pages.get('/channels/c/sse');
  const allow = { 'access-control-allow-origin': '*', 'access-control-allow-headers': 'authorization' };
  site.pages.set('/channels/c/sse', {
    answer: (request, response) => (request.method === 'OPTIONS' ? response.writeHead(204, allow).end() : answer(request, response)),
  });
  const page = await open('token: async ([channel]) => `${channel}-${window.asked = (window.asked ?? 0) + 1}`');
  await until('the second', async () => (await page.clock.runFor(1), asked.length === 2));
  await page.stand('open');
  assert.deepEqual(asked.map(({ headers }) => headers.authorization), ['Bearer c-1', 'Bearer c-2']);
  await page.evaluate(() => (window.read = window.stands.length, window.handle.refresh()));
  const [first, second] = [await page.wait(), await page.wait()];
  assert.ok(first.wait + second.wait > 500, 'no loop');
});

test('a connection that has gone silent is made anew, with the id of what is shown', async () => {
  const frame = `data: ["a",3,[{"op":"text","text":"hi"}]]\n\n`;
  const asked = standIn('/channels/c/sse', [events(subscribed + frame)]);
  const page = await open();
  await page.stand('open');
  await until('the text', async () => (await page.clock.runFor(50), (await page.textContent('p')) === 'hi'));
  await page.clock.runFor(44_000);
  assert.equal(asked.length, 1);
  await page.clock.runFor(3_000);
  await until('another', () => asked.length === 2);
  assert.equal(new URL(asked[1].url, site.url).searchParams.get('last_event_id'), '1f-3');
});

test('what is no stream of events gives way to a socket', async () => {
  const asked = standIn('/channels/c/sse', [(response) => response.writeHead(200, { 'content-type': 'text/html' }).end('<p>A portal')]);
  const page = await open();
  await until('a socket', () => page.evaluate(() => window.stands.some(({ transport }) => transport === 'websocket')));
  assert.equal(asked.length, 1);
});
