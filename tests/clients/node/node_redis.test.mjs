// node-redis' cluster client, in RESP2 and RESP3: what an application does with it on the types that slotd has.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { createCluster } from 'redis';
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
  const connect = async (t) => {
    const rootNodes = [{ url: `redis://127.0.0.1:${cluster.nodes[0].port}` }];
    const client = await createCluster({ rootNodes, RESP, useReplicas: true, defaults: { RESP } }).connect();
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
