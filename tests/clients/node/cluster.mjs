// One `slotd cluster` on free ports for a test file; SLOTD_BIN names the binary.
import { spawn } from 'node:child_process';
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
