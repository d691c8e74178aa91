import { chmodSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { runSshKeygen } from '../../../src/approver/ssh-keygen.ts';
import { temporaryDirectory } from '../../support/ssh-keys.ts';

const folder = temporaryDirectory('keygen');
afterAll(() => {
  vi.unstubAllEnvs();
  folder[Symbol.dispose]();
});
beforeAll(() => {
  // In its place a program that tells its environment: what ssh-keygen would get.
  const path = join(folder.path, 'ssh-keygen');
  writeFileSync(path, '#!/bin/sh\nexec /usr/bin/env\n');
  chmodSync(path, 0o755);
  vi.stubEnv('PATH', folder.path);
  vi.stubEnv('SSH_AUTH_SOCK', '/agent');
  vi.stubEnv('SSH_SK_PROVIDER', '/middleware.so');
  vi.stubEnv('SSH_ASKPASS', '/askpass');
  vi.stubEnv('DISPLAY', ':0');
  vi.stubEnv('LD_PRELOAD_TEST', 'x');
  vi.stubEnv('TERM', 'xterm');
});

const environment = async (
  ...pass: Parameters<typeof runSshKeygen>[0]['pass']
): Promise<readonly string[]> => {
  const { code, output } = await runSshKeygen({
    args: [],
    pass,
    input: '',
    output: 'taken',
    errors: 'dropped',
  });
  expect(code).toBe(0);
  return output
    .split('\n')
    .flatMap((line) => line.split('=')[0] ?? [])
    .filter((name) => name !== '' && !['_', 'PWD', 'SHLVL'].includes(name))
    .sort();
};

test('it gets what it is told to get, never an askpass program', async () => {
  expect(await environment('PATH')).toEqual(['PATH', 'SSH_ASKPASS_REQUIRE']);
  expect(await environment('PATH', 'TERM', 'SSH_AUTH_SOCK', 'SSH_SK_PROVIDER')).toEqual([
    'PATH',
    'SSH_ASKPASS_REQUIRE',
    'SSH_AUTH_SOCK',
    'SSH_SK_PROVIDER',
    'TERM',
  ]);
});

test('one that is not there rejects', async () => {
  vi.stubEnv('PATH', join(folder.path, 'empty'));
  await expect(environment('PATH')).rejects.toMatchObject({ code: 'ENOENT' });
});
