import { execFileSync, spawn } from 'node:child_process';
import { mkdirSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { z } from 'zod';
import { headOf, PROCESS } from '../support/collector-facts.ts';
import { collectorRefusals, refusalsOf } from '../support/collector-refusals.ts';
import { RenderedTarget } from '../support/rendered-target.ts';

const target = new RenderedTarget();
afterAll(() => target.remove());

const FACTS = z.strictObject({
  ...headOf(30),
  total: z.int().positive(),
  processes: z
    .array(
      z.strictObject({
        ...PROCESS,
        ppid: z.int().nonnegative(),
        state: z.string().regex(/^[A-Z]$/u),
        cpu_permille: z.int().nonnegative(),
        rss_kb: z.int().nonnegative(),
        threads: z.int().positive(),
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
  expect(collectorRefusals(target, 'processes', '/etc')).toEqual(refusalsOf('processes'));
});
