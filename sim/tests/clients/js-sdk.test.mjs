// The official SDK against the simulator.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createClient } from 'microcms-js-sdk';
import { post, truth } from './truth.mjs';

const serviceDomain = process.env.MICROCMS_SERVICE_ID;
const client = createClient({ serviceDomain, apiKey: process.env.MICROCMS_API_KEY });
const all = await truth();
const blog = all.contents.filter((content) => content.endpoint === 'blog');
const visible = blog.filter((content) => content.published !== null);

test('getList pages and counts', async () => {
  const page = await client.getList({ endpoint: 'blog', queries: { limit: 7, offset: 3, depth: 0 } });
  assert.equal(page.totalCount, visible.length);
  assert.deepEqual(
    page.contents,
    visible.slice(3, 10).map((content) => JSON.parse(content.published)),
  );
});

test('getListDetail reads one content, and its draft by draftKey', async () => {
  const both = blog.find((content) => content.status === 'PUBLISH_AND_DRAFT');
  const get = (queries) => client.getListDetail({ endpoint: 'blog', contentId: both.id, queries });
  assert.deepEqual(await get({ depth: 0 }), JSON.parse(both.published));
  assert.deepEqual(await get({ depth: 0, draftKey: both.draft_key }), JSON.parse(both.draft));
});

test('getAllContents and getAllContentIds read everything once', async () => {
  const contents = await client.getAllContents({ endpoint: 'blog', queries: { depth: 0 } });
  assert.deepEqual(
    contents,
    visible.map((content) => JSON.parse(content.published)),
  );
  const ids = await client.getAllContentIds({ endpoint: 'blog' });
  assert.deepEqual(
    ids,
    visible.map((content) => content.id),
  );
});

test('getObject reads an object without an id', async () => {
  const object = await client.getObject({ endpoint: 'settings', queries: { depth: 0 } });
  assert.equal(object.id, undefined);
  assert.deepEqual(object, JSON.parse(all.contents.find((content) => content.endpoint === 'settings').published));
});

test('filters, ids, fields and orders arrive as the SDK encodes them', async () => {
  const queries = {
    ids: [visible[0].id, visible[1].id],
    fields: ['id', 'title'],
    orders: '-updatedAt',
    filters: 'title[exists]',
  };
  const page = await client.getList({ endpoint: 'blog', queries });
  assert.equal(page.totalCount, 2);
  assert.deepEqual(Object.keys(page.contents[0]), ['id', 'title']);
});

test('errors carry the status and the words of the service', async () => {
  const wrong = createClient({ serviceDomain, apiKey: 'wrong' });
  await assert.rejects(wrong.getList({ endpoint: 'blog' }), /401[^]*X-MICROCMS-API-KEY header is invalid\./);
  // A 404 has no message.
  await assert.rejects(client.getListDetail({ endpoint: 'blog', contentId: 'nowhere' }), /status: 404$/);
  await assert.rejects(client.getList({ endpoint: 'blog', queries: { limit: 101 } }), /400[^]*Invalid 'limit' value\./);
  const draft = blog.find((content) => content.status === 'DRAFT');
  await assert.rejects(client.getListDetail({ endpoint: 'blog', contentId: draft.id }), /404/);
  const none = { get: false, all_drafts: false, all_closed: false };
  await post('/edits', { edit: 'set_content_rights', endpoint: 'news', rights: none });
  await assert.rejects(client.getList({ endpoint: 'news' }), /400[^]*GET is forbidden\./);
});
