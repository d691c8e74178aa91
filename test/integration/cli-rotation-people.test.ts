import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { rotationStatement } from '../../src/approver/sign.ts';
import { fingerprint, verifySshsig } from '../../src/request/sshsig.ts';
import { nextKeyStatement } from '../../src/ssh/host-key-rotation.ts';
import { EMBEDDED_CATALOG, startEmbeddedTarget, type EmbeddedTarget } from '../support/embedded-target.ts';
import { makeOperator, type Operator } from '../support/operator.ts';
import { makeKey, type SshKeyPair } from '../support/ssh-keys.ts';

// This machine's side of the rotations that people attend: a host's own key, and an approver's.

// ssh-keygen's hundred rounds of key derivation, four times.
vi.setConfig({ testTimeout: 90_000 });

let target: EmbeddedTarget;
let operator: Operator;

beforeEach(async () => {
  target = await startEmbeddedTarget();
  operator = makeOperator({
    home: join(target.operatorDir, 'home'),
    hosts: { [target.name]: { address: target.address, port: target.port } },
    keys: { reader: target.readerKey, runner: target.runnerKey, auto: target.autoKey.path },
    approver: { principal: target.approver.principal, key: target.approver.path },
    knownHosts: target.knownHostsPath,
    more: { catalog: { builtin: false, dirs: [EMBEDDED_CATALOG] } },
  });
});
afterEach(() => target.stop());

const rotation = async (...argv: string[]) => {
  const { code, stdout, stderr } = await operator.cli('rotation', ...argv, '--json');
  return { code, said: JSON.parse(stdout === '' ? '{}' : stdout) as Record<string, unknown>, stderr };
};

describe("a host's own key", () => {
  let next: SshKeyPair;
  const nameOf = (key: SshKeyPair): string => fingerprint(key.blob);
  const knownHosts = (): string => readFileSync(target.knownHostsPath, 'utf8');
  const sign = (by: SshKeyPair): string =>
    execFileSync('ssh-keygen', ['-Y', 'sign', '-q', '-f', by.path, '-n', 'mcp-pra-host-key'], {
      input: nextKeyStatement(target.name, nameOf(target.hostKey), next.line),
      encoding: 'utf8',
      stdio: ['pipe', 'pipe', 'ignore'],
    })
      .split('\n')
      .filter((line) => !line.startsWith('-----'))
      .join('');
  const trust = (by = target.hostKey) =>
    rotation('host', 'trust', target.name, '--next', next.line, '--signature', sign(by));

  beforeEach(() => {
    next = makeKey(target.operatorDir, 'next-host-key');
  });

  test('the next one is trusted on the word of the one in use, and never while the host shows another', async () => {
    const before = knownHosts();
    const forged = await trust(next);
    expect(forged, forged.stderr).toMatchObject({ code: 3 });
    expect(knownHosts()).toBe(before);

    expect(await trust()).toMatchObject({ code: 0, said: { changed: [target.knownHostsPath] } });
    const [old, fresh] = [nameOf(target.hostKey), nameOf(next)];
    expect(await rotation('host', 'status')).toMatchObject({
      code: 0,
      said: [{ host: target.name, trusted: [old, fresh], pending: { old, new: fresh }, open: [] }],
    });
    expect(await rotation('host', 'prove', target.name, '--key', old)).toMatchObject({
      code: 0,
      said: { proved: true },
    });
    // Both are trusted, and still the host has to show exactly the key that is asked for.
    const both = knownHosts();
    expect((await rotation('host', 'prove', target.name, '--key', fresh)).code).not.toBe(0);
    expect((await rotation('host', 'finish', target.name)).code).not.toBe(0);
    expect(knownHosts()).toBe(both);
    expect(await rotation('host', 'abandon', target.name)).toMatchObject({ code: 0 });
    expect(knownHosts()).toBe(before);
    expect(await rotation('host', 'prove', target.name, '--key', fresh)).toMatchObject({ code: 3 });
    expect((await operator.ledger('KEY_ROTATION')).map(({ host, detail }) => ({ host, ...detail }))).toEqual(
      ['begin', 'abandon'].map((step) => ({ host: target.name, key: 'host', step, old, new: fresh })),
    );
  });

  test('a request that has not ended stands in the way, and is named', async () => {
    const before = knownHosts();
    const filed = await operator.cli('propose', 'rotate_demo', '-H', target.name, '-r', 'a test', '--json');
    expect(filed.code, filed.stdout).toBe(4);
    const { id } = JSON.parse(filed.stdout) as { id: string };
    expect(await rotation('host', 'status')).toMatchObject({ said: [{ open: [id] }] });
    expect(await trust()).toMatchObject({
      code: 3,
      said: { error: { message: expect.stringContaining(id) } },
    });
    expect(knownHosts()).toBe(before);
    await operator.cli('withdraw', id);
    expect(await trust()).toMatchObject({ code: 0 });
  });
});

describe("an approver's key", () => {
  const path = (): string => target.approver.path;
  const statement = (): string =>
    join(dirname(operator.config), `approver-rotation-${target.approver.principal}.txt`);
  const NEW = 'another passphrase';
  const begin = () =>
    operator.typed(
      ['rotation', 'approver', 'begin'],
      [
        { expect: 'Enter passphrase[^:]*: ', send: `${NEW}\n` },
        { expect: 'Enter same passphrase[^:]*: ', send: `${NEW}\n` },
        { expect: 'of the old key', send: `${target.approver.passphrase}\n` },
        { expect: 'of the new key', send: `${NEW}\n` },
      ],
    );

  test('is made by the person; both sign; switched, finished', async () => {
    const without = await rotation('approver', 'begin');
    expect(without).toMatchObject({ code: 2 });
    expect(existsSync(`${path()}.next`)).toBe(false);

    const begun = await begin();
    expect(begun.code, begun.screen).toBe(0);
    const said = readFileSync(statement(), 'utf8');
    const old = fingerprint(target.approver.blob);
    const line = readFileSync(`${path()}.next.pub`, 'utf8').split(' ').slice(0, 2).join(' ');
    const message = rotationStatement(target.approver.principal, old, line);
    expect(said.startsWith(message)).toBe(true);
    const signatures = said
      .slice(message.length)
      .split('\n')
      .map((one) => one.split(' '));
    expect(signatures.map(([which]) => which)).toEqual(['old-signature', 'new-signature', '']);
    for (const [index, key] of [target.approver.line, line].entries()) {
      const signatureBase64 = signatures[index]?.[1] ?? '';
      const { publicKey } = verifySshsig({ message, signatureBase64, namespace: 'mcp-pra-approver' });
      expect(publicKey.toString('base64')).toBe(key.split(' ')[1]);
    }
    expect(await rotation('approver', 'status')).toMatchObject({
      code: 0,
      said: { phase: 'staged', old, new_line: line, statement: statement(), open: [] },
    });
    expect(await rotation('approver', 'finish')).toMatchObject({ code: 3 });
    expect(await rotation('approver', 'switch')).toMatchObject({ code: 0, said: { phase: 'switched', old } });
    expect(await rotation('approver', 'switch')).toMatchObject({ code: 0, said: { phase: 'switched' } });
    expect(await rotation('approver', 'abandon')).toMatchObject({ code: 3 });
    expect(await rotation('approver', 'finish')).toMatchObject({
      code: 0,
      said: { phase: 'idle', new_line: line },
    });
    expect([existsSync(`${path()}.previous`), existsSync(statement())]).toEqual([false, false]);
    const row = {
      key: target.approver.principal,
      old,
      new: fingerprint(Buffer.from(line.split(' ')[1] ?? '', 'base64')),
    };
    expect((await operator.ledger('KEY_ROTATION')).map(({ detail }) => detail)).toEqual(
      ['begin', 'switch', 'finish'].map((step) => ({ ...row, step })),
    );
  });

  test('can be given up before the switch', async () => {
    const before = readFileSync(path());
    await begin();
    expect(await rotation('approver', 'abandon')).toMatchObject({ code: 0, said: { phase: 'idle' } });
    expect(readFileSync(path())).toEqual(before);
    expect([existsSync(`${path()}.next`), existsSync(statement())]).toEqual([false, false]);
    writeFileSync(statement(), 'left over');
    expect(await rotation('approver', 'status')).toMatchObject({ said: { statement: null } });
    expect(await rotation('approver', 'switch')).toMatchObject({ code: 3 });
  });
});
