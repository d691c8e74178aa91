import { readFileSync } from 'node:fs';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { openOtp, openRecovery, type OpenedOtp, type OtpParts } from '../../../src/approver/otp.ts';
import { makeOtpProof, type OtpProof, type OtpSubject } from '../../../src/request/otp-proof.ts';
import type { OtpEnrolment } from '../../../src/request/otp-store.ts';
import { enrolInStore, type EnrolledForTest } from '../../support/authenticator.ts';
import { nthId, requestIn, row, START, TempStore } from '../../support/store-fixture.ts';

const PASSPHRASE = 'correct horse';
const MINUTE = 60_000;

let temp: TempStore;
let parts: OtpParts;
let alice: EnrolledForTest;
let otp: OpenedOtp;
beforeEach(async () => {
  temp = await TempStore.open();
  parts = { store: temp.store, clock: temp.clock };
  alice = await enrolInStore(temp.store, { principal: 'alice', passphrase: PASSPHRASE });
  otp = await openOtp(parts, 'alice', Buffer.from(PASSPHRASE));
});
afterEach(() => temp.dispose());

/** Six digits that are the code of no step near. */
const wrongCode = (): string => {
  const right = [-1, 0, 1].map((steps) => alice.code(temp.clock.now() + steps * 30_000));
  return ['000000', '111111', '222222', '333333'].find((code) => !right.includes(code)) ?? '';
};
const right = (): Buffer => Buffer.from(alice.code(temp.clock.now()));
const recovery = (at: number): Buffer => Buffer.from(alice.recovery.codes[at] ?? '');
/** `ok`, or the code of the refusal. */
const tried = (subject: OtpSubject, typed: Buffer = Buffer.from(wrongCode())): Promise<string> =>
  otp.prove(typed, subject).then(
    () => 'ok',
    (error: { code: string }) => error.code,
  );
const codes = (): readonly string[] => temp.store.tail(100).map(({ code }) => code);
/** As `mcp-pra approver remove --force`. */
const forced = (): boolean => temp.store.otp.forget('alice', row(nthId(1), 'OTP_REMOVED'), undefined);
const notices = (): readonly string[] => temp.store.otp.notices().map(({ kind }) => kind);
const refusedWith = (code: string) => expect.objectContaining({ code });

describe('a right code', () => {
  it('is worth one transition, and burns its step with it', async () => {
    const [id, other] = [nthId(1), nthId(2)];
    for (const each of [id, other]) requestIn(temp.store, each, 'PENDING');
    const proof = await otp.prove(right(), id);
    const second = await otp.prove(right(), other);
    expect(temp.store.transition(id, 'approve', {}, row(id, 'approve'), proof).state).toBe('APPROVED');
    const rows = temp.store.tail(100).length;
    expect(() => temp.store.transition(other, 'approve', {}, row(other, 'approve'), second)).toThrow(
      refusedWith('OTP_USED'),
    );
    expect(temp.store.find(other).state).toBe('PENDING');
    expect(temp.store.tail(100)).toHaveLength(rows);
    expect(await tried(other, right())).toBe('OTP_USED');
    temp.clock.time += 30_000;
    const third = await otp.prove(right(), other);
    expect(temp.store.transition(other, 'approve', {}, row(other, 'approve'), third).state).toBe('APPROVED');
  });

  it('burns nothing when the transition does not happen', async () => {
    const id = nthId(1);
    requestIn(temp.store, id, 'DENIED');
    const proof = await otp.prove(right(), id);
    expect(() => temp.store.transition(id, 'approve', {}, row(id), proof)).toThrow(
      refusedWith('STATE_CONFLICT'),
    );
    expect(temp.store.otp.enrolment('alice')?.lastStep).toBe(0);
  });

  it('is no attempt any more, whatever comes of what it is for: six of them exhaust and lock nothing', async () => {
    const id = nthId(1);
    requestIn(temp.store, id, 'DENIED');
    for (let time = 0; time < 6; time += 1) {
      const proof = await otp.prove(time % 2 === 0 ? right() : recovery(time), id);
      expect(() => temp.store.transition(id, 'approve', {}, row(id), proof)).toThrow(
        refusedWith('STATE_CONFLICT'),
      );
    }
    expect(temp.store.otp.lockedFor('alice')).toBe(0);
    expect(await tried(id)).toBe('OTP_WRONG');
    expect(temp.store.tail(1)[0]?.detail).toMatchObject({ left: 2 });
  });

  it('is worth nothing once the principal enrolled again', async () => {
    const proof = await otp.prove(right(), 'DRILL');
    forced();
    await enrolInStore(temp.store, { principal: 'alice', passphrase: PASSPHRASE });
    expect(() => temp.store.append(row(nthId(1)), proof)).toThrow(refusedWith('OTP_USED'));
    expect(await tried('DRILL', right())).toBe('OTP_WRONG');
  });

  it('cannot be made up', () => {
    const spec = { principal: 'alice', enrolment: 'x', subject: 'DRILL' } as const;
    const forged = { ...spec, by: { kind: 'code', step: 9e9 }, proves: 'otp' } as const;
    expect(() => temp.store.append(row(nthId(1)), forged)).toThrow(refusedWith('INTERNAL'));
    expect(() => temp.store.append(row(nthId(1)), makeOtpProof(forged))).toThrow(refusedWith('OTP_USED'));
  });

  it('cannot be tried without the passphrase, and such tries are not counted', async () => {
    await expect(openOtp(parts, 'alice', Buffer.from('wrong'))).rejects.toMatchObject({ code: 'OTP_SEALED' });
    await expect(openOtp(parts, 'bob', Buffer.from('x'))).rejects.toMatchObject({ code: 'OTP_MISSING' });
    expect(await tried('DRILL', Buffer.from('12345'))).toBe('OTP_FORM');
    expect(await tried(nthId(1))).toBe('OTP_WRONG');
    expect(temp.store.tail(1)[0]?.detail).toMatchObject({ approver: 'alice', left: 2 });
  });
});

describe('the limiter', () => {
  it('gives three tries for a request, and none after them, not even to a right code', async () => {
    const id = nthId(1);
    expect(await tried(id)).toBe('OTP_WRONG');
    expect(await tried(id)).toBe('OTP_WRONG');
    expect(await tried(id)).toBe('OTP_EXHAUSTED');
    expect(await tried(id, right())).toBe('OTP_EXHAUSTED');
    expect(await tried(id, recovery(0))).toBe('OTP_EXHAUSTED');
    expect(await tried(nthId(2), right())).toBe('ok');
  });

  it('counts before it looks: a try that nobody judged is one', () => {
    for (const n of [1, 2, 3, 4]) temp.store.otp.attempt('alice', nthId(n), 'code');
    expect(temp.store.otp.lockedFor('alice')).toBe(0);
    expect(temp.store.otp.attempt('alice', nthId(5), 'code')).toMatchObject({ locks: true, left: 0 });
    expect(temp.store.otp.lockedFor('alice')).toBe(15 * MINUTE);
  });

  it('locks with the fifth wrong code within 15 minutes, for 15 minutes to the millisecond', async () => {
    for (const n of [1, 2, 3, 4]) expect(await tried(nthId(n))).toBe('OTP_WRONG');
    temp.clock.time = START + 15 * MINUTE - 1;
    expect(await tried('DRILL')).toBe('OTP_WRONG');
    expect(codes()).toContain('OTP_LOCKED');
    expect(temp.store.tail(1)[0]).toMatchObject({ kind: 'alarm', code: 'OTP_LOCKED' });
    temp.clock.time += 15 * MINUTE - 1;
    expect(await tried('DRILL', right())).toBe('OTP_LOCKED');
    temp.clock.time += 1;
    expect(await tried('DRILL', right())).toBe('ok');
  });

  it('does not lock when the first of five is 15 minutes old', async () => {
    for (const n of [1, 2, 3, 4]) expect(await tried(nthId(n))).toBe('OTP_WRONG');
    temp.clock.time = START + 15 * MINUTE;
    expect(await tried('DRILL')).toBe('OTP_WRONG');
    expect(temp.store.otp.lockedFor('alice')).toBe(0);
  });

  it('the fifth try locks nothing when it is right', async () => {
    for (const n of [1, 2, 3, 4]) await tried(nthId(n));
    expect(temp.store.otp.attempt('alice', 'DRILL', 'code')).toMatchObject({ locks: true });
    expect(temp.store.otp.lockedFor('alice')).toBe(15 * MINUTE);
    temp.store.otp.unlock('alice', row(nthId(1)), await otp.prove(recovery(0), 'UNLOCK'));
    for (const n of [5, 6, 7, 8]) await tried(nthId(n));
    await otp.prove(right(), 'DRILL');
    expect(temp.store.otp.lockedFor('alice')).toBe(0);
    expect(await tried('DRILL')).toBe('OTP_WRONG');
    expect(temp.store.otp.lockedFor('alice')).toBe(15 * MINUTE);
  });

  it('is one for all ways in, and each approver has their own', async () => {
    const bob = await enrolInStore(temp.store, { principal: 'bob', passphrase: PASSPHRASE });
    expect(await tried('DRILL')).toBe('OTP_WRONG');
    expect(await tried('DRILL', Buffer.from('aaaa-aaaa-aaaa-aaaa'))).toBe('OTP_WRONG');
    for (const subject of [nthId(1), nthId(2), 'FREEZE'] as const) await tried(subject);
    expect(await tried(nthId(3), right())).toBe('OTP_LOCKED');
    const opened = await openOtp(parts, 'bob', Buffer.from(PASSPHRASE));
    await expect(opened.prove(Buffer.from(bob.code(temp.clock.now())), nthId(3))).resolves.toMatchObject({
      principal: 'bob',
    });
  });

  it('takes no heed of the wall clock', async () => {
    const other = await TempStore.open();
    const boot = { id: 'b', ms: 0 };
    const clock = { time: START, now: () => clock.time, boot: () => boot };
    const store = await other.another({ clock });
    try {
      for (const n of [1, 2, 3, 4, 5]) store.otp.attempt('alice', nthId(n), 'code');
      clock.time += 60 * MINUTE;
      expect(store.otp.lockedFor('alice')).toBe(15 * MINUTE);
      boot.ms = 15 * MINUTE;
      expect(store.otp.lockedFor('alice')).toBe(0);
    } finally {
      store.close();
      other.dispose();
    }
  });
});

describe('a lock', () => {
  beforeEach(async () => {
    for (const n of [1, 2, 3, 4, 5]) await tried(nthId(n));
  });

  it('refuses a right code, and says for how long', async () => {
    await expect(otp.prove(right(), 'DRILL')).rejects.toMatchObject({
      code: 'OTP_LOCKED',
      values: { principal: 'alice', seconds: 900 },
    });
  });

  it('ends at once with a recovery code', async () => {
    temp.store.append(row(nthId(9)), await otp.prove(recovery(3), 'UNLOCK'));
    expect(temp.store.otp.lockedFor('alice')).toBe(0);
    expect(await tried('DRILL')).toBe('OTP_WRONG');
    expect(temp.store.otp.lockedFor('alice')).toBe(0);
  });

  it('ends at once by another approver', async () => {
    const bob = await enrolInStore(temp.store, { principal: 'bob', passphrase: PASSPHRASE });
    const opened = await openOtp(parts, 'bob', Buffer.from(PASSPHRASE));
    const proof = await opened.prove(Buffer.from(bob.code(temp.clock.now())), 'UNLOCK');
    temp.store.otp.unlock('alice', row(nthId(9), 'OTP_UNLOCKED'), proof);
    expect(temp.store.otp.lockedFor('alice')).toBe(0);
    expect(() => temp.store.otp.unlock('alice', row(nthId(9)), proof)).toThrow(refusedWith('OTP_USED'));
  });

  it('leaves five tries to recovery codes, and no more', async () => {
    for (let n = 0; n < 5; n += 1)
      expect(await tried('UNLOCK', Buffer.from('aaaaaaaaaaaaaaaa'))).toBe('OTP_WRONG');
    expect(await tried('UNLOCK', recovery(0))).toBe('OTP_LOCKED');
  });
});

describe('a recovery code', () => {
  it('counts once, in capitals and without hyphens too, and raises an alarm', async () => {
    const id = nthId(1);
    requestIn(temp.store, id, 'PENDING');
    const typed = Buffer.from(` ${String(alice.recovery.codes[9]).toUpperCase().replaceAll('-', '')} `);
    const proof = await otp.prove(typed, id);
    temp.store.transition(id, 'approve', {}, row(id, 'approve'), proof);
    const [alarm, approved] = temp.store.tail(2).toSorted((a, b) => a.seq - b.seq);
    expect(alarm).toMatchObject({
      kind: 'alarm',
      code: 'RECOVERY_CODE_USED',
      request: id,
      detail: { approver: 'alice', severity: 'HIGH', left: 9 },
    });
    expect(approved?.code).toBe('approve');
    expect(await tried('DRILL', typed)).toBe('OTP_WRONG');
    expect(await tried('DRILL', recovery(8))).toBe('ok');
  });

  it('is all that opens without the secret', async () => {
    const only = openRecovery(parts, 'alice');
    await expect(only.prove(right(), 'ENROL')).rejects.toMatchObject({ code: 'OTP_FORM' });
    await expect(only.prove(recovery(0), 'ENROL')).resolves.toMatchObject({ by: { kind: 'recovery' } });
  });

  it('is kept as a hash: neither codes nor secret are in the files of the store', () => {
    const bytes = [temp.file, `${temp.file}-wal`].map((path) => readFileSync(path));
    const plain = alice.recovery.codes.flatMap((code) => [code, code.replaceAll('-', '')]);
    const found = [...plain, alice.secret].filter((secret) => bytes.some((file) => file.includes(secret)));
    expect(found).toEqual([]);
    expect(bytes.some((file) => file.includes(String(alice.recovery.kept[0]?.hash)))).toBe(true);
  });
});

describe('enrolling', () => {
  const again = (proof?: OtpProof, patch: Partial<OtpEnrolment> = {}): void => {
    const was = temp.store.otp.enrolment('alice');
    if (was === undefined) throw new Error('alice is not enrolled');
    temp.store.otp.enrol({ ...was, id: 'another', ...patch }, row(nthId(1), 'OTP_ENROLLED'), proof);
  };

  it('replaces what was proven and nothing else: of two who begin at once the second one is refused', async () => {
    expect(() => again()).toThrow(refusedWith('OTP_REPLACED'));
    const [one, two] = [await otp.prove(right(), 'ENROL'), await otp.prove(recovery(0), 'ENROL')];
    again(one);
    expect(() => again(two, { id: 'third' })).toThrow(refusedWith('OTP_REPLACED'));
    expect(temp.store.otp.enrolment('alice')?.id).toBe('another');
    // The first enrolment of somebody takes no proof, and only the first.
    const bob = { principal: 'bob', key: 'SHA256:bob', id: 'bobs' };
    expect(() => again(two, bob)).toThrow(refusedWith('OTP_REPLACED'));
    again(undefined, bob);
    expect(() => again(undefined, bob)).toThrow(refusedWith('OTP_REPLACED'));
  });

  it('takes a key under one name only', () => {
    const rows = temp.store.tail(100).length;
    expect(() => again(undefined, { principal: 'bob' })).toThrow(
      expect.objectContaining({ code: 'KEY_ENROLLED', values: { principal: 'alice' } }),
    );
    expect(temp.store.tail(100)).toHaveLength(rows);
    again(undefined, { principal: 'bob', key: 'SHA256:bob' });
  });

  it('after a removal by force is an alarm, and both are told until somebody acknowledges them', async () => {
    expect(forced()).toBe(true);
    expect(forced()).toBe(false);
    expect(temp.store.tail(1)[0]).toMatchObject({
      kind: 'alarm',
      code: 'OTP_REMOVED',
      detail: { severity: 'HIGH' },
    });
    expect(notices()).toEqual(['forced']);
    alice = await enrolInStore(temp.store, { principal: 'alice', passphrase: PASSPHRASE });
    expect(temp.store.tail(1)[0]).toMatchObject({ kind: 'alarm', code: 'OTP_ENROLLED' });
    otp = await openOtp(parts, 'alice', Buffer.from(PASSPHRASE));
    expect(notices()).toEqual(['forced', 'unproven']);
    const [first] = temp.store.otp.notices();
    const proof = await otp.prove(right(), 'ACKNOWLEDGE');
    temp.store.otp.acknowledge(first?.seq ?? 0, row(nthId(1), 'OTP_ACKNOWLEDGED'), proof);
    expect(notices()).toEqual(['unproven']);
    expect(() => temp.store.otp.acknowledge(99, row(nthId(1)), proof)).toThrow(refusedWith('OTP_USED'));
    expect(notices()).toEqual(['unproven']);
  });

  it('with a proof is no alarm, and a used recovery code stays told', async () => {
    again(await otp.prove(recovery(0), 'ENROL'));
    expect(temp.store.tail(1)[0]).toMatchObject({ kind: 'decision', code: 'OTP_ENROLLED' });
    expect(notices()).toEqual(['recovery']);
  });

  it('is removed by a proof of it without a notice, and by no other', async () => {
    const proof = await otp.prove(right(), 'REMOVE');
    const removal = row(nthId(1), 'OTP_REMOVED');
    expect(temp.store.otp.forget('alice', removal, proof)).toBe(true);
    expect(temp.store.tail(1)[0]).toMatchObject({ kind: 'decision', code: 'OTP_REMOVED' });
    expect(notices()).toEqual([]);
    await enrolInStore(temp.store, { principal: 'alice', passphrase: PASSPHRASE });
    expect(() => temp.store.otp.forget('alice', removal, proof)).toThrow(refusedWith('OTP_USED'));
    expect(temp.store.otp.enrolment('alice')).toBeDefined();
  });
});
