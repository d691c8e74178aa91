import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { isAlive } from '../support/is-alive.ts';

const PACK = resolve(import.meta.dirname, '../../target-scripts');
let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'mcp-pra-programs-'));
});
afterEach(() => rmSync(folder, { recursive: true }));

const ASK = `
import json, sys
sys.path.insert(0, sys.argv[1])
from collecting.programs import ask
said = ask((sys.argv[2],), seconds=float(sys.argv[3]))
print(json.dumps([said.code, said.text]))
`;
/** Exit code and text, as collectors hear them. */
const ask = (program: string, seconds = 30): unknown =>
  JSON.parse(
    execFileSync('/usr/bin/python3', ['-IBS', '-c', ASK, PACK, program, String(seconds)], {
      env: { SECRET: 'canary' },
      encoding: 'utf8',
    }),
  );
const program = (text: string, mode = 0o755): string => {
  const path = join(folder, 'program');
  writeFileSync(path, text, { mode });
  return path;
};

test('what a program says and how it ends; never what is on its standard error or in the environment here', () => {
  const text = '#!/bin/sh\necho said; echo quoted >&2; echo "${SECRET-none}"; exit 3\n';
  expect(ask(program(text))).toEqual([3, 'said\nnone\n']);
});

test('one that is missing, or cannot be executed, is no reason to fail', () => {
  expect(ask(join(folder, 'missing'))).toEqual([null, '']);
  expect(ask(program('no program\n'))).toEqual([126, '']);
  expect(ask(program('#!/missing/interpreter\n'))).toEqual([null, '']);
});

test('one that takes too long is ended with all that it started', async () => {
  const begun = '#!/bin/sh\nsleep 600 &\necho $!\nwait\n';
  const [code, text] = ask(program(begun), 5) as [number, string];
  expect(code).toBe(124);
  expect(text).toMatch(/^[0-9]+\n$/u);
  // It was sent KILL, which takes effect when the kernel next runs it.
  await expect.poll(() => isAlive(text.trim())).toBe(false);
});
