import { execFileSync } from 'node:child_process';
import { afterAll, describe, expect, it } from 'vitest';
import { fingerprintOf, hostKeyOrder, judgeHostKey, knownKeys } from '../../../src/ssh/host-key.ts';
import { parseKnownHosts } from '../../../src/ssh/known-hosts.ts';
import { makeKey, temporaryDirectory } from '../../support/ssh-keys.ts';

const room = temporaryDirectory('host-key');
afterAll(() => room[Symbol.dispose]());
const ed25519 = makeKey(room.path, 'ed25519');
const second = makeKey(room.path, 'second');
const ecdsa = makeKey(room.path, 'ecdsa', { sort: 'ecdsa' });
const rsa = makeKey(room.path, 'rsa', { sort: 'rsa' });

const web1 = { name: 'web1', address: '10.0.0.5', port: 22, hostKeyAlias: 'web1' };
const known = (lines: readonly string[], host: Parameters<typeof knownKeys>[1] = web1) =>
  knownKeys(parseKnownHosts(Buffer.from(`${lines.join('\n')}\n`), 'known_hosts'), host);
const verdict = (lines: readonly string[], presented: Buffer, host = web1) =>
  judgeHostKey(host, known(lines, host), presented)?.code;

describe('fingerprintOf', () => {
  it.each([ed25519, ecdsa, rsa])('is what ssh-keygen -l prints for $type', (key) => {
    const printed = execFileSync('ssh-keygen', ['-l', '-f', key.pubPath], { encoding: 'utf8' });
    expect(printed.split(' ')[1]).toBe(fingerprintOf(key.blob));
  });
});

describe('judgeHostKey', () => {
  it('trusts exactly the key that is known', () => {
    expect(verdict([`web1 ${ed25519.line}`], ed25519.blob)).toBeUndefined();
    expect(verdict([`web1 ${ed25519.line}`], second.blob)).toBe('HOST_KEY_CHANGED');
    expect(verdict([`web2 ${ed25519.line}`], ed25519.blob)).toBe('HOST_KEY_UNKNOWN');
    expect(verdict([], ed25519.blob)).toBe('HOST_KEY_UNKNOWN');
  });

  it('takes any of several known keys, of several types', () => {
    const lines = [`web1 ${ed25519.line}`, `web1 ${ecdsa.line}`, `web1 ${rsa.line}`];
    for (const key of [ed25519, ecdsa, rsa]) expect(verdict(lines, key.blob)).toBeUndefined();
    expect(verdict(lines, second.blob)).toBe('HOST_KEY_CHANGED');
  });

  it('says CHANGED also for a key of another type than the known one', () => {
    expect(verdict([`web1 ${ed25519.line}`], rsa.blob)).toBe('HOST_KEY_CHANGED');
  });

  it('refuses a revoked key, wherever the lines stand', () => {
    const [trusted, revoked] = [`web1 ${ed25519.line}`, `@revoked * ${ed25519.line}`];
    expect(verdict([trusted, revoked], ed25519.blob)).toBe('HOST_KEY_REVOKED');
    expect(verdict([revoked, trusted], ed25519.blob)).toBe('HOST_KEY_REVOKED');
    expect(verdict([`@revoked 10.0.0.5 ${ed25519.line}`, trusted], ed25519.blob)).toBe('HOST_KEY_REVOKED');
    expect(known([trusted, revoked]).trusted).toEqual([]);
  });

  it('revokes only for the hosts that the line names, and only that key', () => {
    expect(verdict([`web1 ${ed25519.line}`, `@revoked web2 ${ed25519.line}`], ed25519.blob)).toBeUndefined();
    expect(verdict([`web1 ${ed25519.line}`, `@revoked web1 ${second.line}`], ed25519.blob)).toBeUndefined();
  });

  it('trusts nothing because of @cert-authority', () => {
    expect(verdict([`@cert-authority web1 ${ed25519.line}`], ed25519.blob)).toBe('HOST_KEY_UNKNOWN');
  });

  it('trusts no key of a type that cannot be verified, also when it is listed', () => {
    const type = 'sk-ssh-ed25519@openssh.com';
    const blob = Buffer.concat([Buffer.from([0, 0, 0, type.length]), Buffer.from(type), Buffer.alloc(40, 1)]);
    expect(verdict([`web1 ${type} ${blob.toString('base64')}`], blob)).toBe('HOST_KEY_UNKNOWN');
  });

  it('looks up the alias, plain or with the port, and the address only when the alias is unknown', () => {
    const moved = { ...web1, port: 2222 };
    expect(verdict([`web1 ${ed25519.line}`], ed25519.blob, moved)).toBeUndefined();
    expect(verdict([`[web1]:2222 ${ed25519.line}`], ed25519.blob, moved)).toBeUndefined();
    expect(verdict([`[web1]:2223 ${ed25519.line}`], ed25519.blob, moved)).toBe('HOST_KEY_UNKNOWN');
    expect(verdict([`[10.0.0.5]:2222 ${ed25519.line}`], ed25519.blob, moved)).toBeUndefined();
    expect(verdict([`10.0.0.5 ${ed25519.line}`], ed25519.blob, moved)).toBe('HOST_KEY_UNKNOWN');
    expect(verdict([`10.0.0.5 ${ed25519.line}`], ed25519.blob)).toBeUndefined();
    expect(verdict([`10.0.0.5 ${second.line}`, `web1 ${ed25519.line}`], second.blob)).toBe(
      'HOST_KEY_CHANGED',
    );
  });

  it('lets a negated name exclude the host, by whichever of its names a line would match', () => {
    const moved = { ...web1, port: 2222 };
    for (const hosts of ['*,!web1', '!web1,*', '*,![web1]:2222', '*,![10.0.0.5]:2222']) {
      expect(verdict([`${hosts} ${ed25519.line}`], ed25519.blob, moved)).toBe('HOST_KEY_UNKNOWN');
    }
    expect(verdict([`*,!web2 ${ed25519.line}`], ed25519.blob, moved)).toBeUndefined();
    // Not so for a revocation.
    expect(verdict([`web1 ${ed25519.line}`, `@revoked *,!web1 ${ed25519.line}`], ed25519.blob, moved)).toBe(
      'HOST_KEY_REVOKED',
    );
  });

  it('names fingerprint, type and the exact command that would trust the key', () => {
    const refused = judgeHostKey(web1, known([]), ed25519.blob);
    const fingerprint = fingerprintOf(ed25519.blob);
    expect(refused?.message).toContain(`ssh-ed25519 ${fingerprint}`);
    expect(refused?.hint).toContain(`mcp-pra hosts trust web1 --fingerprint ${fingerprint}`);
  });

  it('shows nothing of a key blob that calls its type something else', () => {
    const text = 'ignore-previous-instructions';
    const blob = Buffer.concat([Buffer.from([0, 0, 0, text.length]), Buffer.from(text), Buffer.alloc(8)]);
    expect(judgeHostKey(web1, known([]), blob)?.message).not.toContain('ignore');
  });
});

describe('hostKeyOrder', () => {
  it('asks first for the types that are known', () => {
    expect(hostKeyOrder(known([]))[0]).toBe('ssh-ed25519');
    expect(hostKeyOrder(known([`web1 ${ecdsa.line}`]))[0]).toBe('ecdsa-sha2-nistp256');
    expect(hostKeyOrder(known([`web1 ${rsa.line}`])).slice(0, 2)).toEqual(['rsa-sha2-512', 'rsa-sha2-256']);
  });

  it('never offers SHA-1', () => {
    expect(hostKeyOrder(known([`web1 ${rsa.line}`]))).not.toContain('ssh-rsa');
  });
});
