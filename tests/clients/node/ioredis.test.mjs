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

test('hashes, sets and sorted sets', async () => {
  assert.equal(await client.hset('user:1', { name: 'ada', visits: 1 }), 2);
  assert.equal(await client.hincrby('user:1', 'visits', 41), 42);
  assert.deepEqual(await client.hgetall('user:1'), { name: 'ada', visits: '42' });
  assert.equal(await client.sadd('{t}a', 'red', 'green'), 2);
  assert.equal(await client.sadd('{t}b', 'green', 'blue'), 2);
  assert.deepEqual(await client.sinter('{t}a', '{t}b'), ['green']);
  assert.equal(await client.zadd('board', 3, 'ada', 1.5, 'bob'), 2);
  assert.deepEqual(await client.zrange('board', 0, -1, 'WITHSCORES'), ['bob', '1.5', 'ada', '3']);
  const waiting = client.duplicate();
  const popped = waiting.bzpopmin('waited', 10);
  await client.zadd('waited', 1, 'x');
  assert.deepEqual(await popped, ['waited', 'x', '1']);
  await waiting.quit();
});

test('bitmaps, counts and places', async () => {
  assert.equal(await client.setbit('seen', 7, 1), 0);
  assert.equal(await client.bitcount('seen'), 1);
  assert.equal(await client.pfadd('visitors', 'a', 'b', 'c'), 1);
  assert.equal(await client.pfcount('visitors'), 3);
  assert.equal(await client.geoadd('cities', 13.361389, 38.115556, 'Palermo', 15.087269, 37.502669, 'Catania'), 2);
  assert.deepEqual(await client.geosearch('cities', 'FROMLONLAT', 15, 37, 'BYRADIUS', 100, 'km', 'ASC'), ['Catania']);
});

test('streams and their groups', async () => {
  for (const n of [1, 2, 3]) assert.equal(await client.xadd('log', `${n}-1`, 'n', `${n}`), `${n}-1`);
  const entries = [1, 2, 3].map((n) => [`${n}-1`, ['n', `${n}`]]);
  assert.deepEqual(await client.xrange('log', '-', '+'), entries);
  assert.equal(await client.xgroup('CREATE', 'log', 'g', '0'), 'OK');
  assert.deepEqual(await client.xreadgroup('GROUP', 'g', 'ada', 'COUNT', 2, 'STREAMS', 'log', '>'), [['log', entries.slice(0, 2)]]);
  assert.equal(await client.xack('log', 'g', '1-1'), 1);
  assert.deepEqual(await client.xautoclaim('log', 'g', 'bob', 0, '0-0'), ['0-0', [entries[1]], []]);
  const [group] = await client.xinfo('GROUPS', 'log');
  assert.deepEqual(group, ['name', 'g', 'consumers', 2, 'pending', 1, 'last-delivered-id', '2-1', 'entries-read', 2, 'lag', 1]);
  const info = await client.xinfo('STREAM', 'log');
  assert.deepEqual(info.slice(0, 2), ['length', 3]);
  assert.equal(await client.xtrim('log', 'MAXLEN', 1), 2);
});

test('a reader that waits gets the next entry', async () => {
  await client.xgroup('CREATE', 'waited', 'g', '$', 'MKSTREAM');
  for (const read of [
    (waiting) => waiting.xread('BLOCK', 10000, 'STREAMS', 'waited', '$'),
    (waiting) => waiting.xreadgroup('GROUP', 'g', 'ada', 'BLOCK', 10000, 'STREAMS', 'waited', '>'),
  ]) {
    const waiting = client.duplicate();
    const found = read(waiting);
    // It must wait before there is an entry: `$` is the last one of then.
    let ended = false;
    found.finally(() => (ended = true));
    while (!ended) {
      await client.xadd('waited', '*', 'f', 'v');
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
    const [[key, [[, fields]]]] = await found;
    assert.deepEqual([key, fields], ['waited', ['f', 'v']]);
    await waiting.quit();
  }
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
  await assert.rejects(client.acl('WHOAMI'), /^ReplyError: ERR unknown command/);
});

test('a script is a command of its own', async () => {
  client.defineCommand('takeToken', {
    numberOfKeys: 1,
    lua: `local left = tonumber(redis.call('get', KEYS[1]) or ARGV[1])
          if left == 0 then return -1 end
          redis.call('set', KEYS[1], left - 1, 'px', ARGV[2])
          return left - 1`,
  });
  const left = [];
  for (let n = 0; n < 3; n++) left.push(await client.takeToken('{bucket}:1', 2, 60000));
  assert.deepEqual(left, [1, 0, -1]);
  assert.equal(await client.eval('return ARGV[1]', 0, 'x'), 'x');
});
