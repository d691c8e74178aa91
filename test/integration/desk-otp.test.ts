import { readFileSync } from 'node:fs';
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest';
import { openOtp, type OpenedOtp } from '../../src/approver/otp.ts';
import { signTicket } from '../../src/approver/sign.ts';
import type { ApprovalSheet } from '../../src/request/desk.ts';
import { makeOtpProof, type OtpProof } from '../../src/request/otp-proof.ts';
import { openPrivateKey } from '../../src/ssh/private-key.ts';
import { enrolInStore, type EnrolledForTest } from '../support/authenticator.ts';
import { makeStateDir, MODEL, openTestDesk, PERSON, type TestDesk } from '../support/desk-on-target.ts';
import { startEmbeddedTarget, type EmbeddedTarget } from '../support/embedded-target.ts';

let target: EmbeddedTarget;
beforeAll(async () => {
  target = await startEmbeddedTarget();
});
afterAll(() => target?.stop());

let state: ReturnType<typeof makeStateDir>;
let it: TestDesk;
let approver: EnrolledForTest;
let otp: OpenedOtp;
beforeEach(async () => {
  state = makeStateDir();
  it = await openTestDesk(target, {
    stateDir: state.path,
    operator: { denyActions: [], raise: { rotate_demo: 'HIGH' }, autoApprove: true, rules: [] },
  });
  const { principal, passphrase } = target.approver;
  approver = await enrolInStore(it.store, { principal, passphrase });
  otp = await openOtp({ store: it.store, clock: Date }, principal, Buffer.from(passphrase));
});
afterEach(async () => {
  await it.close();
  state.remove();
});

const proposeHigh = async (): Promise<ApprovalSheet> => {
  const query = { action: 'rotate_demo', host: target.name, args: {}, reason: 'full', autoApprove: false };
  const view = await it.desk.propose(MODEL, query);
  expect(view).toMatchObject({ state: 'PENDING', impact: 'HIGH' });
  return it.desk.sheet(view.id);
};
const signed = (sheet: ApprovalSheet) => {
  const { path, passphrase, principal } = target.approver;
  const key = openPrivateKey(readFileSync(path), Buffer.from(passphrase), { account: 'approver', path });
  return {
    principal,
    signature: signTicket({ ticketText: sheet.ticket, namespace: sheet.namespace, key }),
  };
};
const prove = (subject: string): Promise<OtpProof> => otp.prove(Buffer.from(approver.code()), subject);
const refusedWith = (code: string) => expect.objectContaining({ code });

test('HIGH is not approved by a signature alone, and is with the proof for it, once', async () => {
  const sheet = await proposeHigh();
  const { id } = sheet.view;
  expect(() => it.desk.approve(PERSON, sheet, signed(sheet))).toThrow(refusedWith('OTP_MISSING'));
  expect(it.store.find(id)).toMatchObject({ state: 'PENDING', signatures: [] });

  const proof = await prove(id);
  expect(it.desk.approve(PERSON, sheet, { ...signed(sheet), otp: proof }).state).toBe('APPROVED');
  expect(it.store.otp.enrolment(target.approver.principal)?.lastStep).toBeGreaterThan(0);
  expect(it.ledger().find(({ code }) => code === 'approve')?.detail).toMatchObject({ otp: 'code' });
  expect(await it.desk.execute(MODEL, id, { waitMs: 20_000 })).toMatchObject({ state: 'SUCCEEDED' });
});

test('a proof for another request, of another person, or of nobody approves nothing and burns nothing', async () => {
  const [sheet, other] = [await proposeHigh(), await proposeHigh()];
  const { id } = sheet.view;
  const proof = await prove(other.view.id);
  const forged = { ...proof, subject: id };
  const bobs = makeOtpProof({ ...proof, subject: id, principal: 'bob' });
  for (const wrong of [proof, forged, bobs])
    expect(() => it.desk.approve(PERSON, sheet, { ...signed(sheet), otp: wrong })).toThrow(
      refusedWith('INTERNAL'),
    );
  expect(it.store.find(id).state).toBe('PENDING');
  expect(it.store.otp.enrolment(target.approver.principal)?.lastStep).toBe(0);
});

test('the same code does not approve two requests', async () => {
  const [sheet, other] = [await proposeHigh(), await proposeHigh()];
  const code = Buffer.from(approver.code());
  const [one, two] = [await otp.prove(code, sheet.view.id), await otp.prove(code, other.view.id)];
  it.desk.approve(PERSON, sheet, { ...signed(sheet), otp: one });
  expect(() => it.desk.approve(PERSON, other, { ...signed(other), otp: two })).toThrow(
    refusedWith('OTP_USED'),
  );
  expect(it.store.find(other.view.id).state).toBe('PENDING');
});

test('a wrong signature burns no code', async () => {
  const [sheet, other] = [await proposeHigh(), await proposeHigh()];
  const proof = await prove(sheet.view.id);
  const { principal } = target.approver;
  const wrong = { principal, signature: signed(other).signature, otp: proof };
  expect(() => it.desk.approve(PERSON, sheet, wrong)).toThrow(refusedWith('SIGNATURE_INVALID'));
  expect(it.desk.approve(PERSON, sheet, { ...signed(sheet), otp: proof }).state).toBe('APPROVED');
});
