// The examples of the client's README, as they stand there, with the libraries that they are for.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { afterEach, test } from 'node:test';
import { fileURLToPath } from 'node:url';

import { Service, Site, browse, shows, tab, until } from './bench.mjs';

const require = createRequire(join(process.cwd(), 'x.js'));
const client = fileURLToPath(new URL('../../../clients/browser/', import.meta.url));
const readme = readFileSync(`${client}README.md`, 'utf8');

/** The blocks of code in a part of the README: by its heading, and their language. */
function examples(heading, language) {
  const [, part] = readme.split(new RegExp(`^#+ ${heading}$`, 'm'));
  assert.ok(part, `no part ${heading}`);
  const blocks = [...part.split(/^#+ /m)[0].matchAll(/^```(\w+)\n(.*?)^```$/gms)];
  const found = blocks.filter(([, is]) => is === language).map(([, , text]) => text);
  assert.ok(found.length > 0, `no ${language} in ${heading}`);
  return found;
}

const site = await Site.start();
const env = { RILLMARK_API_KEYS: 'k'.repeat(40), RILLMARK_TOKEN_SECRET: 's'.repeat(40), RILLMARK_ALLOWED_ORIGINS: site.url };
const service = await Service.start(env);
const context = await (await browse()).newContext();
afterEach(() => Promise.all(context.pages().map((page) => page.close())));

const here = (text) => text.replaceAll('https://rillmark.example', service.url).replaceAll('…/client.js', `${service.url}/client.js`);
const module = `<script type="module" src="${service.url}/client.js"></script>`;
const token = execFileSync(process.env.RILLMARK_BIN, ['token', '--subscribe', '*', '--cancel', '*', '--ttl', '1h'], {
  env: { ...process.env, ...env },
  encoding: 'utf8',
}).trim();
site.pages.set('/token', { type: 'application/json', body: JSON.stringify({ token }) });
for (const [path, file] of [
  ['/htmx4.js', 'htmx.org/dist/htmx.min.js'],
  ['/htmx2.js', 'htmx2/dist/htmx.min.js'],
  ['/highlight.js', '@highlightjs/cdn-assets/highlight.min.js'],
]) {
  site.pages.set(path, { type: 'text/javascript', body: readFileSync(join(process.cwd(), 'node_modules', file)) });
}

const subscribers = async (channel) =>
  (await (await fetch(`${service.url}/channels/${channel}`, { headers: service.headers() })).json()).subscribers;
const done = (page) => page.waitForFunction(() => window.seen.some(([name]) => name === 'stream:done'));

test('the first one: a script tag and an element', async () => {
  const [html] = examples('Rillmark in the page', 'html');
  const tagged = here(html).replace('data-rillmark-channel', `data-rillmark-token="${token}" data-rillmark-channel`);
  const page = await tab(context, site.page('/first', tagged));
  const body = service.reply('chat-42', 'response');
  body.write('Hello **wor');
  await shows(page, '[dj-stream=response] strong', 'wor');
  body.end('ld**');
  await done(page);
  assert.equal(await page.innerHTML('[dj-stream=response]'), '<p>Hello <strong>world</strong></p>');
  assert.deepEqual(page.complaints, []);
});

test('a script that connects', async () => {
  const [script] = examples('Settings', 'js');
  const channel = 'chat-42';
  site.pages.set('/token.txt', { type: 'text/plain', body: token });
  const code = here(script).replace("'/token'", "'/token.txt'").replace('chat.close();', 'window.chat = chat;');
  assert.match(code, /token\.txt[^]*window\.chat/);
  const stop = '<button>Stop</button><script>var stopButton = document.querySelector("button");</script>';
  const page = await tab(context, site.page('/script', `${stop}<div dj-stream="response"></div><script type="module">${code}</script>`));
  const body = service.reply(channel, 'response');
  body.write('It goes on');
  await shows(page, '[dj-stream=response]', 'It goes on');
  await page.click('button');
  await page.waitForFunction(() => window.seen.some(([name, , { cancelled }]) => name === 'stream:done' && cancelled));
  await page.evaluate(() => window.chat.close());
  await until('nobody to watch', async () => (await subscribers(channel)) === 0);
});

test('a live log keeps so many lines, and its end in view', async () => {
  const [html] = examples('A live log', 'html');
  const batch = JSON.parse(examples('A live log', 'json')[0]);
  const declared = `<div data-rillmark-channel="log" data-rillmark-token="${token}">${html}</div>`;
  const page = await tab(context, site.page('/log', module + declared));
  const { limit } = batch.ops[1];
  const [line] = batch.ops;
  const lines = Array.from({ length: limit + 20 }, (_, at) => ({ ...line, html: line.html.replace('3', `n${at}`) }));
  await service.publish('log', batch.stream, ...lines.slice(0, limit));
  await shows(page, 'ol', `n${limit - 1} is up`);
  await service.publish('log', batch.stream, ...lines.slice(limit), batch.ops[1]);
  await shows(page, 'ol', `n${limit + 19} is up`);
  const told = await page.evaluate(() => {
    const list = document.querySelector('ol');
    return [list.children.length, list.firstChild.textContent, list.scrollHeight > 2 * list.clientHeight, Math.abs(list.scrollHeight - list.clientHeight - list.scrollTop) < 2];
  });
  assert.deepEqual(told, [limit, 'worker n20 is up', true, true]);
});

for (const version of [4, 2]) {
  test(`htmx ${version}: what is swapped in is picked up, what is swapped out is let go`, async () => {
    const [form, answer] = examples('htmx', 'html');
    const channel = `chat-42-${version}`;
    const article = answer.replace('chat-42-7', channel);
    assert.notEqual(article, answer);
    const written = form.replace('<form ', '<form id="ask" ').replace('…', '<button>Ask</button>');
    const clear = '<button id="clear" hx-get="/nothing" hx-target="#answers" hx-swap="innerHTML">Clear</button>';
    site.pages.set('/ask', { body: article });
    site.pages.set('/nothing', { body: '<p>Nothing</p>' });
    const page = await tab(context, site.page('/htmx', `<script src="/htmx${version}.js"></script>${module}${written}${clear}`));
    const body = service.reply(channel, 'response');
    body.write('Early *and* ');
    await page.click('#ask button');
    await shows(page, '#answers [dj-stream=response]', 'Early and');
    body.end('late.');
    await done(page);
    assert.equal(await page.innerHTML('#answers [dj-stream=response]'), '<p>Early <em>and</em> late.</p>');
    assert.equal(await page.getAttribute('#answers article', 'data-rillmark-state'), 'open');
    await page.click('#clear');
    await shows(page, '#answers', 'Nothing');
    await until('nobody to watch', async () => (await subscribers(channel)) === 0);
    assert.deepEqual(page.complaints, []);
  });
}

test('highlight.js, once a reply is finished, and after a reload', async () => {
  const [script] = examples('highlight.js', 'js');
  const tagged = `<script type="module" src="${service.url}/client.js" data-rillmark-channel="code" data-rillmark-token="${token}"></script>`;
  const page = await tab(context, site.page('/code', `<script src="/highlight.js"></script><script>${script}</script>${tagged}<div dj-stream="response"></div>`));
  const body = service.reply('code', 'response');
  body.write('```js\nconst a = 1;\n```\n\nand ');
  await shows(page, '[dj-stream=response]', 'and');
  assert.equal(await page.$('code .hljs-keyword'), null, 'not while it is written');
  body.end('so on');
  assert.equal(await (await page.waitForSelector('code .hljs-keyword')).textContent(), 'const');
  await page.reload();
  assert.equal(await (await page.waitForSelector('code .hljs-keyword')).textContent(), 'const');
  assert.deepEqual(page.complaints, []);
});

/** A script with what it imports: `rillmark` is the package as npm would install it. */
async function bundle(files, plugins = []) {
  const { build } = require('esbuild');
  const given = {
    name: 'given',
    setup({ onResolve, onLoad }) {
      onResolve({ filter: /^rillmark$/ }, () => ({ path: join(client, JSON.parse(readFileSync(`${client}package.json`)).exports['.'].default) }));
      onResolve({ filter: /^\.\// }, ({ path }) => (path in files ? { path, namespace: 'given' } : undefined));
      onLoad({ filter: /.*/, namespace: 'given' }, ({ path }) => ({ contents: files[path], loader: 'jsx', resolveDir: process.cwd() }));
    },
  };
  const { outputFiles } = await build({
    stdin: { contents: files.main, loader: 'jsx', resolveDir: process.cwd() },
    bundle: true,
    write: false,
    format: 'esm',
    jsx: 'automatic',
    define: { 'process.env.NODE_ENV': '"development"', __VUE_OPTIONS_API__: 'false', __VUE_PROD_DEVTOOLS__: 'false', __VUE_PROD_HYDRATION_MISMATCH_DETAILS__: 'false' },
    plugins: [...plugins, given],
  });
  return outputFiles[0].text;
}

/** What both frameworks have to do: show a channel, then another one, and let go. `show(page, channel)` has it rendered. */
async function framework(name, script, show) {
  site.pages.set(`/${name}.js`, { type: 'text/javascript', body: script });
  const page = await tab(context, site.page(`/${name}`, `<div id="app"></div><script type="module" src="/${name}.js"></script>`));
  await page.waitForFunction(() => window.show);
  const [one, two] = [`${name}-1`, `${name}-2`];
  await show(page, one);
  const body = service.reply(one, 'response');
  body.write('First *and* ');
  await shows(page, '[dj-stream=response]', 'First and');
  // It renders again for reasons of its own.
  await show(page, one);
  body.end('last.');
  await page.waitForFunction(() => window.ended?.length > 0);
  assert.equal(await page.innerHTML('[dj-stream=response]'), '<p>First <em>and</em> last.</p>');
  assert.deepEqual(await page.evaluate(() => window.ended.map(({ stream }) => stream)), ['response']);
  await show(page, two);
  await service.publish(two, 'response', { op: 'text', text: 'Another' });
  await shows(page, '[dj-stream=response]', 'Another');
  assert.equal(await page.textContent('[dj-stream=response]'), 'Another');
  await until('the first to be let go', async () => (await subscribers(one)) === 0);
  await show(page, null);
  await until('all to be let go', async () => (await subscribers(two)) === 0);
  assert.deepEqual(page.complaints, []);
}

const show = (page, channel) => page.evaluate((channel) => window.show(channel), channel);
const told = `url: '${service.url}', token: '${token}'`;

test('React', async () => {
  const main = `
    import { StrictMode } from 'react';
    import { createRoot } from 'react-dom/client';
    import { Reply } from './Reply.jsx';
    const root = createRoot(document.querySelector('#app'));
    window.ended = [];
    const onDone = (detail) => window.ended.push(detail);
    window.show = (channel) => root.render(<StrictMode>{channel && <Reply {...{ ${told} }} channel={channel} onDone={onDone} />}</StrictMode>);`;
  await framework('react', await bundle({ main, './Reply.jsx': examples('React', 'jsx')[0] }), show);
});

test('Vue', async () => {
  const { parse, compileScript } = require('vue/compiler-sfc');
  const { descriptor, errors } = parse(examples('Vue', 'vue')[0]);
  assert.deepEqual(errors, []);
  const { content } = compileScript(descriptor, { id: 'reply', inlineTemplate: true });
  const main = `
    import { createApp, h, shallowRef } from 'vue/dist/vue.runtime.esm-bundler.js';
    import Reply from './Reply.vue';
    const channel = shallowRef(null);
    const again = shallowRef(0);
    window.ended = [];
    createApp(() => (again.value, channel.value && h(Reply, { key: channel.value, channel: channel.value, onDone: (detail) => window.ended.push(detail), ${told} }))).mount('#app');
    window.show = (name) => ((channel.value = name), (again.value += 1));`;
  await framework('vue', await bundle({ main, './Reply.vue': content }), show);
});

test('a style for the unfinished line, a caret, an error', async () => {
  const [css] = examples('What the page is told', 'css');
  const tagged = `<script type="module" src="${service.url}/client.js" data-rillmark-channel="style" data-rillmark-token="${token}"></script>`;
  const page = await tab(context, site.page('/style', `<style>${css}</style>${tagged}<div dj-stream="response"></div>`));
  const style = (selector, name, pseudo) =>
    page.evaluate(([selector, name, pseudo]) => getComputedStyle(document.querySelector(selector), pseudo)[name], [selector, name, pseudo]);
  const op = (text) => ({ op: 'markdown', text, ...(text.startsWith('Done') && { options: { tail: 'escape' } }) });
  await service.publish('style', 'response', { op: 'start' }, op('Done.\n\nHalf **a li'));
  await shows(page, '.djust-md-provisional', 'Half **a li');
  assert.equal(await style('.djust-md-provisional', 'opacity'), '0.6');
  assert.match(await style('[dj-stream] > :last-child', 'content', '::after'), /▍/);
  await service.publish('style', 'response', op('ne**'), { op: 'error', error: 'Lost' });
  await shows(page, '.dj-stream-error', 'Lost');
  assert.equal(await page.$('.djust-md-provisional'), null);
  assert.equal(await style('.dj-stream-error', 'color'), 'rgb(176, 0, 32)');
  assert.equal(await style('[dj-stream] > :last-child', 'content', '::after'), 'none');
});

test('frames from elsewhere', async () => {
  const [script] = examples('Frames from elsewhere', 'js');
  const code = script.replace("'rillmark'", `'${service.url}/client.js'`);
  const page = await tab(context, site.page('/elsewhere', `<div dj-stream="response"></div><script type="module">const socket = (window.socket = {});${code}</script>`));
  await page.waitForFunction(() => window.socket?.onmessage);
  const answer = await fetch(`${service.url}/render/stream`, {
    method: 'POST',
    headers: service.headers({ 'content-type': 'text/markdown', accept: 'application/x-ndjson' }),
    body: 'Rendered *elsewhere*.',
  });
  const frames = (await answer.text()).trim().split('\n');
  await page.evaluate((frames) => frames.forEach((data) => window.socket.onmessage({ data })), frames);
  await done(page);
  await page.evaluate(() => window.socket.onclose());
  assert.equal(await page.innerHTML('[dj-stream=response]'), '<p>Rendered <em>elsewhere</em>.</p>');
});
