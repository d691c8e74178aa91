import { isNotPresent, readFacts } from '../catalog/facts.ts';
import { checkArgs } from '../catalog/params.ts';
import { NEVER } from '../catalog/parsers/security/key-expiry.ts';
import type { Diagnostic, FactRow } from '../catalog/types.ts';
import { parseAnswer } from '../catalog/wire.ts';
import { PraError } from '../errors.ts';
import type { Policy } from './policy.ts';
import type { Channel } from './ports.ts';
import { targetRefusal } from './runner-client.ts';
import { parseRefusal } from './runner-events.ts';

/** A key that opens an account of a host, by the host's own list. */
export interface TransportKey {
  readonly account: string;
  readonly fingerprint: string;
  /** Milliseconds since the epoch; null for a key that does not expire. */
  readonly expires: number | null;
}

/** What the diagnostic `transport_keys` says of a host. */
export interface TransportKeys {
  readonly keys: readonly TransportKey[];
  /** Lines of the list that are not of its form. */
  readonly unreadable: number;
}

/**
 * Asks a host which keys open its accounts and until when. Undefined when it has no list. Throws TARGET_REFUSED,
 * ANSWER_BAD, DEFINITION_DIFFERS and what the channel throws.
 */
export const readTransportKeys = async (
  { channel, policy }: { readonly channel: Channel; readonly policy: Policy },
  diagnostic: Diagnostic,
  host: string,
  signal?: AbortSignal,
): Promise<TransportKeys | undefined> => {
  const grant = policy.read(host, diagnostic, checkArgs(diagnostic, {}));
  const said = await channel.run(grant, signal === undefined ? {} : { signal });
  const refusal = parseRefusal(said.stderr);
  if (refusal !== undefined) throw targetRefusal(host, refusal.layer, refusal.code);
  const answer = parseAnswer(said.stdout, {
    digest: diagnostic.digest,
    sections: diagnostic.run.map(({ section }) => section),
    limitBytes: diagnostic.limits.bytes,
    host,
  });
  if (isNotPresent(diagnostic, answer)) return undefined;
  const { keys, unreadable } = readFacts(diagnostic, answer);
  // A list that could not be read must not look like one without keys that expire.
  if (answer.sections[0]?.rc !== 0 || !Array.isArray(keys) || typeof unreadable !== 'number')
    throw new PraError('ANSWER_BAD', { host, code: 'KEY_LIST_FORM' });
  return { keys: keys.map(keyOf), unreadable };
};

const keyOf = ({ account, fingerprint, expires }: FactRow): TransportKey => ({
  account: String(account),
  fingerprint: String(fingerprint),
  expires: expires === NEVER ? null : Date.parse(String(expires)),
});
