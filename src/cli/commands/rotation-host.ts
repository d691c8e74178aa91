import type { Command } from 'commander';
import { PraError } from '../../errors.ts';
import type { State } from '../../request/types.ts';
import type { CliContext } from '../cli-context.ts';
import type { HostKeyState, LoginProof } from '../cli-parts.ts';
import type { Cli } from '../run-cli.ts';
import { say } from '../say.ts';

/** How long the logins of one proof may take. Milliseconds. */
const LOGIN_MS = 45_000;

/** Requests whose offer, ticket or receipt names the key of their host. */
const OPEN = [
  'PROPOSED',
  'PENDING',
  'APPROVED',
  'AUTO_APPROVED',
  'DISPATCHING',
  'RUNNING',
  'UNKNOWN',
] as const satisfies readonly State[];
const LIMIT = 100;

interface Files {
  readonly knownHosts?: readonly string[];
}

/**
 * `mcp-pra rotation host …`: this machine's side of the rotation of a host's own key, as ansible/playbooks/rotation/host.yml calls
 * it. The state is in known_hosts itself (src/ssh/host-key-rotation.ts), so each step may be repeated.
 */
export const addRotationHost = (rotation: Command, cli: Cli): void => {
  const group = rotation
    .command('host')
    .description("this machine's side of the rotation of a host's own key");
  const collect = (word: string, before: readonly string[] = []): readonly string[] => [...before, word];
  const files = (command: Command): Command =>
    command.option(
      '--known-hosts <file>',
      'one more file that has the key of the host; may be repeated',
      collect,
    );

  const status = cli
    .command(group, 'status', 'which keys are trusted for hosts, and what stands in the way')
    .option('--host <name>', 'a host; may be repeated', collect);
  status.action(({ host }: { readonly host?: readonly string[] }) =>
    cli.run(status, async (context) => {
      const config = context.config();
      const rows: (HostKeyState & { readonly open: readonly string[] })[] = [];
      for (const name of host ?? config.hosts.map((one) => one.name)) {
        const state = await context.parts.hostKeyRotation.state(config, name);
        rows.push({ ...state, open: await openRequests(context, name) });
      }
      context.show(rows, (page) => {
        for (const { host: name, trusted, pending, open } of rows) {
          page.line(
            pending === null
              ? say('rotation.host_idle', { host: name, key: trusted.join(', ') })
              : say('rotation.host_pending', { host: name, old: pending.old, new: pending.new }),
          );
          if (open.length > 0) page.line(say('rotation.host_open', { host: name, ids: open.join(', ') }));
        }
      });
      return 0;
    }),
  );

  const trust = files(
    cli
      .command(group, 'trust', 'trust the next key of a host beside the one in use, on the word of that one')
      .argument('<host>', 'a configured host')
      .requiredOption('--next <key>', 'type and base64 of the next key')
      .requiredOption('--signature <base64>', 'what the key in use signed'),
  );
  trust.action((host: string, options: Files & { readonly next: string; readonly signature: string }) =>
    cli.run(trust, async (context) => {
      await requireNothingOpen(context, host);
      const next = { line: options.next, signature: options.signature };
      const changed = await context.parts.hostKeyRotation.trust(
        context.config(),
        host,
        next,
        options.knownHosts ?? [],
      );
      const { pending } = await context.parts.hostKeyRotation.state(context.config(), host);
      if (changed.length > 0 && pending !== null) await recordStep(context, host, 'begin', pending);
      return showFiles(context, changed);
    }),
  );

  const prove = cli
    .command(group, 'prove', 'the host shows exactly this key, and both accounts let us in')
    .argument('<host>', 'a configured host')
    .requiredOption('--key <SHA256:…>', 'the key that it must show');
  prove.action((host: string, { key }: { readonly key: string }) =>
    cli.run(prove, async (context) => {
      const proofs = await proveHost(context, host, key);
      const good = proofs.every(({ accepted }) => accepted);
      context.show({ proved: good, proofs }, (page) => {
        for (const { accepted, code } of proofs)
          page.line(
            accepted
              ? say('rotation.accepted', { host })
              : say('rotation.unknown', { host, code: code ?? '' }),
          );
      });
      return good ? 0 : 1;
    }),
  );

  const ends = [
    ['finish', 'the host uses its new key: mark the old one as revoked', 'new'],
    ['abandon', 'the host uses its old key: trust the next one no more', 'old'],
  ] as const;
  for (const [word, description, shown] of ends) {
    const command = files(cli.command(group, word, description).argument('<host>', 'a configured host'));
    command.action((host: string, options: Files) =>
      cli.run(command, async (context) => {
        const config = context.config();
        const { pending } = await context.parts.hostKeyRotation.state(config, host);
        if (pending === null) return showFiles(context, []);
        if (word === 'finish') await requireNothingOpen(context, host);
        // Taking away the trust in the key that a host shows would lock us out of it.
        await context.parts.trustHostKey(config, { host, fingerprint: pending[shown] });
        const changed = await context.parts.hostKeyRotation[word](config, host, options.knownHosts ?? []);
        if (changed.length > 0) await recordStep(context, host, word, pending);
        return showFiles(context, changed);
      }),
    );
  }
};

const recordStep = (
  context: CliContext,
  host: string,
  step: string,
  { old, new: next }: { readonly old: string; readonly new: string },
): Promise<void> =>
  context.record({ code: 'KEY_ROTATION', host, detail: { key: 'host', step, old, new: next } });

const showFiles = (context: CliContext, changed: readonly string[]): 0 => {
  context.show({ changed }, (page) => {
    for (const path of changed) page.line(say('rotation.changed', { path }));
    if (changed.length === 0) page.line(say('rotation.unchanged'));
  });
  return 0;
};

/** Ids of this machine's requests for a host that have not ended. */
const openRequests = async (context: CliContext, host: string): Promise<readonly string[]> => {
  const { desk } = await context.app();
  const views = desk.list(context.caller(), { states: OPEN, limit: LIMIT });
  return views.filter((view) => view.host === host).map(({ id }) => id);
};

/** A receipt that comes after the switch would be signed by a key that nobody trusts for the old ticket. Throws ROTATION_REFUSED. */
const requireNothingOpen = async (context: CliContext, host: string): Promise<void> => {
  const ids = await openRequests(context, host);
  if (ids.length > 0)
    throw new PraError('ROTATION_REFUSED', {
      what: say('rotation.host_open', { host, ids: ids.join(', ') }),
    });
};

const proveHost = async (context: CliContext, host: string, key: string): Promise<readonly LoginProof[]> => {
  const config = context.config();
  // Trusted before: nothing is written, and the server has to prove that it owns exactly this one.
  const { trusted } = await context.parts.hostKeyRotation.state(config, host);
  if (!trusted.includes(key))
    throw new PraError('ROTATION_REFUSED', { what: say('rotation.host_untrusted', { host, key }) });
  await context.parts.trustHostKey(config, { host, fingerprint: key });
  const login = (account: 'reader' | 'runner') =>
    context.parts.proveLogin(config, {
      account,
      keyPath: config.keys[account].path,
      hosts: [host],
      signal: AbortSignal.any([context.signal, AbortSignal.timeout(LOGIN_MS)]),
    });
  return [...(await login('reader')), ...(await login('runner'))];
};
