import { randomBytes } from 'node:crypto';
import type { RequestId } from './types.ts';

const ALPHABET = 'abcdefghijklmnopqrstuvwxyz234567';

/** 80 random bits as 16 characters of lower-case base32 (RFC 4648 §6). Unpredictable, yet not a secret. */
export const newRequestId = (): RequestId => {
  let bits = BigInt(`0x${randomBytes(10).toString('hex')}`);
  let id = '';
  for (let at = 0; at < 16; at += 1) {
    id = ALPHABET.charAt(Number(bits & 31n)) + id;
    bits >>= 5n;
  }
  return id;
};

/** True for a text of the form of an id, whether there is such a request or not. */
export const isRequestId = (text: string): text is RequestId => /^[a-z2-7]{16}$/u.test(text);
