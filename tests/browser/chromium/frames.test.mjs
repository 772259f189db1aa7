// What a frame costs the page: as much at the end of a long reply as at its beginning.
import assert from 'node:assert/strict';
import { test } from 'node:test';

import { LONG, Service, Site, browse, shows, stands, tab } from './bench.mjs';

const TOKENS = LONG ? 20_000 : 5_000;
/** The frames that are compared. */
const FRAMES = 500;

const site = await Site.start();
const service = await Service.start({ RILLMARK_ALLOWED_ORIGINS: site.url, RILLMARK_TICK_MS: '1' });
// Frames follow each other at once: nothing waits for a screen.
const browser = await browse('--disable-frame-rate-limit', '--disable-gpu-vsync');

test(`a frame costs as much at the end of ${TOKENS} tokens as at the beginning`, async () => {
  const script = `<script type="module" src="${service.url}/client.js" data-rillmark-channel="c"></script>`;
  const context = await browser.newContext({ viewport: { width: 800, height: 600 } });
  const page = await tab(context, site.page('/', `${script}<div dj-stream="a" style="height: 400px; overflow-y: auto"></div>`));
  await stands(page, 'open');
  let frames = 0;
  let go;
  await page.exposeFunction('painted', () => ((frames += 1), go?.()));
  await page.evaluate(() => {
    const ask = window.requestAnimationFrame;
    window.requestAnimationFrame = (act) => ask((now) => (act(now), window.painted()));
  });
  // What the main thread computes: scripts, styles, layout, painting; not what it waits for.
  const session = await context.newCDPSession(page);
  await session.send('Performance.enable', { timeDomain: 'threadTicks' });
  const computed = async () => {
    const { metrics } = await session.send('Performance.getMetrics');
    return 1_000 * metrics.find(({ name }) => name === 'TaskDuration').value;
  };
  const body = service.reply('c', 'a');
  let written = 0;
  /** Writes some tokens at a time, and goes on when the page has shown them: each time is a tick and a frame. */
  const write = async (count) => {
    for (let at = 0; at < count; at += 1) {
      let text = '';
      for (let end = written + TOKENS / 1_250; written < end; written += 1) {
        text += `word${written % 60 === 59 ? '.\n\n' : written % 20 === 19 ? ' **bold** ' : ' '}`;
      }
      const shown = new Promise((resolve) => (go = resolve));
      body.write(text);
      await shown;
    }
  };
  const cost = async (count) => {
    const [time, before] = [await computed(), frames];
    await write(count);
    assert.ok(frames - before >= count, `${frames - before} frames`);
    return ((await computed()) - time) / (frames - before);
  };
  await write(20); // The compiler has seen the code.
  const first = await cost(FRAMES);
  await write(1_250 - 20 - 2 * FRAMES);
  const last = await cost(FRAMES);
  assert.equal(written, TOKENS);
  body.end('The end.');
  await shows(page, '[dj-stream=a]', 'The end.');
  console.log(`${frames} frames: ${first.toFixed(2)} ms each of the first ${FRAMES}, ${last.toFixed(2)} ms of the last ${FRAMES}`);
  assert.ok(last <= 1.5 * first, `${first} ms grew to ${last} ms`);
});
