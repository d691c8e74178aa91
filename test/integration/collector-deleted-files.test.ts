import { execFileSync, spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, afterEach, expect, test } from 'vitest';
import { z } from 'zod';
import { ChangedHelpers } from '../support/changed-helper.ts';
import { headOf, PROCESS } from '../support/collector-facts.ts';
import { collectorRefusals, refusalsOf } from '../support/collector-refusals.ts';
import { RenderedTarget } from '../support/rendered-target.ts';

const target = new RenderedTarget();
const changed = new ChangedHelpers();
const holders: ChildProcess[] = [];
afterEach(() => {
  for (const holder of holders.splice(0)) holder.kill('SIGKILL');
});
afterAll(() => {
  target.remove();
  changed.remove();
});

const FACTS = z.strictObject({
  ...headOf(300),
  files: z.int().nonnegative(),
  total_bytes: z.int().nonnegative(),
  complete: z.boolean(),
  holders: z
    .array(
      z.strictObject({
        ...PROCESS,
        folder: z.string().regex(/^\/[ -~]{0,199}$/u),
        files: z.int().positive(),
        bytes: z.int().nonnegative(),
      }),
    )
    .max(40),
});

/** A process that holds what these lines of Python have opened; resolves once it does. */
const holding = async (...lines: readonly string[]): Promise<number | undefined> => {
  const script = ['import os, sys, time', ...lines, "print('held', flush=True)", 'time.sleep(600)'];
  const holder = spawn('/usr/bin/python3', ['-c', script.join('\n'), 'hunter2-in-an-argument'], {
    env: { SECRET: 'hunter2-in-an-environment' },
  });
  holders.push(holder);
  await once(holder.stdout, 'data');
  return holder.pid;
};
/** Opens a file below the folder, writes so many bytes to the disk, and deletes it. */
const deleted = (path: string, bytes: number, as: string): string =>
  `${as} = open(${JSON.stringify(path)}, 'wb'); ${as}.write(b'x' * ${String(bytes)}); ${as}.flush(); os.fsync(${as}.fileno()); os.unlink(${JSON.stringify(path)})`;

const collected = (source = target.path('lib/collectors/deleted_files')) => {
  mkdirSync(target.path('run/facts'), { recursive: true });
  execFileSync(source, { env: {} });
  const file = target.path('run/facts/deleted_files.json');
  const text = readFileSync(file, 'utf8');
  return { file, text, facts: FACTS.parse(JSON.parse(text)) };
};
const folder = (name: string): string => {
  const path = join(changed.folder, name);
  mkdirSync(path);
  return path;
};

test('it tells of the folder and the space of a deleted file, of no name and no content', async () => {
  mkdirSync(target.path('run/facts'), { recursive: true });
  // left over from a run that was cut short
  execFileSync('ln', ['-s', target.path('run/victim'), target.path('run/facts/.deleted_files.new')]);
  const place = folder('place');
  const pid = await holding(
    deleted(`${place}/hunter2-in-a-name`, 1_000_000, 'a'),
    deleted(`${place}/b`, 1_000, 'b'),
    `c = open('${place}/kept', 'wb')`,
  );
  const { file, text, facts } = collected();
  expect((statSync(file).mode & 0o777).toString(8)).toBe('640');
  expect(readdirSync(join(file, '..'))).toEqual(['deleted_files.json']);
  expect(text).not.toContain('hunter2');
  const own = facts.holders.filter((row) => row.pid === pid);
  expect(own).toMatchObject([{ comm: 'python3', folder: place, files: 2 }]);
  expect(own[0]?.bytes).toBeGreaterThanOrEqual(1_001_000);
  expect(facts.complete).toBe(true);
});

test('the same file held by two is counted once; once it is closed it is gone', async () => {
  const before = collected().facts;
  const place = folder('shared');
  await holding(deleted(`${place}/a`, 500_000, 'a'), 'os.set_inheritable(a.fileno(), True)', 'os.fork()');
  const { facts } = collected();
  const rows = facts.holders.filter((row) => row.folder === place);
  expect(rows).toHaveLength(2);
  expect(facts.files).toBe(before.files + 1);
  // The child outlives its parent: it goes with its parent's output.
  for (const { pid } of rows) process.kill(pid, 'SIGKILL');
  await once(holders[0] as ChildProcess, 'close');
  expect(collected().facts.holders.filter((row) => row.folder === place)).toEqual([]);
});

test('memory that looks like a deleted file is none, and neither is a pipe', async () => {
  const pid = await holding(
    "m = os.memfd_create('hunter2'); os.write(m, b'x' * 100000)",
    'r, w = os.pipe()',
    'import mmap; z = mmap.mmap(-1, 100000)',
  );
  expect(collected().facts.holders.filter((row) => row.pid === pid)).toEqual([]);
});

test('a folder of a strange name is printable, and 200 characters of it are told', async () => {
  const place = folder(`n\u001b[31m\n${'x'.repeat(220)}`);
  const pid = await holding(deleted(`${place}/a`, 5_000, 'a'));
  const [own] = collected().facts.holders.filter((row) => row.pid === pid);
  expect(own?.folder).toBe(place.replace(/[^ -~]/gu, '?').slice(0, 200));
});

test('so many holders are told of; the sums are of all. When its time is over it says that this is a part', async () => {
  const place = folder('sums');
  await holding(deleted(`${place}/a`, 70_000, 'a'));
  const source = readFileSync(target.path('lib/collectors/deleted_files'), 'utf8');
  const few = collected(changed.file(source.replace(/^KEPT = .*$/mu, 'KEPT = 0'), 0o755)).facts;
  expect(few).toMatchObject({ holders: [], complete: true });
  expect(few.total_bytes).toBeGreaterThanOrEqual(70_000);
  const late = collected(changed.file(source.replace(/^SECONDS = .*$/mu, 'SECONDS = -1'), 0o755)).facts;
  expect(late).toMatchObject({ complete: false, files: 0 });
});

test('it takes no argument, and refuses as it stands in the repository', () => {
  expect(collectorRefusals(target, 'deleted_files', '/etc')).toEqual(refusalsOf('deleted_files'));
});
