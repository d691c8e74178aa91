import { randomBytes } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { buildSshsig } from '../../../src/request/sshsig.ts';
import {
  abandonHostKey,
  finishHostKey,
  hostKeyState,
  nextKeyStatement,
  trustNextHostKey,
} from '../../../src/ssh/host-key-rotation.ts';
import { fingerprintOf } from '../../../src/ssh/host-key.ts';
import type { OpenChannelOptions } from '../../../src/ssh/open-channel.ts';
import { generateKeyPairSync, sign } from 'node:crypto';

interface Key {
  readonly blob: Buffer;
  readonly line: string;
  readonly name: string;
  sign(host: string, next: Key, namespace?: string): string;
}

const makeKey = (): Key => {
  const { privateKey, publicKey } = generateKeyPairSync('ed25519');
  const point = publicKey.export({ type: 'spki', format: 'der' }).subarray(-32);
  const string = (data: Buffer): Buffer => {
    const length = Buffer.alloc(4);
    length.writeUInt32BE(data.length);
    return Buffer.concat([length, data]);
  };
  const blob = Buffer.concat([string(Buffer.from('ssh-ed25519')), string(point)]);
  const key: Key = {
    blob,
    line: `ssh-ed25519 ${blob.toString('base64')}`,
    name: fingerprintOf(blob),
    sign: (host, next, namespace = 'mcp-pra-host-key') =>
      buildSshsig({
        namespace,
        message: nextKeyStatement(host, key.name, next.line),
        publicKey: blob,
        sign: (data) => sign(null, data, privateKey),
      }).toString('base64'),
  };
  return key;
};

let folder: string;
let path: string;
let options: OpenChannelOptions;
let old: Key;
let next: Key;
const read = (): string => readFileSync(path, 'utf8');
const trust = (signature = old.sign('web1', next), more: readonly string[] = []) =>
  trustNextHostKey(options, 'web1', { line: next.line, signature }, more);

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'mcp-pra-host-key-'));
  path = join(folder, 'known_hosts');
  old = makeKey();
  next = makeKey();
  const key = { user: 'x', keyPath: '/none', passphrase: undefined };
  options = {
    hosts: {
      web1: { name: 'web1', address: '192.0.2.1', port: 22, hostKeyAlias: 'web1' },
      web2: { name: 'web2', address: '192.0.2.2', port: 22, hostKeyAlias: 'web2' },
    },
    jumps: { door: { name: 'door', address: '192.0.2.1', port: 22, hostKeyAlias: 'door', key } },
    accounts: { reader: key, runner: key },
    knownHosts: [{ path }],
  };
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

test('old and new are trusted together, under every name of the host; then the old one is revoked under each', async () => {
  const other = makeKey();
  writeFileSync(
    path,
    `# ours\nweb1,192.0.2.1 ${old.line} root@web1\nweb2 ${other.line}\ndoor ${old.line}\n@revoked * ${makeKey().line}\n`,
  );
  const more = join(folder, 'ansible_known_hosts');
  writeFileSync(more, `web1.example.net ${old.line}\n`);
  expect(await hostKeyState(options, 'web1')).toEqual({ host: 'web1', trusted: [old.name], pending: null });

  expect(await trust(undefined, [more, join(folder, 'missing')])).toEqual([more, path]);
  expect(await hostKeyState(options, 'web1')).toEqual({
    host: 'web1',
    trusted: [old.name, next.name],
    pending: { old: old.name, new: next.name },
  });
  expect(read()).toContain(`\nweb1,192.0.2.1 ${next.line} mcp-pra-replaces=${old.name}\n`);
  expect(read()).toContain(`\ndoor ${next.line} `);
  const both = read();
  expect(await trust(undefined, [more])).toEqual([]);
  expect(read()).toBe(both);

  expect(await finishHostKey(options, 'web1', [more])).toEqual([more, path]);
  expect(await hostKeyState(options, 'web1')).toEqual({ host: 'web1', trusted: [next.name], pending: null });
  expect(read()).toContain(
    `web1,192.0.2.1 ${next.line}\n@revoked web1,192.0.2.1 ${old.line}\nweb2 ${other.line}\ndoor ${next.line}\n@revoked door ${old.line}\n`,
  );
  expect(readFileSync(more, 'utf8')).toBe(
    `web1.example.net ${next.line}\n@revoked web1.example.net ${old.line}\n`,
  );
  expect(await finishHostKey(options, 'web1', [more])).toEqual([]);
});

test('a host with the same key as another one does not vouch for that', async () => {
  writeFileSync(path, `web1,web2,192.0.2.1,*.example.net ${old.line}\n`);
  await trust();
  expect(read()).toContain(`\nweb1,192.0.2.1 ${next.line} `);
  await finishHostKey(options, 'web1', []);
  expect(await hostKeyState(options, 'web2')).toMatchObject({ trusted: [old.name] });
  expect(await hostKeyState(options, 'web1')).toMatchObject({ trusted: [next.name] });
});

test('a hashed name keeps its secret; a line of wildcards gets one of the name that it matches', async () => {
  const hashed = '|1|F1E1KeoE/eEWhi10WpGv4OdiO6Y=|3988QV0VE8wmZL7suNrYQLITLCg=';
  writeFileSync(path, `192.0.2.* ${old.line}\n${hashed} ${old.line}\n`);
  await trust();
  expect(read()).toContain(`\n${hashed} ${next.line} `);
  expect(read()).toContain(`\n192.0.2.1 ${next.line} `);
  expect(await hostKeyState(options, 'web1')).toMatchObject({ trusted: [old.name, next.name] });
  await finishHostKey(options, 'web1', []);
  expect(await hostKeyState(options, 'web1')).toMatchObject({ trusted: [next.name], pending: null });
});

test('given up: the file is byte for byte what it was', async () => {
  const before = `web1 ${old.line}\n\n# the end`;
  writeFileSync(path, before);
  await trust();
  expect(await abandonHostKey(options, 'web1', [])).toEqual([path]);
  expect(read()).toBe(before);
});

describe('not trusted is', () => {
  beforeEach(() => writeFileSync(path, `web1 ${old.line}\nweb2 ${old.line}\n`));

  test.each([
    ['a key that a stranger signed', () => makeKey().sign('web1', next)],
    ['a key that was signed for another host', () => old.sign('web2', next)],
    ['another key than the signed one', () => old.sign('web1', makeKey())],
    ['a signature of another namespace', () => old.sign('web1', next, 'mcp-pra-offer')],
    ['what is no signature', () => randomBytes(40).toString('base64')],
  ])('%s', async (_, signature) => {
    const before = read();
    await expect(trust(signature())).rejects.toMatchObject({ code: 'ROTATION_REFUSED' });
    expect(read()).toBe(before);
  });

  test('a second next key while the first one waits', async () => {
    await trust();
    const third = makeKey();
    const wanted = { line: third.line, signature: next.sign('web1', third) };
    await expect(trustNextHostKey(options, 'web1', wanted, [])).rejects.toMatchObject({
      code: 'ROTATION_REFUSED',
    });
  });

  test('a host that is not configured', async () => {
    await expect(hostKeyState(options, 'web9')).rejects.toMatchObject({ code: 'HOST_UNKNOWN' });
  });
});
