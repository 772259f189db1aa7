// The front page's demo: the service plays a reply into a channel, and the client shows it like any other page's.
import { connect } from '../client.js';
import { samples } from './samples.js';

const $ = (selector) => document.querySelector(selector);
const form = $('.demo');
const source = form.elements.source;
const [raw, reply, status, pill] = ['.raw', '.rendered', '.status', '.state'].map($);
const [play, stop, cut, edit] = ['.play', '.stop', '.cut', '.edit'].map($);
const bytesOf = (text) => new TextEncoder().encode(text).length;

/** The subscription of the reply that is shown, and what is counted of it. */
let handle;
let count;

// ---- Settings

/** From 3 tokens a second to 1,000: each step of the slider is the same factor. */
const rate = () => Math.round(3 * (1000 / 3) ** (form.elements.rate.value / 100));
const chosen = (name) => form.elements[name].value;
function showRate() {
  $('.rate output').value = `${rate()} tokens/s`;
  form.elements.rate.setAttribute('aria-valuetext', `${rate()} tokens a second`);
}

/** A number of bytes for people. */
function size(bytes) {
  if (bytes < 1000) return `${bytes} B`;
  const [value, unit] = bytes < 1e6 ? [bytes / 1e3, 'kB'] : [bytes / 1e6, 'MB'];
  return `${value.toFixed(value < 100 ? 1 : 0)} ${unit}`;
}

// ---- Playing

/** Where each token of a source ends: as the service cuts it. */
function tokenEnds(text) {
  let at = 0;
  return (text.match(/\s?\S{1,4}|\s/gu) ?? []).map((token) => (at += token.length));
}

async function start() {
  handle?.close();
  const text = source.value;
  count = { ends: tokenEnds(text), tokens: 0, frames: 0, sent: 0, full: 0, cuts: 0, away: false, back: false };
  for (const el of [raw, reply]) {
    el.replaceChildren();
    for (const name of ['data-stream-active', 'data-stream-error', 'aria-busy']) el.removeAttribute(name);
  }
  editing(false);
  show();
  say('');
  stand('connecting');
  const answer = await fetch(`./demo?rate=${rate()}&tail=${chosen('tail')}`, {
    method: 'POST',
    headers: { 'content-type': 'text/markdown' },
    body: text,
  });
  const told = await answer.json();
  if (!answer.ok) throw new Error(`${told.title}: ${told.detail}`);
  handle = connect({ channel: told.channel, transport: chosen('transport') });
  handle.addEventListener('tick', onTick);
  handle.addEventListener('state', onState);
  active(true);
}

const begin = () => start().catch((error) => (stand('closed'), active(false), say(error.message)));

function active(is) {
  for (const button of [stop, cut]) button.disabled = !is;
  play.textContent = is ? 'Restart' : 'Stream';
}

function onTick({ detail: { frames, id } }) {
  const mine = frames.filter(({ stream }) => stream === 'reply');
  for (const frame of mine) count.sent += frame.size;
  count.frames += mine.length;
  if (mine.length > 0) count.full += bytesOf(reply.innerHTML);
  const before = count.tokens;
  const shown = raw.textContent.length;
  while (count.ends[count.tokens] <= shown) count.tokens += 1;
  if (count.away && count.back) {
    const missed = count.tokens - before;
    const came = missed === 1 ? 'the token it missed has come' : `the ${missed} tokens it missed came at once`;
    say(`Back: ${came}. Nothing lost, nothing twice.`);
    count.away = false;
  }
  show(id);
}

function onState({ detail: { state, wait, problem } }) {
  stand(state);
  if (state === 'reconnecting' && wait && count.cuts > 0) {
    [count.away, count.back] = [true, false];
    say(`Cut. The reply goes on; this page is back in ${(wait / 1000).toFixed(1)}\u00a0s …`);
  }
  if (state === 'open' && count.away) count.back = true;
  if (problem) say(problem.title ?? String(problem));
}

function show() {
  const { ends, tokens, frames, sent, full } = count;
  $('.tokens').textContent = `${tokens} of ${ends.length}`;
  $('.frames').textContent = frames;
  $('.sent').textContent = size(sent);
  $('.full').textContent = size(full);
  $('.saved').textContent = sent > 0 && full > sent ? `${(100 * (1 - sent / full)).toFixed(full > 100 * sent ? 1 : 0)} %` : '–';
}

function say(text) {
  status.textContent = text;
}

const WORDS = { connecting: 'connecting …', open: 'live', reconnecting: 'reconnecting …', ended: 'ended', closed: 'closed' };

function stand(state) {
  pill.hidden = false;
  pill.dataset.state = state;
  pill.textContent = WORDS[state];
}

/** The source to be changed, or the tokens as they come. */
function editing(is) {
  source.hidden = !is;
  raw.hidden = is;
  edit.textContent = is ? 'Tokens' : 'Edit';
  $('label[for=source]').textContent = is ? 'Markdown' : 'Tokens, as the model writes them';
}

// ---- The page

const chips = $('.chips');
for (const [name, text] of Object.entries(samples)) {
  const chip = Object.assign(document.createElement('button'), { type: 'button', textContent: name });
  chip.addEventListener('click', () => {
    source.value = text;
    mark(name);
    begin();
  });
  chips.append(chip);
}
/** Shows which sample is played: none, where it is the visitor's own. */
function mark(name) {
  for (const chip of chips.children) chip.setAttribute('aria-pressed', chip.textContent === name);
}

for (const name of ['done', 'error']) {
  reply.addEventListener(`stream:${name}`, ({ detail }) => {
    active(false);
    if (detail.cancelled) say('Stopped: what was written stays, finished as it is.');
  });
}
play.addEventListener('click', begin);
stop.addEventListener('click', () => handle.cancel('reply').catch((error) => say(error.message)));
cut.addEventListener('click', () => {
  count.cuts += 1;
  const said = (answer) => answer.ok || say('This could not be cut.');
  fetch(`./demo/${handle.channel}/cut`, { method: 'POST' }).then(said, (error) => say(error.message));
});
edit.addEventListener('click', () => {
  editing(source.hidden);
  if (!source.hidden) source.focus();
});
source.addEventListener('input', () => mark(null));
form.elements.rate.addEventListener('input', showRate);
form.addEventListener('change', ({ target }) => target !== source && begin());
form.addEventListener('submit', (event) => {
  event.preventDefault();
  begin();
});
source.addEventListener('keydown', (event) => {
  if (event.key === 'Enter' && (event.ctrlKey || event.metaKey)) begin();
});

source.removeAttribute('maxlength');
form.classList.add('scripted');
for (const selector of ['.chips', '.controls', '.counters', '.edit']) $(selector).hidden = false;
$('.note').hidden = $('.render').hidden = true;
showRate();
mark('Prose');
source.value = samples.Prose;
// It speaks for itself, unless nothing is to move unasked.
if (matchMedia('(prefers-reduced-motion: reduce)').matches) editing(true);
else begin();
