import { execFileSync } from 'node:child_process';
import { appendFileSync, existsSync, mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import type { OpenChannelOptions } from '../../src/ssh/open-channel.ts';
import { fingerprintOf } from '../../src/ssh/host-key.ts';
import { trustHostKey } from '../../src/ssh/trust-host-key.ts';
import { makeKey } from '../support/ssh-keys.ts';
import { runLine, startSshTestHost, type SshTestHost } from '../support/ssh-test-host.ts';

let host: SshTestHost;
afterEach(() => host[Symbol.asyncDispose]());

/** Starts a host whose known_hosts has these lines; `KEY` stands for the host's first key. */
const startWith = async (
  lines: readonly string[],
  ...options: Parameters<typeof startSshTestHost>
): Promise<void> => {
  host = await startSshTestHost(...options);
  const key = host.hostKeys[0]?.line ?? '';
  writeFileSync(
    host.knownHostsPath,
    lines.map((line) => `${line.replace('KEY', key).replace('PORT', String(host.server.port))}\n`).join(''),
  );
};
const say = (options?: Partial<OpenChannelOptions>): Promise<string> =>
  runLine(host.channel(options), 'echo hello').then(({ stdout }) => stdout.toString());
const neverRan = (): boolean => !existsSync(host.path('calls'));
const presented = (): string => fingerprintOf(host.hostKeys[0]?.blob ?? Buffer.alloc(0));
const stranger = (): string => makeKey(host.root, `stranger-${Math.random()}`).line;

describe('the host key', () => {
  it.each([
    ['under the alias', 'web1 KEY'],
    ['under the alias with the port', '[web1]:PORT KEY'],
    ['under the address with the port', '[127.0.0.1]:PORT KEY'],
    ['under a wildcard', 'web? KEY'],
    ['in a list of names', 'db1,web1,db2 KEY with a comment\r'],
  ])('is trusted when it stands %s', async (_, line) => {
    await startWith([line]);
    expect(await say()).toBe('hello\n');
  });

  it.each([
    ['web1', 'web1 KEY'],
    ['the address with the port', '[127.0.0.1]:PORT KEY'],
  ])('is trusted when ssh-keygen -H hashed %s', async (_, line) => {
    await startWith([line]);
    execFileSync('ssh-keygen', ['-H', '-f', host.knownHostsPath], { stdio: 'ignore' });
    expect(readFileSync(host.knownHostsPath, 'utf8')).toMatch(/^\|1\|/u);
    expect(await say()).toBe('hello\n');
  });

  it.each([
    ['nothing is known', []],
    ['only another host is known', ['web2 KEY']],
    ['only another port is known', ['[web1]:1 KEY', '[127.0.0.1]:1 KEY', '127.0.0.1 KEY']],
    ['it is only a certificate authority', ['@cert-authority web1 KEY', '@cert-authority * KEY']],
    ['the name is excluded', ['*,!web1 KEY']],
  ])('is UNKNOWN when %s, and nothing was said to the host', async (_, lines) => {
    await startWith(lines);
    const thrown = await say().catch((error: unknown) => error);
    expect(thrown).toMatchObject({ code: 'HOST_KEY_UNKNOWN', exit: 3 });
    expect((thrown as Error).message).toContain(presented());
    expect((thrown as { hint: string }).hint).toContain(
      `mcp-pra hosts trust web1 --fingerprint ${presented()}`,
    );
    expect(neverRan()).toBe(true);
  });

  it('is CHANGED when another one is known', async () => {
    await startWith([]);
    appendFileSync(host.knownHostsPath, `web1 ${stranger()}\n`);
    await expect(say()).rejects.toMatchObject({
      code: 'HOST_KEY_CHANGED',
      values: { fingerprint: presented() },
    });
    expect(neverRan()).toBe(true);
  });

  it.each(['@revoked web1 KEY', '@revoked * KEY', '@revoked [127.0.0.1]:PORT KEY'])(
    'is REVOKED by %j although it is known',
    async (line) => {
      await startWith(['web1 KEY', line]);
      await expect(say()).rejects.toMatchObject({ code: 'HOST_KEY_REVOKED' });
      expect(neverRan()).toBe(true);
    },
  );

  it.each([
    ['rsa', 2],
    ['ecdsa', 1],
  ] as const)('of a server with several is the one that is known: %s', async (sort, index) => {
    await startWith([], { sorts: ['ed25519', 'ecdsa', 'rsa'] });
    appendFileSync(host.knownHostsPath, `web1 ${host.hostKeys[index]?.line}\n`);
    expect(host.hostKeys[index]?.path).toContain(sort);
    expect(await say()).toBe('hello\n');
  });

  it('is asked for again at the next connection: a revocation bites without a restart', async () => {
    await startWith(['web1 KEY']);
    const channel = host.channel();
    await runLine(channel, 'echo hello');
    appendFileSync(host.knownHostsPath, `@revoked * ${host.hostKeys[0]?.line}\n`);
    host.server.dropConnections();
    await expect(runLine(channel, 'echo hello')).rejects.toMatchObject({ code: 'HOST_KEY_REVOKED' });
  });

  it('cannot be checked against a broken known_hosts: nothing connects', async () => {
    await startWith(['web1 KEY', '@revoked web1 ssh-ed25519 damaged']);
    await expect(say()).rejects.toMatchObject({ code: 'KNOWN_HOSTS_BAD', exit: 2 });
    expect(host.server.accepted()).toBe(0);
    mkdirSync(join(host.root, 'directory'));
    await expect(say({ knownHosts: [{ path: join(host.root, 'directory') }] })).rejects.toMatchObject({
      code: 'KNOWN_HOSTS_BAD',
    });
    await expect(say({ knownHosts: [] })).rejects.toMatchObject({ code: 'HOST_KEY_UNKNOWN' });
  });
});

describe('hostKeys', () => {
  it('gives what known_hosts holds for the host, revoked ones and authorities left out', async () => {
    await startWith(['web1 KEY', 'web2 KEY'], { sorts: ['ed25519', 'ecdsa'] });
    const revoked = stranger();
    appendFileSync(
      host.knownHostsPath,
      `web1 ${host.hostKeys[1]?.line}\nweb1 ${revoked}\n@revoked web1 ${revoked}\n@cert-authority web1 ${stranger()}\n`,
    );
    expect(await host.channel().hostKeys('web1')).toEqual(host.hostKeys.map(({ blob }) => blob));
  });
});

describe('trustHostKey', () => {
  it('writes the key with that fingerprint, after which the host is reached', async () => {
    await startWith([]);
    const path = join(host.root, 'new', 'known_hosts');
    const options = { ...host.options, knownHosts: [{ path }, { path: host.knownHostsPath }] };
    const done = await trustHostKey(options, { host: 'web1', fingerprint: presented() });
    expect(done).toEqual({ type: 'ssh-ed25519', fingerprint: presented(), path, replaced: 0 });
    expect(readFileSync(path, 'utf8')).toBe(`web1 ${host.hostKeys[0]?.line}\n`);
    expect(statSync(path).mode & 0o777).toBe(0o600);
    expect(await say(options)).toBe('hello\n');
    // Again changes nothing.
    await trustHostKey(options, { host: 'web1', fingerprint: presented() });
    expect(readFileSync(path, 'utf8')).toBe(`web1 ${host.hostKeys[0]?.line}\n`);
  });

  it('finds the key among several types', async () => {
    await startWith([], { sorts: ['ed25519', 'rsa'] });
    const rsa = host.hostKeys[1];
    const fingerprint = fingerprintOf(rsa?.blob ?? Buffer.alloc(0));
    expect((await trustHostKey(host.options, { host: 'web1', fingerprint })).type).toBe('ssh-rsa');
    expect(await say()).toBe('hello\n');
  });

  it('writes nothing for another fingerprint, and says what the host shows', async () => {
    await startWith([]);
    const other = fingerprintOf(Buffer.from('another key'));
    await expect(trustHostKey(host.options, { host: 'web1', fingerprint: other })).rejects.toMatchObject({
      code: 'HOST_KEY_UNKNOWN',
      values: { fingerprint: presented() },
    });
    expect(readFileSync(host.knownHostsPath, 'utf8')).toBe('');
  });

  it('does not trust a revoked key', async () => {
    await startWith(['@revoked * KEY']);
    const before = readFileSync(host.knownHostsPath, 'utf8');
    await expect(
      trustHostKey(host.options, { host: 'web1', fingerprint: presented() }),
    ).rejects.toMatchObject({ code: 'HOST_KEY_REVOKED' });
    expect(readFileSync(host.knownHostsPath, 'utf8')).toBe(before);
  });

  it('takes the old key of the host out, and leaves every other line alone', async () => {
    await startWith([]);
    const old = stranger();
    const others = ['# a comment', `web2 ${old}`, `*.example.org ${old}`, `@revoked web1 ${stranger()}`];
    const hashed = join(host.root, 'hashed');
    writeFileSync(hashed, `web1 ${old}\n`);
    execFileSync('ssh-keygen', ['-q', '-H', '-f', hashed], { stdio: 'ignore' });
    const [hash = ''] = readFileSync(hashed, 'utf8').split('\n');
    writeFileSync(
      host.knownHostsPath,
      `${[...others, `web1 ${old}`, hash, `db1,web1 ${old} comment`].join('\n')}\n`,
    );
    await expect(say()).rejects.toMatchObject({ code: 'HOST_KEY_CHANGED' });
    expect(await trustHostKey(host.options, { host: 'web1', fingerprint: presented() })).toMatchObject({
      replaced: 3,
    });
    expect(readFileSync(host.knownHostsPath, 'utf8').split('\n')).toEqual([
      ...others,
      `db1 ${old}`,
      `web1 ${host.hostKeys[0]?.line}`,
      '',
    ]);
    expect(statSync(host.knownHostsPath).mode & 0o777).toBe(0o600);
    expect(await say()).toBe('hello\n');
  });

  it('never logs in', async () => {
    await startWith([]);
    // No key file would even open.
    const accounts = {
      reader: { user: 'mcp-reader', keyPath: '/nowhere' },
      runner: { user: 'pra-runner', keyPath: '/nowhere' },
    };
    await trustHostKey({ ...host.options, accounts }, { host: 'web1', fingerprint: presented() });
    expect(neverRan()).toBe(true);
  });
});
