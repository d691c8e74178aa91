import { PraError } from '../errors.ts';
import { fingerprint, verifySshsig } from './sshsig.ts';

/** Fingerprint of the key that signed exactly this text in this namespace. Throws SIGNATURE_INVALID. */
export const keyThatSigned = (message: string, signatureBase64: string, namespace: string): string => {
  try {
    return fingerprint(verifySshsig({ message, signatureBase64, namespace }).publicKey);
  } catch (error) {
    throw new PraError('SIGNATURE_INVALID', {}, error);
  }
};
