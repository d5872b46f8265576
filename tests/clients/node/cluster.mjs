// One `slotd cluster`, or one node, on free ports for a test file; SLOTD_BIN names the binary.
import { spawn } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { connect, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';

export async function startCluster() {
  const process_ = spawn(process.env.SLOTD_BIN, ['cluster', '--port', '0', '--json'], { stdio: ['ignore', 'pipe', 'inherit'] });
  const ended = new Promise((resolve) => process_.on('exit', (code) => resolve(code)));
  for await (const line of createInterface({ input: process_.stdout })) {
    const { nodes } = JSON.parse(line);
    return {
      nodes,
      async stop() {
        process_.kill('SIGTERM');
        return ended;
      },
    };
  }
  throw new Error('slotd cluster ended before it was ready');
}

// A port that was free a moment ago.
async function freePort() {
  const server = createServer();
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address();
  await new Promise((resolve) => server.close(resolve));
  return port;
}

const accepts = (port) =>
  new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1', () => resolve(socket.destroy() !== null));
    socket.on('error', () => resolve(false));
  });

export async function startNode() {
  const [port, dir] = [await freePort(), await mkdtemp(join(tmpdir(), 'slotd-node-'))];
  const process_ = spawn(process.env.SLOTD_BIN, ['--port', `${port}`, '--bind', '127.0.0.1', '--dir', dir, '--save', ''], { stdio: ['ignore', 'ignore', 'inherit'] });
  const ended = new Promise((resolve) => process_.on('exit', (code) => resolve(code)));
  while (!(await accepts(port))) {
    if (process_.exitCode !== null) throw new Error('slotd ended before it was ready');
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  return {
    port,
    async stop() {
      process_.kill('SIGTERM');
      const code = await ended;
      await rm(dir, { recursive: true });
      return code;
    },
  };
}
