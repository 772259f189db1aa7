// A document in node, and a way to compare documents. jsdom is found from the working directory.
import { createRequire } from 'node:module';
import { join } from 'node:path';

const { JSDOM, VirtualConsole } = createRequire(join(process.cwd(), 'x.js'))('jsdom');

/** What the client adds for assistive technology, and to say how it stands: beside what the wire says. */
const BESIDE = /^(aria-(live|busy)|data-rillmark-state)$/;

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
  const names = ['document', 'location', 'Node', 'CustomEvent', 'getComputedStyle', 'addEventListener'];
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
