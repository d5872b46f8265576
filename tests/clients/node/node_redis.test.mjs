// node-redis' cluster client, in RESP2 and RESP3: what an application does with it on the types that slotd has.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { BasicClientSideCache, BasicPooledClientSideCache, createClient, createCluster } from 'redis';
import { startCluster } from './cluster.mjs';

let cluster;

before(async () => {
  cluster = await startCluster();
});

after(async () => {
  assert.equal(await cluster.stop(), 0);
});

for (const RESP of [2, 3]) {
  // A client that stays open would keep the run from ending after a failed test.
  const connect = async (t, useReplicas = true) => {
    const rootNodes = [{ url: `redis://127.0.0.1:${cluster.nodes[0].port}` }];
    const client = await createCluster({ rootNodes, RESP, useReplicas, defaults: { RESP } }).connect();
    t.after(() => client.close());
    return client;
  };

  test(`strings of all shards, RESP${RESP}`, async (t) => {
    const client = await connect(t);
    await Promise.all(Array.from({ length: 200 }, (_, i) => client.set(`key:${i}`, `${i}`)));
    const values = await Promise.all(Array.from({ length: 200 }, (_, i) => client.get(`key:${i}`)));
    assert.deepEqual(values, Array.from({ length: 200 }, (_, i) => `${i}`));
  });

  test(`every replica is seen at once, RESP${RESP}`, async (t) => {
    const client = await connect(t);
    assert.equal(client.masters.length, 3);
    assert.equal(client.replicas.length, 3);
  });

  test(`hashes, sets and sorted sets, RESP${RESP}`, async (t) => {
    const client = await connect(t, false);
    await client.del('user:1');
    assert.equal(await client.hSet('user:1', { name: 'ada', visits: '1' }), 2);
    assert.equal(await client.hIncrBy('user:1', 'visits', 41), 42);
    assert.deepEqual({ ...(await client.hGetAll('user:1')) }, { name: 'ada', visits: '42' });
    await client.del('{t}set');
    assert.equal(await client.sAdd('{t}set', ['red', 'green']), 2);
    assert.deepEqual([...(await client.sMembers('{t}set'))].sort(), ['green', 'red']);
    await client.del('board');
    assert.equal(await client.zAdd('board', [{ score: 3, value: 'ada' }, { score: 1.5, value: 'bob' }]), 2);
    assert.deepEqual(await client.zRangeWithScores('board', 0, -1), [{ value: 'bob', score: 1.5 }, { value: 'ada', score: 3 }]);
    assert.equal(await client.zScore('board', 'bob'), 1.5);
    await client.del('cities');
    assert.equal(await client.geoAdd('cities', { longitude: 13.361389, latitude: 38.115556, member: 'Palermo' }), 1);
    assert.deepEqual(await client.geoSearch('cities', { longitude: 13, latitude: 38 }, { radius: 100, unit: 'km' }), ['Palermo']);
  });

  test(`streams and their groups, RESP${RESP}`, async (t) => {
    const client = await connect(t, false);
    await client.del('log');
    for (const n of [1, 2, 3]) assert.equal(await client.xAdd('log', `${n}-1`, { n: `${n}` }), `${n}-1`);
    const plain = (entries) => entries.map(({ id, message }) => [id, { ...message }]);
    const entries = [1, 2, 3].map((n) => [`${n}-1`, { n: `${n}` }]);
    assert.deepEqual(plain(await client.xRange('log', '-', '+')), entries);
    assert.equal(await client.xGroupCreate('log', 'g', '0'), 'OK');
    const [read] = await client.xReadGroup('g', 'ada', { key: 'log', id: '>' }, { COUNT: 2 });
    assert.deepEqual([read.name, plain(read.messages)], ['log', entries.slice(0, 2)]);
    assert.equal(await client.xAck('log', 'g', '1-1'), 1);
    const claimed = await client.xAutoClaim('log', 'g', 'bob', 0, '0-0');
    assert.deepEqual([claimed.nextId, plain(claimed.messages)], ['0-0', entries.slice(1, 2)]);
    const [group] = await client.xInfoGroups('log');
    assert.deepEqual([group.name, group.consumers, group.pending, group.lag], ['g', 2, 1, 1]);
    const info = await client.xInfoStream('log');
    assert.deepEqual([info.length, info.groups, info['last-generated-id']], [3, 1, '3-1']);
  });

  test(`a reader that waits gets the next entry, RESP${RESP}`, async (t) => {
    const client = await connect(t, false);
    const waiting = await connect(t, false);
    await client.del('waited');
    await client.xGroupCreate('waited', 'g', '$', { MKSTREAM: true });
    const found = waiting.xReadGroup('g', 'ada', { key: 'waited', id: '>' }, { BLOCK: 10000 });
    await new Promise((resolve) => setTimeout(resolve, 100));
    await client.xAdd('waited', '1-1', { f: 'v' });
    const [{ name, messages }] = await found;
    assert.deepEqual([name, messages.map(({ id, message }) => [id, { ...message }])], ['waited', [['1-1', { f: 'v' }]]]);
  });

  test(`a transaction of one slot, RESP${RESP}`, async (t) => {
    const client = await connect(t);
    assert.deepEqual(await client.multi().set('{t}a', '1').incr('{t}a').exec(), ['OK', 2]);
  });

  test(`sharded publish and subscribe, RESP${RESP}`, async (t) => {
    const client = await connect(t);
    const received = new Promise((resolve) => client.sSubscribe('orders', resolve));
    const deadline = Date.now() + 10000;
    while ((await client.sPublish('orders', 'new')) === 0 && Date.now() < deadline);
    assert.equal(await received, 'new');
    await client.sUnsubscribe('orders');
  });
}

// Client-side caching needs RESP3. `missed` counts what was asked of the server.
const url = () => `redis://127.0.0.1:${cluster.nodes[0].port}`;
const missed = (cache) => cache.stats().missCount;

async function cachesUntilAnotherClientWrites(reader, writer, cache, keys) {
  for (const key of keys) await writer.set(key, 'old');
  for (const key of keys) assert.equal(await reader.get(key), 'old');
  const before = missed(cache);
  for (const key of keys) assert.equal(await reader.get(key), 'old');
  assert.equal(missed(cache), before, 'everything comes out of the cache');
  for (const key of keys) await writer.set(key, 'new');
  const deadline = Date.now() + 10000;
  for (const key of keys) {
    let seen;
    while ((seen = await reader.get(key)) !== 'new' && Date.now() < deadline) await new Promise((resolve) => setTimeout(resolve, 1));
    assert.equal(seen, 'new', key);
  }
  assert.equal(missed(cache), before + keys.length, 'every key is asked for once more');
}

test('a client with a cache hears of what another one writes', async (t) => {
  const cache = new BasicClientSideCache({ ttl: 0, maxEntries: 0, evictPolicy: 'LRU', recordStats: true });
  const reader = await createClient({ url: url(), RESP: 3, clientSideCache: cache }).connect();
  t.after(() => reader.destroy());
  const writer = await createClient({ url: url(), RESP: 3 }).connect();
  t.after(() => writer.destroy());
  const keys = [];
  for (let i = 0; keys.length < 10; i++) {
    // The others are served by other nodes.
    if (await writer.set(`cached:${i}`, 'x').catch(() => null)) keys.push(`cached:${i}`);
  }
  await cachesUntilAnotherClientWrites(reader, writer, cache, keys);
  assert.ok(cache.size() > 0);
  await writer.flushDb();
  const deadline = Date.now() + 10000;
  while (cache.size() > 0 && Date.now() < deadline) await new Promise((resolve) => setTimeout(resolve, 1));
  assert.equal(cache.size(), 0, 'a database that is emptied empties the cache');
});

test('a cluster client with a cache hears of what another one writes', async (t) => {
  const cache = new BasicPooledClientSideCache({ ttl: 0, maxEntries: 0, evictPolicy: 'LRU', recordStats: true });
  const rootNodes = [{ url: url() }];
  const reader = await createCluster({ rootNodes, RESP: 3, defaults: { RESP: 3 }, clientSideCache: cache }).connect();
  t.after(() => reader.close());
  const writer = await createCluster({ rootNodes, RESP: 3, defaults: { RESP: 3 } }).connect();
  t.after(() => writer.close());
  await cachesUntilAnotherClientWrites(reader, writer, cache, Array.from({ length: 50 }, (_, i) => `shared:${i}`));
});
