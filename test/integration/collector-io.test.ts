import { execFile, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, expect, test } from 'vitest';
import { z } from 'zod';
import { ChangedHelpers } from '../support/changed-helper.ts';
import { headOf, PROCESS } from '../support/collector-facts.ts';
import { collectorRefusals, refusalsOf } from '../support/collector-refusals.ts';
import { RenderedTarget } from '../support/rendered-target.ts';

const target = new RenderedTarget();
const changed = new ChangedHelpers();
afterAll(() => {
  target.remove();
  changed.remove();
});

const FACTS = z.strictObject({
  ...headOf(60),
  read_bytes_per_second: z.int().nonnegative(),
  write_bytes_per_second: z.int().nonnegative(),
  processes: z
    .array(
      z.strictObject({
        ...PROCESS,
        read_bytes_per_second: z.int().nonnegative(),
        write_bytes_per_second: z.int().nonnegative(),
      }),
    )
    .max(40),
});

/** What the collector writes while somebody writes to a disk; `source` takes the place of the rendered one. */
const collected = async (source = target.path('lib/collectors/io')) => {
  // Written to the device below the folder, not only to memory.
  const path = join(changed.folder, 'written');
  const loop = `echo go; while :; do dd if=/dev/zero of=${path} bs=64k count=16 conv=fsync 2>/dev/null; done`;
  const busy = spawn('/bin/sh', ['-c', loop, 'hunter2-in-an-argument'], {
    env: { PATH: '/usr/bin:/bin', SECRET: 'hunter2-in-an-environment' },
  });
  await once(busy.stdout, 'data');
  await promisify(execFile)(source, [], { env: {} });
  busy.kill('SIGKILL');
  const file = target.path('run/facts/io.json');
  const text = readFileSync(file, 'utf8');
  return { file, text, pid: busy.pid, facts: FACTS.parse(JSON.parse(text)) };
};

test('it writes its fixed fields, whole, and no argument of anybody', async () => {
  mkdirSync(target.path('run/facts'), { recursive: true });
  // left over from a run that was cut short
  execFileSync('ln', ['-s', target.path('run/victim'), target.path('run/facts/.io.new')]);
  const { file, text, facts } = await collected();
  expect((statSync(file).mode & 0o777).toString(8)).toBe('640');
  expect(readdirSync(join(file, '..'))).toEqual(['io.json']);
  expect(text).not.toContain('hunter2');
  expect(text).not.toContain(changed.folder);
  expect(facts.write_bytes_per_second).toBeGreaterThanOrEqual(
    facts.processes.reduce((sum, row) => sum + row.write_bytes_per_second, 0),
  );
});

test('who writes is named with its rate, the busiest first', async () => {
  const { facts, pid } = await collected();
  const [own] = facts.processes.filter((row) => row.pid === pid);
  expect(own).toMatchObject({ comm: 'sh' });
  expect(own?.write_bytes_per_second).toBeGreaterThan(0);
  const rates = facts.processes.map((row) => row.read_bytes_per_second + row.write_bytes_per_second);
  expect(rates).toEqual(rates.toSorted((a, b) => b - a));
});

test('so many are told of; the sums are of all', async () => {
  const source = readFileSync(target.path('lib/collectors/io'), 'utf8').replace(/^KEPT = .*$/mu, 'KEPT = 0');
  const { facts } = await collected(changed.file(source, 0o755));
  expect(facts.processes).toEqual([]);
  expect(facts.write_bytes_per_second).toBeGreaterThan(0);
});

test('it takes no argument, and refuses as it stands in the repository', () => {
  expect(collectorRefusals(target, 'io', '/etc')).toEqual(refusalsOf('io'));
});
