import { PraError } from '../errors.ts';
import { FormError } from './form-error.ts';
import { fingerprint, SignatureMismatch, verifySshsig } from './sshsig.ts';
import type { SignedText } from './types.ts';

const CODE_OF = { 'mcp-pra-offer': 'OFFER_INVALID', 'mcp-pra-receipt': 'RECEIPT_INVALID' } as const;

/**
 * Checks that a host signed a text with its SSH host key: the signature is genuine, its key is one that known_hosts holds
 * for that host (`hostKeys`, wire blobs), and it is the key which the text names on its `host-key` line.
 * Throws OFFER_INVALID or RECEIPT_INVALID with one of SIGNATURE_FORM, SIGNATURE_BAD, HOST_KEY_OTHER, HOST_KEY_NOT_KNOWN.
 */
export const verifyHostSigned = (
  host: string,
  signed: SignedText,
  namespace: keyof typeof CODE_OF,
  hostKeys: readonly Buffer[],
  namedFingerprint: string,
): void => {
  const invalid = (code: string, cause?: unknown): PraError =>
    new PraError(CODE_OF[namespace], { host, code }, cause);
  let publicKey: Buffer;
  try {
    ({ publicKey } = verifySshsig({ message: signed.text, signatureBase64: signed.signature, namespace }));
  } catch (error) {
    if (error instanceof FormError) throw invalid('SIGNATURE_FORM', error);
    if (error instanceof SignatureMismatch) throw invalid('SIGNATURE_BAD', error);
    throw error;
  }
  if (fingerprint(publicKey) !== namedFingerprint) throw invalid('HOST_KEY_OTHER');
  if (!hostKeys.some((known) => known.equals(publicKey))) throw invalid('HOST_KEY_NOT_KNOWN');
};
