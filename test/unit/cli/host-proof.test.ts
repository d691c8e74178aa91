import { createHash } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import {
  AcceptedBefore,
  isDone,
  isProven,
  proveHost,
  type HostProof,
  type OwnLogin,
} from '../../../src/cli/revocation/host-proof.ts';
import type { Order } from '../../../src/cli/revocation/order.ts';
import type { RevocationPorts } from '../../../src/cli/revocation/ports.ts';
import { PraError } from '../../../src/errors.ts';
import { fingerprint } from '../../../src/request/sshsig.ts';

// What counts as proof of a revocation, with what sshd says made up; test/lab/revocation.test.ts asks a real one.

const KEY = createHash('sha256').update('the key').digest();
const NAME = fingerprint(KEY);
const OTHER = fingerprint(createHash('sha256').update('another').digest());

const order = (more: Partial<Order> = {}): Order => ({
  v: 1,
  keys: [NAME],
  publicKeys: [KEY.toString('base64')],
  approvers: [],
  serials: [],
  ca: null,
  switch: 'lift',
  keepQuorum: false,
  ...more,
});

const ports: RevocationPorts = {
  witness: () => Promise.reject(new Error('not asked')),
  accepts: () => Promise.resolve(false),
  works: () => Promise.resolve(),
  transportKeys: () => Promise.resolve(undefined),
  publicKey: () => Promise.resolve(undefined),
  close: () => Promise.resolve(),
};

interface Case {
  readonly order?: Order;
  /** What sshd says of the key for the reader; for the runner it never takes it. */
  readonly sshd?: { readonly before: boolean; readonly after: boolean };
  readonly keys?: readonly Buffer[];
  readonly own?: OwnLogin;
  readonly works?: PraError;
  readonly isCaListed?: boolean;
}

const proofOf = async (given: Case): Promise<HostProof> => {
  const { sshd = { before: true, after: false }, own = { kind: 'key', fingerprint: OTHER }, works } = given;
  const what = given.order ?? order();
  let isAfter = false;
  const all: RevocationPorts = {
    ...ports,
    accepts: (_, account) => Promise.resolve(account === 'reader' && sshd[isAfter ? 'after' : 'before']),
    works: () => (works === undefined ? Promise.resolve() : Promise.reject(works)),
  };
  const accepted = new AcceptedBefore(all, what);
  await accepted.ask(['web1'], new AbortController().signal);
  accepted.end('web1');
  isAfter = true;
  return proveHost({
    ports: all,
    order: what,
    host: 'web1',
    keys: given.keys ?? what.publicKeys.map((base64) => Buffer.from(base64, 'base64')),
    accepted,
    witnesses: [],
    own: () => own,
    isCaListed: given.isCaListed ?? false,
  });
};

const said = (proof: HostProof): readonly unknown[] => [proof.key, isDone(proof), isProven(proof)];

describe('proven means that sshd was seen to accept the key before, and refuses it now', () => {
  test('accepted before, refused now', async () => {
    expect(said(await proofOf({}))).toEqual(['refused', true, true]);
  });

  test('refused before too, as with a from= of other addresses: done, and only the host says so', async () => {
    expect(said(await proofOf({ sshd: { before: false, after: false } }))).toEqual(['unseen', true, false]);
  });

  test('accepted before and now: not done', async () => {
    expect(said(await proofOf({ sshd: { before: true, after: true } }))).toEqual(['ACCEPTED', false, false]);
  });

  test('of a key whose public half only the host knew, nobody asked before', async () => {
    const named = order({ publicKeys: [] });
    expect(said(await proofOf({ order: named, keys: [KEY] }))).toEqual(['unseen', true, false]);
    expect(said(await proofOf({ order: named }))).toEqual(['unasked', true, false]);
  });

  test('one of two keys proves nothing of the other, nor of a certificate', async () => {
    expect(said(await proofOf({ order: order({ keys: [NAME, OTHER] }) }))).toEqual(['unseen', true, false]);
    const withSerial = order({ serials: ['7'], ca: OTHER });
    expect(said(await proofOf({ order: withSerial }))).toEqual(['unseen', true, false]);
  });

  test('a serial number alone: sshd cannot be asked about it', async () => {
    const serial = order({ keys: [], publicKeys: [], serials: ['7'], ca: OTHER });
    expect(said(await proofOf({ order: serial }))).toEqual(['unasked', true, false]);
  });

  test('an answer that comes when the host has revoked is not one of before', async () => {
    const { promise, resolve } = Promise.withResolvers<boolean>();
    const accepted = new AcceptedBefore({ ...ports, accepts: () => promise }, order());
    const asking = accepted.ask(['web1'], new AbortController().signal);
    accepted.end('web1');
    resolve(true);
    await asking;
    expect(accepted.of('web1', 'reader', KEY)).toBeUndefined();
  });
});

describe('our own logins afterwards', () => {
  const refused = new PraError('AUTH_REFUSED', { host: 'web1', account: 'reader' });
  const reader = async (given: Case): Promise<readonly unknown[]> => {
    const proof = await proofOf(given);
    return [proof.reader, isDone(proof), isProven(proof)];
  };

  test('refused by sshd, or by the program: it does not work', async () => {
    expect(await reader({ works: refused })).toEqual(['FAILS', false, false]);
    const values = { host: 'web1', layer: 'x', rule: 'x', advice: 'x', code: 'ARGV' };
    expect(await reader({ works: new PraError('TARGET_REFUSED', values) })).toEqual(['FAILS', false, false]);
    const closed = new PraError('TARGET_REFUSED', { ...values, code: 'DISABLED' });
    expect(await reader({ works: closed })).toEqual(['closed', true, true]);
  });

  test.each([
    new PraError('KEY_PASSPHRASE', { account: 'reader' }),
    new PraError('KEY_MISSING', { account: 'reader', path: '/x' }),
    new PraError('HOST_KEY_UNKNOWN', { host: 'web1', fingerprint: 'SHA256:x' }),
    new PraError('UNREACHABLE', { host: 'web1', why: 'timeout' }),
    new PraError('AUTH_REFUSED', { host: 'bastion', account: 'jump' }),
  ])('$code says nothing about the key: it could not be tried', async (works) => {
    expect(await reader({ works })).toEqual([`untried (${works.code})`, true, false]);
  });

  test('the very key', async () => {
    expect(await reader({ own: { kind: 'key', fingerprint: NAME } })).toEqual(['revoked', true, true]);
  });

  test('of a host with certificates end with their CA; without knowing it, when the host had it in its list', async () => {
    const works = refused;
    expect(await reader({ works, own: { kind: 'certificate', fingerprint: NAME } })).toMatchObject([
      'revoked',
      true,
      true,
    ]);
    const own: OwnLogin = { kind: 'certificate', fingerprint: undefined };
    expect(await reader({ works, own })).toMatchObject(['FAILS', false, false]);
    expect(await reader({ works, own, isCaListed: true })).toMatchObject(['revoked', true, true]);
  });
});
