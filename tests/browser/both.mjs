// The cases of the wire's vectors that are for clients, run alike in jsdom and in Chromium: nothing but a DOM is needed.

/** What the client adds for assistive technology, and to say how it stands: beside what the wire says. */
const BESIDE = /^(aria-(live|busy)|data-rillmark-state)$/;

/** HTML as a browser writes what it has read, with attributes in order and texts that touch as one. */
export function normal(nodes) {
  const write = (node) => {
    if (node.nodeType !== 1) return node.nodeType === 3 ? JSON.stringify(node.data) : '<!-- -->';
    const kept = [...node.attributes].filter(({ name }) => !BESIDE.test(name));
    const attributes = kept.map(({ name, value }) => `${name}=${JSON.stringify(value)}`).sort();
    return `<${[node.localName, ...attributes].join(' ')}>${normal(node)}</>`;
  };
  const copy = nodes.cloneNode(true);
  copy.normalize();
  return [...copy.childNodes].map(write).join('');
}

/** The same of HTML that was not read yet. */
export function parsed(html, name = 'body') {
  const element = document.createElement(name);
  element.innerHTML = html;
  return normal(element);
}

/** How a case calls the element of an event. */
export const placeOf = (el) => el.getAttribute('dj-stream') || el.id || el.localName;

/** Values that say the same are the same text. */
const canonical = (value) =>
  JSON.stringify(value, (_, inner) =>
    inner?.constructor === Object ? Object.fromEntries(Object.entries(inner).sort(([a], [b]) => (a < b ? -1 : 1))) : inner,
  );

const EVENTS = ['start', 'text', 'update', 'remove', 'error', 'done', 'prune', 'event', 'reset'].map((name) => `stream:${name}`);

/** Until all that has come is shown. */
export const shown = () => new Promise((resolve) => requestAnimationFrame(() => setTimeout(resolve)));

/** A case of djust's wire as the compact wire says it; `undefined` where that has no words for it. */
export function recast({ frames, ...rest }) {
  const numbers = new Map();
  let last;
  const declared = { streams: [], cursor: null };
  const recastOp = (stream, { target, ...op }) => (target === `[dj-stream='${stream}']` ? op : { ...op, target });
  // There an op without a target is one on the stream's own element.
  if (frames.some(({ ops }) => ops?.some(({ target }) => target === undefined))) return undefined;
  const messages = frames.map(({ stream, ops, id, type, ...said }) => {
    let head = numbers.get(stream) ?? stream;
    if (Object.keys(said).length > 0) head = { stream, ...said };
    else if (head === stream) numbers.set(stream, numbers.size);
    const [epoch, offset] = id?.split('-') ?? [];
    const commit = id === undefined ? 0 : epoch === last?.epoch && offset > last.offset ? offset - last.offset : id;
    if (id !== undefined) last = { epoch, offset: Number(offset) };
    return [head, commit, ops.map((op) => recastOp(stream, op))];
  });
  return { ...rest, frames: [{ type: 'subscribed', channel: 'c', id: '1f-0', by: 'replay', ...declared }, ...messages] };
}

/** Runs cases; says what came out otherwise than they say, as `[name, what, is, wanted]`. */
export async function differences({ Page }, cases) {
  const found = [];
  let seen = [];
  const see = ({ type, target, detail }) => seen.push([type, placeOf(target), JSON.parse(JSON.stringify(detail))]);
  for (const name of EVENTS) document.addEventListener(name, see);
  const { warn } = console;
  let warned = 0;
  console.warn = () => (warned += 1);
  for (const { name, page: body, frames, after, events, skipped = 0, rillmark } of cases) {
    document.body.innerHTML = body;
    [seen, warned] = [[], 0];
    const page = new Page('c');
    page.remember(false);
    for (const frame of frames) page.receive(frame);
    await shown();
    page.close();
    const same = (what, is, wanted) => is === wanted || found.push([name, what, is, wanted]);
    same('page', normal(document.body), parsed(rillmark?.after ?? after));
    same('events', canonical(seen), canonical(rillmark?.events ?? events));
    same('skipped', warned, rillmark?.skipped ?? skipped);
  }
  console.warn = warn;
  for (const name of EVENTS) document.removeEventListener(name, see);
  return found;
}

/** Reads Server-Sent Events as they were written, cut anywhere; says what came out otherwise. */
export function misread({ EventReader }, { ticks, controls }) {
  const found = [];
  const read = (text, size) => {
    const events = [];
    const reader = new EventReader((event) => events.push(event));
    for (let at = 0; at < text.length; at += size) reader.push(text.slice(at, at + size));
    return events;
  };
  const same = (name, is, wanted) => canonical(is) === canonical(wanted) || found.push([name, is, wanted]);
  for (const size of [1, 2, 3, 7, 4096]) {
    for (const { name, messages, sse, sse_of_several: several } of ticks) {
      const wanted = messages.map((message) => JSON.parse(message));
      const events = read(sse, size);
      same(name, events.map(({ data }) => JSON.parse(data)), wanted);
      same(name, events.map(({ id }) => id ?? null), wanted.map(({ id }) => id ?? null));
      same(name, read(several ?? '', size).map(({ data }) => JSON.parse(data).ops), several ? wanted.map(({ ops }) => ops) : []);
    }
    for (const { name, sse, control, id } of controls) {
      const events = read(sse, size);
      same(name, events.map((event) => [JSON.parse(event.data), event.id ?? null]), [[control, id ?? null]]);
    }
    const odd = 'retry: 500\r\n\r\n: hi\rdata: a\rid: 1\r\rdata:b\ndata: c\n\nid: 2\n\ndata: d\n\ndata: lost\n';
    same('odd', read(odd, size), [{ retry: 500 }, { data: 'a', id: '1' }, { data: 'b\nc' }, { data: 'd' }]);
  }
  return found;
}
