import { PraError } from '../errors.ts';
import { LOCAL_NAMESPACE } from '../request/freeze-desk.ts';
import { buildSshsig, verifySshsig } from '../request/sshsig.ts';
import { parseTicket } from '../request/ticket.ts';
import type { OpenedKey } from './approver-keys.ts';

/**
 * Signs a ticket's bytes with an ed25519 key; the base64 SSHSIG blob on one line. What is signed must be a ticket of the
 * form, and `namespace` the one of its impact, or `mcp-pra-auto` for LOW: this key signs nothing else here (INTERNAL).
 * A signature that does not verify again is not given out (SIGNATURE_INVALID).
 */
export const signTicket = (given: {
  readonly ticketText: string;
  readonly namespace: string;
  readonly key: OpenedKey;
}): string => {
  const { ticketText, namespace, key } = given;
  const { impact } = parseTicket(ticketText);
  const allowed = [`mcp-pra-${impact.toLowerCase()}`, ...(impact === 'LOW' ? ['mcp-pra-auto'] : [])];
  if (!allowed.includes(namespace)) throw new PraError('INTERNAL');
  return sign(ticketText, namespace, key);
};

/** What both keys of a rotation sign: who, from which key, to which one. The target judges the same text (target-scripts/rotate-approver). */
export const rotationStatement = (principal: string, old: string, next: string): string =>
  `mcp-pra approver v1\nprincipal ${principal}\nold ${old}\nnew ${next}\n`;

/** Signs the statement of a rotation, in a namespace that no ticket has. Throws SIGNATURE_INVALID. */
export const signRotation = (
  statement: { readonly principal: string; readonly old: string; readonly next: string },
  key: OpenedKey,
): string =>
  sign(rotationStatement(statement.principal, statement.old, statement.next), 'mcp-pra-approver', key);

/** Signs a statement that concerns this machine alone: its first line says so, and no target knows its namespace. Throws INTERNAL, SIGNATURE_INVALID. */
export const signLocalStatement = (statement: string, key: OpenedKey): string => {
  if (!statement.startsWith('mcp-pra local-')) throw new PraError('INTERNAL');
  return sign(statement, LOCAL_NAMESPACE, key);
};

/** A namespace that no target takes: what is signed in it approves nothing. */
export const DRILL_NAMESPACE = 'mcp-pra-drill';

/** Signs the text of a drill. Throws SIGNATURE_INVALID. */
export const signDrill = (drillText: string, key: OpenedKey): string => sign(drillText, DRILL_NAMESPACE, key);

const sign = (message: string, namespace: string, key: OpenedKey): string => {
  try {
    const blob = buildSshsig({
      namespace,
      message,
      publicKey: key.publicKey,
      sign: (data) => key.sign(data),
    });
    const signature = blob.toString('base64');
    verifySshsig({ message, signatureBase64: signature, namespace });
    return signature;
  } catch (error) {
    throw new PraError('SIGNATURE_INVALID', {}, error);
  }
};
