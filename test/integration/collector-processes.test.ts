import { execFileSync, spawn, spawnSync } from 'node:child_process';
import { mkdirSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { z } from 'zod';
import { RenderedTarget } from '../support/rendered-target.ts';

const SOURCE = resolve(import.meta.dirname, '../../target-scripts/collectors/processes');
const target = new RenderedTarget();
afterAll(() => target.remove());

const FACTS = z.strictObject({
  v: z.literal(1),
  collected_at: z.iso.datetime(),
  period: z.literal(30),
  total: z.int().positive(),
  processes: z
    .array(
      z.strictObject({
        pid: z.int().positive(),
        ppid: z.int().nonnegative(),
        user: z.string().min(1),
        comm: z.string().regex(/^[ -~]{1,15}$/u),
        state: z.string().regex(/^[A-Z]$/u),
        cpu_permille: z.int().nonnegative(),
        rss_kb: z.int().nonnegative(),
        threads: z.int().positive(),
        unit: z
          .string()
          .regex(/\.(?:service|scope)$/u)
          .optional(),
      }),
    )
    .min(1)
    .max(80),
});

test('the collector `processes` writes its fixed fields, whole, and no argument of anybody', () => {
  const secret = 'hunter2-in-an-argument';
  const busy = spawn('/bin/sh', ['-c', 'while :; do :; done', secret], {
    env: { SECRET: 'hunter2-in-an-environment' },
  });
  // left over from a run that was cut short
  mkdirSync(target.path('run/facts'), { recursive: true });
  execFileSync('ln', ['-s', target.path('run/victim'), target.path('run/facts/.processes.new')]);
  execFileSync(target.path('lib/collectors/processes'), { env: {} });
  busy.kill('SIGKILL');
  const file = target.path('run/facts/processes.json');
  const text = readFileSync(file, 'utf8');
  const facts = FACTS.parse(JSON.parse(text));
  expect((statSync(file).mode & 0o777).toString(8)).toBe('640');
  expect(readdirSync(join(file, '..'))).toEqual(['processes.json']);
  expect(text).not.toContain('hunter2');
  const [own] = facts.processes.filter(({ pid }) => pid === busy.pid);
  expect(own).toMatchObject({ comm: 'sh', ppid: process.pid, threads: 1 });
  expect(own?.cpu_permille).toBeGreaterThan(0);
  expect(facts.total).toBeGreaterThanOrEqual(facts.processes.length);
});

test('it takes no argument, and refuses as it stands in the repository', () => {
  const { status, stderr } = spawnSync(target.path('lib/collectors/processes'), ['/etc'], {
    encoding: 'utf8',
  });
  expect([status, stderr]).toEqual([126, 'refused processes LOGIN\n']);
  expect(spawnSync(SOURCE).status).toBe(126);
});
