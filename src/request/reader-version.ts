import { PraError } from '../errors.ts';
import type { Policy } from './policy.ts';
import type { Channel, Clock } from './ports.ts';
import { runRead } from './read-again.ts';
import { targetRefusal } from './runner-client.ts';
import { parseRefusal } from './runner-events.ts';

/** What the verb `version` of the reader channel says. */
export interface ReaderVersion {
  /** `diagnostic <name>` or `action <name>`, and the definition's SHA-256 (hex). */
  readonly digests: readonly (readonly [string, string])[];
  /** The host's wall clock minus ours; null when it was not in the answer. */
  readonly clockOffsetMs: number | null;
}

/** Asks a host for its digests and its clock. Throws TARGET_REFUSED, ANSWER_BAD and what the channel throws. */
export const readVersion = async (
  channel: Channel,
  policy: Policy,
  clock: Clock,
  host: string,
  signal?: AbortSignal,
): Promise<ReaderVersion> => {
  const asked = clock.now();
  const said = await runRead({ channel, policy }, policy.readVersion(host), { signal });
  const middle = (asked + clock.now()) / 2;
  const refusal = parseRefusal(said.stderr);
  if (refusal !== undefined) throw targetRefusal(host, refusal.layer, refusal.code);
  const text = said.stdout.toString('latin1');
  if (!text.startsWith('mcp-pra 1 ')) throw new PraError('ANSWER_BAD', { host, code: 'VERSION_FORM' });
  const digests = [...text.matchAll(/^(diagnostic|action) ([a-z][a-z0-9_]{0,39}) ([0-9a-f]{64})$/gmu)].map(
    ([, kind, name, digest]) => [`${String(kind)} ${String(name)}`, String(digest)] as const,
  );
  const time = /^(\d{9,12})\.(\d{3})\d*$/mu.exec(text);
  return {
    digests,
    clockOffsetMs: time === null ? null : Math.round(Number(time[1]) * 1_000 + Number(time[2]) - middle),
  };
};
