import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, expect, test, vi } from 'vitest';
import { readPassphrase } from '../../../src/ssh/passphrase.ts';

let dir: string;

beforeAll(() => {
  dir = mkdtempSync(join(tmpdir(), 'mcp-pra-credentials-'));
  writeFileSync(join(dir, 'reader'), 'open sesame\nsecond line\n');
  writeFileSync(join(dir, 'bare'), 'no newline');
  writeFileSync(join(dir, 'empty'), '\n');
  writeFileSync(join(dir, 'longest'), 'x'.repeat(4_096));
  writeFileSync(join(dir, 'longer'), 'x'.repeat(4_097));
});

afterAll(() => rmSync(dir, { recursive: true }));
afterEach(() => vi.unstubAllEnvs());

const read = async (name: string): Promise<string | undefined> =>
  (await readPassphrase({ credential: name }))?.toString();

test('a credential is the first line of its file in $CREDENTIALS_DIRECTORY', async () => {
  vi.stubEnv('CREDENTIALS_DIRECTORY', dir);
  expect(await read('reader')).toBe('open sesame');
  expect(await read('bare')).toBe('no newline');
});

test('it has at most 4 KiB', async () => {
  vi.stubEnv('CREDENTIALS_DIRECTORY', dir);
  expect(await read('longest')).toHaveLength(4_096);
  expect(await read('longer')).toBeUndefined();
});

test('one that is missing or empty is none', async () => {
  vi.stubEnv('CREDENTIALS_DIRECTORY', dir);
  expect(await read('missing')).toBeUndefined();
  expect(await read('empty')).toBeUndefined();
});

test('without a service manager, or with a relative folder, there is none', async () => {
  vi.stubEnv('CREDENTIALS_DIRECTORY', undefined);
  expect(await read('reader')).toBeUndefined();
  vi.stubEnv('CREDENTIALS_DIRECTORY', '.');
  expect(await read('passphrase.test.ts')).toBeUndefined();
});

test('the environment: an empty variable is none', async () => {
  vi.stubEnv('LAB_PASSPHRASE', 'word');
  vi.stubEnv('LAB_EMPTY', '');
  expect((await readPassphrase({ env: 'LAB_PASSPHRASE' }))?.toString()).toBe('word');
  expect(await readPassphrase({ env: 'LAB_EMPTY' })).toBeUndefined();
});
