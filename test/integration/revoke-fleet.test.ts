import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import type { RevocationPorts } from '../../src/cli/revocation/ports.ts';
import { revokeFleet, type FleetAnswer, type FleetWish } from '../../src/cli/revocation/revoke-fleet.ts';
import { PraError } from '../../src/errors.ts';
import { fingerprint } from '../../src/request/sshsig.ts';
import { makeKey } from '../support/ssh-keys.ts';

// The real revoke.yml with the real Ansible, on hosts that are this machine: in place of revoke-keys a script that answers as each
// host is told to. What sshd says is told here too; test/lab/revocation.test.ts has the real ones.

let dir: string;
let key: ReturnType<typeof makeKey>;

const ORDER = {
  v: 1,
  publicKeys: [],
  approvers: [],
  serials: [],
  ca: null,
  switch: 'lift',
  keepQuorum: false,
} as const;

beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'mcp-pra-fleet-'));
  key = makeKey(dir, 'lost');
  vi.stubEnv('ANSIBLE_HOME', join(dir, 'ansible'));
  // A host that hangs does so until the folder is gone.
  writeFileSync(
    join(dir, 'host.sh'),
    `cat "${dir}/$1.says"; while [ -e "${dir}/$1.hangs" ]; do sleep 0.1; done; echo 'done 1 ms'\n`,
  );
});
afterEach(() => {
  vi.unstubAllEnvs();
  rmSync(dir, { recursive: true, force: true });
});

interface Host {
  readonly mcpPraHost?: string;
  readonly says?: readonly string[];
  readonly hangs?: boolean;
  readonly isDown?: boolean;
}

const inventory = (hosts: Readonly<Record<string, Host>>): string => {
  for (const [name, { says = [], hangs }] of Object.entries(hosts)) {
    writeFileSync(join(dir, `${name}.says`), says.map((line) => `${line}\n`).join(''));
    if (hangs === true) writeFileSync(join(dir, `${name}.hangs`), '');
  }
  const vars = Object.entries(hosts).map(([name, { mcpPraHost, isDown }]) => [
    name,
    {
      ...(isDown === true
        ? { ansible_host: '127.0.0.1', ansible_port: 1, ansible_ssh_args: '-F /dev/null' }
        : { ansible_connection: 'local' }),
      ...(mcpPraHost === undefined ? {} : { mcp_pra_host: mcpPraHost }),
    },
  ]);
  const path = join(dir, 'inventory.json');
  writeFileSync(path, JSON.stringify({ all: { hosts: Object.fromEntries(vars) as unknown } }));
  return path;
};

/** Hosts whose connections and logins are all as they should be. */
const ports: RevocationPorts = {
  witness: () => Promise.reject(new PraError('UNREACHABLE', { host: 'x', why: 'network' })),
  accepts: () => Promise.resolve(false),
  works: () => Promise.resolve(),
  transportKeys: () => Promise.resolve(undefined),
  publicKey: () => Promise.resolve(undefined),
  close: () => Promise.resolve(),
};

const revoke = (hosts: Readonly<Record<string, Host>>, wish: Partial<FleetWish> = {}): Promise<FleetAnswer> =>
  revokeFleet({
    order: { ...ORDER, keys: [fingerprint(key.blob)] },
    ports,
    packageRoot: join(import.meta.dirname, '../..'),
    inventories: [inventory(hosts)],
    hosts: null,
    configured: [],
    own: () => ({ kind: 'key', fingerprint: undefined }),
    more: [
      '--extra-vars',
      JSON.stringify({
        ansible_become: false,
        mcp_pra_revoke_argv: ['/bin/sh', join(dir, 'host.sh'), '{{ inventory_hostname }}'],
      }),
    ],
    forks: 10,
    seconds: 60,
    signal: new AbortController().signal,
    onHost: () => undefined,
    onRetry: () => undefined,
    ...wish,
  });

const states = ({ hosts }: FleetAnswer): readonly (readonly [string, string])[] =>
  hosts.map(({ host, state }) => [host, state]);

describe('every host of the inventory', () => {
  test('one that hangs and is not configured is not forgotten when the command is ended', async () => {
    const stop = new AbortController();
    const answer = await revoke(
      { web1: {}, db9: { hangs: true } },
      { configured: ['web1'], signal: stop.signal, onHost: ({ host }) => host === 'web1' && stop.abort() },
    );
    expect(states(answer)).toEqual([
      ['db9', 'unreachable'],
      ['web1', 'revoked'],
    ]);
    expect(answer.left).toContain('db9');
  });

  test('is left as a whole when it ends before Ansible says which hosts those are', async () => {
    const answer = await revoke({ web1: {} }, { configured: ['web1'], signal: AbortSignal.abort() });
    expect(answer.left).toBeNull();
    expect(states(answer)).toEqual([['web1', 'unreachable']]);
  });

  test('one that is configured and not in it is missed, and left', async () => {
    const answer = await revoke({ web1: {} }, { configured: ['web2'] });
    expect(states(answer)).toEqual([
      ['web1', 'revoked'],
      ['web2', 'missing'],
    ]);
    expect(answer.left).toEqual(['web2']);
  });
});

describe('a host that the inventory calls otherwise (mcp_pra_host)', () => {
  const hosts = { DB_1: { mcpPraHost: 'db1' }, web1: {} };

  test('is that host: it is proven, and not missed', async () => {
    const asked: string[] = [];
    const works = (host: string): Promise<void> => Promise.resolve(void asked.push(host));
    const answer = await revoke(hosts, { configured: ['db1'], ports: { ...ports, works } });
    expect(answer.hosts.map(({ host, inventory: name, state }) => [host, name, state])).toEqual([
      ['db1', 'DB_1', 'revoked'],
      ['web1', 'web1', 'revoked'],
    ]);
    expect(asked).toEqual(['db1', 'db1']);
  });

  test.each(['db1', 'DB_1'])('alone, named %s', async (name) => {
    const answer = await revoke(hosts, { configured: ['db1'], hosts: [name] });
    expect(states(answer)).toEqual([['db1', 'revoked']]);
    expect(answer.left).toEqual([]);
  });

  test('is tried again while it cannot be reached, and then left under the name that is configured', async () => {
    const stop = new AbortController();
    const answer = await revoke(
      { DB_1: { mcpPraHost: 'db1', isDown: true }, DB_2: { isDown: true } },
      { configured: ['db1'], signal: stop.signal, onRetry: () => stop.abort() },
    );
    expect(states(answer)).toEqual([
      ['DB_2', 'unreachable'],
      ['db1', 'unreachable'],
    ]);
    expect(answer.left).toEqual(['DB_2', 'db1']);
  });
});

test('sshd is asked about the key before and after: accepted, then refused, is proven; a host that is not configured is not', async () => {
  const order = { ...ORDER, keys: [fingerprint(key.blob)], publicKeys: [key.blob.toString('base64')] };
  const asked: string[] = [];
  const accepts: RevocationPorts['accepts'] = (host, account) => {
    asked.push(`${host} ${account}`);
    return Promise.resolve(asked.length === 1);
  };
  const answer = await revoke(
    { web1: {}, web2: {} },
    { configured: ['web1'], order, ports: { ...ports, accepts } },
  );
  expect(answer.hosts.map(({ host, done, proven }) => [host, done, proven])).toEqual([
    ['web1', true, true],
    ['web2', true, false],
  ]);
  expect(asked).toEqual(['web1 reader', 'web1 runner', 'web1 reader']);
});
