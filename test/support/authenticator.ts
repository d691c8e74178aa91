import { createHmac, randomBytes } from 'node:crypto';
import { newRecoveryCodes, type NewRecoveryCodes } from '../../src/approver/recovery-codes.ts';
import { seal } from '../../src/approver/seal.ts';
import { makeOtpProof } from '../../src/request/otp-proof.ts';
import type { Store } from '../../src/request/ports.ts';

/** The code of a moment (milliseconds), computed from RFC 4226 and RFC 6238 alone: another one than the program's. */
export const codeAt = (secret: Buffer, now: number, digits = 6): string => {
  const counter = Buffer.alloc(8);
  counter.writeBigUInt64BE(BigInt(Math.floor(now / 30_000)));
  const hash = createHmac('sha1', secret).update(counter).digest();
  const at = (hash[19] ?? 0) & 0x0f;
  const number = hash.readUInt32BE(at) & 0x7fff_ffff;
  return String(number % 10 ** digits).padStart(digits, '0');
};

export interface EnrolledForTest {
  readonly secret: Buffer;
  readonly recovery: NewRecoveryCodes;
  /** The code of a moment; of now unless told. */
  readonly code: (now?: number) => string;
}

interface Made {
  readonly secret: Buffer;
  readonly sealed: string;
  readonly recovery: NewRecoveryCodes;
}

/** Sealing and hashing are slow on purpose: once in a process for each principal and passphrase. */
const made = new Map<string, Promise<Made>>();
const make = async (principal: string, passphrase: string): Promise<Made> => {
  const secret = randomBytes(20);
  return {
    secret,
    sealed: await seal(secret, Buffer.from(passphrase), principal),
    recovery: await newRecoveryCodes(),
  };
};

/** Puts an enrolment into a store, as `mcp-pra approver enrol` ends; no step is used yet. */
export const enrolInStore = async (
  store: Pick<Store, 'otp'>,
  who: {
    readonly principal: string;
    readonly passphrase: string;
    readonly key?: string;
    readonly lastStep?: number;
  },
): Promise<EnrolledForTest> => {
  const { principal, passphrase, key = `SHA256:test-${principal}`, lastStep = 0 } = who;
  const known = `${principal} ${passphrase}`;
  const making = made.get(known) ?? make(principal, passphrase);
  made.set(known, making);
  const { secret, sealed, recovery } = await making;
  // In place of an earlier one, as with a code of it.
  const was = store.otp.enrolment(principal);
  const by = { kind: 'code', step: (was?.lastStep ?? 0) + 1 } as const;
  const proof =
    was === undefined ? undefined : makeOtpProof({ principal, enrolment: was.id, subject: 'ENROL', by });
  store.otp.enrol(
    {
      principal,
      id: randomBytes(16).toString('hex'),
      key,
      keyType: 'ssh-ed25519',
      sealed,
      lastStep,
      enrolledAt: Date.now(),
      recoverySalt: recovery.salt,
      recovery: recovery.kept,
    },
    { kind: 'note', code: 'OTP_ENROLLED', actor: `${principal}/test` },
    proof,
  );
  return { secret, recovery, code: (now = Date.now()) => codeAt(secret, now) };
};
