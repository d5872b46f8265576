// BullMQ, on a lone node and on a cluster with ioredis' cluster client: its queues are Lua scripts on keys that they
// do not declare, all in the slot of the prefix's hash tag.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { FlowProducer, Queue, QueueEvents, Worker } from 'bullmq';
import Redis from 'ioredis';
import { startCluster, startNode } from './cluster.mjs';

let servers;

before(async () => {
  servers = { node: await startNode(), cluster: await startCluster() };
});

after(async () => {
  assert.deepEqual(await Promise.all(Object.values(servers).map((server) => server.stop())), [0, 0]);
});

const options = { maxRetriesPerRequest: null };
const connects = {
  node: () => new Redis({ ...options, port: servers.node.port }),
  cluster: () => new Redis.Cluster([{ host: '127.0.0.1', port: servers.cluster.nodes[0].port }], { redisOptions: options }),
};
const range = (n) => Array.from({ length: n }, (_, i) => i);
const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

async function until(what, isTrue) {
  const deadline = Date.now() + 20000;
  while (!(await isTrue())) {
    assert.ok(Date.now() < deadline, what);
    await pause(10);
  }
}

for (const kind of ['node', 'cluster']) {
  // Whatever belongs to a queue, each with a connection of its own; all is closed after the test.
  const parts = (t, name) => {
    const opened = [];
    const made = (Part, ...rest) => {
      const connection = connects[kind]();
      const part = new Part(...rest.slice(0, -1), { connection, prefix: `{${name}}`, ...rest.at(-1) });
      part.on('error', () => {});
      opened.push([part, connection]);
      return part;
    };
    t.after(async () => {
      await Promise.all(opened.map(([part]) => part.close()));
      opened.forEach(([, connection]) => connection.disconnect());
    });
    return {
      queue: made(Queue, name, {}),
      worker: (process_, more = {}) => made(Worker, name, process_, more),
      events: () => made(QueueEvents, name, {}),
      flows: () => made(FlowProducer, {}),
    };
  };

  test(`jobs of several workers are done exactly once, ${kind}`, async (t) => {
    const { queue, worker } = parts(t, `once-${kind}`);
    const done = [];
    const process_ = async (job) => {
      done.push(job.data.n);
      return job.data.n * 2;
    };
    range(3).forEach(() => worker(process_, { concurrency: 5 }));
    const jobs = await Promise.all(range(100).map((n) => queue.add('double', { n })));
    jobs.push(...(await queue.addBulk(range(200).map((n) => ({ name: 'double', data: { n: n + 100 } })))));
    await until('all jobs are done', async () => (await queue.getCompletedCount()) === 300);
    assert.deepEqual(done.sort((a, b) => a - b), range(300));
    const counts = await queue.getJobCounts('active', 'wait', 'failed', 'delayed', 'completed');
    assert.deepEqual(counts, { active: 0, wait: 0, failed: 0, delayed: 0, completed: 300 });
    assert.equal((await queue.getJob(jobs[123].id)).returnvalue, 246);
    assert.equal(new Set(jobs.map((job) => job.id)).size, 300);
  });

  test(`delayed jobs begin in their order and not too early, ${kind}`, async (t) => {
    const { queue, worker } = parts(t, `later-${kind}`);
    const begun = [];
    worker(async (job) => begun.push([job.data.n, Date.now() - job.timestamp]));
    // The last one is due first.
    await Promise.all(range(5).map((n) => queue.add('later', { n }, { delay: 700 - 100 * n })));
    await until('all jobs have begun', () => begun.length === 5);
    assert.deepEqual(begun.map(([n]) => n), [4, 3, 2, 1, 0]);
    begun.forEach(([n, after]) => assert.ok(after >= 700 - 100 * n, `${n} after ${after} ms`));
  });

  test(`jobs that fail are tried again, ${kind}`, async (t) => {
    const { queue, worker } = parts(t, `again-${kind}`);
    const tries = {};
    worker(async ({ name }) => {
      tries[name] = (tries[name] ?? 0) + 1;
      if (name === 'hopeless' || tries[name] < 3) throw new Error('not yet');
      return 'well';
    });
    const retried = { attempts: 3, backoff: { type: 'fixed', delay: 30 } };
    const [mended, hopeless] = await Promise.all(['mended', 'hopeless'].map((name) => queue.add(name, {}, retried)));
    await until('one job is done and one given up', async () => (await queue.getCompletedCount()) + (await queue.getFailedCount()) === 2);
    assert.deepEqual(tries, { mended: 3, hopeless: 3 });
    assert.equal(await mended.getState(), 'completed');
    assert.equal(await hopeless.getState(), 'failed');
    const { attemptsMade, failedReason } = await queue.getJob(hopeless.id);
    assert.deepEqual([attemptsMade, failedReason], [3, 'not yet']);
  });

  test(`a rate limit holds for all workers together, ${kind}`, async (t) => {
    const { queue, worker } = parts(t, `rate-${kind}`);
    const begun = [];
    const limiter = { max: 5, duration: 300 };
    range(2).forEach(() => worker(async () => begun.push(Date.now()), { limiter, concurrency: 4 }));
    await queue.addBulk(range(15).map((n) => ({ name: 'limited', data: { n } })));
    await until('all jobs have begun', () => begun.length === 15);
    // The third five begin in the third window at the earliest. The server counts, so allow for the way here.
    assert.ok(begun[14] - begun[0] >= 500, `${begun[14] - begun[0]} ms`);
    assert.ok(begun[5] - begun[0] >= 200, `${begun[5] - begun[0]} ms`);
  });

  test(`priorities, duplicates and what waits for its children, ${kind}`, async (t) => {
    const { queue, worker, events, flows } = parts(t, `flow-${kind}`);
    const told = events();
    await told.waitUntilReady();
    for (const [name, priority] of [['low', 10], ['high', 1], ['middle', 5]]) await queue.add(name, {}, { priority });
    await queue.add('first of its id', {}, { jobId: 'same' });
    await queue.add('second of its id', {}, { jobId: 'same' });
    const order = [];
    worker(async (job) => {
      order.push(job.name);
      return job.name === 'parent' ? Object.values(await job.getChildrenValues()).sort() : job.name;
    });
    const children = ['a', 'b'].map((name) => ({ name, queueName: queue.name }));
    const { job } = await flows().add({ name: 'parent', queueName: queue.name, children });
    assert.deepEqual(await job.waitUntilFinished(told, 20000), ['a', 'b']);
    // Those without a priority come first.
    await until('all are done', () => order.length === 7);
    assert.deepEqual(order.filter((name) => ['low', 'middle', 'high'].includes(name)), ['high', 'middle', 'low']);
    assert.deepEqual(order.filter((name) => name.endsWith('id')), ['first of its id']);
  });
}

test('a script that loops in another slot does not stop the queues of its node', async (t) => {
  // A name whose slot is another one of the same node.
  const looper = connects.cluster();
  await looper.ping();
  const slotOf = (key) => looper.cluster('KEYSLOT', key);
  const nodeOf = async (key) => looper.slots[await slotOf(key)][0];
  const busy = await nodeOf('busy');
  let name = 'loop';
  for (let n = 0; (await nodeOf(name)) !== busy || (await slotOf(name)) === (await slotOf('busy')); n++) name = `loop-${n}`;
  const queue = new Queue(name, { connection: connects.cluster(), prefix: `{${name}}` });
  let done = 0;
  const worker = new Worker(name, async () => (done += 1), { connection: connects.cluster(), prefix: `{${name}}` });
  t.after(async () => {
    await Promise.all([queue.close(), worker.close()]);
    looper.disconnect();
  });
  await queue.add('before', {});
  await until('the queue works', () => done === 1);
  const loops = assert.rejects(looper.eval("while true do redis.call('get', KEYS[1]) end", 1, 'busy'), /Script killed by user/);
  await pause(200);
  await queue.addBulk(range(50).map((n) => ({ name: 'during', data: { n } })));
  await until('jobs are done while it loops', () => done === 51);
  const [host, port] = busy.split(':');
  const killer = new Redis({ host, port: Number(port) });
  assert.equal(await killer.script('KILL'), 'OK');
  await loops;
  killer.disconnect();
});
