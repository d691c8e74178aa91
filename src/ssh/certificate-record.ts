import { mkdir, open, rename, stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import { randomInt } from 'node:crypto';

/** A line of the record: enough to find a certificate in a host's log, and to revoke it by serial. */
export interface IssuedCertificate {
  /** RFC 3339, UTC. */
  readonly time: string;
  readonly host: string;
  readonly account: string;
  /** Decimal: larger than a JSON number holds exactly. */
  readonly serial: string;
  readonly key_id: string;
  readonly valid_until: string;
  /** `SHA256:…` of the CA. */
  readonly authority: string;
}

/** At this size the record is put aside, and one older one is kept: what it lists is valid for 15 minutes. */
const MAX_BYTES = 4 * 1024 * 1024;

/**
 * Appends one line in one write and waits until it is on disk; several processes may write. Rejects when it cannot: then the
 * certificate is not used.
 */
export const recordCertificate = async (path: string, entry: IssuedCertificate): Promise<void> => {
  await mkdir(dirname(path), { recursive: true, mode: 0o700 });
  const size = await stat(path).then(
    (file) => file.size,
    () => 0,
  );
  if (size > MAX_BYTES) await rename(path, `${path}.1`);
  const handle = await open(path, 'a', 0o600);
  try {
    await handle.appendFile(`${JSON.stringify(entry)}\n`);
    await handle.datasync();
  } finally {
    await handle.close();
  }
};

const RANDOM_BITS = 20n;
let last = 0n;

/**
 * A serial number below 2^63: the milliseconds of the clock and 20 random bits, so that processes need not agree on a counter and
 * all that was issued before a moment is one range. Within a process it always grows, whatever the clock does.
 */
export const nextSerial = (nowMs: number): bigint => {
  const wanted = (BigInt(Math.floor(nowMs)) << RANDOM_BITS) | BigInt(randomInt(2 ** Number(RANDOM_BITS)));
  last = wanted > last ? wanted : last + 1n;
  return last;
};
