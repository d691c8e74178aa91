import { execFileSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';

const PACK = resolve(import.meta.dirname, '../../target-scripts');
let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'mcp-pra-facts-file-'));
});
afterEach(() => rmSync(folder, { recursive: true }));

const WRITE = `
import sys
sys.path.insert(0, sys.argv[1])
from collecting.facts_file import write
write(sys.argv[2], 'name', 60, eval(sys.argv[3]))
`;
const write = (members: string): Buffer =>
  execFileSync('/usr/bin/python3', ['-IBS', '-c', WRITE, PACK, folder, members], { env: {} });

/** What a writer that was cut short, or somebody who is no collector, may have left. */
const leave = (): void => symlinkSync(join(folder, 'victim'), join(folder, '.name.new'));

test('its members follow the version, the time and the period; nothing left over is written through', () => {
  leave();
  write("{'found': 'none'}");
  const path = join(folder, 'name.json');
  const facts = JSON.parse(readFileSync(path, 'utf8')) as Record<string, unknown>;
  expect(Object.keys(facts)).toEqual(['v', 'collected_at', 'period', 'found']);
  expect(facts).toMatchObject({ v: 1, period: 60, found: 'none' });
  expect((statSync(path).mode & 0o777).toString(8)).toBe('640');
  expect(readdirSync(folder)).toEqual(['name.json']);
});

test('without members it goes away, with what was left over; where there is none it stays so', () => {
  write('{}');
  leave();
  write('None');
  expect(readdirSync(folder)).toEqual([]);
  write('None');
  expect(readdirSync(folder)).toEqual([]);
});
