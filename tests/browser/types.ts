// What TypeScript has to take of the package, and what not: checked by `tests/run`, never run.
import { connect, EventReader, handleOf, ops, Page } from 'rillmark';

const handle = connect({ channel: 'c', token: async () => 'x', transport: 'websocket' });
handle.addEventListener('state', ({ detail }) => console.log(detail.state, detail.wait));
handle.addEventListener('tick', ({ detail }) => console.log(detail.frames.length, detail.id));
handle.cancel('response').then(({ cancelled }) => cancelled);
handleOf(document.body)?.close();

document.body.addEventListener('stream:done', ({ detail }) => detail.cancelled);
document.body.addEventListener('stream:before', (event) => {
  const { op, channel, restored } = event.detail;
  if (op.op === 'edit' && op.code === 5) console.log(op.back, op.remove, channel, restored);
  if (op.html) op.html = op.html.trim();
  else event.preventDefault();
});

document.addEventListener('stream:error', ({ detail }) => detail.error.length);
addEventListener('rillmark:state', ({ detail }) => detail.problem?.title);

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
