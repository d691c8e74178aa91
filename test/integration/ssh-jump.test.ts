import { appendFileSync } from 'node:fs';
import { afterEach, describe, expect, it } from 'vitest';
import { fingerprintOf } from '../../src/ssh/host-key.ts';
import type { OpenChannelOptions } from '../../src/ssh/open-channel.ts';
import { trustHostKey } from '../../src/ssh/trust-host-key.ts';
import { startJumpServer, type JumpServer } from '../support/jump-server.ts';
import { makeKey, type SshKeyPair } from '../support/ssh-keys.ts';
import { runLine, startSshTestHost, until, type SshTestHost } from '../support/ssh-test-host.ts';
import { transportUnderTest } from '../support/transport-under-test.ts';

let host: SshTestHost;
let jump: JumpServer;
let options: OpenChannelOptions;
let jumpHostKey: SshKeyPair;

/** web1 behind a jump host; the jump's key is known unless said otherwise. */
const start = async ({ jumpKnown = true } = {}): Promise<void> => {
  host = await startSshTestHost();
  jumpHostKey = makeKey(host.root, 'jump_host_key');
  const key = makeKey(host.root, 'jump_key');
  jump = await startJumpServer({ hostKey: jumpHostKey, user: 'hopper', key });
  if (jumpKnown) appendFileSync(host.knownHostsPath, `bastion ${jumpHostKey.line}\n`);
  const address = { address: '127.0.0.1', transport: transportUnderTest.name };
  options = {
    ...host.options,
    hosts: {
      web1: { name: 'web1', ...address, port: host.server.port, hostKeyAlias: 'web1', jump: 'bastion' },
    },
    jumps: {
      bastion: {
        name: 'bastion',
        ...address,
        port: jump.port,
        hostKeyAlias: 'bastion',
        key: { user: 'hopper', keyPath: key.path },
      },
    },
  };
};

afterEach(async () => {
  await host[Symbol.asyncDispose]();
  await jump[Symbol.asyncDispose]();
});

describe('a host behind a jump host', () => {
  it('is reached through it, both accounts over one connection to the jump', async () => {
    await start();
    const channel = host.channel(options);
    expect((await runLine(channel, 'echo hello')).stdout.toString()).toBe('hello\n');
    const input = Buffer.alloc(3_000_000, 'mcp-pra ');
    const answer = await runLine(channel, 'input', { account: 'runner', input, bytes: input.length });
    expect(answer.stdout.equals(input)).toBe(true);
    expect(jump.forwarded()).toEqual([`127.0.0.1:${host.server.port}`, `127.0.0.1:${host.server.port}`]);
    expect(jump.accepted()).toBe(1);
    expect(host.server.accepted()).toBe(2);
  });

  it('checks the key of the jump host, by its own name', async () => {
    await start({ jumpKnown: false });
    await expect(runLine(host.channel(options), 'echo x')).rejects.toMatchObject({
      code: 'HOST_KEY_UNKNOWN',
      values: { host: 'bastion', fingerprint: fingerprintOf(jumpHostKey.blob) },
    });
    expect(jump.forwarded()).toEqual([]);
    await trustHostKey(options, { host: 'bastion', fingerprint: fingerprintOf(jumpHostKey.blob) });
    expect((await runLine(host.channel(options), 'echo x')).exit).toBe(0);
  });

  it('checks the key of the host itself: a jump host cannot put itself in its place', async () => {
    await start();
    const hosts = {
      web1: {
        ...options.hosts['web1'],
        name: 'web1',
        address: '127.0.0.1',
        transport: transportUnderTest.name,
        port: jump.port,
        hostKeyAlias: 'web1',
        jump: 'bastion',
      },
    };
    await expect(runLine(host.channel({ ...options, hosts }), 'echo x')).rejects.toMatchObject({
      code: 'HOST_KEY_CHANGED',
      values: { host: 'web1', fingerprint: fingerprintOf(jumpHostKey.blob) },
    });
  });

  it('is trusted through it', async () => {
    await start();
    const name = 'web9';
    const hosts = {
      web9: { name, address: '127.0.0.1', port: host.server.port, hostKeyAlias: name, jump: 'bastion' },
    };
    const fingerprint = fingerprintOf(host.hostKeys[0]?.blob ?? Buffer.alloc(0));
    await trustHostKey({ ...options, hosts }, { host: name, fingerprint });
    expect(jump.forwarded().length).toBeGreaterThan(0);
    expect((await runLine(host.channel({ ...options, hosts }), 'echo x', { host: name })).exit).toBe(0);
  });

  it('says which of the two refuses or cannot be reached', async () => {
    await start();
    const bastion = options.jumps?.['bastion'];
    if (bastion === undefined) throw new Error('no jump host');
    const wrongKey = { bastion: { ...bastion, key: { user: 'somebody', keyPath: bastion.key.keyPath } } };
    await expect(runLine(host.channel({ ...options, jumps: wrongKey }), 'echo x')).rejects.toMatchObject({
      code: 'AUTH_REFUSED',
      values: { host: 'bastion', account: 'jump' },
    });
    await host.server.stop();
    await expect(runLine(host.channel(options), 'echo x')).rejects.toMatchObject({
      code: 'UNREACHABLE',
      values: { host: 'web1', cause: 'refused' },
    });
  });

  it('keeps the connection to the jump as long as it is used, and gives it back then', async () => {
    await start();
    const channel = host.channel({ ...options, limits: { idleMs: 50 } });
    expect((await runLine(channel, 'sleep 0.3')).exit).toBe(0);
    expect(jump.accepted()).toBe(1);
    await until(() => host.server.open() === 0 && jump.open() === 0);
    expect((await runLine(channel, 'echo again')).exit).toBe(0);
    expect(jump.accepted()).toBe(2);
  });

  it('must exist, and a chain must end', async () => {
    await start();
    const bastion = options.jumps?.['bastion'];
    if (bastion === undefined) throw new Error('no jump host');
    const bad = { code: 'CONFIG_INVALID' };
    expect(() => host.channel({ ...options, jumps: {} })).toThrow(expect.objectContaining(bad));
    expect(() => host.channel({ ...options, jumps: { bastion: { ...bastion, jump: 'bastion' } } })).toThrow(
      expect.objectContaining(bad),
    );
  });
});
