import type { Command } from 'commander';
import { PraError, type ExitCode } from '../../errors.ts';
import { approverOf, openSigner } from '../approver-signature.ts';
import type { CliContext } from '../cli-context.ts';
import { withProgress } from '../progress.ts';
import type { Cli } from '../run-cli.ts';
import { say } from '../say.ts';
import { Terminal } from '../terminal.ts';
import { approve } from './approve.ts';
import { hostsOf } from './freeze.ts';

interface Options {
  readonly host?: readonly string[];
  readonly all?: boolean;
  readonly reason?: string;
  readonly local?: boolean;
}

/**
 * `mcp-pra unfreeze`: asks each host to lift its freeze, a request that is HIGH by itself, read and signed here at once; where the host
 * wants several people, the others sign as for any request. With the host's receipt the freeze of this machine is lifted for it too.
 */
export const addUnfreeze = (program: Command, cli: Cli): void => {
  const command = cli
    .command(program, 'unfreeze', 'lift the freeze of hosts; as HIGH as an action can be')
    .option('-H, --host <host...>', 'these hosts, or groups')
    .option('--all', 'every host')
    .option('-r, --reason <text>', 'why it may go on')
    .option('--local', 'on this machine only: for what no host knows of');
  command.action((options: Options) => cli.run(command, (context) => unfreeze(context, options)));
};

const unfreeze = async (context: CliContext, options: Options): Promise<ExitCode> => {
  const which = hostsOf(context, options);
  if (options.local === true) return liftHere(context, which);
  const { reason } = options;
  if (reason === undefined) throw new PraError('USAGE', { what: say('unfreeze.reason_missing') });
  const { desk } = await context.app();
  const hosts = which === 'all' ? desk.hosts().map(({ name }) => name) : which;
  let worst: ExitCode = 0;
  for (const host of hosts) {
    const exit = await askHost(context, host, reason);
    worst = Math.max(worst, exit) as ExitCode;
  }
  desk.freezes.tidy();
  return worst;
};

const askHost = async (context: CliContext, host: string, reason: string): Promise<ExitCode> => {
  const { desk } = await context.app();
  const filed = await withProgress(context.io, say('progress.offer', { host }), () =>
    desk
      .ask(context.caller(), { word: 'unfreeze', host, args: {}, reason }, { signal: context.signal })
      .catch((error: unknown) => {
        if (error instanceof PraError && error.values['code'] === 'NOT_FROZEN') return undefined;
        throw error;
      }),
  );
  if (filed !== undefined) return approve(context, filed.id, true);
  context.note(say('unfreeze.not_frozen', { host }));
  return 0;
};

/** One person's signature over what is lifted: there is no host to ask how many it wants. */
const liftHere = async (context: CliContext, which: readonly string[] | 'all'): Promise<ExitCode> => {
  const screen = context.json ? context.io.stderr : context.io.stdout;
  const terminal = new Terminal(context.io, screen);
  const principal = approverOf(context);
  const { desk } = await context.app();
  const { freezes } = desk;
  const hosts = which === 'all' ? say('freeze.every') : which.join(', ');
  const word = which === 'all' ? 'all' : (which[0] ?? '');
  screen.write(`${say('unfreeze.local', { hosts })}\n`);
  if ((await terminal.ask(say('unfreeze.type', { word }))) !== word) {
    screen.write(`${say('unfreeze.not')}\n`);
    return 4;
  }
  const statement = freezes.liftStatement(which);
  const signer = await openSigner(context, terminal, (text) => screen.write(text));
  freezes.lift(context.caller(), which, {
    principal,
    statement,
    signature: await signer.signStatement(statement),
  });
  context.show(freezes.status(), (page) => page.line(say('unfreeze.local_done', { hosts })));
  return 0;
};
