// What a worker in workerd has in use: its process, its heap and buffers by the inspector, while it loads and while it decodes.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { inside } from './runtime.js';
import { ask } from './service.js';

const { WebSocket } = createRequire(inside('miniflare/'))('ws');

/** A field of /proc/PID/status of the workerd that this server started, in bytes. */
export function workerd(server) {
  const children = readFileSync(`/proc/${server.pid}/task/${server.pid}/children`, 'utf8').trim().split(' ');
  const pid = children.find((child) => readFileSync(`/proc/${child}/comm`, 'utf8').startsWith('workerd'));
  const field = (name) =>
    Number(new RegExp(`${name}:\\s+(\\d+) kB`).exec(readFileSync(`/proc/${pid}/status`, 'utf8'))[1]) * 1024;
  return {
    peak: () => field('VmHWM'),
    /** Seconds of all its threads. */
    cpu() {
      const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
      const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
      return (Number(fields[11]) + Number(fields[12])) / 100; // utime and stime in ticks
    },
  };
}

/** Heap and buffers of the worker, in bytes, by its inspector. */
export async function inspect(server) {
  const address = /inspector: (\S+)/.exec(server.printed())[1];
  const socket = new WebSocket(address);
  await new Promise((resolve, reject) => {
    socket.onopen = resolve;
    socket.onerror = reject;
  });
  const waiting = new Map();
  socket.onmessage = ({ data }) => {
    const { id, result } = JSON.parse(data);
    waiting.get(id)?.(result.usedSize + result.backingStorageSize);
    waiting.delete(id);
  };
  let id = 0;
  return {
    usage() {
      socket.send(JSON.stringify({ id: ++id, method: 'Runtime.getHeapUsage' }));
      return new Promise((resolve) => waiting.set(id, resolve));
    },
    stop: () => socket.close(),
  };
}

/** Calls `look` again and again until `work` is done. */
export async function during(work, look) {
  let done = false;
  const working = work.finally(() => {
    done = true;
  });
  working.catch(() => {}); // awaited below
  while (!done) {
    await look();
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  return working;
}

/** Sends a picture but for its last bytes, looks at the worker that has begun to decode it, then sends the rest. */
export async function embedSlowly(base, photo, look) {
  const end = photo.length - 16;
  const body = new ReadableStream({
    async start(controller) {
      controller.enqueue(photo.subarray(0, end));
      for (let i = 0; i < 5; i++) await look();
      controller.enqueue(photo.subarray(end));
      controller.close();
    },
  });
  return get(base, '/embed', body);
}

export const get = async (base, path, body) => {
  const response = await ask(new URL(path, base), body ? { method: 'POST', body, duplex: 'half' } : {});
  assert.equal(response.status, 200, `${path}: ${response.status}`);
  return response.text();
};
