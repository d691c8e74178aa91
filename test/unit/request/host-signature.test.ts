import { generateKeyPairSync, sign as signRaw } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { PraError } from '../../../src/errors.ts';
import { verifyHostSigned } from '../../../src/request/host-signature.ts';
import { sshString } from '../../../src/request/ssh-reader.ts';
import { buildSshsig, fingerprint } from '../../../src/request/sshsig.ts';

const hostKey = (): { blob: Buffer; sign: (namespace: string, text: string) => string } => {
  const { privateKey, publicKey } = generateKeyPairSync('ed25519');
  const blob = Buffer.concat([
    sshString('ssh-ed25519'),
    sshString(Buffer.from(String(publicKey.export({ format: 'jwk' }).x), 'base64url')),
  ]);
  const sign = (namespace: string, message: string): string =>
    buildSshsig({
      namespace,
      message,
      publicKey: blob,
      sign: (data) => signRaw(null, data, privateKey),
    }).toString('base64');
  return { blob, sign };
};

const web1 = hostKey();
const other = hostKey();
const text = 'mcp-pra offer v1\n';
const signature = web1.sign('mcp-pra-offer', text);
const named = fingerprint(web1.blob);

/** The code inside the refusal, or `ok`. */
const verdict = (...args: Parameters<typeof verifyHostSigned>): string => {
  try {
    verifyHostSigned(...args);
    return 'ok';
  } catch (error) {
    if (!(error instanceof PraError)) throw error;
    return `${error.code} ${String(error.values['code'])}`;
  }
};

describe('a text that a host signed', () => {
  it('is accepted from a known key that it names itself', () => {
    expect(verdict('web1', { text, signature }, 'mcp-pra-offer', [other.blob, web1.blob], named)).toBe('ok');
  });

  it('is refused when changed by one byte', () => {
    const changed = { text: text.replace('v1', 'v2'), signature };
    expect(verdict('web1', changed, 'mcp-pra-offer', [web1.blob], named)).toBe('OFFER_INVALID SIGNATURE_BAD');
  });

  it('is refused when known_hosts does not hold its key', () => {
    expect(verdict('web1', { text, signature }, 'mcp-pra-offer', [other.blob], named)).toBe(
      'OFFER_INVALID HOST_KEY_NOT_KNOWN',
    );
    expect(verdict('web1', { text, signature }, 'mcp-pra-offer', [], named)).toBe(
      'OFFER_INVALID HOST_KEY_NOT_KNOWN',
    );
  });

  it('is refused when it names another key of the same host', () => {
    const known = [web1.blob, other.blob];
    expect(verdict('web1', { text, signature }, 'mcp-pra-offer', known, fingerprint(other.blob))).toBe(
      'OFFER_INVALID HOST_KEY_OTHER',
    );
  });

  it('is not a receipt when it was signed as an offer', () => {
    expect(verdict('web1', { text, signature }, 'mcp-pra-receipt', [web1.blob], named)).toBe(
      'RECEIPT_INVALID SIGNATURE_BAD',
    );
  });

  it('is refused with a signature that is none', () => {
    expect(verdict('web1', { text, signature: 'AAAA' }, 'mcp-pra-offer', [web1.blob], named)).toBe(
      'OFFER_INVALID SIGNATURE_FORM',
    );
  });
});
