// What the tests in Chromium stand on: the service as a process, a site with pages of its own origin, a browser.
//
// RILLMARK_BIN is the service's binary, CHROMIUM the browser's; playwright-core is found from the working directory.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import http from 'node:http';
import { createRequire } from 'node:module';
import net from 'node:net';
import { join } from 'node:path';
import { after } from 'node:test';

const { chromium } = createRequire(join(process.cwd(), 'x.js'))('playwright-core');

/** How long anything may take that is waited for. */
export const PATIENCE = 20_000;
export const LONG = process.env.RILLMARK_TEST_LONG === '1';

async function freePort() {
  const server = net.createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address();
  server.close();
  return port;
}

/** Waits until something is true, and gives it back. */
export async function until(what, ready) {
  const deadline = Date.now() + PATIENCE;
  for (;;) {
    const found = await ready();
    if (found) return found;
    assert.ok(Date.now() < deadline, `waited in vain for ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

/** The service, as a process that can be killed and started again at the same address. */
export class Service {
  static async start(env = {}) {
    const service = new Service();
    service.port = await freePort();
    service.url = `http://127.0.0.1:${service.port}`;
    service.env = { RILLMARK_SUBSCRIBE_RATE: '0', RILLMARK_PUBLISH_RATE: '0', RILLMARK_DRAIN_DELAY_MS: '0', ...env };
    await service.up();
    after(() => service.down('SIGKILL'));
    return service;
  }

  async up() {
    const env = { ...process.env, ...this.env, RILLMARK_LISTEN: `127.0.0.1:${this.port}`, RILLMARK_LOG_FILTER: 'warn' };
    this.process = spawn(process.env.RILLMARK_BIN, [], { env, stdio: ['ignore', 'ignore', 'inherit'] });
    await until('the service', () => fetch(`${this.url}/readyz`).then((answer) => answer.ok, () => false));
  }

  async down(signal = 'SIGTERM') {
    if (this.process.exitCode !== null || this.process.signalCode !== null) return;
    const gone = once(this.process, 'exit');
    this.process.kill(signal);
    await gone;
  }

  headers(more) {
    const key = this.env.RILLMARK_API_KEYS;
    return { ...(key && { authorization: `Bearer ${key}` }), ...more };
  }

  async publish(channel, stream, ...ops) {
    const answer = await fetch(`${this.url}/channels/${channel}/ops`, {
      method: 'POST',
      headers: this.headers({ 'content-type': 'application/json' }),
      body: JSON.stringify({ stream, ops }),
    });
    const told = await answer.json();
    assert.equal(answer.status, 200, JSON.stringify(told));
    return told.id;
  }

  /** A reply as one open body: write to it, and end it. */
  reply(channel, stream) {
    const headers = this.headers({ 'content-type': 'text/markdown' });
    const body = http.request(`${this.url}/channels/${channel}/streams/${stream}`, { method: 'POST', headers });
    body.on('error', () => {}); // The service may be killed meanwhile.
    body.flushHeaders();
    return body;
  }

  async html(channel, stream) {
    const headers = this.headers({ accept: 'text/html' });
    return (await fetch(`${this.url}/channels/${channel}/streams/${stream}`, { headers })).text();
  }
}

/** A way to the service that can be cut, or fall silent: the network between. */
export class Road {
  static async to(service) {
    const road = new Road();
    road.ends = new Set();
    road.server = net.createServer((near) => {
      if (road.isCut) return near.destroy();
      const far = net.connect(service.port, '127.0.0.1');
      for (const [one, other] of [[near, far], [far, near]]) {
        road.ends.add(one);
        one.on('data', (bytes) => road.isSilent || other.write(bytes));
        one.on('error', () => {});
        one.on('close', () => (road.ends.delete(one), road.isSilent || other.destroy()));
      }
    });
    road.server.listen(0, '127.0.0.1');
    await once(road.server, 'listening');
    road.url = `http://127.0.0.1:${road.server.address().port}`;
    after(() => (road.cut(), road.server.close()));
    return road;
  }

  /** Connections break, and no other comes about. */
  cut() {
    this.isCut = true;
    for (const end of this.ends) end.destroy();
  }

  /** Nothing gets through any more, and nobody is told: what is lost then is lost. */
  fallSilent() {
    this.isSilent = true;
  }

  /** All is well again, for new connections. */
  mend() {
    for (const end of this.ends) end.pause();
    this.ends.clear();
    [this.isCut, this.isSilent] = [false, false];
  }
}

/** A site of its own origin, whose pages watch the service. */
export class Site {
  static async start() {
    const site = new Site();
    site.pages = new Map([['/favicon.ico', { type: 'image/svg+xml', body: '<svg xmlns="http://www.w3.org/2000/svg"/>' }]]);
    site.server = http.createServer((request, response) => site.answer(request, response));
    site.server.listen(0, '127.0.0.1');
    await once(site.server, 'listening');
    site.url = `http://127.0.0.1:${site.server.address().port}`;
    after(() => (site.server.closeAllConnections(), site.server.close()));
    return site;
  }

  answer(request, response) {
    const page = this.pages.get(new URL(request.url, this.url).pathname);
    if (!page) return response.writeHead(404).end();
    if (page.answer) return page.answer(request, response);
    const { type = 'text/html; charset=utf-8', headers = {}, body } = page;
    response.writeHead(200, { 'content-type': type, 'cache-control': 'no-store', ...headers });
    response.end(typeof body === 'function' ? body() : body);
  }

  /** Puts a page there. Returns its address. */
  page(path, body, headers) {
    this.pages.set(path, { body: `<!doctype html><title>t</title>${body}`, headers });
    return this.url + path;
  }
}

const FLAGS =
  '--no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking --disable-component-update --disable-sync';

export async function browse(...more) {
  const browser = await chromium.launch({ executablePath: process.env.CHROMIUM, args: [...FLAGS.split(' '), ...more] });
  after(() => browser.close());
  return browser;
}

const EVENTS = 'start text update remove error done prune event reset'.split(' ').map((name) => `stream:${name}`);

/** A tab that keeps what was told in it, and what was complained about. */
export async function tab(context, url, prepare = () => {}) {
  const page = await context.newPage();
  await prepare(page);
  page.complaints = [];
  page.on('pageerror', (error) => page.complaints.push(String(error)));
  page.on('console', (message) => message.type() === 'error' && page.complaints.push(message.text()));
  await page.addInitScript((names) => {
    window.seen = [];
    window.states = [];
    for (const name of names) {
      addEventListener(name, ({ type, target, detail }) => {
        window.seen.push([type, target.getAttribute('dj-stream') || target.id || target.localName, { ...detail }]);
      });
    }
    window.stands = [];
    addEventListener('rillmark:state', ({ detail }) => (window.states.push(detail.state), window.stands.push(detail)));
  }, EVENTS);
  await page.goto(url);
  return page;
}

/** Waits for a text on the page. */
export const shows = (page, selector, text) =>
  page.waitForFunction(
    ([selector, text]) => document.querySelector(selector)?.textContent.includes(text),
    [selector, text],
    { timeout: PATIENCE, polling: 30 },
  );

export const stands = (page, state) =>
  page.waitForFunction((state) => window.states.at(-1) === state, state, { timeout: PATIENCE, polling: 30 });
