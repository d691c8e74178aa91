import { randomBytes } from 'node:crypto';
import { readApproverKey, type OpenedKey } from '../approver/approver-keys.ts';
import { drillText, verifyDrill } from '../approver/drill.ts';
import { allowedSigner } from '../approver/enrol.ts';
import { newOtp } from '../approver/new-otp.ts';
import { openOtp, openRecovery, type OtpParts } from '../approver/otp.ts';
import { newRecoveryCodes } from '../approver/recovery-codes.ts';
import { seal } from '../approver/seal.ts';
import { signWithSecurityKey } from '../approver/security-key.ts';
import { DRILL_NAMESPACE, signDrill, signLocalStatement, signTicket } from '../approver/sign.ts';
import type { CliApprover, OtpEnrolling, TicketSigner } from '../cli/approver-ports.ts';
import { PraError } from '../errors.ts';
import { LOCAL_NAMESPACE } from '../request/freeze-desk.ts';
import { fingerprint } from '../request/sshsig.ts';
import { openApproverKey } from './keys.ts';

/** The approver whom the configuration names. Throws what reading their key throws. */
export const openApprover = async (
  configured: { readonly principal: string; readonly key: string },
  parts: OtpParts,
): Promise<CliApprover> => {
  const { principal, key: path } = configured;
  const { store } = parts;
  const locked = await readApproverKey(path);
  const { kind, type: keyType, publicKey } = locked;
  const own = fingerprint(publicKey);

  const drill = async (sign: (text: string) => string | Promise<string>): Promise<void> => {
    const text = drillText(principal);
    await verifyDrill({ principal, text, signature: await sign(text), keyType, publicKey });
  };
  const withKey = (key: OpenedKey): TicketSigner => ({
    sign: (ticketText, namespace) => Promise.resolve().then(() => signTicket({ ticketText, namespace, key })),
    signStatement: (statement) => Promise.resolve().then(() => signLocalStatement(statement, key)),
    drill: () => drill((text) => signDrill(text, key)),
  });
  const withTouch: TicketSigner = {
    sign: (ticket, namespace) => signWithSecurityKey(locked, ticket, namespace),
    signStatement: (statement) => signWithSecurityKey(locked, statement, LOCAL_NAMESPACE),
    drill: () => drill((text) => signWithSecurityKey(locked, text, DRILL_NAMESPACE)),
  };

  return {
    principal,
    kind,
    keyType,
    fingerprint: own,
    allowedSigner: allowedSigner(principal, `${keyType} ${publicKey.toString('base64')}`, path),
    openKey: async (passphrase) => {
      if (kind === 'security-key') return withTouch;
      return withKey(await openApproverKey(path, passphrase ?? Buffer.alloc(0)));
    },
    get isEnrolled() {
      return store.otp.enrolment(principal) !== undefined;
    },
    openOtp: (passphrase) => openOtp(parts, principal, passphrase),
    openRecovery: () => openRecovery(parts, principal),
    beginEnrolment: () => beginEnrolment(parts, { principal, keyType, key: own }),
    record: (entry, proof) => void store.append(entry, proof),
    unlock: (other, entry, proof) => {
      // Another approver is somebody who enrolled here with this very key, and the locked one with another.
      const isOther = store.otp.enrolment(principal)?.key === own && store.otp.enrolment(other)?.key !== own;
      if (other !== principal && !isOther) throw new PraError('UNLOCK_REFUSED', { principal });
      store.otp.unlock(other, entry, proof);
    },
    forget: (entry, proof) => void store.otp.forget(principal, entry, proof),
    acknowledge: (seq, entry, proof) => store.otp.acknowledge(seq, entry, proof),
  };
};

const beginEnrolment = (
  { store, clock }: OtpParts,
  who: { readonly principal: string; readonly keyType: string; readonly key: string },
): OtpEnrolling => {
  const { qr, groups, secret, ...fresh } = newOtp(who.principal, () => clock.now());
  return {
    qr,
    groups,
    confirm: (typed) => fresh.confirm(typed),
    keep: async (passphrase, step, proof) => {
      const { codes, salt, kept } = await newRecoveryCodes();
      const sealed = await seal(secret, passphrase, who.principal);
      store.otp.enrol(
        {
          ...who,
          id: randomBytes(16).toString('hex'),
          sealed,
          lastStep: step,
          enrolledAt: clock.now(),
          recoverySalt: salt,
          recovery: kept,
        },
        {
          kind: 'note',
          code: 'OTP_ENROLLED',
          actor: `${who.principal}/cli`,
          detail: { approver: who.principal, key: who.key, again: proof !== undefined },
        },
        proof,
      );
      return codes;
    },
    close: () => void secret.fill(0),
  };
};
