import { createHash } from 'node:crypto';

/** SHA-256 as 64 lower-case hex digits; text is hashed as UTF-8. */
export const sha256 = (data: Buffer | string): string => createHash('sha256').update(data).digest('hex');

/**
 * Canonical JSON (RFC 8785): no white space, members sorted by the UTF-16 code units of their names, numbers and strings
 * as ECMAScript writes them. Throws TypeError for what JSON cannot say: non-finite numbers, lone surrogates, undefined,
 * anything that is not a plain value.
 */
export const canonicalJson = (value: unknown): string => {
  if (value === null || typeof value === 'boolean') return String(value);
  if (typeof value === 'string') return canonicalString(value);
  if (typeof value === 'number' && Number.isFinite(value)) return JSON.stringify(value);
  if (Array.isArray(value)) return `[${Array.from(value, canonicalJson).join(',')}]`;
  if (isPlainObject(value)) {
    // The default order of sort() is by UTF-16 code units, which is the one the RFC asks for.
    const members = Object.keys(value)
      .sort()
      .map((name) => `${canonicalString(name)}:${canonicalJson(value[name])}`);
    return `{${members.join(',')}}`;
  }
  throw new TypeError('not a JSON value');
};

const canonicalString = (text: string): string => {
  if (!text.isWellFormed()) throw new TypeError('a lone surrogate has no canonical form');
  return JSON.stringify(text);
};

const isPlainObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' &&
  value !== null &&
  (Object.getPrototypeOf(value) === Object.prototype || Object.getPrototypeOf(value) === null);
