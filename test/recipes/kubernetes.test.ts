/** examples/kubernetes: what can be said of the files without a cluster. */
import { execFile, execFileSync } from 'node:child_process';
import { readFileSync, statSync, utimesSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { Redis } from 'ioredis';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { writePictures } from '../batch/pictures.ts';
import { python, type Service, startQueue } from '../batch/services.ts';
import { edgeclip, projectPath, workFolder } from '../cli/command.ts';

const VERSION = '1.30'; // the oldest whose podFailurePolicy is final, and every later one
const work = workFolder({});
const at = (name: string) => join(work.path, name);

interface Container {
  readonly image: string;
  readonly args: string[];
  readonly livenessProbe?: { readonly exec: { readonly command: string[] } };
  readonly resources: { readonly limits: Record<string, string> };
}
interface JobSpec {
  readonly template: { readonly spec: { readonly containers: [Container] } };
}
const read = (name: string) =>
  parse(readFileSync(join(projectPath, 'examples/kubernetes', name), 'utf8'), { uniqueKeys: true });
const plan = read('plan.yaml');
const workers = read('workers.yaml');
const scaled = read('scaled-workers.yaml');
const jobs: [string, { readonly spec: JobSpec }][] = [
  ['plan.yaml', plan],
  ['workers.yaml', workers],
  ['scaled-workers.yaml', { apiVersion: 'batch/v1', kind: 'Job', metadata: scaled.metadata, spec: scaled.spec.jobTargetRef } as never], // biome-ignore format: one line
];
const containerOf = ({ spec }: { readonly spec: JobSpec }) => spec.template.spec.containers[0];

afterAll(() => work.remove());

describe.each(jobs)('%s', (_, job) => {
  const validate = (value: unknown, version: string) =>
    execFileSync(python, ['-c', 'import json, sys, kubernetes_validate as k; k.validate(json.load(sys.stdin), sys.argv[1], strict=True)', version], { input: JSON.stringify(value), stdio: ['pipe', 'ignore', 'pipe'] }); // biome-ignore format: one line

  it('is what Kubernetes takes, with a limit of memory', () => {
    validate(job, VERSION);
    expect(containerOf(job).resources.limits.memory).toMatch(/^\d+Gi$/);
    const wrong = structuredClone(job) as unknown as { spec: { template: { spec: Record<string, unknown> } } };
    wrong.spec.template.spec.container = []; // what is not in the schema is found
    expect(() => validate(wrong, VERSION)).toThrow(/container/);
  });

  it('runs commands that there are', async () => {
    const { args } = containerOf(job);
    const { code, stdout } = await edgeclip([...args.slice(0, 2), '--help']);
    expect(code).toBe(0);
    const options = args.filter((arg) => arg.startsWith('--'));
    expect(options).toContain('--queue');
    for (const option of options) expect(stdout).toMatch(new RegExp(`^ +(?:-\\w, )?${option} `, 'm'));
  });
});

describe('with a queue', () => {
  let service: Service;
  let redis: Redis;
  beforeAll(async () => {
    service = await startQueue(join(dirname(work.path), 'queue'));
    redis = new Redis({ port: service.port });
    writePictures(at('photos'), 12);
  });
  afterAll(async () => {
    redis.disconnect();
    await service.stop();
  });
  const queue = () => `redis://127.0.0.1:${service.port}`;
  const run = async (...args: string[]) => {
    const { code, stdout, stderr } = await edgeclip(['batch', ...args, '--output', 'vectors', '--queue', queue()], { cwd: work.path }); // biome-ignore format: one line
    expect(code, stderr).toBe(0);
    return stdout;
  };

  it('the list that KEDA looks at has as many entries as shards wait', async () => {
    const { type, metadata } = scaled.spec.triggers[0];
    expect(type).toBe('redis');
    await run('plan', 'photos', '--shard-size', '3');
    const status = async () => JSON.parse(await run('status', '--json'));
    const { queue: name, shards } = await status();
    const list = metadata.listName.replace('edgeclip-ID', name);
    expect(list).not.toBe(metadata.listName);
    expect([shards.waiting, await redis.llen(list)]).toEqual([4, 4]);
    await run('work', '--alive', 'alive');
    expect([(await status()).shards.waiting, await redis.llen(list)]).toEqual([0, 0]);
  });

  it('the probe fails when the file that the worker touches is old, or is not there', async () => {
    const [program, ...args] = containerOf(workers).livenessProbe!.exec.command;
    expect(program).toBe('node');
    expect(scaled.spec.jobTargetRef.template.spec.containers[0].livenessProbe).toEqual(containerOf(workers).livenessProbe); // biome-ignore format: one line
    expect(containerOf(workers).args).toContain('/tmp/alive');
    const probe = (file: string) =>
      new Promise((resolve) => {
        execFile(process.execPath, args.map((arg) => arg.replace('/tmp/alive', at(file))), (error) => resolve(error?.code ?? 0)); // biome-ignore format: one line
      });
    expect(await probe('alive')).toBe(0);
    const old = Date.now() / 1000 - 601;
    utimesSync(at('alive'), old, old);
    expect(await probe('alive')).toBe(1);
    expect(await probe('none')).toBe(1);
    expect(statSync(at('alive')).size).toBeGreaterThan(0);
  });
});
