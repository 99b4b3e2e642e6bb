// The official MCP server against the simulator, over its standard input and output.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { after, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { truth } from './truth.mjs';

const path = (name) => fileURLToPath(new URL(name, import.meta.url));
const server = spawn(
  process.execPath,
  ['--import', path('hosts.mjs'), path('node_modules/microcms-mcp-server/bin/microcms-mcp-server.js')],
  { stdio: ['pipe', 'pipe', 'inherit'] },
);
after(() => server.kill());

const waiting = new Map();
let last = 0;
createInterface({ input: server.stdout }).on('line', (line) => {
  const message = JSON.parse(line);
  waiting.get(message.id)?.(message);
});
server.on('exit', (code) => waiting.forEach((done) => done({ error: { message: `the server ended: ${code}` } })));

const send = (message) => server.stdin.write(`${JSON.stringify({ jsonrpc: '2.0', ...message })}\n`);
const ask = (method, params) =>
  new Promise((done, failed) => {
    const id = ++last;
    waiting.set(id, ({ result, error }) => (error ? failed(new Error(error.message)) : done(result)));
    send({ id, method, params });
  });

/** What a tool answers: its JSON, or an error with its text. */
const call = async (name, args = {}) => {
  const result = await ask('tools/call', { name: `microcms_${name}`, arguments: args });
  const text = result.content[0].text;
  if (result.isError || text.startsWith('Error')) throw new Error(text);
  return JSON.parse(text);
};

await ask('initialize', {
  protocolVersion: '2025-06-18',
  capabilities: {},
  clientInfo: { name: 'microcms-sim', version: '0' },
});
send({ method: 'notifications/initialized' });
const all = await truth();
const blog = all.contents.filter((content) => content.endpoint === 'blog');

test('get_media walks the whole list by token', async () => {
  const seen = [];
  let page = await call('get_media', { limit: 100 });
  assert.equal(page.totalCount, all.media.length);
  while (page.media.length > 0) {
    seen.push(...page.media);
    page = await call('get_media', { token: page.token });
  }
  assert.deepEqual(
    seen,
    all.media.map((medium) => JSON.parse(medium.listing)),
  );
});

test('a token that is not one is refused with 400', async () => {
  await assert.rejects(call('get_media', { token: 'nonsense' }), /400/);
});

test('get_list_meta and get_content_meta read the metadata', async () => {
  const page = await call('get_list_meta', { endpoint: 'blog', limit: 5, offset: 10 });
  assert.equal(page.totalCount, blog.length);
  assert.deepEqual(
    page.contents,
    blog.slice(10, 15).map((content) => JSON.parse(content.metadata)),
  );
  const one = await call('get_content_meta', { endpoint: 'blog', contentId: blog[0].id });
  assert.deepEqual(one, JSON.parse(blog[0].metadata));
});

test('get_list and get_content read the bodies', async () => {
  const published = blog.filter((content) => content.published !== null);
  const page = await call('get_list', { endpoint: 'blog', limit: 3, depth: 0 });
  assert.equal(page.totalCount, published.length);
  const one = await call('get_content', { endpoint: 'blog', contentId: published[0].id });
  assert.equal(one.title, JSON.parse(published[0].published).title);
});

test('get_api_list and get_api_info read the schemas', async () => {
  const { apis } = await call('get_api_list');
  assert.deepEqual(
    apis.map((api) => [api.name, api.endpoint, api.type]),
    all.endpoints.map((api) => [api.name, api.endpoint, api.kind]),
  );
  assert.deepEqual(await call('get_api_info', { endpoint: 'blog' }), JSON.parse(all.endpoints[0].schema));
});
