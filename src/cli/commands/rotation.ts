import { Argument, type Command } from 'commander';
import type { Config } from '../../config.ts';
import { PraError } from '../../errors.ts';
import type { LoginProof } from '../cli-parts.ts';
import type { CliContext } from '../cli-context.ts';
import { dropNext, dropPrevious, readKeyFiles, switchKey, type KeyFiles } from '../rotation/key-files.ts';
import { recordedStep } from '../rotation/recorded-step.ts';
import {
  expiryFrom,
  readTransportKeys,
  ROTATED_KEYS,
  transportKeysPath,
  withKeys,
  writeTransportKeys,
  type RotatedKey,
  type TransportKey,
} from '../rotation/transport-keys.ts';
import type { Cli } from '../run-cli.ts';
import { say } from '../say.ts';
import { addRotationApprover } from './rotation-approver.ts';
import { addRotationHost } from './rotation-host.ts';

/** How long one login may take. Milliseconds. */
const LOGIN_MS = 45_000;

/**
 * `mcp-pra rotation …`: this machine's side of a rotation. ansible/playbooks/rotate-keys.yml calls these one by one; a person needs
 * `rotation status`, and the others only to see what the playbook does. Each may be repeated, and goes on from the files beside
 * the key (src/cli/rotation/key-files.ts).
 */
export const addRotation = (program: Command, cli: Cli): void => {
  const rotation = program
    .command('rotation')
    .description("this machine's side of a key's rotation (ansible/playbooks/rotate-keys.yml)");
  const add = (name: string, description: string): Command =>
    cli
      .command(rotation, name, description)
      .addArgument(new Argument('<key>', 'which key').choices(ROTATED_KEYS));

  addRotationApprover(rotation, cli);
  addRotationHost(rotation, cli);
  const status = cli.command(rotation, 'status', 'where the rotation of each key is');
  status.action(() =>
    cli.run(status, (context) => {
      const { keys } = context.config();
      // One in an agent has no file of ours, and none that is rotated here.
      const inAgent = (name: RotatedKey): boolean => 'agent' in (keys[name]?.passphrase ?? {});
      const all = ROTATED_KEYS.filter((name) => keys[name] !== undefined && !inAgent(name));
      const reports = all.map((name) => report(name, readKeyFiles(keyOf(context.config(), name).path)));
      context.show(reports, (page) => {
        for (const one of reports) page.line(sentence(one));
      });
      return Promise.resolve(0);
    }),
  );

  const begin = add('begin', 'make the new key, or go on with the one that was begun')
    .option('--host <name>', 'a host that this run reaches; may be repeated', collect)
    .option('--skip <name>', 'a host that may be left out; may be repeated', collect);
  begin.action((name: RotatedKey, options: { host?: readonly string[]; skip?: readonly string[] }) =>
    cli.run(begin, async (context) => {
      const config = context.config();
      requireAllHosts(config, name, options.host ?? [], options.skip ?? []);
      const shown = await recorded(context, name, 'begin', options.skip, () => beginRotation(context, name));
      context.show(shown, (page) => page.line(sentence(shown)));
      return 0;
    }),
  );

  const prove = add('prove', 'log in with one of the two keys, as the server does')
    .requiredOption('--which <old|new>', 'which of the two keys')
    .option('--refused', 'the login must be refused')
    .option('--host <name>', 'a host; may be repeated', collect);
  prove.action((name: RotatedKey, options: { which: string; refused?: boolean; host?: readonly string[] }) =>
    cli.run(prove, async (context) => {
      const proofs = await proveKey(context, name, options);
      const wanted = (proof: LoginProof): boolean =>
        options.refused === true ? proof.code === 'AUTH_REFUSED' : proof.accepted;
      const good = proofs.every(wanted);
      context.show({ proved: good, proofs }, (page) => {
        for (const { host, accepted, code } of proofs) {
          if (accepted) page.line(say('rotation.accepted', { host }));
          else if (code === 'AUTH_REFUSED') page.line(say('rotation.refused', { host }));
          else page.line(say('rotation.unknown', { host, code: code ?? '' }));
        }
      });
      return good ? 0 : 1;
    }),
  );

  const last = [
    ['switch', 'make the new key the one that this machine uses, once it logs in everywhere', switchRotation],
    ['finish', 'forget the old key, once the new one logs in everywhere', finishRotation],
  ] as const;
  for (const [word, description, work] of last) {
    const command = add(word, description).option(
      '--skip <name>',
      'a host on which the new key need not be proven; may be repeated',
      collect,
    );
    command.action((name: RotatedKey, { skip = [] }: { skip?: readonly string[] }) =>
      cli.run(command, async (context) => {
        const shown = await recorded(context, name, word, skip, () => work(context, name, skip));
        context.show(shown, (page) => page.line(sentence(shown)));
        return 0;
      }),
    );
  }

  const abandon = add('abandon', 'forget the new key, as long as this machine has not switched to it');
  abandon.action((name: RotatedKey) =>
    cli.run(abandon, async (context) => {
      const shown = await recorded(context, name, 'abandon', [], () => abandonRotation(context, name));
      context.show(shown, (page) => page.line(sentence(shown)));
      return 0;
    }),
  );
};

const recorded = (
  context: CliContext,
  key: RotatedKey,
  step: string,
  skipped: readonly string[] | undefined,
  work: () => Report | Promise<Report>,
): Promise<Report> => recordedStep(context, { key, step, skipped }, keyOf(context.config(), key).path, work);

const collect = (word: string, before: readonly string[] = []): readonly string[] => [...before, word];

const refused = (key: Parameters<typeof say>[0], values: Record<string, string> = {}): PraError =>
  new PraError('ROTATION_REFUSED', { what: say(key, values) });

const keyOf = (config: Config, name: RotatedKey): Config['keys']['reader'] => {
  const key = config.keys[name];
  if (key === undefined) throw refused('rotation.not_configured', { channel: name });
  if (key.passphrase !== undefined && 'agent' in key.passphrase)
    throw refused('rotation.in_agent', { channel: name });
  return key;
};

/** Hosts that the server reaches with this key: one with certificates has no use for it, but verifies the auto key like any other. */
const hostsOf = (config: Config, name: RotatedKey): readonly string[] =>
  config.hosts.filter(({ certificate }) => name === 'auto' || !certificate).map((host) => host.name);

/** After the switch a host that does not know the new key is out of reach: all that use it, or those that somebody named. */
const requireAllHosts = (
  config: Config,
  name: RotatedKey,
  reached: readonly string[],
  skipped: readonly string[],
): void => {
  requireKnown(config, [...reached, ...skipped]);
  const missing = hostsOf(config, name).filter((host) => !reached.includes(host) && !skipped.includes(host));
  if (missing.length > 0) throw refused('rotation.uncovered', { hosts: missing.join(', ') });
};

const requireKnown = (config: Config, named: readonly string[]): void => {
  const strangers = named.filter((host) => !config.hosts.some(({ name }) => name === host));
  if (strangers.length > 0) throw refused('rotation.unknown_host', { hosts: strangers.join(', ') });
};

interface Report {
  readonly key: RotatedKey;
  readonly phase: KeyFiles['phase'];
  readonly old: string;
  readonly new: string;
  readonly new_line: string;
  readonly expires: string | null;
}

const report = (name: RotatedKey, files: KeyFiles, expires: string | null = null): Report => ({
  key: name,
  phase: files.phase,
  old: files.old.fingerprint,
  new: files.new.fingerprint,
  new_line: files.new.line,
  expires,
});

const sentence = ({ key, phase, old, new: next }: Report): string =>
  phase === 'idle'
    ? say('rotation.idle', { channel: key, old })
    : say('rotation.phase', { channel: key, phase, old, new: next });

/** The new key and both in transport-keys.yml: whoever provisions from now on provisions both. */
const beginRotation = async (context: CliContext, name: RotatedKey): Promise<Report> => {
  const config = context.config();
  const key = keyOf(config, name);
  const path = transportKeysPath(config.path);
  const keys = readTransportKeys(path);
  const begun = readKeyFiles(key.path);
  const fingerprints = new Set([begun.old.fingerprint, begun.new.fingerprint]);
  const listed = withKeys(keys[name], fingerprints, []).length < keys[name].length;
  if (!listed)
    throw refused('rotation.not_listed', { channel: name, path, fingerprint: begun.old.fingerprint });
  if (begun.phase === 'idle') {
    const comment = begun.old.line.split(' ').slice(2).join(' ') || `mcp-pra ${name}`;
    await context.parts.makeNextKey(name, key, comment);
  }
  const files = readKeyFiles(key.path);
  const expires = write(config, name, files, 'both');
  return report(name, files, expires);
};

/** Rewrites the list of one key: both, or one of them. Gives the time at which the new key ends. */
const write = (
  config: Config,
  name: RotatedKey,
  files: KeyFiles,
  which: 'both' | 'old' | 'new',
): string | null => {
  const path = transportKeysPath(config.path);
  const keys = readTransportKeys(path);
  const same = (line: string) => (element: TransportKey) => element.key.split(' ')[1] === line.split(' ')[1];
  const old = keys[name].find(same(files.old.line)) ?? { key: files.old.line, expires: null, more: {} };
  const expires = name === 'auto' ? null : expiryFrom(Date.now());
  const begun = keys[name].find(same(files.new.line));
  const next: TransportKey = begun ?? { key: files.new.line, expires, more: old.more };
  const wanted = { both: [old, next], old: [old], new: [next] }[which];
  const rotated = new Set([files.old.fingerprint, files.new.fingerprint]);
  writeTransportKeys(path, { ...keys, [name]: withKeys(keys[name], rotated, wanted) });
  return next.expires;
};

const proveKey = async (
  context: CliContext,
  name: RotatedKey,
  options: { which: string; host?: readonly string[] },
): Promise<readonly LoginProof[]> => {
  const config = context.config();
  const { path } = keyOf(config, name);
  if (name === 'auto') throw refused('rotation.no_login');
  if (options.which !== 'old' && options.which !== 'new')
    throw new PraError('USAGE', { what: '--which is old or new' });
  const files = readKeyFiles(path);
  const hosts = options.host ?? hostsOf(config, name);
  requireKnown(config, hosts);
  return logIn(context, name, options.which === 'old' ? files.oldPath : files.newPath, hosts);
};

const logIn = (
  context: CliContext,
  account: 'reader' | 'runner',
  keyPath: string,
  hosts: readonly string[],
): Promise<readonly LoginProof[]> =>
  context.parts.proveLogin(context.config(), {
    account,
    keyPath,
    hosts,
    signal: AbortSignal.any([context.signal, AbortSignal.timeout(LOGIN_MS)]),
  });

/**
 * Whoever gives the old key up, by hand or by playbook: the new one logs in everywhere now, but for hosts that somebody named. The
 * auto key logs in nowhere: that hosts list it is what the playbook has seen.
 */
const requireNewWorks = async (
  context: CliContext,
  name: RotatedKey,
  { newPath }: KeyFiles,
  skipped: readonly string[],
): Promise<void> => {
  const config = context.config();
  requireKnown(config, skipped);
  if (name === 'auto') return;
  const hosts = hostsOf(config, name).filter((host) => !skipped.includes(host));
  const proofs = await logIn(context, name, newPath, hosts);
  const without = proofs.filter(({ accepted }) => !accepted);
  if (without.length === 0) return;
  const named = without.map(({ host, code }) => `${host} (${code ?? ''})`).join(', ');
  throw refused('rotation.not_proven', { channel: name, hosts: named });
};

const switchRotation = async (
  context: CliContext,
  name: RotatedKey,
  skipped: readonly string[],
): Promise<Report> => {
  const { path } = keyOf(context.config(), name);
  const files = readKeyFiles(path);
  if (files.phase === 'idle') throw refused('rotation.not_begun', { channel: name });
  if (files.phase === 'staged') {
    await requireNewWorks(context, name, files, skipped);
    switchKey(path);
  }
  return report(name, readKeyFiles(path));
};

const finishRotation = async (
  context: CliContext,
  name: RotatedKey,
  skipped: readonly string[],
): Promise<Report> => {
  const config = context.config();
  const { path } = keyOf(config, name);
  const files = readKeyFiles(path);
  if (files.phase === 'staged') throw refused('rotation.not_switched', { channel: name });
  if (files.phase === 'switched') {
    await requireNewWorks(context, name, files, skipped);
    write(config, name, files, 'new');
    dropPrevious(path);
  }
  return report(name, readKeyFiles(path));
};

const abandonRotation = (context: CliContext, name: RotatedKey): Report => {
  const config = context.config();
  const { path } = keyOf(config, name);
  const files = readKeyFiles(path);
  if (files.phase === 'switched') throw refused('rotation.switched', { channel: name });
  if (files.phase === 'staged') {
    write(config, name, files, 'old');
    dropNext(path);
    dropPrevious(path); // of a switch that was cut off before it counted
  }
  return report(name, readKeyFiles(path));
};
