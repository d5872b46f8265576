// ioredis' cluster client: what an application does with it on the types that slotd has.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import Redis from 'ioredis';
import { startCluster } from './cluster.mjs';

let cluster;
let client;

before(async () => {
  cluster = await startCluster();
  client = new Redis.Cluster([{ host: '127.0.0.1', port: cluster.nodes[0].port }]);
});

after(async () => {
  await client.quit();
  assert.equal(await cluster.stop(), 0);
});

test('every replica is seen at once', async () => {
  await client.ping();
  assert.equal(client.nodes('master').length, 3);
  assert.equal(client.nodes('slave').length, 3);
});

test('strings of all shards', async () => {
  await Promise.all(Array.from({ length: 200 }, (_, i) => client.set(`key:${i}`, `${i}`, 'EX', 100)));
  const values = await Promise.all(Array.from({ length: 200 }, (_, i) => client.get(`key:${i}`)));
  assert.deepEqual(values, Array.from({ length: 200 }, (_, i) => `${i}`));
});

test('lists and blocking', async () => {
  const waiting = client.duplicate();
  const popped = waiting.blpop('queue', 10);
  await client.rpush('queue', 'job');
  assert.deepEqual(await popped, ['queue', 'job']);
  await waiting.quit();
});

test('a transaction of one slot', async () => {
  const replies = await client.multi().set('{t}a', '1').incr('{t}a').get('{t}a').exec();
  assert.deepEqual(replies, [[null, 'OK'], [null, 2], [null, '2']]);
});

test('reads are scaled to replicas', async () => {
  const reader = new Redis.Cluster([{ host: '127.0.0.1', port: cluster.nodes[0].port }], { scaleReads: 'slave' });
  await client.set('read', 'me');
  const deadline = Date.now() + 10000;
  let value = null;
  while (value !== 'me' && Date.now() < deadline) value = await reader.get('read');
  assert.equal(value, 'me');
  await reader.quit();
});

test('publish and subscribe', async () => {
  const subscriber = client.duplicate();
  const received = new Promise((resolve) => subscriber.on('message', (channel, message) => resolve([channel, message])));
  await subscriber.subscribe('news');
  await client.publish('news', 'hello');
  assert.deepEqual(await received, ['news', 'hello']);
  await subscriber.quit();
});

test('a missing command says so', async () => {
  await assert.rejects(client.xadd('stream', '*', 'a', 'b'), /^ReplyError: ERR unknown command/);
});
