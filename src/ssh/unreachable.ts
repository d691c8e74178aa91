import { PraError } from '../errors.ts';

/** Why a host cannot be reached: our words, the only ones that are shown. */
export type UnreachableCause = 'refused' | 'timeout' | 'name' | 'network' | 'protocol';

const CAUSES: Readonly<Record<string, UnreachableCause>> = {
  ECONNREFUSED: 'refused',
  ETIMEDOUT: 'timeout',
  ENOTFOUND: 'name',
  EAI_AGAIN: 'name',
  EHOSTUNREACH: 'network',
  ENETUNREACH: 'network',
  EADDRNOTAVAIL: 'network',
  ECONNRESET: 'network',
  EPIPE: 'network',
};

/** Our word for a socket's error; undefined for anything else. */
export const causeOf = (thrown: unknown): UnreachableCause | undefined => {
  const { code } = (thrown ?? {}) as { code?: unknown };
  return typeof code === 'string' ? CAUSES[code] : undefined;
};

/** UNREACHABLE in our words; what was thrown is only its `cause`. */
export const unreachable = (host: string, why: UnreachableCause, thrown?: unknown): PraError =>
  new PraError('UNREACHABLE', { host, cause: why }, thrown);
