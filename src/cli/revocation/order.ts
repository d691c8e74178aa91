import { readFileSync, statSync } from 'node:fs';
import { PRINCIPAL } from '../../config/schema.ts';
import { PraError } from '../../errors.ts';
import { readPublicKeyLine } from '../../request/ssh-public-key.ts';
import { fingerprint } from '../../request/sshsig.ts';
import { say } from '../say.ts';

/** What is to be revoked. Kept on disk for the hosts that are left, so that `--retry` means exactly the same. */
export interface Order {
  readonly v: 1;
  /** Fingerprints, `SHA256:…`. */
  readonly keys: readonly string[];
  /** Blobs in base64, of the keys whose public half is known here: with it the proof can ask sshd. */
  readonly publicKeys: readonly string[];
  readonly approvers: readonly string[];
  /** Serial numbers of certificates of `ca`. Decimal: they go beyond what a number holds. */
  readonly serials: readonly string[];
  readonly ca: string | null;
  /** Whether the kill switch of each host is lifted again. */
  readonly switch: 'lift' | 'keep';
  /** A host refuses when too few approvers would be left there. */
  readonly keepQuorum: boolean;
}

export const FINGERPRINT = /^SHA256:[A-Za-z0-9+/]{43}$/u;
const SERIAL = /^[1-9][0-9]{0,18}$/u;
const MAX_SERIAL = 2n ** 63n - 1n;
const MAX_KEY_FILE = 65_536;

export interface OrderFlags {
  readonly key?: readonly string[];
  readonly fingerprint?: readonly string[];
  readonly approver?: readonly string[];
  readonly serial?: readonly string[];
  readonly ca?: string;
  readonly keepDisabled?: boolean;
  readonly keepQuorum?: boolean;
}

const usage = (key: Parameters<typeof say>[0], values: Record<string, string> = {}): PraError =>
  new PraError('USAGE', { what: say(key, values) });

/** The order that the flags of `mcp-pra keys revoke` mean. Throws USAGE for one that names nothing, or not exactly. */
export const orderFrom = (flags: OrderFlags): Order => {
  const blobs = (flags.key ?? []).flatMap(keysOfFile);
  const named = flags.fingerprint ?? [];
  const approvers = flags.approver ?? [];
  const serials = flags.serial ?? [];
  const ca = flags.ca ?? null;
  for (const name of [...named, ...(ca === null ? [] : [ca])])
    if (!FINGERPRINT.test(name)) throw usage('revoke.fingerprint_form');
  if (approvers.some((name) => !PRINCIPAL.test(name))) throw usage('init.principal_form');
  if (serials.some((serial) => !isSerial(serial))) throw usage('revoke.serial_form');
  if (serials.length > 0 !== (ca !== null)) throw usage('revoke.serial_ca');
  const keys = [...new Set([...blobs.map(fingerprint), ...named])];
  if (keys.length + approvers.length + serials.length === 0) throw usage('revoke.nothing');
  return {
    v: 1,
    keys,
    publicKeys: blobs.map((blob) => blob.toString('base64')),
    approvers: [...new Set(approvers)],
    serials: [...new Set(serials)],
    ca,
    switch: flags.keepDisabled === true ? 'keep' : 'lift',
    keepQuorum: flags.keepQuorum === true,
  };
};

export const isSerial = (text: string): boolean => SERIAL.test(text) && BigInt(text) <= MAX_SERIAL;

/** As `mcp_pra_revoke` for playbooks/revoke.yml. */
export const playbookVars = (order: Order): Readonly<Record<string, unknown>> => ({
  keys: order.keys,
  approvers: order.approvers,
  serials: order.serials,
  ...(order.ca === null ? {} : { ca: order.ca }),
  switch: order.switch,
  keep_quorum: order.keepQuorum,
});

/** The order in a few words, for a person. */
export const describeOrder = (order: Order): string =>
  [
    ...order.keys,
    ...order.approvers.map((name) => say('revoke.approver', { name })),
    ...order.serials.map((serial) => say('revoke.serial', { serial, ca: order.ca ?? '' })),
  ].join(', ');

/** Every key of a .pub file. A line that is none would be one that is not revoked. */
const keysOfFile = (path: string): readonly Buffer[] => {
  let text: string;
  try {
    if (statSync(path).size > MAX_KEY_FILE) throw new Error('too large');
    text = readFileSync(path, 'utf8');
  } catch (thrown) {
    throw new PraError('USAGE', { what: say('revoke.key_file', { path }) }, thrown);
  }
  if (text.includes('PRIVATE KEY')) throw usage('revoke.key_private', { path });
  const lines = text.split('\n').filter((line) => line.trim() !== '' && !line.startsWith('#'));
  const blobs = lines.map(readPublicKeyLine);
  if (lines.some((line) => line.includes('-cert-v01@'))) throw usage('revoke.key_certificate', { path });
  if (blobs.length === 0 || blobs.includes(undefined)) throw usage('revoke.key_file', { path });
  return blobs.filter((blob) => blob !== undefined);
};
