import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { parse } from 'yaml';
import type { Config } from '../../config.ts';
import { asPraError } from '../../errors.ts';
import { readPublicKeyLine } from '../../request/ssh-public-key.ts';
import { fingerprint } from '../../request/sshsig.ts';
import type { Page } from '../page.ts';
import { say } from '../say.ts';
import { AtMost } from './at-most.ts';
import type { RevocationPorts } from './ports.ts';

/** A key of this machine. */
export interface KeyHere {
  readonly account: 'reader' | 'runner' | 'auto' | 'approver';
  readonly path: string;
  /** Null where there is no public half beside the key. */
  readonly fingerprint: string | null;
  /** From transport-keys.yml: an RFC 3339 time, `never`, or null where it is not said. */
  readonly expires: string | null;
}

export interface KeysOfHost {
  readonly host: string;
  readonly keys: readonly {
    readonly account: string;
    readonly fingerprint: string;
    /** RFC 3339, or `never`. */
    readonly expires: string;
    /** Whether it is a key of this machine. */
    readonly here: boolean;
  }[];
  /** Why there is no list. */
  readonly error: string | null;
}

const AT_ONCE = 8;

/** The keys that the configuration names, with what transport-keys.yml says of their expiry. */
export const keysHere = async (config: Config, ports: RevocationPorts): Promise<readonly KeyHere[]> => {
  const expiry = expiryHere(join(dirname(config.path), 'transport-keys.yml'));
  const { reader, runner, auto } = config.keys;
  const paths = [
    ['reader', reader.path],
    ['runner', runner.path],
    ...(auto === undefined ? [] : [['auto', auto.path] as const]),
    ...(config.approver === undefined ? [] : [['approver', config.approver.key] as const]),
  ] as const;
  return Promise.all(
    paths.map(async ([account, path]): Promise<KeyHere> => {
      const blob = await ports.publicKey(path);
      const name = blob === undefined ? null : fingerprint(blob);
      return { account, path, fingerprint: name, expires: name === null ? null : (expiry.get(name) ?? null) };
    }),
  );
};

/** What each host says of the keys that open its accounts. */
export const keysOfHosts = async (
  hosts: readonly string[],
  here: readonly KeyHere[],
  ports: RevocationPorts,
  signal: AbortSignal,
  progress: (host: string) => void,
): Promise<readonly KeysOfHost[]> => {
  const gate = new AtMost(AT_ONCE);
  const own = new Set(here.map(({ fingerprint: name }) => name));
  return Promise.all(
    hosts.map((host) =>
      gate.run(async (): Promise<KeysOfHost> => {
        progress(host);
        try {
          const list = await ports.transportKeys(host, signal);
          if (list === undefined) return { host, keys: [], error: say('keys.host_none', { host }) };
          const keys = list.keys.map(({ account, fingerprint: name, expires }) => ({
            account,
            fingerprint: name,
            expires: expires === null ? 'never' : new Date(expires).toISOString(),
            here: own.has(name),
          }));
          return { host, keys, error: null };
        } catch (thrown) {
          const { message } = asPraError(thrown);
          return { host, keys: [], error: say('keys.host_failed', { host, error: message }) };
        }
      }),
    ),
  );
};

export const keysPage = (page: Page, here: readonly KeyHere[], hosts: readonly KeysOfHost[]): void => {
  page
    .title(say('keys.title'))
    .table([
      say('keys.head').split('|'),
      ...here.map(({ account, fingerprint: name, expires, path }) => [
        account,
        name ?? say('keys.unreadable'),
        expires ?? say('keys.unknown_expiry'),
        path,
      ]),
    ]);
  if (hosts.length === 0) return;
  const rows = hosts.flatMap(({ host, keys }) =>
    keys.map((key) => [
      host,
      key.account,
      key.fingerprint,
      key.expires,
      say(key.here ? 'keys.here' : 'keys.not_here'),
    ]),
  );
  page.title(say('keys.host_title'));
  if (rows.length > 0) page.table([say('keys.host_head').split('|'), ...rows]);
  for (const { error } of hosts) if (error !== null) page.line(error);
};

/** Fingerprint → when it expires, of transport-keys.yml; empty where there is none or it cannot be read. */
const expiryHere = (path: string): ReadonlyMap<string, string> => {
  const found = new Map<string, string>();
  let lists: unknown[];
  try {
    if (!existsSync(path)) return found;
    const value: unknown = parse(readFileSync(path, 'utf8'));
    lists = Object.values(value !== null && typeof value === 'object' ? value : {});
  } catch {
    return found;
  }
  for (const entry of lists.flat()) {
    if (entry === null || typeof entry !== 'object') continue;
    const { key, expires } = entry as { readonly key?: unknown; readonly expires?: unknown };
    const blob = typeof key === 'string' ? readPublicKeyLine(key) : undefined;
    if (blob !== undefined) found.set(fingerprint(blob), typeof expires === 'string' ? expires : 'never');
  }
  return found;
};
