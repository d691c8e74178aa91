import { appendFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { KeyProof } from '../../src/ssh/key-proof.ts';
import { startJumpServer } from '../support/jump-server.ts';
import { makeKey } from '../support/ssh-keys.ts';
import { startSshTestHost } from '../support/ssh-test-host.ts';

// A connection that shall show that a revocation ends it must not end for a reason of this side.

test('a connection through a jump host keeps that one in use; when the jump host goes, it says so', async () => {
  await using host = await startSshTestHost();
  const hostKey = makeKey(host.root, 'jump_host_key');
  const key = makeKey(host.root, 'jump_key');
  await using jump = await startJumpServer({ hostKey, user: 'hopper', key });
  appendFileSync(host.knownHostsPath, `bastion ${hostKey.line}\n`);
  const proof = new KeyProof({
    ...host.options,
    hosts: {
      web1: {
        name: 'web1',
        address: '127.0.0.1',
        port: host.server.port,
        hostKeyAlias: 'web1',
        jump: 'bastion',
      },
    },
    jumps: {
      bastion: {
        name: 'bastion',
        address: '127.0.0.1',
        port: jump.port,
        hostKeyAlias: 'bastion',
        key: { user: 'hopper', keyPath: key.path },
      },
    },
    // Ends at once when nobody uses it, if it is not kept.
    limits: { ...host.options.limits, idleMs: 1 },
  });
  try {
    const { signal } = new AbortController();
    const witness = await proof.witness('web1', 'reader', signal);
    await proof.accepts('web1', 'reader', makeKey(host.root, 'stranger').blob, signal);
    expect(jump.accepted(), 'the same connection to the jump host').toBe(1);
    expect([witness.isOpen, witness.isCut]).toEqual([true, false]);
    await jump[Symbol.asyncDispose]();
    await witness.closed;
    await expect.poll(() => witness.isCut, { timeout: 30_000 }).toBe(true);
  } finally {
    await proof.close();
  }
});
