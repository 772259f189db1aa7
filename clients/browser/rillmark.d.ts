/** An op as it comes: see "Ops" in the wire's document. Where it acts is its `target` or its `path`. */
export interface Op {
  op: string;
  /** A CSS selector. */
  target?: string;
  /** Steps from the stream's element: the index of an element among its siblings, -1 for the last. */
  path?: number[];
  text?: string;
  mode?: 'append' | 'replace' | 'prepend';
  html?: string;
  limit?: number;
  edge?: 'top' | 'bottom';
  error?: string;
  cancelled?: boolean;
  name?: string;
  detail?: unknown;
  /** Of an `edit`, which changes a document on the compact wire: what it does, as the wire's document numbers it. */
  code?: 0 | 1 | 2 | 3 | 4 | 5;
  units?: number;
  back?: number;
  remove?: number;
  [member: string]: unknown;
}

export type RunState = 'idle' | 'active' | 'done' | 'cancelled' | 'error';

/** Ops of one stream. The `id` commits it, with all frames before it. */
export interface Frame {
  type: 'stream';
  stream: string;
  ops: Op[];
  channel?: string;
  id?: string;
  reset?: true;
  reason?: 'epoch';
  /** In a snapshot. */
  state?: RunState;
  /** Bytes that it had on the wire. */
  size?: number;
}

/** The control that takes the place of a snapshot where there is nothing to show. */
export interface Reset {
  type: 'reset';
  channel: string;
  id: string;
  reason: 'gap' | 'epoch';
}

/** The control that begins a subscription; on the compact wire it says what frames leave out. */
export interface Subscribed {
  type: 'subscribed';
  channel: string;
  id: string;
  by: 'replay' | 'snapshot';
  streams?: string[];
  cursor?: [number, number, string] | null;
}

/** What an op does to the element that its target found. Returns the event to tell: `['shout', { volume }]`. */
export type Action = (el: Element, op: Op, page: Page) => [name: string, detail?: object] | void;

/** What each op does; a page may add its own. */
export const ops: Record<string, Action>;

/** One channel's hold on the page. Connections feed it; who has frames from elsewhere may, too. */
export class Page {
  constructor(channel: string);
  readonly channel: string;
  /** The id of the last tick that came whole. */
  id: string | undefined;
  readonly state: ConnectionState;
  /** Remembers how streams' elements are, for a reset. `filled`: they hold already what the page's id promises. */
  remember(filled: boolean): void;
  /** Takes a frame, of either wire, or the controls `subscribed` and `reset`. An id shows all since the last one. */
  receive(message: Frame | Reset | Subscribed | unknown[], id?: string, size?: number): void;
  /** The connection broke: frames that no id has committed are dropped. */
  cut(): void;
  close(): void;
  /** The element that an op acts on. */
  locate(op: Pick<Op, 'target' | 'path'>, stream: string): Element | null | undefined;
  /** Dispatches `stream:<name>` on an element. */
  tell(el: Element, name: string, detail?: object): void;
  /** Remembers an element before its first change, for a reset. Done for each op's own target. */
  note(el: Element): void;
  /** Takes an element out so that a reset can put it back. */
  remove(el: Element): void;
  showError(el: Element, message: string): void;
  clearError(el: Element): void;
}

/** Reads Server-Sent Events out of text that was cut anywhere. */
export class EventReader {
  constructor(take: (event: { data?: string; id?: string; retry?: number }) => void);
  push(text: string): void;
}

export type ConnectionState = 'connecting' | 'open' | 'reconnecting' | 'ended' | 'closed';

/** A problem (RFC 9457), as the service tells it. */
export interface Problem {
  type?: string;
  title?: string;
  status?: number;
  detail?: string;
  [member: string]: unknown;
}

export interface StateDetail {
  channel: string;
  state: ConnectionState;
  transport?: 'sse' | 'websocket';
  /** Failed attempts in a row. */
  attempt?: number;
  /** Milliseconds until the next attempt. */
  wait?: number;
  /** Of `open`: whether what follows continues, or is everything. */
  by?: 'replay' | 'snapshot';
  /** Of `closed` and `ended`: why. */
  reason?: string;
  problem?: Problem;
}

export interface Settings {
  channel: string;
  /** Where the service is. Default: where this module came from. */
  url?: string | URL;
  /** A token, or what gives one: it is asked again when the service wants a new one. */
  token?: string | ((channels: string[]) => string | undefined | Promise<string | undefined>);
  /** Default: `sse`. Each gives way to the other where it cannot work. */
  transport?: 'sse' | 'websocket' | 'ws';
  /** The id of what the page holds already. */
  id?: string;
  /** The form of frames. Default: `compact`. */
  wire?: 'compact' | 'djust';
  /** `now`: without history. */
  from?: 'now' | 'beginning';
  /** The part of the page that the channel keeps to. */
  root?: Element;
  /** `include` sends the cookie of a service of another origin. Default: `same-origin`. */
  credentials?: RequestCredentials;
}

interface HandleEvents {
  state: CustomEvent<StateDetail>;
  /** A tick was applied. */
  tick: CustomEvent<{ frames: Frame[]; id: string; snapshot: boolean }>;
  /** Bytes have come on the connection that carries the channel. */
  received: CustomEvent<{ bytes: number }>;
}

/** A subscription as a script holds it. */
export interface Handle extends EventTarget {
  readonly channel: string;
  readonly state: ConnectionState;
  readonly id: string | undefined;
  /** Stops a stream's run. Rejects with an `Error` that has the `problem`. */
  cancel(stream: string): Promise<{ id: string | null; cancelled: boolean }>;
  /** Asks for everything anew. */
  refresh(): void;
  /** Lets the channel go; what is shown stays. */
  close(): void;
  addEventListener<K extends keyof HandleEvents>(
    name: K,
    listener: (event: HandleEvents[K]) => void,
    options?: boolean | AddEventListenerOptions,
  ): void;
  addEventListener(name: string, listener: EventListenerOrEventListenerObject | null, options?: boolean | AddEventListenerOptions): void;
}

/** Watches a channel. Who watches the same one twice shares it. */
export function connect(settings: Settings): Handle;

/** The handle of a channel that an element declares by `data-rillmark-channel`. */
export function handleOf(el: Element): Handle | undefined;

interface StreamDetail {
  stream: string;
  /** Part of what was there before the page came, or came back. */
  restored?: true;
}

declare global {
  interface GlobalEventHandlersEventMap {
    /** Before an op acts; `preventDefault()` leaves it out. */
    'stream:before': CustomEvent<StreamDetail & { op: Op; channel: string }>;
    'stream:start': CustomEvent<StreamDetail>;
    'stream:text': CustomEvent<StreamDetail & { text: string; mode: string }>;
    'stream:update': CustomEvent<StreamDetail & { op: 'append' | 'prepend' | 'replace' | 'change' }>;
    'stream:remove': CustomEvent<StreamDetail>;
    'stream:prune': CustomEvent<StreamDetail & { edge: 'top' | 'bottom'; limit: number }>;
    'stream:error': CustomEvent<StreamDetail & { error: string }>;
    'stream:done': CustomEvent<StreamDetail & { cancelled?: true }>;
    'stream:event': CustomEvent<StreamDetail & { name: string; detail: unknown }>;
    'stream:reset': CustomEvent<StreamDetail & { state: RunState }>;
    'rillmark:state': CustomEvent<StateDetail>;
  }
}
