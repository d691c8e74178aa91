import { sha256 } from '../catalog/digest.ts';
import { PraError } from '../errors.ts';
import type { ApprovalSheet, PersonDesk, RequestView } from './desk.ts';
import { rowAbout } from './desk-rows.ts';
import { expiredError, hasLapsed } from './ending.ts';
import { FormError } from './form-error.ts';
import { impactOf, otpDetail, requireOtpProof } from './otp-proof.ts';
import type { Store } from './ports.ts';
import { addSignature, requireGenuine, type Signed } from './quorum.ts';
import {
  readBundle,
  readCosignature,
  requestOf,
  writeBundle,
  writeCosignature,
  type TicketBundle,
} from './ticket-bundle.ts';
import type { Caller, SignedText, StoredRequest } from './types.ts';

export interface CosigningParts {
  readonly store: Pick<Store, 'append' | 'find'>;
  /** The request as it is now, what is overdue closed. */
  readonly current: (id: string) => StoredRequest;
  /** All checks of what an approver reads. */
  readonly sheetOf: (request: StoredRequest, offer: SignedText, signer?: string) => Promise<ApprovalSheet>;
  /** The rules of this machine as they are now. Throws RULE_*, ACTION_DENIED. */
  readonly requireAllowed: (request: StoredRequest) => unknown;
  /** Adds a verified signature to a request of this machine. */
  readonly approve: (caller: Caller, sheet: ApprovalSheet, signed: Signed) => RequestView;
}

type Cosigning = Pick<PersonDesk, 'cosignSheet' | 'cosign' | 'importSignature' | 'exportTicket'>;

/** Signatures of one ticket from several machines: out as one block of text, back as another. Nothing else passes between the machines. */
export const openCosigning = (parts: CosigningParts): Cosigning => {
  const { store, current, sheetOf, requireAllowed, approve } = parts;

  const pending = (id: string, event: string): StoredRequest => {
    const request = current(id);
    if (hasLapsed(request)) throw expiredError(request);
    if (request.state !== 'PENDING')
      throw new PraError('STATE_CONFLICT', { id: request.id, state: request.state, event });
    return request;
  };

  return {
    exportTicket: (caller, id) => {
      const request = pending(id, 'export');
      const { ticket, offer, signatures, approvals } = request;
      // Within five minutes of the proposal somebody has to look at it: where it was proposed, not whenever a mail arrives.
      if (ticket === undefined || offer === undefined || approvals.length === 0)
        throw new PraError('EXPORT_UNSIGNED', { id: request.id });
      const signed = approvals.map(({ principal }, index) => ({
        principal,
        signature: String(signatures[index]),
      }));
      const block = asBlock('MCP-PRA TICKET', () =>
        writeBundle({ ticketText: ticket, offer, signatures: signed }),
      );
      const detail = { ticket: sha256(ticket), signatures: signed.length };
      store.append(rowAbout(request, caller, 'note', 'TICKET_EXPORTED', detail));
      return block;
    },

    cosignSheet: async (block, signer) => {
      const bundle = bundleOf(block);
      const request = requestOf(bundle);
      const sheet = await sheetOf(request, bundle.offer, signer).catch(forged);
      asForged(() => requireGenuine(request, sheet.offer));
      return { ...sheet, view: { ...sheet.view, seconds_left: null } };
    },

    cosign: (caller, block, sheet, { otp, ...signed }) => {
      const request = requestOf(bundleOf(block));
      if (request.ticket !== sheet.ticket) throw new PraError('COSIGN_FORGED');
      requireAllowed(request);
      asForged(() => requireGenuine(request, sheet.offer));
      const { patch, approval } = addSignature(request, sheet.offer, sheet.ticket, {
        ...signed,
        way: 'here',
      });
      const ticket = sha256(sheet.ticket);
      const { principal, key } = approval;
      requireOtpProof({ impact: impactOf(request, sheet), principal, subject: request.id, otp });
      const counted = { signatures: patch.approvals?.length ?? 0, needed: sheet.offer.requires.count };
      const detail = { approver: principal, key, ticket, ...otpDetail(otp), ...counted };
      store.append(rowAbout(request, caller, 'decision', 'COSIGNED', detail), otp);
      return writeCosignature({ id: request.id, ticket, principal, signature: signed.signature });
    },

    importSignature: async (caller, block) => {
      const { id, ticket, principal, signature } = asBlock('MCP-PRA SIGNATURE', () => readCosignature(block));
      const request = pending(id, 'import');
      if (request.ticket === undefined || request.offer === undefined || sha256(request.ticket) !== ticket)
        throw new PraError('SIGNATURE_INVALID');
      const sheet = await sheetOf(request, request.offer, principal);
      return approve(caller, sheet, { principal, signature, way: 'cosigned' });
    },
  };
};

const bundleOf = (block: string): TicketBundle => asBlock('MCP-PRA TICKET', () => readBundle(block));

/** What breaks a form is said by where, in our words. */
const asBlock = <T>(kind: string, read: () => T): T => {
  try {
    return read();
  } catch (error) {
    if (!(error instanceof FormError)) throw error;
    throw new PraError('BLOCK_BAD', { kind, where: error.where }, error);
  }
};

/** On this machine nothing was approved that could be broken: somebody sent it so. */
const forged = (error: unknown): never => {
  throw error instanceof PraError && error.code === 'APPROVAL_BROKEN' ? new PraError('COSIGN_FORGED') : error;
};

const asForged = <T>(work: () => T): T => {
  try {
    return work();
  } catch (error) {
    return forged(error);
  }
};
