// djust's own browser client, unmodified, applies our frames: the cases of the wire's vectors, and whole streams.
//
//   node check.mjs CLIENT.js PAGES.json RUNS.json
//
// jsdom is found from the working directory.
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';

const { JSDOM, VirtualConsole } = createRequire(join(process.cwd(), 'x.js'))('jsdom');
const [client, pages, runs] = process.argv.slice(2);
const EVENTS = ['start', 'text', 'update', 'remove', 'error', 'done', 'prune'].map((name) => `stream:${name}`);

// What the client complains about: skipped ops are expected, anything else is told at the end.
const complaints = [];
const virtualConsole = new VirtualConsole();
virtualConsole.on('jsdomError', (error) => complaints.push(String(error)));
const { window } = new JSDOM('<!doctype html><title>t</title><body></body>', {
  runScripts: 'outside-only',
  pretendToBeVisual: true,
  url: 'http://localhost/',
  virtualConsole,
});
window.eval(readFileSync(client, 'utf8'));
const { document } = window;
const apply = window.djust.handleStreamMessage;
if (typeof apply !== 'function') throw new Error('this client takes no stream messages');

let seen = [];
for (const name of EVENTS) {
  document.addEventListener(name, ({ target, detail }) => {
    const at = target.getAttribute('dj-stream') || target.id || target.localName;
    seen.push([name, at, JSON.parse(JSON.stringify(detail))]);
  });
}

// JSON with sorted members, so that two values that say the same are the same text.
const canonical = (value) =>
  JSON.stringify(value, (_, inner) =>
    inner && typeof inner === 'object' && !Array.isArray(inner)
      ? Object.fromEntries(Object.entries(inner).sort(([a], [b]) => (a < b ? -1 : 1)))
      : inner,
  );

// HTML as a browser writes what it has read, with attributes in order.
function normal(nodes) {
  const write = (node) => {
    if (node.nodeType !== 1) return node.nodeType === 3 ? JSON.stringify(node.data) : '<!-- -->';
    const attributes = [...node.attributes].map(({ name, value }) => `${name}=${JSON.stringify(value)}`).sort();
    return `<${[node.localName, ...attributes].join(' ')}>${normal(node)}</>`;
  };
  const copy = nodes.cloneNode(true);
  copy.normalize();
  return [...copy.childNodes].map(write).join('');
}

function parsed(html, name = 'div') {
  const element = document.createElement(name);
  element.innerHTML = html;
  return normal(element);
}

let failed = 0;
function expect(about, is, wanted) {
  if (is === wanted) return;
  failed += 1;
  if (failed <= 10) console.log(`${about}\n    is: ${is}\n wants: ${wanted}`);
}

let cases = 0;
for (const { name, djust = true, page, frames, after, events } of JSON.parse(readFileSync(pages, 'utf8'))) {
  if (!djust) continue;
  cases += 1;
  document.body.innerHTML = page;
  seen = [];
  frames.forEach(apply);
  expect(`${name}: the page`, normal(document.body), parsed(after, 'body'));
  expect(`${name}: the events`, canonical(seen), canonical(events));
}

let streams = 0;
for (const { source, page, frames, reply, feed } of JSON.parse(readFileSync(runs, 'utf8'))) {
  streams += 1;
  document.body.innerHTML = page;
  frames.forEach(apply);
  const element = document.querySelector("[dj-stream='reply']");
  expect(JSON.stringify(source), normal(element), parsed(reply));
  expect(`the feed beside ${JSON.stringify(source)}`, document.querySelector("[dj-stream='feed']").textContent, feed);
  expect(`the state of ${JSON.stringify(source)}`, element.getAttribute('data-stream-active'), null);
}

window.close();
expect('complaints', complaints.join('\n'), '');
console.log(`djust's client: ${cases} cases, ${streams} streams, ${failed} differences`);
if (failed > 0 || cases < 30 || streams < 50) process.exitCode = 1;
