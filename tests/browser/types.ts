// What TypeScript has to take, and what not: checked by `tests/run`, never run.
import { connect, EventReader, handleOf, ops, Page } from '../../clients/browser/rillmark.js';

const handle = connect({ channel: 'c', token: async () => 'x', transport: 'websocket' });
handle.addEventListener('state', ({ detail }) => console.log(detail.state, detail.wait));
handle.addEventListener('tick', ({ detail }) => console.log(detail.frames.length, detail.id));
handle.cancel('response').then(({ cancelled }) => cancelled);
handleOf(document.body)?.close();

document.body.addEventListener('stream:done', ({ detail }) => detail.cancelled);
document.body.addEventListener('stream:before', (event) => event.detail.op.text || event.preventDefault());

ops.shout = (el, { volume }) => {
  el.setAttribute('data-volume', String(volume));
  return ['shout', { volume }];
};

const page = new Page('c');
page.remember(false);
page.receive({ type: 'stream', stream: 's', ops: [{ op: 'text', text: 'x' }], id: '1-1' });
new EventReader(({ data, id }) => [data, id]);

// @ts-expect-error: there is no such state
if (handle.state === 'gone') handle.close();
// @ts-expect-error: a channel is named
connect({ url: '/' });
