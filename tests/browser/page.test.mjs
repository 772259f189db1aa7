// What the browser client does to a page beyond the wire's own cases: resets, several channels, steps of a page.
import assert from 'node:assert/strict';
import { test } from 'node:test';

import { normal, parsed, shown } from './both.mjs';
import { openWindow } from './dom.mjs';

const { window, complaints } = openWindow();
const { ops, Page } = await import(new URL('../../clients/browser/rillmark.js', import.meta.url));

const warnings = [];
console.warn = (text) => warnings.push(text);

let open = [];
/** Pages of these channels in a document with this body. */
function load(body, ...channels) {
  for (const page of open) page.close();
  warnings.length = 0;
  document.body.innerHTML = body;
  open = (channels.length > 0 ? channels : ['c']).map((channel) => new Page(channel));
  for (const page of open) {
    for (const el of document.querySelectorAll(`[data-rillmark-channel="${page.channel}"]`)) page.declaredBy.add(el);
  }
  for (const page of open) page.remember(false);
  return open[0];
}

let offset = 0;
/** A frame of a stream that commits; ops without a target act on its element. */
function frame(stream, ops, members = {}) {
  offset += 1;
  const target = `[dj-stream='${stream}']`;
  return { type: 'stream', stream, ops: ops.map((op) => ({ target, ...op })), id: `1f-${offset}`, ...members };
}
async function apply(page, ...frames) {
  for (const one of frames) page.receive(one);
  await shown();
}
const assertBody = (html) => assert.equal(normal(document.body), parsed(html));
function listen(name) {
  const heard = [];
  document.body.addEventListener(`stream:${name}`, ({ detail }) => heard.push({ ...detail }));
  return heard;
}

test('text grows in the text that is there', async () => {
  const page = load('<p dj-stream="a">one</p>');
  const text = document.querySelector('p').firstChild;
  await apply(page, frame('a', [{ op: 'text', text: ' two' }, { op: 'text', text: 'zero ', mode: 'prepend' }]));
  assert.equal(document.querySelector('p').firstChild, text);
  assert.equal(text.data, 'zero one two');
});

test('a reset puts back texts, children, state and what was deleted', async () => {
  const body = '<div dj-stream="a">was <b>bold</b></div><p dj-stream="b">text</p><ul><li>1</li><li id="i">2</li>t</ul>';
  const page = load(body);
  const [bold, text] = [document.querySelector('b'), document.querySelector('p').firstChild];
  await apply(
    page,
    frame('a', [{ op: 'start' }, { op: 'replace', html: '<i>x</i>' }, { op: 'append', target: 'i', html: '<u>y</u>' }]),
    frame('b', [{ op: 'text', text: '!' }, { op: 'delete', target: '#i' }]),
    frame('a', [{ op: 'error', error: 'no' }]),
  );
  assertBody(
    '<div dj-stream="a" data-stream-error="true"><i>x<u>y</u></i><div class="dj-stream-error" role="alert">no</div></div>' +
      '<p dj-stream="b" data-stream-active="true">text!</p><ul><li>1</li>t</ul>',
  );
  const heard = listen('reset');
  await apply(page, frame('a', [{ op: 'start' }, { op: 'done' }], { reset: true, state: 'done' }));
  assertBody(body);
  assert.equal(document.querySelector('b'), bold);
  assert.equal(document.querySelector('p').firstChild, text);
  assert.deepEqual(heard, [{ stream: 'a', state: 'done' }]);
});

test('a page that came filled is emptied by a reset, touched or not', async () => {
  load('<div dj-stream="a"><p>old</p></div><div dj-stream="b" data-stream-active="true">old</div>').close();
  const page = new Page('c');
  open = [page];
  page.remember(true);
  await apply(page, frame('a', [{ op: 'append', html: '<p>new</p>' }]));
  assertBody('<div dj-stream="a"><p>old</p><p>new</p></div><div dj-stream="b" data-stream-active="true">old</div>');
  await apply(page, frame('a', [{ op: 'append', html: '<p>all</p>' }], { reset: true, state: 'active' }));
  assertBody('<div dj-stream="a"><p>all</p></div><div dj-stream="b"></div>');
});

test('after another epoch streams that are not named stay, and say so where they were being written', async () => {
  const page = load('<div dj-stream="a"></div><div dj-stream="b"></div><div dj-stream="d">x</div>');
  await apply(
    page,
    frame('a', [{ op: 'start' }, { op: 'text', text: '1' }]),
    frame('b', [{ op: 'text', text: '2' }]),
    frame('d', [{ op: 'start' }, { op: 'text', text: 'y' }, { op: 'done' }]),
  );
  const errors = listen('error');
  const reset = { reset: true, reason: 'epoch', state: 'active', id: '2-1' };
  await apply(page, frame('a', [{ op: 'text', text: '3' }], reset));
  const error = '<div class="dj-stream-error" role="alert">Interrupted</div>';
  const b = `<div dj-stream="b" data-stream-error="true">2${error}</div><div dj-stream="d">xy</div>`;
  assertBody(`<div dj-stream="a" data-stream-active="true">3</div>${b}`);
  assert.deepEqual(errors, [{ error: 'Interrupted', stream: 'b' }]);
  await apply(page, { type: 'reset', channel: 'c', id: '3-0', reason: 'epoch' });
  assertBody(`<div dj-stream="a" data-stream-error="true">3${error}</div>${b}`);
  assert.equal(page.id, '3-0');
});

test('after another epoch a stream gives back what it changed in the elements of others', async () => {
  const page = load('<div dj-stream="a"></div><p dj-stream="b"></p>');
  await apply(page, frame('a', [{ op: 'append', html: '<i id="x">1</i>' }]), frame('b', [{ op: 'text', target: '#x', text: '!' }]));
  await apply(page, frame('b', [{ op: 'text', target: '#x', text: '?' }], { reset: true, reason: 'epoch', state: 'active', id: '2-1' }));
  assertBody('<div dj-stream="a"><i id="x" data-stream-active="true">1?</i></div><p dj-stream="b"></p>');
});

test('what no id has committed is dropped with its connection', async () => {
  const page = load('<p dj-stream="a"></p>');
  const { id, ...first } = frame('a', [{ op: 'text', text: 'half' }]);
  await apply(page, first);
  page.cut();
  await apply(page, frame('a', [{ op: 'text', text: 'whole' }]));
  assert.equal(document.querySelector('p').textContent, 'whole');
});

test('a snapshot tells only of ends that the page has not seen', async () => {
  const page = load('<p dj-stream="a"></p><p dj-stream="b"></p><p dj-stream="d"></p>');
  await apply(page, frame('a', [{ op: 'start' }, { op: 'text', text: 'x' }, { op: 'done' }]));
  const [done, errors, texts, told] = ['done', 'error', 'text', 'event'].map(listen);
  const { id, ...a } = frame('a', [{ op: 'start' }, { op: 'text', text: 'x' }, { op: 'done' }], { reset: true, state: 'done' });
  const { id: also, ...b } = frame('b', [{ op: 'start' }, { op: 'done', cancelled: true }], { state: 'cancelled' });
  const d = [{ op: 'event', name: 'title', detail: 1 }, { op: 'error', error: 'no' }];
  await apply(page, a, b, frame('d', d, { state: 'error' }));
  assert.deepEqual(done, [{ cancelled: true, restored: true, stream: 'b' }]);
  assert.deepEqual(errors, [{ error: 'no', restored: true, stream: 'd' }]);
  assert.deepEqual(told, [{ name: 'title', detail: 1, stream: 'd', restored: true }]);
  assert.deepEqual(texts, []);
});

test('each channel keeps to its part of the page', async () => {
  const body =
    '<section data-rillmark-channel="one"><p dj-stream="a"></p></section>' +
    '<section data-rillmark-channel="two"><p dj-stream="a"></p></section><p dj-stream="b"></p>' +
    '<script data-rillmark-channel="three"></script>';
  load(body, 'one', 'two', 'three');
  const [one, two, three] = open;
  await apply(two, frame('a', [{ op: 'text', text: '2' }]));
  await apply(one, frame('a', [{ op: 'text', text: '1' }]), frame('b', [{ op: 'text', text: 'no' }]));
  await apply(three, frame('b', [{ op: 'text', text: '3' }]), frame('a', [{ op: 'text', text: 'no' }]));
  assert.deepEqual([...document.querySelectorAll('p')].map((p) => p.textContent), ['1', '2', '3']);
  assert.equal(warnings.length, 2);
});

test('a page can step in before an op, and add its own', async () => {
  const page = load('<p dj-stream="a"></p>');
  const before = (event) => {
    if (event.detail.op.text === 'secret') event.preventDefault();
    else if (event.detail.op.text) event.detail.op.text = event.detail.op.text.toUpperCase();
  };
  document.body.addEventListener('stream:before', before);
  ops.shout = (el, { volume }) => (el.setAttribute('data-volume', volume), ['shout', { volume }]);
  const heard = listen('shout');
  await apply(page, frame('a', [{ op: 'text', text: 'x' }, { op: 'text', text: 'secret' }, { op: 'shout', volume: 9 }]));
  document.body.removeEventListener('stream:before', before);
  delete ops.shout;
  assertBody('<p dj-stream="a" data-stream-active="true" data-volume="9">X</p>');
  assert.deepEqual(heard, [{ volume: 9, stream: 'a' }]);
});

test('a page can step in before an edit of a document, on the compact wire too', async () => {
  const page = load('<div dj-stream="a">was</div>');
  const asked = [];
  const before = (event) => {
    const { op, stream, channel } = event.detail;
    asked.push([event.target.localName, op.op, op.code, stream, channel]);
    if (op.html?.includes('secret')) event.preventDefault();
    else if (op.html) op.html = op.html.replace('<a ', '<a target="_blank" ');
    else if (op.text) op.text = op.text.toUpperCase();
  };
  document.body.addEventListener('stream:before', before);
  const updates = listen('update');
  page.receive({ type: 'subscribed', channel: 'c', id: '1f-0', by: 'replay', streams: [], cursor: null });
  await apply(page, ['a', 1, [[4, '', '<p><a href="/u">u</a> and</p>'], [0, '-1', ' so']]], [0, 1, [[1, '', '<p>secret</p>']]]);
  assertBody('<div dj-stream="a"><p><a href="/u" target="_blank">u</a> and SO</p></div>');
  const [div, p] = [['div', 'edit'], ['p', 'edit']];
  assert.deepEqual(asked, [[...div, 4, 'a', 'c'], [...p, 0, 'a', 'c'], [...div, 1, 'a', 'c']]);
  assert.deepEqual(updates, [{ op: 'change', stream: 'a' }], 'nothing changed the second time');
  document.body.removeEventListener('stream:before', before);
});

test('what a page puts there in place of an op goes with a reset', async () => {
  const page = load('<ul id="i"><li>was</li></ul>');
  const before = (event) => {
    event.preventDefault();
    event.target.insertAdjacentHTML('beforeend', '<li>mine</li>');
  };
  document.body.addEventListener('stream:before', before);
  await apply(page, frame('a', [{ op: 'append', target: '#i', html: '<li>theirs</li>' }]));
  document.body.removeEventListener('stream:before', before);
  assertBody('<ul id="i"><li>was</li><li>mine</li></ul>');
  await apply(page, frame('a', [{ op: 'append', target: '#i', html: '<li>all</li>' }], { reset: true, state: 'active' }));
  assertBody('<ul id="i"><li>was</li><li>all</li></ul>');
});

test('all that comes between two animation frames is applied in one, and a tab that gets none catches up', async () => {
  const ask = globalThis.requestAnimationFrame;
  const asked = [];
  globalThis.requestAnimationFrame = (act) => asked.push(act);
  const page = load('<p dj-stream="a"></p><p dj-stream="b"></p>');
  const shows = () => [...document.querySelectorAll('p')].map((p) => p.textContent).join();
  for (const text of ['1', '2', '3']) page.receive(frame('a', [{ op: 'text', text }]));
  page.receive(frame('b', [{ op: 'text', text: '4' }]));
  assert.deepEqual([asked.length, shows()], [1, ',']);
  asked.pop()();
  assert.equal(shows(), '123,4');
  // Hidden: the browser calls back when it is looked at again, if ever.
  page.receive(frame('a', [{ op: 'text', text: '5' }]));
  await new Promise((resolve) => setTimeout(resolve, 400));
  assert.deepEqual([asked.length, shows()], [1, '1235,4']);
  asked.pop()();
  assert.equal(shows(), '1235,4', 'once');
  globalThis.requestAnimationFrame = ask;
});

test('what is skipped is reported once', async () => {
  const page = load('<p dj-stream="a"></p>');
  const lost = { op: 'text', target: '#none', text: 'x' };
  await apply(page, frame('a', [lost, lost, { op: 'constructor' }]), frame('a', [lost]));
  assert.equal(warnings.length, 2, warnings.join('\n'));
  assert.match(warnings[0], /#none/);
});

test('an error never becomes text, and a stream keeps its own', async () => {
  const page = load('<div dj-stream="a">x<p dj-stream="b">y</p></div>');
  await apply(page, frame('b', [{ op: 'error', error: 'b failed' }]), frame('a', [{ op: 'error', error: 'a failed' }]));
  assert.deepEqual([...document.querySelectorAll('.dj-stream-error')].map((el) => el.textContent), ['b failed', 'a failed']);
  await apply(page, frame('a', [{ op: 'text', text: 'z' }]));
  assertBody('<div dj-stream="a" data-stream-active="true">xyz</div>');
});

test('a limit that is no whole number prunes nothing', async () => {
  const page = load('<ul dj-stream="a"><li>1</li><li>2</li></ul>');
  await apply(page, frame('a', [{ op: 'prune', limit: '1' }, { op: 'prune' }, { op: 'prune', limit: -1 }]));
  assert.equal(document.querySelectorAll('li').length, 2);
});

test('assistive technology hears of what is finished', async () => {
  const page = load('<p dj-stream="a"></p><div aria-live="off"><p dj-stream="b"></p></div>');
  const [a, b] = document.querySelectorAll('p');
  await apply(page, frame('a', [{ op: 'start' }]), frame('b', [{ op: 'text', text: 'x' }]));
  assert.deepEqual([a, b].map((el) => [el.getAttribute('aria-live'), el.getAttribute('aria-busy')]), [
    ['polite', 'true'],
    [null, 'true'],
  ]);
  await apply(page, frame('a', [{ op: 'done' }]));
  assert.equal(a.hasAttribute('aria-busy'), false);
});

test('the compact wire says the same in few bytes', async () => {
  const page = load('<div dj-stream="reply"></div><p dj-stream="status"></p>');
  page.receive({ type: 'subscribed', channel: 'c', id: '1f-41', by: 'replay', streams: ['status'], cursor: null });
  const updates = listen('update');
  await apply(
    page,
    ['reply', 1, [{ op: 'start' }, [4, '', '<p>So</p>']]],
    [1, 2, [[0, '-1', ' they']]],
    [1, 1, [' said ']],
    [1, 0, [[1, '-1', '<em>hi</em>'], [2, '-1.-1', 1], [0, '-1.-1', 'ello']]],
    [0, 1, [{ op: 'text', text: 'on', mode: 'replace' }]],
  );
  assert.equal(page.id, '1f-46');
  assertBody(
    '<div dj-stream="reply" data-stream-active="true"><p>So they said <em>hello</em></p></div>' +
      '<p dj-stream="status" data-stream-active="true">on</p>',
  );
  assert.deepEqual(updates, Array(4).fill({ op: 'change', stream: 'reply' }));
  const text = document.querySelector('[dj-stream=reply] p').firstChild;
  await apply(page, [1, 1, [[5, '0', 1, 1, ' <b>now</b> and then'], [0, '0', '.'], [1, '', 'x<hr>'], [3, '']]]);
  assertBody(
    '<div dj-stream="reply" data-stream-active="true"><p>So they said  <b>now</b> and then.</p>x</div>' +
      '<p dj-stream="status" data-stream-active="true">on</p>',
  );
  assert.equal(document.querySelector('[dj-stream=reply] p').firstChild, text, 'texts grow in place');
  assert.equal(document.querySelector('[dj-stream=reply] p').childNodes.length, 3, 'texts that touch are one');
});

test('nothing was complained about', () => assert.deepEqual(complaints, []));
