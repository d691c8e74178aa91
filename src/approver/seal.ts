import { createCipheriv, createDecipheriv, randomBytes, scrypt } from 'node:crypto';
import { promisify } from 'node:util';
import { PraError } from '../errors.ts';

const derive = promisify<Buffer, Buffer, number, object, Buffer>(scrypt);

// RFC 7914: N = 2^17, r = 8 take about 0.4 s and 128 MiB for each guess.
const COST = 17;
const MAX_COST = 20;
const BLOCK = 8;
const SALT = 16;
const NONCE = 12;
const TAG = 16;
/** Bytes of a secret: RFC 4226 asks for 16 and recommends 20. */
const SECRET = { min: 20, max: 64 } as const;
const FORM = /^sealed 1 scrypt ([1-9][0-9]) 8 1 ([A-Za-z0-9+/=]+) ([A-Za-z0-9+/=]+) ([A-Za-z0-9+/=]+)$/u;

/** One line: form, parameters of scrypt, salt, nonce, and the secret with its tag (AES-256-GCM); canonical base64. */
export const seal = async (secret: Buffer, passphrase: Buffer, principal: string): Promise<string> => {
  if (secret.length < SECRET.min || secret.length > SECRET.max) throw new PraError('INTERNAL');
  const [salt, nonce] = [randomBytes(SALT), randomBytes(NONCE)];
  const head = `sealed 1 scrypt ${String(COST)} ${String(BLOCK)} 1 ${salt.toString('base64')}`;
  const key = await keyOf(passphrase, salt, COST);
  try {
    const cipher = createCipheriv('aes-256-gcm', key, nonce);
    cipher.setAAD(boundTo(head, principal));
    const body = Buffer.concat([cipher.update(secret), cipher.final(), cipher.getAuthTag()]);
    return `${head} ${nonce.toString('base64')} ${body.toString('base64')}`;
  } finally {
    key.fill(0);
  }
};

/**
 * The secret; the caller overwrites it when it was used. Throws OTP_SEALED for a wrong passphrase, another principal, a changed byte,
 * or a form that is not exactly this, parameters weaker or dearer than ours included.
 */
export const unseal = async (sealed: string, passphrase: Buffer, principal: string): Promise<Buffer> => {
  const [, cost = '', saltText = '', nonceText = '', bodyText = ''] = FORM.exec(sealed) ?? [];
  const [salt, nonce, body] = [saltText, nonceText, bodyText].map(canonical);
  const refused = (cause?: unknown): PraError => new PraError('OTP_SEALED', { principal }, cause);
  if (salt?.length !== SALT || nonce?.length !== NONCE || body === undefined) throw refused();
  if (body.length < SECRET.min + TAG || body.length > SECRET.max + TAG) throw refused();
  if (Number(cost) < COST || Number(cost) > MAX_COST) throw refused();
  const key = await keyOf(passphrase, salt, Number(cost));
  try {
    const decipher = createDecipheriv('aes-256-gcm', key, nonce, { authTagLength: TAG });
    decipher.setAAD(boundTo(sealed.split(' ').slice(0, 7).join(' '), principal));
    decipher.setAuthTag(body.subarray(-TAG));
    const secret = decipher.update(body.subarray(0, -TAG));
    decipher.final();
    return secret;
  } catch (error) {
    throw refused(error);
  } finally {
    key.fill(0);
  }
};

const keyOf = (passphrase: Buffer, salt: Buffer, cost: number): Promise<Buffer> =>
  derive(passphrase, salt, 32, {
    N: 2 ** cost,
    r: BLOCK,
    p: 1,
    // What it needs (128 N r bytes) and a little more.
    maxmem: 2 ** cost * BLOCK * 128 + 1_048_576,
  });

const boundTo = (head: string, principal: string): Buffer =>
  Buffer.from(`mcp-pra otp v1\n${principal}\n${head}\n`);

const canonical = (text: string): Buffer | undefined => {
  const bytes = Buffer.from(text, 'base64');
  return bytes.toString('base64') === text ? bytes : undefined;
};
