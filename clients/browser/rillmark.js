// Rillmark's browser client: a page watches channels, and this module keeps what it shows up to date.
//
//   <script type="module" src="https://rillmark.example/client.js" data-rillmark-channel="chat-42"></script>
//   <div dj-stream="response"></div>
//
// or, from a script: `connect({ channel: 'chat-42' })`. README.md shows both at work; what travels is described in
// `openapi/protocol.md`. The sections below stand in the order in which they build on each other:
//
//   Ops          what each op does to an element: a table that a page can extend
//   Page         one channel's hold on the page: where ops act, what they touched, and how to put it back
//   Frames       what has come is applied once in an animation frame, and the reader is kept at the bottom
//   Wire         bytes to messages
//   Connection   SSE or a WebSocket for some channels of one service; comes back by itself
//   Handles      connect()
//   Declarations elements with `data-rillmark-channel`

/** @typedef {import('./rillmark.d.ts').Op} Op */
/** @typedef {import('./rillmark.d.ts').Frame} Frame */

// ---- Ops ------------------------------------------------------------------------------------------------------------

const ERROR = '.dj-stream-error';

/**
 * What each op does. An op gets the element that its target found, itself, and the page's channel; it returns the event
 * to tell of it, as `[name, detail]`. A page may add its own: `ops.highlight = (el) => { … }`.
 *
 * @type {Record<string, (el: Element, op: Op, page: Page) => [string, object?] | void>}
 */
export const ops = {
  start(el, op, page) {
    setActive(el, true);
    page.clearError(el);
    return ['start'];
  },

  text(el, op, page) {
    const { text = '' } = op;
    const mode = op.mode || el.getAttribute('dj-stream-mode') || 'append';
    // First: an error's message never becomes content.
    page.clearError(el);
    putText(el, text, mode);
    setActive(el, true);
    return ['text', { text, mode }];
  },

  append: putHtml,
  prepend: putHtml,
  replace: putHtml,

  delete(el, op, page) {
    page.tell(el, 'remove');
    page.remove(el);
  },

  prune(el, { limit, edge }) {
    if (!Number.isInteger(limit) || limit < 0) return;
    edge = edge === 'bottom' ? 'bottom' : 'top';
    while (el.childElementCount > limit) (edge === 'top' ? el.firstElementChild : el.lastElementChild).remove();
    return ['prune', { edge, limit }];
  },

  error(el, { error }, page) {
    error = error || 'Stream error';
    page.showError(el, error);
    return ['error', { error }];
  },

  done(el, { cancelled }) {
    setActive(el, false);
    return ['done', cancelled ? { cancelled } : {}];
  },

  event(el, { name, detail }) {
    return ['event', { name, detail }];
  },

  /** An edit of a document, of the compact wire. Told once for each frame. */
  edit(el, op, page) {
    EDITS[op.code](el, op);
    if (isWhole(op)) page.clearError(el);
  },
};

/** What each code of the compact wire does to an element. Texts that touch are one text, and an empty one is none. */
const EDITS = [
  (el, { text }) => (el.lastChild?.nodeType === Node.TEXT_NODE ? el.lastChild.appendData(text) : el.append(text)),
  (el, { html }) => splice(el, { back: 0, remove: 0, html }),
  (el, { units }) => {
    const text = el.lastChild;
    // It throws where there is not so much.
    text.deleteData(text.length - units, units);
    if (text.length === 0) text.remove();
  },
  (el) => el.lastChild.remove(),
  (el, { html }) => {
    el.innerHTML = trusted(html);
    el.normalize();
  },
  splice,
];

/** What stands behind the code and the path of an edit. */
const MEMBERS = [['text'], ['html'], ['units'], [], ['html'], ['back', 'remove', 'html']];

/** Whether an edit makes the document anew. */
const isWhole = ({ code, path }) => code === 4 && path.length === 0;

/** Of the child nodes, the `remove` that begin `back` before the end give way to HTML. */
function splice(el, { back, remove, html }) {
  const nodes = el.childNodes;
  const from = nodes.length - back;
  if (from < 0 || remove > back) throw new RangeError('too few nodes');
  for (let count = 0; count < remove; count += 1) nodes[from].remove();
  const parsed = parse(html);
  parsed.normalize();
  const [before, after] = [nodes[from - 1], nodes[from]];
  el.insertBefore(parsed, after ?? null);
  for (const node of [after?.previousSibling, before]) {
    const next = node?.nextSibling;
    if (node?.nodeType !== Node.TEXT_NODE || next?.nodeType !== Node.TEXT_NODE) continue;
    node.appendData(next.data);
    next.remove();
  }
}

/** HTML as nodes: through a template, so that a row may come without its table. */
function parse(html) {
  const template = document.createElement('template');
  template.innerHTML = trusted(html);
  return template.content;
}

/**
 * HTML after, before or instead of the children. Scripts in it do not run.
 *
 * @returns {[string, object]}
 */
function putHtml(el, { op, html = '' }, page) {
  if (op === 'replace') el.innerHTML = trusted(html);
  else el[op](parse(html));
  page.clearError(el);
  return ['update', { op }];
}

/** Plain text. Where a text is all there is, it grows in place: a selection in it survives. */
function putText(el, text, mode) {
  const only = el.childNodes.length === 1 && el.firstChild.nodeType === Node.TEXT_NODE ? el.firstChild : null;
  if (mode === 'replace') only ? (only.data = text) : (el.textContent = text);
  else if (mode === 'prepend') only ? only.insertData(0, text) : (el.textContent = text + textOf(el));
  else only ? only.appendData(text) : (el.textContent = textOf(el) + text);
}

/** The text content, but for messages of errors. */
function textOf(node) {
  if (node.nodeType === Node.TEXT_NODE || node.nodeType === Node.CDATA_SECTION_NODE) return node.data;
  if (node.nodeType !== Node.ELEMENT_NODE || node.matches(ERROR)) return '';
  return Array.from(node.childNodes, textOf).join('');
}

function setActive(el, active) {
  setAttribute(el, 'data-stream-active', active ? 'true' : null);
  // Screen readers wait with what is being written. Below a stream's element, nothing would ever take it back.
  if (el.hasAttribute('dj-stream')) setAttribute(el, 'aria-busy', active ? 'true' : null);
}

/** Sets an attribute, or takes it away where the value is null. */
function setAttribute(el, name, value) {
  value === null ? el.removeAttribute(name) : el.setAttribute(name, value);
}

/** What may go into `innerHTML`, also where a page requires Trusted Types: allow the policy `rillmark` there. */
function trusted(html) {
  if (policy === undefined) {
    try {
      policy = globalThis.trustedTypes?.createPolicy('rillmark', { createHTML: (text) => text }) ?? null;
    } catch (error) {
      policy = null;
      console.error('rillmark: the Trusted Types policy is not allowed', error);
    }
  }
  return policy ? policy.createHTML(html) : html;
}
let policy;

// ---- Page -----------------------------------------------------------------------------------------------------------

/** What an op changes beside children, and a reset puts back. */
const STATE = ['data-stream-active', 'data-stream-error', 'aria-busy'];

/** Targets that we resolve by steps: a stream's own element, or a child's child below it. */
const OWN = /^\[dj-stream='([^']*)'\]((?: > :(?:nth-child\(\d+\)|first-child|last-child))*)$/;

/** Where elements stand that belong to a channel, and no content does. */
const HOLDERS = ['SCRIPT', 'META', 'LINK', 'HEAD'];

/** Elements of channels that were let go: as they were before the first touch. */
const left = new WeakMap();

/** The channels that the page watches. Where there is more than one, each keeps to its own part of the page. */
const pages = new Set();

/**
 * What one channel does to the page. Connections feed it; who has frames from elsewhere may feed it, too:
 * `new Page('chat-42').receive(frame)`.
 */
export class Page {
  /** The id of the last tick that has come whole: where to go on from. */
  id = undefined;
  state = 'connecting';
  /** Elements that declare the channel. */
  declaredBy = new Set();
  /** Elements that `connect()` was given to keep to. */
  scopes = new Set();
  handles = new Set();

  /** Frames of a tick that its id has not committed, and what the connection has told of the compact wire. */
  #waiting = [];
  #told = new Told();
  /** Streams whose element is not as their edits expect, until everything is sent anew; and when that was asked for. */
  #broken = new Set();
  #mended = -Infinity;
  /** Streams' elements as the page loaded, and what was touched since as it was before: element → memory. */
  #loaded = new Map();
  #touched = new Map();
  /** Elements that were taken out of a parent that is not remembered. */
  #removed = [];
  /** Error messages that are shown. */
  #errors = new Set();
  /** The last that the page has seen of each stream: `active`, `done`, `cancelled` or `error`. */
  #runs = new Map();
  /** Ops that were skipped, each reported once; and streams whose element was not there. */
  #skipped = new Set();
  #absent = new Set();
  /** The stream whose op is being applied, and whether that is part of a snapshot. */
  #stream = '';
  #restoring = false;

  /** @param {string} channel */
  constructor(channel) {
    this.channel = channel;
    pages.add(this);
  }

  /** Remembers how the page was loaded. `filled`: its streams' elements came with what the page's id promises. */
  remember(filled) {
    for (const el of document.querySelectorAll('[dj-stream]')) {
      if (this.#loaded.has(el) || this.#touched.has(el) || !this.#owns(el)) continue;
      if (!filled) {
        this.#loaded.set(el, this.#left(el) ?? memoryOf(el));
      } else {
        const memory = { children: new Map(), state: STATE.map(() => null) };
        this.#loaded.set(el, memory);
        this.#touched.set(el, { ...memory, streams: new Set([el.getAttribute('dj-stream')]) });
      }
    }
  }

  /** Nothing is applied any more. What is shown stays, or all is as it was before: `restore`. */
  close(restore) {
    if (restore) this.#reset();
    for (const [el, memory] of this.#touched) left.set(el, { ...memory, channel: this.channel });
    pages.delete(this);
    this.#waiting = [];
  }

  /** How an element was before the channel was let go that is watched again now. */
  #left(el) {
    const memory = left.get(el);
    return memory?.channel === this.channel ? memory : undefined;
  }

  /** The connection broke: what no id has committed never came. */
  cut() {
    this.#waiting = [];
    this.#told = new Told();
  }

  /** Takes a frame, or what controls say of frames. What an id commits is shown with the next animation frame. */
  receive(message, id = message.id, size = undefined) {
    if (Array.isArray(message)) {
      message = this.#told.frame(message);
      id = message.id;
    } else if (message.type !== 'stream') {
      this.#told.declare(message);
      this.#told.id = message.id;
    }
    if (message.type === 'subscribed') return;
    if (message.type === 'reset') {
      this.#waiting = [];
      this.id = id;
      enqueue(this, { frames: [], reset: true, epoch: message.reason === 'epoch', id });
      return;
    }
    this.#waiting.push(size === undefined ? message : { ...message, size });
    if (id === undefined) return;
    const frames = this.#waiting;
    this.#waiting = [];
    this.id = id;
    const snapshot = frames.some((frame) => frame.state !== undefined);
    enqueue(this, { frames, id, snapshot, reset: frames[0].reset === true, epoch: frames[0].reason === 'epoch' });
  }

  // -- Applying

  /** Applies a tick, all of it in one go. */
  apply({ frames, reset, epoch, snapshot, id }) {
    if (reset) this.#reset(epoch, new Set(frames.map((frame) => frame.stream)));
    this.#restoring = Boolean(snapshot || (reset && frames.length > 0));
    const errors = new Map();
    for (const { stream, ops } of frames) {
      let edited = false;
      for (const op of ops) {
        if (op.op === 'error') errors.set(stream, op.error || 'Stream error');
        if (op.op !== 'edit') this.#act(stream, op);
        else if (this.#edit(stream, op)) edited = true;
      }
      const el = edited && !this.#broken.has(stream) && this.#own(stream);
      this.#stream = stream;
      if (el) this.tell(el, 'update', { op: 'change' });
    }
    if (this.#restoring) this.#tellRestored(frames, errors);
    this.#restoring = false;
    this.#say('tick', { frames, id, snapshot: Boolean(snapshot) });
  }

  #act(stream, op) {
    this.#stream = stream;
    const act = Object.hasOwn(ops, op.op) ? ops[op.op] : undefined;
    const el = act && this.locate(op, stream);
    if (!el) return this.#skip(op, stream, act ? `${op.target ?? op.path} is not on the page` : `${op.op} is no op`);
    if (op.op !== 'event' && op.op !== 'delete') this.note(el);
    if (!this.#ask(el, op)) return;
    try {
      const told = act(el, op, this);
      if (told) this.tell(el, ...told);
    } catch (error) {
      reportError(error);
    }
    if (this.#restoring) return;
    const run = { start: 'active', error: 'error', done: op.cancelled ? 'cancelled' : 'done' }[op.op];
    if (run || !this.#runs.has(stream)) this.#runs.set(stream, run ?? 'active');
  }

  /** Whether an op is to act: a page may step in. What is remembered is how it was before the page did. */
  #ask(el, op) {
    const detail = { op, stream: this.#stream, channel: this.channel };
    if (this.#restoring) detail.restored = true;
    return el.dispatchEvent(new CustomEvent('stream:before', { bubbles: true, cancelable: true, detail }));
  }

  /**
   * Edits of documents go by paths over nodes that we made. Where one leads nowhere, someone else has been here. Says
   * whether it acted.
   */
  #edit(stream, op) {
    this.#stream = stream;
    const root = this.#own(stream);
    if (!root) return this.#skip(op, stream, 'its element is not on the page');
    if (isWhole(op)) this.#broken.delete(stream);
    if (this.#broken.has(stream)) return;
    this.note(root);
    try {
      const el = walk(root, op.path);
      if (el && !this.#ask(el, op)) return;
      ops.edit(el, op, this);
      return true;
    } catch (error) {
      console.warn(`rillmark: ${this.channel}/${stream}: its element was changed: asked for anew`, error);
      this.#broken.add(stream);
      this.#mend();
    }
  }

  /** Asks for everything, but not more often than every three seconds. */
  #mend() {
    const wait = this.#mended + 3000 - performance.now();
    this.#mended = performance.now() + Math.max(wait, 0);
    setTimeout(() => [...this.handles][0]?.refresh(), Math.max(wait, 0));
  }

  #skip(op, stream, why) {
    if (!this.#own(stream)) this.#absent.add(stream);
    const key = `${op.op} ${op.target ?? stream}`;
    if (this.#skipped.has(key)) return;
    this.#skipped.add(key);
    console.warn(`rillmark: ${this.channel}/${stream}: an op is skipped, since ${why}`);
  }

  /** Tells what became of an element: `stream:<name>`. Within a snapshot, only what is news. */
  tell(el, name, detail = {}) {
    if (this.#restoring && name !== 'event') return;
    detail = { ...detail, stream: this.#stream };
    if (this.#restoring) detail.restored = true;
    el.dispatchEvent(new CustomEvent(`stream:${name}`, { bubbles: true, detail }));
  }

  /** Tells once for each stream that it was built anew, and of ends that the page has not seen. */
  #tellRestored(frames, errors) {
    this.#restoring = false;
    const told = frames.filter(({ state }) => state !== undefined);
    for (const [stream, state] of new Map(told.map((frame) => [frame.stream, frame.state]))) {
      this.#stream = stream;
      const el = this.#own(stream) ?? this.#host();
      this.tell(el, 'reset', { state });
      const ended = ['done', 'cancelled', 'error'];
      const seen = ended.includes(this.#runs.get(stream));
      this.#runs.set(stream, state);
      if (seen || !ended.includes(state)) continue;
      if (state === 'error') this.tell(el, 'error', { error: errors.get(stream), restored: true });
      else this.tell(el, 'done', { ...(state === 'cancelled' && { cancelled: true }), restored: true });
    }
  }

  // -- Where ops act

  /** The element that an op acts on: by its `target`, a selector, or by its `path`, steps from the stream's element. */
  locate({ target, path }, stream) {
    if (path) return walk(this.#own(stream), path);
    const own = target && OWN.exec(target);
    return (own && walk(this.#own(own[1]), steps(own[2]))) || this.#find(target);
  }

  #own(stream) {
    return this.#find(`[dj-stream='${stream}']`);
  }

  #find(selector) {
    try {
      if (pages.size === 1 && this.scopes.size === 0) return document.querySelector(selector);
      for (const el of document.querySelectorAll(selector)) if (this.#owns(el)) return el;
    } catch {
      // No selector: found nowhere.
    }
    return null;
  }

  /** Whether an element belongs to this channel rather than to another that the page watches. */
  #owns(el) {
    if (this.scopes.size > 0) return [...this.scopes].some((scope) => scope.contains(el));
    if (pages.size === 1) return true;
    const nearest = el.closest('[data-rillmark-channel]');
    if (nearest) return this.declaredBy.has(nearest);
    return [...this.declaredBy].every((declaring) => HOLDERS.includes(declaring.tagName));
  }

  /** Where it is told what concerns no element of a stream. */
  #host() {
    const declaring = [...this.declaredBy].find((el) => el.isConnected && !HOLDERS.includes(el.tagName));
    return declaring ?? [...this.scopes][0] ?? document.documentElement;
  }

  // -- Errors

  /** The error that is shown for an element: of its own stream, not of one inside it. */
  #errorOf(el) {
    const stream = el.closest('[dj-stream]');
    return [...el.querySelectorAll(ERROR)].find((shown) => shown.closest('[dj-stream]') === stream);
  }

  showError(el, message) {
    el.setAttribute('data-stream-error', 'true');
    setActive(el, false);
    let shown = this.#errorOf(el);
    if (!shown) {
      shown = document.createElement('div');
      shown.className = ERROR.slice(1);
      shown.setAttribute('role', 'alert');
      el.append(shown);
    }
    this.note(shown);
    this.#errors.add(shown);
    shown.textContent = message;
  }

  clearError(el) {
    // Asked for every token: what is not there is not looked for.
    const marked = el.hasAttribute('data-stream-error');
    if (!marked && this.#errors.size === 0) return;
    el.removeAttribute('data-stream-error');
    const shown = marked || [...this.#errors].some((error) => el.contains(error)) ? this.#errorOf(el) : null;
    if (!shown) return;
    this.#errors.delete(shown);
    this.remove(shown);
  }

  // -- What was touched

  /** Remembers how an element is before it is changed for the first time. */
  note(el) {
    const known = this.#touched.get(el);
    if (known) {
      known.streams.add(this.#stream);
    } else if (!this.#made(el)) {
      // All that was shown comes again.
      const before = this.#left(el);
      if (before && this.#restoring) recall(el, before);
      const memory = this.#loaded.get(el) ?? memoryOf(el);
      this.#touched.set(el, { ...memory, streams: new Set([this.#stream]) });
      const spoken = '[aria-live], [role=log], [role=status], [role=alert]';
      if (el.hasAttribute('dj-stream') && !el.closest(spoken)) el.setAttribute('aria-live', 'polite');
    }
  }

  /** Takes an element out, so that a reset can put it back. */
  remove(el) {
    const parent = el.parentNode;
    if (!parent) return;
    const known = this.#touched.get(parent);
    if (known) {
      known.streams.add(this.#stream);
    } else if (!this.#made(el)) {
      const behind = [];
      for (let next = el.nextSibling; next; next = next.nextSibling) behind.push(next);
      this.#removed.push({ el, parent, behind, stream: this.#stream });
    }
    el.remove();
  }

  /** Whether the stream has made this element itself: it goes when what holds it is put back. */
  #made(el) {
    for (let node = el; node.parentNode; node = node.parentNode) {
      const holder = this.#touched.get(node.parentNode);
      if (holder?.streams.has(this.#stream) && !holder.children.has(node)) return true;
    }
    return false;
  }

  /**
   * Puts back all that was touched; after a change of the epoch only what the streams of the snapshot touched: others
   * keep what they show, and say so where they were being written.
   */
  #reset(epoch, named) {
    this.#broken.clear();
    const ours = (streams) => !epoch || [...streams].some((stream) => named.has(stream));
    for (const [el, memory] of this.#touched) {
      if (!ours(memory.streams)) continue;
      this.#touched.delete(el);
      recall(el, memory);
    }
    const removed = this.#removed.reverse();
    this.#removed = removed.filter(({ stream }) => !ours([stream])).reverse();
    for (const { el, parent, behind, stream } of removed) {
      if (!ours([stream]) || el.parentNode === parent) continue;
      parent.insertBefore(el, behind.find((node) => node.parentNode === parent) ?? null);
    }
    if (!epoch) return;
    for (const stream of [...this.#runs.keys()].filter((stream) => !named.has(stream))) {
      const target = `[dj-stream='${stream}']`;
      const active = this.#own(stream)?.getAttribute('data-stream-active') === 'true';
      if (active) this.#act(stream, { op: 'error', target, error: 'Interrupted' });
    }
  }

  // -- State

  /** Whether ops were skipped for want of a stream's element that is there by now. */
  isMissed() {
    const found = [...this.#absent].filter((stream) => this.#own(stream));
    for (const stream of found) this.#absent.delete(stream);
    return found.length > 0;
  }

  /** Says how the connection stands: an attribute, `rillmark:state` in the document, `state` to handles. */
  stand(state, more = {}) {
    this.state = state;
    const detail = { channel: this.channel, state, ...more };
    for (const el of new Set([this.#host(), ...this.declaredBy])) el.setAttribute('data-rillmark-state', state);
    this.#host().dispatchEvent(new CustomEvent('rillmark:state', { bubbles: true, detail }));
    this.#say('state', detail);
  }

  /** Tells handles of bytes that have come. */
  count(bytes) {
    this.#say('received', { bytes });
  }

  #say(name, detail) {
    for (const handle of this.handles) handle.dispatchEvent(new CustomEvent(name, { detail }));
  }
}

/** An element's children, texts with what they say, and its state. */
function memoryOf(el) {
  const children = new Map(Array.from(el.childNodes, (node) => [node, node.data]));
  return { children, state: STATE.map((name) => el.getAttribute(name)) };
}

function recall(el, { children, state }) {
  for (const [node, data] of children) if (data !== undefined && node.data !== data) node.data = data;
  const nodes = [...children.keys()];
  const same = nodes.length === el.childNodes.length && nodes.every((node, at) => el.childNodes[at] === node);
  if (!same) el.replaceChildren(...nodes);
  STATE.forEach((name, at) => setAttribute(el, name, state[at]));
}

/** The steps of ` > :nth-child(3) > :last-child`, from 0; -1 is the last. */
function steps(text) {
  const found = text.matchAll(/:(?:nth-child\((\d+)\)|(first|last)-child)/g);
  return Array.from(found, ([, nth, edge]) => (nth ? nth - 1 : edge === 'first' ? 0 : -1));
}

function walk(el, path) {
  for (const step of path) el = el && (step < 0 ? el.lastElementChild : el.children[step]);
  return el;
}

// ---- Frames ---------------------------------------------------------------------------------------------------------

/** How near to the end a reader follows it, in pixels. */
const NEAR = 100;

const queue = [];

/** Has a tick applied in the next animation frame; a tab that gets none (it is hidden) catches up all the same. */
function enqueue(page, tick) {
  queue.push([page, tick]);
  if (queue.length > 1) return;
  let pending = true;
  const run = () => pending && ((pending = false), flush());
  requestAnimationFrame(run);
  setTimeout(run, 250);
}

/** Applies all that has come. */
function flush() {
  const due = queue.splice(0).filter(([page]) => pages.has(page));
  // Where the reader is has to be read before anything changes, and once: every look costs a layout.
  const followed = followers(due);
  for (const [page, tick] of due) page.apply(tick);
  for (const el of followed) {
    const top = el.scrollHeight;
    el.scrollTo ? el.scrollTo({ top, behavior: 'instant' }) : (el.scrollTop = top);
  }
}

/** What scrolls around the targets and is at its end. */
function followers(due) {
  const seen = new Set();
  const followed = [];
  const asked = new Set();
  for (const [page, { frames }] of due) {
    for (const { stream, ops } of frames) {
      for (const { target, path } of ops) {
        const where = target ?? `${stream} ${path}`;
        if (asked.has(where)) continue;
        asked.add(where);
        for (let el = page.locate({ target, path }, stream); el && !seen.has(el); el = el.parentElement) {
          seen.add(el);
          if (isAtEnd(el)) followed.push(el);
        }
      }
    }
  }
  return followed;
}

function isAtEnd(el) {
  const left = el.scrollHeight - el.clientHeight - el.scrollTop;
  // The page itself follows only who has gone to its end: a reader of its top is not carried off.
  if (el === document.scrollingElement) return el.scrollTop > 0 && left < NEAR;
  return left < NEAR && /auto|scroll/.test(getComputedStyle(el).overflowY);
}

// ---- Wire -----------------------------------------------------------------------------------------------------------

/**
 * What a connection has told of a channel on the compact wire, whose frames leave out what was said before. It makes of
 * them frames as djust's wire has them; edits of documents are ops with a `path`, steps from the stream's element: the
 * index of an element among its siblings, or -1 for the last.
 */
class Told {
  id;
  #streams = [];
  /** Stream, code and path that a bare string goes on with. */
  #cursor;

  declare({ streams, cursor }) {
    if (streams) [this.#streams, this.#cursor] = [[...streams], cursor];
  }

  frame([head, commit, said, declared]) {
    const named = head !== null && typeof head === 'object';
    const number = typeof head === 'string' ? this.#streams.push(head) - 1 : named ? -1 : head;
    const frame = { type: 'stream', stream: this.#streams[number] ?? null, ...(named && head) };
    frame.ops = said.map((op) => this.#op(op, number, frame.stream));
    if (typeof commit === 'string') this.id = commit;
    else if (commit > 0) this.id = this.id.replace(/\d+$/, (offset) => Number(offset) + commit);
    if (commit !== 0) frame.id = this.id;
    if (declared) this.declare(declared);
    return frame;
  }

  #op(op, number, stream) {
    if (typeof op === 'string') op = [...this.#cursor.slice(1), op];
    if (!Array.isArray(op)) return { target: `[dj-stream='${stream}']`, ...op };
    const [code, path, ...content] = op;
    if (code === 0 || code === 1 || code === 4) this.#cursor = [number, code, path];
    const edit = { op: 'edit', path: path === '' ? [] : path.split('.').map(Number), code };
    MEMBERS[code]?.forEach((name, at) => (edit[name] = content[at]));
    return edit;
  }
}

/** Server-Sent Events out of text that was cut anywhere; `take` gets each event. */
export class EventReader {
  #rest = '';
  #parts = [];
  #event = {};

  constructor(take) {
    this.take = take;
  }

  push(text) {
    // A large event comes in many pieces: it is looked through once.
    if (!/[\r\n]/.test(text)) return void this.#parts.push(text);
    this.#rest += this.#parts.splice(0).join('') + text;
    // A CR at the end may be half of a CRLF.
    const held = this.#rest.endsWith('\r') ? '\r' : '';
    const lines = this.#rest.slice(0, this.#rest.length - held.length).split(/\r\n|\r|\n/);
    this.#rest = lines.pop() + held;
    for (const line of lines) this.#line(line);
  }

  #line(line) {
    const event = this.#event;
    if (line === '') {
      this.#event = {};
      if (event.data !== undefined || event.retry) this.take(event);
      return;
    }
    const [, name, value] = /^([^:]*)(?:: ?(.*))?$/s.exec(line);
    if (name === 'data') event.data = event.data === undefined ? value ?? '' : `${event.data}\n${value ?? ''}`;
    else if (name === 'id') event.id = value ?? '';
    else if (name === 'retry' && /^\d+$/.test(value)) event.retry = Number(value);
  }
}

// ---- Connection -----------------------------------------------------------------------------------------------------

/** Pauses between attempts grow from the service's `retry:` to a minute, each by chance up to 30 % more or less. */
const PAUSE = { first: 500, most: 60_000, jitter: 0.3 };
/** How long the first words may take; how long an SSE connection may be silent (comments come every 15 s). */
const PATIENCE = { first: 10_000, silence: 45_000 };
/** A connection that lived this long was no failed attempt. */
const LIVED = 5_000;
/** What one connection carries. */
const CHANNELS_MAX = 32;

/** Over HTTP/1.1 a browser opens six connections to a host, for all tabs. Events take so many, and the rest gets through. */
const SLOTS = 4;

/** Close codes of WebSockets after which one comes back: those of broken connections, and 4000 to 4099. */
const comesBack = (code) => [1001, 1005, 1006, 1011, 1012, 1013].includes(code) || (code >= 4000 && code < 4100);

const connections = new Set();

/**
 * A connection for channels of one service that are watched with one token.
 *
 * How it ends is told as an object: `again` (at once: we wanted it), `after` (milliseconds), `fresh` (with a new token),
 * `other` (by the other transport), `away` (never: why), or nothing of these (after a pause).
 */
class Connection {
  pages = new Map();
  transport;
  #secret;
  #retry = PAUSE.first;
  #running = false;
  #asleep = false;
  #farewell;
  #controller;
  #socket;
  #deadline;
  #lastHeard = 0;
  #stood = false;
  #wake = () => {};

  constructor(settings) {
    this.settings = settings;
    this.transport = settings.transport;
    connections.add(this);
  }

  add(page) {
    this.pages.set(page.channel, page);
    if (this.#socket?.readyState === 1) this.#subscribe(page);
    else this.#change();
  }

  remove(page) {
    if (!this.pages.delete(page.channel)) return;
    if (this.pages.size > 0 && this.#socket?.readyState === 1) {
      this.#send({ type: 'unsubscribe', channel: page.channel });
    } else {
      this.#change();
    }
  }

  /** Asks anew, for everything or from where the pages stand. */
  renew() {
    this.#end({ again: true });
    this.#wake();
  }

  /** The page goes to sleep, or wakes. */
  sleep(asleep) {
    this.#asleep = asleep;
    this.renew();
  }

  /** The tab is looked at again: what has been silent may be dead. */
  check() {
    const silent = performance.now() - this.#lastHeard;
    if (!this.#stood || (this.transport === 'sse' && silent > PATIENCE.silence / 2)) this.renew();
  }

  /** The set of channels is another. Several changes at once are one. */
  #change() {
    queueMicrotask(() => {
      if (this.#running) return this.renew();
      if (this.pages.size > 0) this.#run();
    });
  }

  async #run() {
    this.#running = true;
    connections.add(this);
    let attempt = 0;
    let renewed = false;
    while (this.pages.size > 0) {
      if (this.#asleep) await this.#pause(PAUSE.most);
      if (this.#asleep) continue;
      this.#stand(attempt > 0 ? 'reconnecting' : 'connecting', { attempt });
      const end = await this.#open();
      for (const page of this.pages.values()) page.cut();
      if (this.pages.size === 0) break;
      if (end.again) continue;
      if (end.lived) [attempt, renewed] = [0, false];
      if (end.away || (end.fresh && typeof this.settings.token !== 'function')) {
        this.#leave(end);
        break;
      }
      let wait = end.after ?? (end.other ? 0 : this.#backoff(attempt));
      if (end.fresh) {
        this.#secret = undefined;
        if (!renewed) wait = 0;
        renewed = true;
      }
      attempt += 1;
      this.#turn(end, attempt);
      this.#stand('reconnecting', { attempt, wait, problem: end.problem });
      await this.#pause(wait);
    }
    this.#running = false;
    if (this.pages.size === 0) connections.delete(this);
  }

  /** Which transport is next: the other where this one cannot work here, else the one that was asked for. */
  #turn(end, attempt) {
    const { transport } = this.settings;
    const fails = end.other || (transport === 'websocket' && !end.opened && attempt % 3 === 2);
    const other = transport === 'sse' ? 'websocket' : 'sse';
    this.transport = fails && this.transport === transport ? other : transport;
  }

  #backoff(attempt) {
    const pause = Math.min(this.#retry * 2 ** attempt, PAUSE.most);
    return pause * (1 + PAUSE.jitter * (2 * Math.random() - 1));
  }

  #pause(milliseconds) {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, milliseconds);
      this.#wake = () => (clearTimeout(timer), resolve());
    });
  }

  #stand(state, more) {
    for (const page of this.pages.values()) page.stand(state, { transport: this.transport, ...more });
  }

  /** It does not come back; a later change of its channels begins anew. */
  #leave({ away = 'unauthorized', problem }) {
    const pages = [...this.pages.values()];
    this.pages.clear();
    for (const page of pages) page.stand(away === 'ended' ? 'ended' : 'closed', { reason: away, problem });
  }

  // -- One connection

  async #open() {
    this.#controller = new AbortController();
    const { signal } = this.#controller;
    this.#farewell = undefined;
    this.#stood = false;
    this.#expect(PATIENCE.first, { other: true });
    const began = performance.now();
    let end;
    try {
      this.#secret ??= await tokenOf(this.settings.token, [...this.pages.keys()]);
      end = signal.aborted ? signal.reason : await this[this.transport](signal);
    } catch (error) {
      end = signal.aborted ? signal.reason : { problem: { title: String(error.message ?? error) } };
    }
    clearTimeout(this.#deadline);
    this.#socket = undefined;
    const opened = this.#stood;
    this.#stood = false;
    return { ...(this.#farewell ?? end), opened, lived: opened && performance.now() - began > LIVED };
  }

  /** Ends the connection that is open, from our side. */
  #end(end) {
    this.#controller?.abort(end);
  }

  /** If nothing is heard for so long, the connection ends like this. */
  #expect(milliseconds, end) {
    clearTimeout(this.#deadline);
    this.#deadline = setTimeout(() => this.#end(end), milliseconds);
  }

  /** Server-Sent Events, where other tabs have left room for them. */
  async sse(signal) {
    const leave = await slotOf(this.settings.url);
    try {
      signal.throwIfAborted();
      return leave ? await this.#events(signal) : { other: true };
    } finally {
      leave?.();
    }
  }

  /** Read by `fetch`: it can send a token, and reads why it is refused. */
  async #events(signal) {
    const { url, credentials, from } = this.settings;
    const channels = [...this.pages.values()];
    const only = channels.length === 1 ? channels[0] : null;
    const query = [['wire', this.settings.wire]];
    if (!only) for (const { channel } of channels) query.push(['channel', channel]);
    const known = channels.filter(({ id }) => id !== undefined);
    const ids = known.map(({ channel, id }) => (only ? id : `${channel}=${id}`));
    if (ids.length > 0) query.push(['last_event_id', ids.join(',')]);
    if (from) query.push(['from', from]);
    const path = only ? `channels/${encodeURIComponent(only.channel)}/sse` : 'sse';
    const at = new URL(`${path}?${new URLSearchParams(query)}`, url);
    const headers = { accept: 'text/event-stream', ...bearer(this.#secret) };
    const answer = await fetch(at, { headers, credentials, signal, cache: 'no-store' });
    if (answer.status === 204) return { away: 'ended' };
    if (!answer.ok) return refusal(answer);
    if (!answer.headers.get('content-type')?.startsWith('text/event-stream')) return { other: true };
    const text = new TextDecoder();
    const reader = new EventReader(({ data, id, retry }) => {
      if (retry) this.#retry = Math.min(retry, PAUSE.most);
      if (data !== undefined) this.#take(data, only, id);
    });
    const bytes = answer.body.getReader();
    for (;;) {
      const { value, done } = await bytes.read();
      if (done) return {};
      this.#heard(value.byteLength);
      if (this.#stood) this.#expect(PATIENCE.silence, {});
      reader.push(text.decode(value, { stream: true }));
    }
  }

  /** A WebSocket. Pings are answered by the browser; the service closes what does not answer. */
  websocket(signal) {
    const at = new URL(`ws?wire=${this.settings.wire}`, this.settings.url);
    at.protocol = at.protocol.replace('http', 'ws');
    const socket = (this.#socket = new WebSocket(at, ['rillmark.v1']));
    return new Promise((resolve) => {
      const end = (how) => {
        socket.onopen = socket.onmessage = socket.onclose = null;
        socket.close();
        resolve(how);
      };
      signal.addEventListener('abort', () => end(signal.reason));
      socket.onopen = () => {
        if (this.#secret) this.#send({ type: 'token', token: this.#secret });
        for (const page of this.pages.values()) this.#subscribe(page);
      };
      socket.onmessage = ({ data }) => {
        this.#heard(bytesOf(data));
        this.#take(data, null);
      };
      socket.onclose = ({ code, reason }) => {
        if (code === 4100) end({ fresh: true });
        else end(comesBack(code) ? {} : { away: code === 4101 ? 'ended' : reason || `closed with ${code}` });
      };
    });
  }

  #send(message) {
    this.#socket.send(JSON.stringify(message));
  }

  #subscribe({ channel, id }) {
    this.#send({ type: 'subscribe', channel, id, from: id === undefined ? this.settings.from : undefined });
  }

  #heard(bytes) {
    this.#lastHeard = performance.now();
    for (const page of this.pages.values()) page.count(bytes);
  }

  /** Takes a message. `only`: the channel of a connection that watches one; else `ids` has the place in each. */
  #take(text, only, ids) {
    let message = JSON.parse(text);
    let channel = message.channel ?? only?.channel;
    // With several channels the name stands first.
    if (Array.isArray(message) && !Array.isArray(message[2])) [channel, ...message] = message;
    const page = this.pages.get(channel);
    if (Array.isArray(message)) return page?.receive(message, undefined, bytesOf(text));
    switch (message.type) {
      case 'stream':
        return page?.receive(message, message.id ?? positionOf(ids, message.channel), bytesOf(text));
      case 'reset':
        return page?.receive(message);
      case 'subscribed':
        if (this.transport === 'websocket') clearTimeout(this.#deadline);
        else this.#expect(PATIENCE.silence, {});
        this.#stood = true;
        page?.receive(message);
        return page?.stand('open', { transport: this.transport, by: message.by });
      case 'ended':
      case 'unsubscribed':
        if (message.reason === 'asked' || !page) return;
        this.#part(page, { reason: message.reason ?? 'ended' });
        return;
      case 'refused':
        if (page && message.retry_after) setTimeout(() => this.renew(), message.retry_after * 1000);
        else if (page) this.#part(page, { reason: 'refused', problem: message.problem });
        return;
      case 'bye':
        if (message.reason === 'token-expired') this.#farewell = { fresh: true };
        else if (message.come_back) this.#farewell = { after: message.after_ms };
        else if (message.reason !== 'closed') this.#farewell = { away: message.reason };
    }
  }

  /** One channel of several is over. */
  #part(page, detail) {
    this.pages.delete(page.channel);
    page.stand(detail.reason === 'ended' ? 'ended' : 'closed', detail);
    if (this.pages.size === 0) this.renew();
  }
}

/** Takes one of the slots that all tabs share. Gives what leaves it again, `null` where all are taken. */
async function slotOf(url) {
  const { locks } = navigator;
  const isOld = ({ name, nextHopProtocol }) => name.startsWith(url) && nextHopProtocol === 'http/1.1';
  const scarce = url.startsWith('http:') || performance.getEntriesByType('resource').some(isOld);
  if (!locks || !scarce) return () => {};
  for (let slot = 1; slot <= SLOTS; slot += 1) {
    const leave = await new Promise((resolve) => {
      const hold = (lock) => (lock ? new Promise(resolve) : resolve(null));
      const name = `rillmark ${new URL(url).host} ${slot}`;
      // Not in this kind of page.
      locks.request(name, { ifAvailable: true }, hold).catch(() => resolve(() => {}));
    });
    if (leave) return leave;
  }
  return null;
}

const encoder = new TextEncoder();
const bytesOf = (text) => encoder.encode(text).length;

/** This channel's own part of the id of several: `a=1f-3,b=9c-1`. */
function positionOf(ids, channel) {
  const mine = ids?.split(',').find((part) => part.startsWith(`${channel}=`));
  return mine?.slice(channel.length + 1) ?? ids;
}

/** What a refusal means for whoever wants to come back. */
async function refusal(answer) {
  const problem = await problemOf(answer);
  const after = Number(answer.headers.get('retry-after')) * 1000;
  if (answer.status === 401) return { fresh: true, problem };
  const passing = [408, 425, 429].includes(answer.status) || answer.status >= 500;
  if (!passing) return { away: 'refused', problem };
  return after > 0 ? { after: after * (1 + PAUSE.jitter * Math.random()), problem } : { problem };
}

/** The problem (RFC 9457) that an answer tells, or one made of its status. */
async function problemOf(answer) {
  try {
    if (answer.headers.get('content-type')?.includes('json')) return await answer.json();
  } catch {
    // Not what it says it is.
  }
  return { status: answer.status, title: answer.statusText || `status ${answer.status}` };
}

const bearer = (token) => (token ? { authorization: `Bearer ${token}` } : {});

const tokenOf = async (token, channels) => (typeof token === 'function' ? token(channels) : token);

// ---- Handles --------------------------------------------------------------------------------------------------------

/** A subscription as a script holds it. Tells `state`, `tick` and `received`. */
class Handle extends EventTarget {
  #watched;
  #page;
  #settings;
  #root;

  constructor(watched, settings, root) {
    super();
    const { page } = watched;
    this.#watched = watched;
    this.#page = page;
    this.#settings = settings;
    this.#root = root;
    page.handles.add(this);
    if (root) page.scopes.add(root);
  }

  get channel() {
    return this.#page.channel;
  }

  /** `connecting`, `open`, `reconnecting`, `ended` or `closed`. */
  get state() {
    return this.#page.state;
  }

  get id() {
    return this.#page.id;
  }

  /** Stops a stream's run: "stop generating". The token has to allow it. */
  async cancel(stream) {
    const { url, token, credentials } = this.#settings;
    const path = `channels/${encodeURIComponent(this.channel)}/streams/${encodeURIComponent(stream)}`;
    const headers = bearer(await tokenOf(token, [this.channel]));
    const answer = await fetch(new URL(path, url), { method: 'DELETE', headers, credentials });
    if (answer.ok) return answer.json();
    const problem = await problemOf(answer);
    throw Object.assign(new Error(problem.detail ?? problem.title), { problem });
  }

  /** Asks for everything anew: for a page that has changed what a stream's element holds. */
  refresh() {
    // No id: the service answers with a snapshot.
    this.#page.id = '!';
    this.#watched.connection.renew();
  }

  /** Lets the channel go. What is shown stays, or (for ourselves) all is as it was before: `restore`. */
  close(restore) {
    if (!this.#page.handles.delete(this)) return;
    this.#page.scopes.delete(this.#root);
    if (this.#page.handles.size > 0) return;
    this.#watched.connection.remove(this.#page);
    this.#page.close(restore === true);
    watched.delete(keyOf(this.#settings.url, this.channel));
  }
}

/** What is watched: by service and channel, the page and its connection. */
const watched = new Map();
const keyOf = (url, channel) => `${url} ${channel}`;

/**
 * Watches a channel.
 *
 * @param {import('./rillmark.d.ts').Settings} settings
 * @returns {Handle}
 */
export function connect(settings) {
  return watch(settings);
}

/** `anew`: the settings take the place of those before. */
function watch(settingsOfPage, anew) {
  const { channel, token, id, from, root, credentials = 'same-origin' } = settingsOfPage;
  let { url, transport, wire } = settingsOfPage;
  url = new URL(url ?? '.', url === undefined ? import.meta.url : document.baseURI).href;
  if (!url.endsWith('/')) url += '/';
  transport = transport === 'websocket' || transport === 'ws' ? 'websocket' : 'sse';
  wire = wire === 'djust' ? 'djust' : 'compact';
  const settings = { url, token, transport, from, wire, credentials };
  const key = keyOf(url, channel);
  let at = watched.get(key);
  if (!at) {
    at = { page: new Page(channel), connection: undefined };
    at.page.id = id;
    watched.set(key, at);
  }
  const { page } = at;
  const handle = new Handle(at, settings, root);
  // Who has declared the channel is told to the page first: that says which elements are its own.
  const filled = page.handles.size === 1 && id !== undefined;
  queueMicrotask(() => page.handles.size > 0 && page.remember(filled));
  if (anew && at.connection && !isSame(settings, at.connection)) {
    at.connection.remove(page);
    page.cut();
  }
  // What was refused or has ended is tried anew, with what is said now.
  if (!at.connection?.pages.has(channel)) {
    at.connection = connectionFor(settings);
    at.connection.add(page);
  }
  return handle;
}

/** A connection that goes to the same place with the same token, and has room. */
function connectionFor(settings) {
  const shared = [...connections].find((one) => isSame(settings, one) && one.pages.size < CHANNELS_MAX);
  return shared ?? new Connection(settings);
}

const isSame = (settings, other) => Object.keys(settings).every((name) => settings[name] === other.settings[name]);

// ---- Declarations ---------------------------------------------------------------------------------------------------

const SETTINGS = ['url', 'channel', 'token', 'token-url', 'transport', 'id', 'from', 'wire'];
const ID = SETTINGS.indexOf('id');

/** Elements that declare a channel: what they said, and what came of it. */
const declared = new Map();

/** One function for each address, so that channels with one source of tokens share a connection. */
const sources = new Map();

/** Tokens from an address of the page's own origin: `GET` → `{"token": "…"}`. */
function tokensFrom(address) {
  const at = new URL(address, document.baseURI);
  if (at.origin !== location.origin) throw new Error(`rillmark: ${at} is of another origin`);
  const source = async () => {
    const answer = await fetch(at, { credentials: 'same-origin', cache: 'no-store' });
    if (!answer.ok) throw new Error(`no token: ${at.pathname} answered ${answer.status}`);
    return (await answer.json()).token;
  };
  if (!sources.has(at.href)) sources.set(at.href, source);
  return sources.get(at.href);
}

/** Takes up what is declared and lets go of what is not any more. */
function heed() {
  const said = (el) => SETTINGS.map((name) => el.getAttribute(`data-rillmark-${name}`));
  // Where settings change, what was said before is let go last: a channel that is still watched goes on.
  const before = new Map();
  for (const [el, entry] of declared) {
    const words = said(el);
    if (el.isConnected && String(words) === String(entry.words)) continue;
    declared.delete(el);
    entry.page?.declaredBy.delete(el);
    if (el.isConnected && words[ID] === entry.words[ID]) before.set(el, entry);
    else entry.handle?.close();
  }
  for (const el of document.querySelectorAll('[data-rillmark-channel]')) {
    if (declared.has(el)) continue;
    const words = said(el);
    const [url, channel, token, tokenUrl, transport, id, from, wire] = words.map((word) => word || undefined);
    const entry = { words, handle: undefined, page: undefined };
    declared.set(el, entry);
    if (!channel) continue;
    try {
      const tokens = tokenUrl ? tokensFrom(tokenUrl) : token;
      entry.handle = watch({ url, channel, token: tokens, transport, id, from, wire }, before.has(el));
      entry.page = [...pages].find((page) => page.handles.has(entry.handle));
      entry.page.declaredBy.add(el);
      // A second place for what has been sent already: everything is sent anew.
      const late = before.get(el)?.page !== entry.page && entry.page.handles.size > 1 && entry.page.id !== undefined;
      if (late && el.querySelector('[dj-stream]')) entry.handle.refresh();
    } catch (error) {
      el.setAttribute('data-rillmark-state', 'closed');
      reportError(error);
    }
  }
  // An element that is another channel's now shows nothing of the one before.
  for (const [el, { handle }] of before) handle?.close(!!declared.get(el)?.page);
}

/** The handle of a channel that an element declares. */
export function handleOf(el) {
  return declared.get(el)?.handle;
}

const concerns = (node) =>
  node.nodeType === 1 &&
  (node.matches('[data-rillmark-channel], [dj-stream]') ||
    node.querySelector('[data-rillmark-channel], [dj-stream]') !== null);

function observe(records) {
  const touches = ({ type, addedNodes, removedNodes }) =>
    type === 'attributes' || [...addedNodes, ...removedNodes].some(concerns);
  if (!records.some(touches)) return;
  heed();
  // An element that came too late for what was sent to it gets everything.
  for (const page of pages) if (page.isMissed()) for (const handle of [...page.handles].slice(0, 1)) handle.refresh();
}

if (typeof document !== 'undefined') {
  const names = SETTINGS.map((name) => `data-rillmark-${name}`);
  const begin = () => {
    heed();
    const what = { subtree: true, childList: true, attributes: true, attributeFilter: names };
    new MutationObserver(observe).observe(document, what);
  };
  if (document.readyState === 'loading') addEventListener('DOMContentLoaded', begin, { once: true });
  else begin();
  const all = (act) => () => connections.forEach(act);
  addEventListener('online', all((connection) => connection.renew()));
  addEventListener('pagehide', all((connection) => connection.sleep(true)));
  addEventListener('pageshow', ({ persisted }) => persisted && all((connection) => connection.sleep(false))());
  document.addEventListener('visibilitychange', () => document.hidden || all((connection) => connection.check())());
}
