import { PraError } from '../errors.ts';
import type { Grant } from './grant.ts';
import type { Policy } from './policy.ts';
import type { Channel, ChannelResult } from './ports.ts';
import { parseRefusal } from './runner-events.ts';

export interface ReadOptions {
  readonly signal?: AbortSignal | undefined;
  /** Called when the connection was lost in the middle and the read is asked once more. `ms`: time of the first try. */
  readonly onAgain?: ((ms: number) => void) | undefined;
}

/**
 * Runs a read, and once more on a new connection when its own was lost in the middle: a read changes nothing on the host, so
 * that asking twice is safe. Both tries together have the time of one, and the host counts both in its rates. It is how calls
 * survive that a host ends the connections of a key that was rotated. An action is never run this way: policy gives no such
 * grant for one (`Policy.again`). Throws what the channel throws, and UNREACHABLE when the second try was lost as well.
 */
export const runRead = async (
  parts: { readonly channel: Channel; readonly policy: Policy },
  grant: Grant,
  { signal, onAgain }: ReadOptions = {},
): Promise<ChannelResult> => {
  const options = signal === undefined ? {} : { signal };
  const started = performance.now();
  const first = await parts.channel.run(grant, options);
  if (!isLost(first)) return first;
  const spent = performance.now() - started;
  const again = parts.policy.again(grant, spent);
  if (again === undefined) throw lost(grant.host);
  onAgain?.(Math.round(spent));
  const second = await parts.channel.run(again, options);
  if (isLost(second)) throw lost(grant.host);
  return { ...second, durationMs: performance.now() - started };
};

/** A host that refused has said all that it will say, with or without an exit status. */
const isLost = ({ exit, stderr }: ChannelResult): boolean =>
  exit === undefined && parseRefusal(stderr) === undefined;

const lost = (host: string): PraError =>
  new PraError('UNREACHABLE', { host, cause: 'the connection was lost' });
