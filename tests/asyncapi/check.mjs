// The AsyncAPI document is valid, and its schemas agree with the vectors of the wire.
//
//   node check.mjs ASYNCAPI.yaml VECTORS/
//
// @asyncapi/parser, and the ajv that it brings, are found from the working directory.
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';

const require = createRequire(join(process.cwd(), 'x.js'));
const { Parser } = require('@asyncapi/parser');
const Ajv = require('ajv').default;
const [path, folder] = process.argv.slice(2);
const vectors = (name) => JSON.parse(readFileSync(join(folder, name), 'utf8'));

let faults = 0;
function fault(...about) {
  faults += 1;
  console.log(...about);
}

// ---- the document by itself

const { document, diagnostics } = await new Parser().parse(readFileSync(path, 'utf8'));
// A newer version of the specification is no fault of a document.
for (const { code, message, path: where } of diagnostics.filter(({ code }) => code !== 'asyncapi-latest-version')) {
  fault(`${where.join('.')}: ${code}: ${message}`);
}
if (!document) process.exit(1);

// ---- its schemas against what the wire says

const schemas = document.json().components.schemas;
const ajv = new Ajv({ strict: false, allErrors: false });
ajv.addSchema({ $id: 'wire', components: { schemas } });
const schema = (name) => ajv.compile({ $ref: `wire#/components/schemas/${name}` });
const [frame, compact, declared, control, message, op, published, name, id] = [
  'Frame', 'CompactFrame', 'Declared', 'Control', 'ClientMessage', 'Op', 'PublishedOp', 'Name', 'Id',
].map(schema);

let checked = 0;
function expect(about, validate, value, wanted) {
  checked += 1;
  if (validate(value) !== wanted) {
    fault(`${about}: ${wanted ? ajv.errorsText(validate.errors) : 'the schema takes it'}: ${JSON.stringify(value)}`);
  }
}

for (const { valid, invalid } of vectors('names.json')) {
  valid.forEach((text) => expect('a name', name, text, true));
  invalid.forEach((text) => expect('no name', name, text, false));
}
for (const { valid, invalid } of vectors('ids.json')) {
  valid.forEach((text) => expect('an id', id, text, true));
  // How large a number may be is beyond a pattern.
  invalid.filter((text) => text.length < 16).forEach((text) => expect('no id', id, text, false));
}
for (const { name: about, messages } of vectors('ticks.json')) {
  messages.forEach((text) => expect(about, frame, JSON.parse(text), true));
}
for (const { name: about, frames } of vectors('merges.json')) {
  frames.forEach((value) => expect(about, frame, value, true));
}
for (const { name: about, frames } of vectors('compact.json')) {
  for (const value of frames) {
    expect(about, Array.isArray(value) ? compact : control, value, true);
    if (value[3]) expect(about, declared, value[3], true);
  }
}
for (const { name: about, control: value } of vectors('controls.json')) expect(about, control, value, true);
for (const { name: about, message: value, reads } of vectors('messages.json')) {
  if (value) expect(about, message, value, reads !== undefined);
}
for (const { name: about, batch, leaves, refused } of vectors('batches.json')) {
  leaves?.forEach((value) => expect(about, op, value, true));
  // `null` counts as absent, which the schemas need not say.
  if (leaves && !about.includes('null')) batch.ops.forEach((value) => expect(about, published, value, true));
  // What a schema can see of a refusal; sizes in bytes and control characters it cannot.
  const seen = refused?.kind === 'field' && refused.op === 0 && batch && !/1025|NUL|line feed/.test(about);
  if (seen) expect(about, published, batch.ops[0], false);
}

console.log(`AsyncAPI: ${checked} checks, ${faults} faults`);
if (faults > 0 || checked < 100) process.exitCode = 1;
