import { chmodSync, existsSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { connect, createServer, type AddressInfo, type Socket } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import { followedKey } from '../../src/app/keys.ts';
import type { Channel } from '../../src/request/ports.ts';
import { makeKey, type SshKeyPair } from '../support/ssh-keys.ts';
import { runLine, startSshTestHost, until, type SshTestHost } from '../support/ssh-test-host.ts';

// A key file that changes under a running process, as a rotation does it.

let host: SshTestHost;
afterEach(async () => {
  delete process.env['MCP_PRA_TEST_PASSPHRASE'];
  await host[Symbol.asyncDispose]();
});

/** The keys that the host accepts from now on; it reads them at each login. */
const accept = (...keys: readonly SshKeyPair[]): void =>
  writeFileSync(host.keysFile, keys.map(({ line }) => `${line}\n`).join(''));
/** A new key in place of the reader's, by rename. */
const replace = (next: SshKeyPair): void => renameSync(next.path, host.readerKey.path);
const echo = async (channel: Channel, word: string): Promise<number | undefined> =>
  (await runLine(channel, `echo ${word}`)).exit;
const calls = (): string[] =>
  existsSync(host.path('calls')) ? readFileSync(host.path('calls'), 'utf8').trim().split('\n') : [];

describe('a key file that is replaced while the process runs', () => {
  it('is used from the next request on; what runs on the old connection ends by itself', async () => {
    host = await startSshTestHost();
    const channel = host.channel();
    const next = makeKey(host.root, 'next');
    accept(host.readerKey, next);
    const long = runLine(channel, `gate ${host.path('go')}`);
    await until(() => calls().length === 1);
    replace(next);
    accept(next);
    expect(await echo(channel, 'new')).toBe(0);
    expect(host.server.open()).toBe(2);
    writeFileSync(host.path('go'), '');
    expect((await long).exit).toBe(0);
    await until(() => host.server.open() === 1);
    expect(host.server.accepted()).toBe(2);
  });

  it('makes no new connection as long as it stays the same', async () => {
    host = await startSshTestHost();
    const channel = host.channel();
    for (const word of ['one', 'two', 'three']) expect(await echo(channel, word)).toBe(0);
    expect(host.server.accepted()).toBe(1);
  });

  it('loses none of many requests', async () => {
    host = await startSshTestHost();
    const channel = host.channel();
    const next = makeKey(host.root, 'next');
    accept(host.readerKey, next);
    let asked = 0;
    const exits: (number | undefined)[] = [];
    const worker = async (): Promise<void> => {
      while (asked < 120) {
        asked += 1;
        if (asked === 40) replace(next);
        if (asked === 60) accept(next);
        exits.push(await echo(channel, String(asked)));
      }
    };
    await Promise.all(Array.from({ length: 6 }, worker));
    expect(exits).toHaveLength(asked);
    expect(exits.filter((exit) => exit !== 0)).toEqual([]);
    expect(calls()).toHaveLength(asked);
  });

  it('is tried after the host refused the one before, without waiting for the pause', async () => {
    host = await startSshTestHost();
    const channel = host.channel({ limits: { backOffMs: 60_000, backOffMaxMs: 60_000 } });
    const next = makeKey(host.root, 'next');
    accept(next);
    await expect(echo(channel, 'x')).rejects.toMatchObject({ code: 'AUTH_REFUSED' });
    await expect(echo(channel, 'x')).rejects.toMatchObject({ code: 'AUTH_REFUSED' });
    expect(host.server.accepted()).toBe(1);
    replace(next);
    expect(await echo(channel, 'y')).toBe(0);
    expect(host.server.accepted()).toBe(2);
  });

  /** Asks while the host keeps its door shut: the key has been read, and nothing was said yet. `then` happens, and the door opens. */
  const askedBefore = async (then: () => void): Promise<number | undefined> => {
    const arrived = Promise.withResolvers<void>();
    const opened = Promise.withResolvers<void>();
    const letIn = async (near: Socket): Promise<void> => {
      await opened.promise;
      const far = connect({ host: '127.0.0.1', port: host.server.port });
      for (const end of [near, far]) end.on('error', () => {});
      near.pipe(far).pipe(near);
    };
    const door = createServer({ pauseOnConnect: true }, (near) => {
      arrived.resolve();
      void letIn(near);
    });
    await new Promise<void>((resolve) => door.listen(0, '127.0.0.1', resolve));
    const { port } = door.address() as AddressInfo;
    const web1 = { ...host.options.hosts['web1'], name: 'web1', address: '127.0.0.1', port };
    const asking = echo(host.channel({ hosts: { web1 } }), 'x');
    asking.catch(() => {});
    try {
      await arrived.promise;
      then();
      opened.resolve();
      return await asking;
    } finally {
      door.close();
    }
  };

  it('is read again when the host forgets the old one while that one logs in', async () => {
    host = await startSshTestHost();
    const next = makeKey(host.root, 'next');
    const exit = await askedBefore(() => {
      accept(next);
      replace(next);
    });
    expect(exit).toBe(0);
    expect(host.server.accepted()).toBe(2);
  });

  it('that is refused too is tried no third time', async () => {
    host = await startSshTestHost();
    const next = makeKey(host.root, 'next');
    const asking = askedBefore(() => {
      accept();
      replace(next);
    });
    await expect(asking).rejects.toMatchObject({ code: 'AUTH_REFUSED' });
    expect(host.server.accepted()).toBe(2);
  });
});

describe('a key file that cannot be used any more', () => {
  it('ends the use of its key, also on the open connection', async () => {
    host = await startSshTestHost();
    const channel = host.channel();
    expect(await echo(channel, 'one')).toBe(0);
    chmodSync(host.readerKey.path, 0o644);
    await expect(echo(channel, 'two')).rejects.toMatchObject({ code: 'FILE_MODE' });
    chmodSync(host.readerKey.path, 0o600);
    expect(await echo(channel, 'three')).toBe(0);
    rmSync(host.readerKey.path);
    await expect(echo(channel, 'four')).rejects.toMatchObject({ code: 'KEY_MISSING' });
    await until(() => host.server.open() === 0);
    expect(calls()).toEqual(['echo one', 'echo three']);
  });
});

describe('the passphrase of a new key', () => {
  it('is read from the environment again', async () => {
    host = await startSshTestHost({ readerPassphrase: 'old words' });
    process.env['MCP_PRA_TEST_PASSPHRASE'] = 'old words';
    const passphrase = { env: 'MCP_PRA_TEST_PASSPHRASE' };
    const accounts = { ...host.options.accounts, reader: { ...host.options.accounts.reader, passphrase } };
    const channel = host.channel({ accounts });
    expect(await echo(channel, 'one')).toBe(0);
    const next = makeKey(host.root, 'next', { passphrase: 'new words' });
    accept(host.readerKey, next);
    replace(next);
    await expect(echo(channel, 'two')).rejects.toMatchObject({ code: 'KEY_PASSPHRASE' });
    process.env['MCP_PRA_TEST_PASSPHRASE'] = 'new words';
    expect(await echo(channel, 'three')).toBe(0);
  });
});

describe('a signing key whose file is replaced', () => {
  it('signs with the new one from the next signature on, and is opened only once for many', async () => {
    host = await startSshTestHost();
    const key = followedKey('auto', host.readerKey.path, undefined);
    const first = await key();
    expect(first.publicKey).toEqual(host.readerKey.blob);
    expect(await key()).toBe(first);
    const next = makeKey(host.root, 'next');
    replace(next);
    expect((await key()).publicKey).toEqual(next.blob);
    rmSync(host.readerKey.path);
    await expect(key()).rejects.toMatchObject({ code: 'KEY_MISSING' });
  });
});
