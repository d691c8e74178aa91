import { existsSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { parse, stringify } from 'yaml';
import { PraError } from '../../errors.ts';
import { readPublicKeyLine } from '../../request/ssh-public-key.ts';
import { fingerprint } from '../../request/sshsig.ts';
import { say } from '../say.ts';

/** The keys that are rotated without a person: two that log in, one that signs LOW tickets. */
export type RotatedKey = 'reader' | 'runner' | 'auto';
export const ROTATED_KEYS: readonly RotatedKey[] = ['reader', 'runner', 'auto'];

/**
 * How long a transport key is valid, in days: a yearly rotation with some weeks to spare, in which doctor warns. The auto key has no
 * such time: it logs in nowhere.
 */
export const KEY_LIFETIME_DAYS = 400;

/** One element of the lists of transport-keys.yml. */
export interface TransportKey {
  /** `type base64 comment`. */
  readonly key: string;
  /** `2027-02-20T00:00:00Z`; null: for good. */
  readonly expires: string | null;
  /** Members that are not ours, kept as they are: `from`. */
  readonly more: Readonly<Record<string, unknown>>;
}

export type TransportKeys = Readonly<Record<RotatedKey, readonly TransportKey[]>>;

const VARIABLES: Readonly<Record<RotatedKey, string>> = {
  reader: 'mcp_pra_reader_keys',
  runner: 'mcp_pra_runner_keys',
  auto: 'mcp_pra_auto_keys',
};

const HEAD = `# The transport keys that hosts list, for ansible/playbooks/provision.yml (-e @transport-keys.yml). Public halves only.
# mcp-pra init writes this file and each rotation rewrites it, so that provisioning never brings an old key back. Keys of another
# machine may be added to the lists, with from: if you like; they stay.
`;

/** Beside the configuration. */
export const transportKeysPath = (configPath: string): string =>
  join(dirname(configPath), 'transport-keys.yml');

/** The end of a key that is made now: midnight UTC, so that the file says nothing of the hour. */
export const expiryFrom = (now: number): string => {
  const day = new Date(now + KEY_LIFETIME_DAYS * 86_400_000);
  return `${day.toISOString().slice(0, 10)}T00:00:00Z`;
};

/** The fingerprint of `type base64 comment`. Throws ROTATION_REFUSED for anything else. */
export const fingerprintOfLine = (line: string): string => {
  const blob = readPublicKeyLine(line);
  if (blob === undefined) throw new PraError('ROTATION_REFUSED', { what: say('rotation.key_line') });
  return fingerprint(blob);
};

/** Throws ROTATION_REFUSED when the file is not there or not of its form. */
export const readTransportKeys = (path: string): TransportKeys => {
  if (!existsSync(path)) throw new PraError('ROTATION_REFUSED', { what: say('rotation.no_file', { path }) });
  const bad = (cause?: unknown): PraError =>
    new PraError('ROTATION_REFUSED', { what: say('rotation.bad_file', { path }) }, cause);
  let file: unknown;
  try {
    file = parse(readFileSync(path, 'utf8'), { schema: 'core', maxAliasCount: 0 });
  } catch (thrown) {
    throw bad(thrown);
  }
  if (typeof file !== 'object' || file === null) throw bad();
  const lists = file as Readonly<Record<string, unknown>>;
  const known = new Set(Object.values(VARIABLES));
  if (Object.keys(lists).some((name) => !known.has(name))) throw bad();
  const listOf = (name: RotatedKey): readonly TransportKey[] => {
    const list = lists[VARIABLES[name]] ?? [];
    if (!Array.isArray(list)) throw bad();
    return list.map((element: unknown): TransportKey => {
      if (typeof element === 'string') return { key: element, expires: null, more: {} };
      if (typeof element !== 'object' || element === null) throw bad();
      const { key, expires = null, ...more } = element as Readonly<Record<string, unknown>>;
      if (typeof key !== 'string' || (expires !== null && typeof expires !== 'string')) throw bad();
      return { key, expires, more };
    });
  };
  return { reader: listOf('reader'), runner: listOf('runner'), auto: listOf('auto') };
};

/** The text of the file. Strings are quoted: Ansible would read a bare time as a date. */
export const transportKeysText = (keys: TransportKeys): string => {
  const element = ({ key, expires, more }: TransportKey): unknown =>
    expires === null && Object.keys(more).length === 0
      ? key
      : { key, ...(expires === null ? {} : { expires }), ...more };
  const lists = ROTATED_KEYS.map((name) => [VARIABLES[name], keys[name].map(element)] as const);
  const options = {
    lineWidth: 0,
    defaultStringType: 'QUOTE_DOUBLE',
    defaultKeyType: 'PLAIN',
    aliasDuplicateObjects: false,
  } as const;
  return HEAD + stringify(Object.fromEntries(lists), options);
};

/** Replaces the file, whole or not at all. */
export const writeTransportKeys = (path: string, keys: TransportKeys): void => {
  const text = transportKeysText(keys);
  if (existsSync(path) && readFileSync(path, 'utf8') === text) return;
  writeFileSync(`${path}.new`, text, { mode: 0o600 });
  renameSync(`${path}.new`, path);
};

/**
 * One list with some keys in place of those that belong to a rotation: at the place of the first of them, and every other key as it
 * was. `wanted` are new or kept elements, in order.
 */
export const withKeys = (
  list: readonly TransportKey[],
  rotated: ReadonlySet<string>,
  wanted: readonly TransportKey[],
): readonly TransportKey[] => {
  const at = list.findIndex(({ key }) => rotated.has(fingerprintOfLine(key)));
  const before = at < 0 ? list : list.slice(0, at);
  const after = at < 0 ? [] : list.slice(at);
  return [...before, ...wanted, ...after.filter(({ key }) => !rotated.has(fingerprintOfLine(key)))];
};
