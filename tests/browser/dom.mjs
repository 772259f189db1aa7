// A document in node. jsdom is found from the working directory.
import { createRequire } from 'node:module';
import { join } from 'node:path';

const { JSDOM, VirtualConsole } = createRequire(join(process.cwd(), 'x.js'))('jsdom');

/**
 * Opens a window and makes its globals node's own, as the module expects them. Returns the window, and what was
 * complained about.
 */
export function openWindow() {
  const complaints = [];
  const virtualConsole = new VirtualConsole();
  virtualConsole.on('jsdomError', (error) => complaints.push(String(error)));
  const { window } = new JSDOM('<!doctype html><title>t</title><body></body>', {
    pretendToBeVisual: true,
    url: 'http://localhost/',
    virtualConsole,
  });
  const names = ['document', 'location', 'Node', 'CustomEvent', 'EventTarget', 'getComputedStyle', 'addEventListener'];
  for (const name of [...names, 'requestAnimationFrame']) {
    globalThis[name] = /^[a-z]/.test(name) && typeof window[name] === 'function' ? window[name].bind(window) : window[name];
  }
  // What a page declares is not connected here: these tests bring the frames themselves.
  globalThis.MutationObserver = class {
    observe() {}
  };
  globalThis.reportError = (error) => complaints.push(String(error));
  return { window, complaints };
}
