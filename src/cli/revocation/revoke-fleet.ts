import { setTimeout as sleep } from 'node:timers/promises';
import { PraError } from '../../errors.ts';
import { fingerprint } from '../../request/sshsig.ts';
import { readPublicKeyLine } from '../../request/ssh-public-key.ts';
import { oneLine } from '../plain-text.ts';
import { say } from '../say.ts';
import { AtMost } from './at-most.ts';
import {
  ACCOUNTS,
  AcceptedBefore,
  isDone,
  isProven,
  proveHost,
  type HostProof,
  type OwnLogin,
} from './host-proof.ts';
import { playbookVars, type Order } from './order.ts';
import type { ChannelAccount, OldConnection, RevocationPorts } from './ports.ts';
import { runPlaybook, type TaskEvent } from './run-playbook.ts';

export interface HostOutcome {
  /** Its name in mcp-pra.yaml (`mcp_pra_host`). */
  readonly host: string;
  /** What the inventory calls it; null where it is not in the inventory. */
  readonly inventory: string | null;
  /** `revoked`: the host says so. `missing`: configured, but not in the inventory. */
  readonly state: 'revoked' | 'unreachable' | 'failed' | 'missing';
  /** The order itself makes no sense there (its own host key, for one): trying again would not help. */
  readonly refused: boolean;
  /** Whether anything of the order was listed there. */
  readonly listed: boolean;
  /** Fingerprints of the keys that it found in its files and took out. */
  readonly found: readonly string[];
  /** Processes of open connections that were ended. */
  readonly ended: number;
  /** Keys, CAs and signers that are left, by file. */
  readonly left: Readonly<Record<string, number>>;
  /** Seconds after the command began. */
  readonly seconds: number;
  /** Why not, in the host's words made plain. */
  readonly error: string | null;
  /** Null where this machine has no configuration for the host. */
  readonly proof: HostProof | null;
  /** Whether it is revoked there, and nothing that was seen from here speaks against it. */
  readonly done: boolean;
  /** Whether all of it was seen from here too, before and after: not the host's word alone. */
  readonly proven: boolean;
}

export interface FleetWish {
  readonly order: Order;
  readonly ports: RevocationPorts;
  readonly packageRoot: string;
  readonly inventories: readonly string[];
  /** Names to revoke on, those of the inventory or of mcp-pra.yaml; null: every host of the inventory. */
  readonly hosts: readonly string[] | null;
  /** Names that this machine can reach itself. */
  readonly configured: readonly string[];
  /** What opens an account of a configured host for this machine. */
  own(host: string, account: ChannelAccount): OwnLogin;
  readonly more: readonly string[];
  readonly forks: number;
  /** After so many seconds what is not done is left. */
  readonly seconds: number;
  readonly signal: AbortSignal;
  /** Each host once when it is done with, or will not be. */
  onHost(outcome: HostOutcome): void;
  /** Hosts that are tried again. */
  onRetry(hosts: readonly string[], seconds: number): void;
}

export interface FleetAnswer {
  readonly hosts: readonly HostOutcome[];
  /** Whom to try again; null: every host of the inventory, since it ended before Ansible said which those are. */
  readonly left: readonly string[] | null;
}

/** Connections that are opened at the same time. */
const AT_ONCE = 8;
/** How long the revocation waits for connections that shall show that they die. A host that is down must not hold it up. */
const WITNESS_MS = 3_000;
const MAX_PAUSE = 8;
const TASK = 'Revoke on the host';

/**
 * Revokes on every host at once and proves it host by host. Hosts that cannot be reached are tried again, with growing pauses,
 * until the time is over. Never throws for a host: each has its outcome.
 */
export const revokeFleet = async (wish: FleetWish): Promise<FleetAnswer> => {
  const witnesses = new Map<string, readonly OldConnection[]>();
  const asking = new AbortController();
  try {
    return await revokeAndProve(wish, witnesses, asking.signal);
  } finally {
    asking.abort();
    for (const open of [...witnesses.values()].flat()) open.end();
  }
};

const revokeAndProve = async (
  wish: FleetWish,
  witnesses: Map<string, readonly OldConnection[]>,
  asking: AbortSignal,
): Promise<FleetAnswer> => {
  const { order, packageRoot, inventories, forks, more, configured } = wish;
  const began = Date.now();
  const elapsed = (): number => (Date.now() - began) / 1_000;
  const over = AbortSignal.any([wish.signal, AbortSignal.timeout(wish.seconds * 1_000)]);
  const wanted = wish.hosts ?? configured;
  const reachable = wanted.filter((host) => configured.includes(host));
  const accepted = new AcceptedBefore(wish.ports, order);
  void accepted.ask(reachable, asking);
  await openWitnesses(wish, reachable, witnesses, over);
  const gate = new AtMost(AT_ONCE);
  const proofs: Promise<void>[] = [];
  /** By the name in the inventory. */
  const outcomes = new Map<string, HostOutcome>();
  const settle = (outcome: HostOutcome): void => {
    outcomes.set(outcome.inventory ?? outcome.host, outcome);
    if (outcome.state !== 'unreachable') wish.onHost(outcome);
  };

  let members: ReadonlyMap<string, string> | undefined;
  let only = wish.hosts;
  let code: number;
  for (let pause = 1; ; pause = Math.min(pause * 2, MAX_PAUSE)) {
    const onEvent = (event: TaskEvent): void => {
      if (event.task !== TASK) return;
      const host = members?.get(event.host) ?? event.host;
      const outcome = outcomeOf(event, host, elapsed());
      if (outcome.state !== 'unreachable') accepted.end(host);
      if (outcome.state !== 'revoked' || !configured.includes(host)) return settle(outcome);
      proofs.push(
        gate.run(async () => {
          const proof = await proveHost({
            ports: wish.ports,
            order,
            host,
            keys: publicKeysOf(order, event),
            accepted,
            witnesses: witnesses.get(host) ?? [],
            own: (account) => wish.own(host, account),
            isCaListed: /^found user_ca_keys /mu.test(event.stdout),
          });
          settle({
            ...outcome,
            proof,
            done: isDone(proof),
            proven: isProven(proof),
            seconds: elapsed(),
          });
        }),
      );
    };
    code = await runPlaybook({
      playbook: 'revoke.yml',
      vars: {
        mcp_pra_revoke: playbookVars(order),
        ...(only === null ? {} : { mcp_pra_revoke_hosts: only }),
      },
      packageRoot,
      inventories,
      forks,
      // Known from the first task already; saying it again would cost a process for each host.
      more: ['--skip-tags', 'say', ...more],
      signal: over,
      onHosts: (hosts) => (members ??= hosts),
      onEvent,
    }).catch((thrown: unknown) => {
      if (!over.aborted) throw thrown;
      return 1;
    });
    // Nothing was said of any host: the inventory or the options are wrong, and Ansible has said how.
    if (code !== 0 && members === undefined && outcomes.size === 0 && proofs.length === 0 && !over.aborted)
      throw new PraError('ANSIBLE_FAILED', { code });
    const again = [...outcomes.values()].filter(({ state }) => state === 'unreachable');
    if (again.length === 0 || over.aborted) break;
    only = again.map(({ host, inventory }) => inventory ?? host);
    wish.onRetry(
      again.map(({ host }) => host),
      pause,
    );
    void accepted.ask(
      again.map(({ host }) => host).filter((host) => configured.includes(host)),
      asking,
    );
    await sleep(pause * 1_000, undefined, { signal: over }).catch(() => undefined);
    if (over.aborted) break;
  }
  await Promise.all(proofs);
  for (const outcome of outcomes.values()) if (outcome.state === 'unreachable') wish.onHost(outcome);
  for (const silent of unheard({ wish, members, heard: [...outcomes.values()], code, aborted: over.aborted }))
    settle({ ...silent, seconds: elapsed() });
  const hosts = [...outcomes.values()].toSorted((a, b) => a.host.localeCompare(b.host));
  const isEveryHostKnown = wish.hosts !== null || members !== undefined || (code === 0 && !over.aborted);
  return { hosts, left: isEveryHostKnown ? leftOf(hosts, configured) : null };
};

/** Hosts of which nothing was said: those of the play, and those that are meant and not in the inventory. */
const unheard = (of: {
  readonly wish: FleetWish;
  readonly members: ReadonlyMap<string, string> | undefined;
  readonly heard: readonly HostOutcome[];
  readonly code: number;
  readonly aborted: boolean;
}): readonly HostOutcome[] => {
  const { wish, heard, code, aborted } = of;
  const names = new Set(heard.flatMap(({ host, inventory }) => [host, inventory]));
  const isMeant = (...either: readonly string[]): boolean =>
    wish.hosts === null || either.some((name) => wish.hosts?.includes(name));
  const silent = (host: string, inventory: string | null): HostOutcome =>
    aborted
      ? nothingOf(host, inventory, 'unreachable')
      : { ...nothingOf(host, inventory, 'failed'), error: say('revoke.unheard', { code }) };
  // A name that an inventory which could be read has not, nor the configuration, was mistyped: trying again would not help.
  const missing = (name: string): HostOutcome => ({
    ...nothingOf(name, null, 'missing'),
    refused: of.members !== undefined && !wish.configured.includes(name),
  });
  const members = [...(of.members ?? [])].filter(([inventory, host]) => isMeant(inventory, host));
  const known = new Set(members.flat());
  const others = (wish.hosts ?? wish.configured).filter((name) => !known.has(name) && !names.has(name));
  const isTold = of.members !== undefined || (code === 0 && !aborted);
  return [
    ...members
      .filter(([inventory]) => !names.has(inventory))
      .map(([inventory, host]) => silent(host, inventory)),
    ...others.map((name) => (isTold ? missing(name) : silent(name, null))),
  ];
};

/** Under which names to try again what is not done. */
const leftOf = (hosts: readonly HostOutcome[], configured: readonly string[]): readonly string[] =>
  hosts
    .filter(({ done, refused }) => !done && !refused)
    .map(({ host, inventory }) => (configured.includes(host) ? host : (inventory ?? host)));

/** Connections with the configured keys, opened before anything changes: they have to be dead afterwards. */
const openWitnesses = async (
  { ports }: FleetWish,
  hosts: readonly string[],
  found: Map<string, readonly OldConnection[]>,
  over: AbortSignal,
): Promise<void> => {
  const late = AbortSignal.any([over, AbortSignal.timeout(WITNESS_MS)]);
  const gate = new AtMost(AT_ONCE);
  const open = async (host: string, account: ChannelAccount): Promise<void> => {
    if (late.aborted) return;
    // One that does not open shows nothing, and is no reason to wait: it is the revocation that matters.
    const connection = await ports.witness(host, account, late).catch(() => undefined);
    if (connection !== undefined) found.set(host, [...(found.get(host) ?? []), connection]);
  };
  await Promise.all(hosts.flatMap((host) => ACCOUNTS.map((account) => gate.run(() => open(host, account)))));
};

/** Public halves that the order has, and those the host found in its own files. */
const publicKeysOf = (order: Order, event: TaskEvent): readonly Buffer[] => {
  const known = order.publicKeys.map((base64) => Buffer.from(base64, 'base64'));
  const all = new Map([...known, ...keysFound(event)].map((blob) => [fingerprint(blob), blob]));
  return [...all.values()];
};

const keysFound = ({ stdout }: TaskEvent): readonly Buffer[] =>
  stdout
    .split('\n')
    .filter((line) => line.startsWith('found '))
    .map((line) => readPublicKeyLine(line.split(' ').slice(2).join(' ')))
    .filter((blob) => blob !== undefined);

const outcomeOf = (event: TaskEvent, host: string, seconds: number): HostOutcome => {
  const lines = event.stdout.split('\n');
  const numbers = lines.flatMap((line) => {
    const [, what = '', count = ''] = /^left (\S+) (\d+)$/u.exec(line) ?? [];
    return what === '' ? [] : [[what, Number(count)] as const];
  });
  const ended = Number(/^changed sessions (\d+) /mu.exec(event.stdout)?.[1] ?? 0);
  const done = event.state === 'ok' && event.rc === 0 && /^done \d+ ms$/mu.test(event.stdout);
  const state = event.state === 'unreachable' ? 'unreachable' : done ? 'revoked' : 'failed';
  // With a terminal everything is on standard output, and standard error has ssh's farewell.
  const own = /^revoke-keys: .*$/mu.exec(`${event.stderr}\n${event.stdout}`)?.[0];
  const why =
    event.rc === 127
      ? 'revoke-keys is not installed there'
      : /^checked \d+ ms$/mu.test(event.stdout)
        ? say('revoke.only_checked')
        : (own ?? (event.stderr || event.msg || event.stdout));
  return {
    host,
    inventory: event.host,
    state,
    refused: event.rc === 2,
    listed: lines.some((line) => line.startsWith('found ')),
    found: keysFound(event).map(fingerprint),
    ended,
    left: Object.fromEntries(numbers),
    seconds,
    error: done ? null : oneLine(why.trim()).slice(0, 400),
    proof: null,
    done,
    proven: false,
  };
};

const nothingOf = (host: string, inventory: string | null, state: HostOutcome['state']): HostOutcome => ({
  host,
  inventory,
  state,
  refused: false,
  listed: false,
  found: [],
  ended: 0,
  left: {},
  seconds: 0,
  error: null,
  proof: null,
  done: false,
  proven: false,
});
