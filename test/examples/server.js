// A program that serves: started, asked, ended.
import { spawn } from 'node:child_process';
import { environment } from './runtime.js';

/**
 * Starts it and waits for an address in what it prints.
 * @returns {Promise<{ base: string, pid: number, printed(): string, stop(): Promise<void> }>}
 */
export async function serve(command, args, cwd, env = {}) {
  const child = spawn(command, args, { cwd, env: { ...environment, ...env }, stdio: ['pipe', 'pipe', 'pipe'] });
  let printed = '';
  const ended = new Promise((resolve) => child.once('close', resolve));
  const base = await new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error(`no address within three minutes: ${printed}`)), 180_000);
    const read = (data) => {
      printed += data;
      const address = /https?:\/\/[\w.[\]:-]+:\d+/.exec(printed)?.[0];
      if (!address) return;
      clearTimeout(timer);
      resolve(address.replace('0.0.0.0', '127.0.0.1').replace('localhost', '127.0.0.1'));
    };
    child.stdout.on('data', read);
    child.stderr.on('data', read);
    child.once('error', reject);
    child.once('close', (code) => {
      clearTimeout(timer);
      reject(new Error(`it ended with ${code}: ${printed}`));
    });
  });
  return {
    base,
    pid: child.pid,
    printed: () => printed,
    async stop() {
      child.stdin.end();
      const timer = setTimeout(() => child.kill('SIGKILL'), 20_000);
      child.kill();
      await ended;
      clearTimeout(timer);
    },
  };
}
