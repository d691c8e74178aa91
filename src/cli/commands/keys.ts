import { existsSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { InvalidArgumentError, type Command } from 'commander';
import type { Config } from '../../config.ts';
import { asPraError, PraError, type ExitCode } from '../../errors.ts';
import { fingerprint } from '../../request/sshsig.ts';
import type { CliContext } from '../cli-context.ts';
import { withProgress } from '../progress.ts';
import type { OwnLogin } from '../revocation/host-proof.ts';
import { keysHere, keysOfHosts, keysPage } from '../revocation/key-list.ts';
import { beginLeft, INVENTORY_NAME, readLeft, saveLeft, type LeftHosts } from '../revocation/left-hosts.ts';
import { describeOrder, orderFrom, type Order, type OrderFlags } from '../revocation/order.ts';
import type { ChannelAccount, RevocationPorts } from '../revocation/ports.ts';
import { hostLines, notes } from '../revocation/revocation-page.ts';
import { revokeFleet, type HostOutcome } from '../revocation/revoke-fleet.ts';
import type { Cli } from '../run-cli.ts';
import { say } from '../say.ts';

interface RevokeFlags extends OrderFlags {
  readonly allHosts?: boolean;
  readonly host?: readonly string[];
  readonly inventory?: readonly string[];
  readonly within: number;
  readonly forks: number;
  readonly retry?: boolean;
}

const HOST = /^[a-z0-9][a-z0-9.-]{0,62}$/u;

/** Options with which ansible-playbook does nothing, also shortened and among others (-CK). What slips through is not taken for a revocation either: no host says `done`. */
const IDLE = /^(?:-[bkKJDv]*C[bkKJDvC]*|--ch[a-z]*|--sy[a-z-]*|--list[a-z-]*)$/u;

/** `mcp-pra keys list | revoke`: which keys open what, and throwing one out of every host. */
export const addKeys = (program: Command, cli: Cli): void => {
  const keys = program
    .command('keys')
    .description('the keys of this machine and of the hosts; revoking them');

  const list = cli
    .command(keys, 'list', 'what the configuration has, and what each host says opens its accounts')
    .option('-H, --host <host>', 'only this host; may be repeated', collectHost)
    .option('--local', 'ask no host');
  list.action(({ host, local }: { readonly host?: readonly string[]; readonly local?: boolean }) =>
    cli.run(list, async (context) => {
      const config = context.config();
      const ports = await context.parts.openRevocation(config);
      try {
        const here = await keysHere(config, ports);
        const names = local === true ? [] : chosen(config, host);
        const there = await withProgress(context.io, say('progress.keys', { what: '' }), (progress) =>
          keysOfHosts(names, here, ports, context.signal, (what) =>
            progress.update(say('progress.keys', { what })),
          ),
        );
        context.show({ here, hosts: there }, (page) => keysPage(page, here, there));
        return there.some(({ error }) => error !== null) ? 5 : 0;
      } finally {
        await ports.close();
      }
    }),
  );

  const revoke = cli
    .command(keys, 'revoke', 'throw a key, an approver or a certificate out of hosts at once, and prove it')
    .option('--key <file.pub>', 'public key(s) of a file; may be repeated', collect)
    .option('--fingerprint <SHA256:…>', 'a key by its fingerprint; may be repeated', collect)
    .option(
      '--approver <name>',
      'an approver by principal, with every key of theirs; may be repeated',
      collect,
    )
    .option('--serial <number>', 'a certificate by its serial number; may be repeated', collect)
    .option('--ca <SHA256:…>', 'fingerprint of the CA that the serial numbers are of')
    .option('--all-hosts', 'on every host of the inventory')
    .option(
      '-H, --host <host>',
      'on this host, by either name (mcp-pra.yaml, inventory); may be repeated',
      collectTarget,
    )
    .option(
      '-i, --inventory <path>',
      "Ansible's inventory (else inventory.yml beside the configuration)",
      collect,
    )
    .option('--within <seconds>', 'what is not done by then is left for --retry', secondsOf, 60)
    .option('--forks <number>', 'hosts at the same time', forksOf, 50)
    .option('--keep-disabled', 'leave the kill switch of the hosts thrown: both channels stay closed')
    .option(
      '--keep-quorum',
      'refuse where fewer approvers would be left than the policy of the host asks for',
    )
    .option('--retry', 'go on with the hosts that earlier commands left')
    .argument('[ansible...]', 'after --: more options for ansible-playbook, such as -K');
  revoke.action((more: readonly string[], flags: RevokeFlags) =>
    cli.run(revoke, async (context) => {
      const config = context.config();
      const idle = more.find((word) => IDLE.test(word));
      if (idle !== undefined) throw new PraError('USAGE', { what: say('revoke.no_check', { word: idle }) });
      const work = plan(config, flags);
      if (work.length === 0) {
        context.show([], (page) => page.line(say('revoke.retry_none')));
        return 0;
      }
      const reports: RevocationReport[] = [];
      const exits: ExitCode[] = [];
      for (const left of work) {
        try {
          if (left instanceof PraError) throw left;
          const report = await carryOut(context, config, left, flags, more);
          reports.push(report);
          exits.push(exitOf(report));
        } catch (thrown) {
          // A new one that did not begin: whoever gave it is told, and types it again.
          if (flags.retry !== true) throw thrown;
          const { message, hint, exit } = asPraError(thrown);
          const path = left instanceof PraError ? '' : `${left.path}: `;
          context.io.stderr.write(`${path}${message} ${hint}\n`);
          exits.push(exit);
        }
      }
      if (context.json) context.show(reports, () => undefined);
      return worst(exits);
    }),
  );
};

/** What came of one order; also the JSON. */
interface RevocationReport {
  readonly order: Order;
  readonly seconds: number;
  readonly hosts: readonly HostOutcome[];
  /** The file that `--retry` goes on from; null when nothing is left. */
  readonly left: string | null;
  readonly notes: readonly string[];
}

/** The new order as a file of hosts that are left, or those that earlier commands left. */
const plan = (config: Config, flags: RevokeFlags): readonly (LeftHosts | PraError)[] => {
  if (flags.retry === true) {
    const { key, fingerprint: name, approver, serial, ca, allHosts, host } = flags;
    if ([key, name, approver, serial, ca, allHosts, host].some((flag) => flag !== undefined))
      throw new PraError('USAGE', { what: say('revoke.retry_alone') });
    return readLeft(config.stateDir);
  }
  const order = orderFrom(flags);
  if ((flags.allHosts === true) === (flags.host !== undefined))
    throw new PraError('USAGE', { what: say('revoke.where') });
  const inventories = flags.inventory ?? [join(dirname(config.path), 'inventory.yml')];
  const missing = inventories.find((path) => !path.includes(',') && !existsSync(path));
  if (missing !== undefined)
    throw new PraError('USAGE', { what: say('revoke.no_inventory', { path: missing }) });
  // --retry may be typed in another folder. A list of hosts (with a comma) is no path.
  const places = inventories.map((path) => (path.includes(',') ? path : resolve(path)));
  return [beginLeft(config.stateDir, order, places, flags.host ?? null, new Date())];
};

const carryOut = async (
  context: CliContext,
  config: Config,
  left: LeftHosts,
  flags: RevokeFlags,
  more: readonly string[],
): Promise<RevocationReport> => {
  const began = Date.now();
  const { order } = left;
  context.note(say('revoke.begin', { what: describeOrder(order) }));
  const ports = await context.parts.openRevocation(config);
  let hasAnswer = false;
  try {
    let done = 0;
    const answer = await withProgress(context.io, say('progress.revoke', { done }), async (progress) => {
      const tell = (lines: readonly string[]): void => {
        progress.clear();
        for (const line of lines) context.note(line);
      };
      return revokeFleet({
        order,
        ports,
        packageRoot: context.parts.packageRoot,
        inventories: flags.inventory ?? left.inventories,
        hosts: left.hosts,
        configured: config.hosts.map(({ name }) => name),
        own: await ownLogins(config, ports),
        more,
        forks: flags.forks,
        seconds: flags.within,
        signal: context.signal,
        onHost: (outcome) => {
          done += 1;
          progress.update(say('progress.revoke', { done }));
          tell(hostLines(outcome));
        },
        onRetry: (names, seconds) =>
          tell([say('revoke.again', { hosts: names.slice(0, 20).join(', '), seconds })]),
      });
    });
    hasAnswer = true;
    const { hosts, left: again } = answer;
    const undone = hosts.filter((host) => !host.done);
    const saved = saveLeft(left, again);
    const seconds = (Date.now() - began) / 1_000;
    const report = {
      order,
      seconds,
      hosts,
      left: again?.length === 0 ? null : saved.path,
      notes: notes({ config, order, hosts }),
    };
    await record(context, report);
    for (const note of report.notes) context.note(note);
    context.note(
      say('revoke.sum', {
        done: hosts.length - undone.length,
        all: hosts.length,
        proven: hosts.filter(({ proven }) => proven).length,
        seconds: seconds.toFixed(1),
      }),
    );
    if (report.left !== null)
      context.note(
        again === null
          ? say('revoke.left_unknown', { path: report.left })
          : say('revoke.left', { count: again.length, path: report.left }),
      );
    return report;
  } catch (thrown) {
    // Ansible did not get to any host: nothing has begun, so there is nothing to go on with.
    if (!hasAnswer && flags.retry !== true) saveLeft(left, []);
    throw thrown;
  } finally {
    await ports.close();
  }
};

const record = (context: CliContext, report: RevocationReport): Promise<void> =>
  context.record({
    code: 'KEYS_REVOKED',
    detail: {
      what: describeOrder(report.order).slice(0, 1_000),
      done: report.hosts.filter((host) => host.done).length,
      proven: report.hosts.filter(({ proven }) => proven).length,
      left: report.hosts
        .filter(({ done }) => !done)
        .map(({ host }) => host)
        .join(' ')
        .slice(0, 1_000),
    },
  });

/** A host that is not right comes before everything else, and one that is only not reached comes last. */
const worst = (exits: readonly ExitCode[]): ExitCode => {
  if (exits.includes(1)) return 1;
  return exits.find((exit) => exit !== 0 && exit !== 5) ?? (exits.includes(5) ? 5 : 0);
};

/** Failed before unreachable: a host that answered and is not right needs somebody at once. */
const exitOf = ({ hosts, left }: RevocationReport): ExitCode => {
  if (hosts.some(({ state, done }) => !done && state !== 'unreachable')) return 1;
  return left !== null || hosts.some(({ done }) => !done) ? 5 : 0;
};

/** A host with `certificate: true` is opened by its issuer's CA, whatever key files there are. */
const ownLogins = async (
  config: Config,
  ports: RevocationPorts,
): Promise<(host: string, account: ChannelAccount) => OwnLogin> => {
  const nameOf = async (path: string): Promise<string | undefined> => {
    const blob = await ports.publicKey(path);
    return blob === undefined ? undefined : fingerprint(blob);
  };
  const issuer = config.certificates?.issuer;
  const ca = issuer?.kind === 'ca' ? await nameOf(issuer.keyPath) : undefined;
  const keys = {
    reader: await nameOf(config.keys.reader.path),
    runner: await nameOf(config.keys.runner.path),
  };
  const certified = new Set(config.hosts.filter(({ certificate }) => certificate).map(({ name }) => name));
  return (host, account) =>
    certified.has(host)
      ? { kind: 'certificate', fingerprint: ca }
      : { kind: 'key', fingerprint: keys[account] };
};

const chosen = (config: Config, names: readonly string[] | undefined): readonly string[] => {
  const known = config.hosts.map(({ name }) => name);
  if (names === undefined) return known;
  if (names.some((name) => !known.includes(name)))
    throw new PraError('HOST_UNKNOWN', { hosts: known.slice(0, 20).join(', ') });
  return names;
};

const collect = (word: string, before: readonly string[] = []): readonly string[] => [...before, word];

const collectHost = (word: string, before: readonly string[] = []): readonly string[] => {
  if (!HOST.test(word)) throw new InvalidArgumentError('It is the name of a host.');
  return [...before, word];
};

const collectTarget = (word: string, before: readonly string[] = []): readonly string[] => {
  if (!INVENTORY_NAME.test(word)) throw new InvalidArgumentError('It is the name of a host.');
  return [...before, word];
};

const secondsOf = (word: string): number => {
  const seconds = Number(word);
  if (!/^\d{1,4}$/u.test(word) || seconds < 10 || seconds > 3_600)
    throw new InvalidArgumentError(say('revoke.within'));
  return seconds;
};

const forksOf = (word: string): number => {
  if (!/^[1-9]\d{0,2}$/u.test(word)) throw new InvalidArgumentError('It is a number from 1 to 999.');
  return Number(word);
};
