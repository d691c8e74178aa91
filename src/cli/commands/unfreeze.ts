import type { Command } from 'commander';
import { asPraError, PraError, type ExitCode } from '../../errors.ts';
import type { RequestView } from '../../request/desk.ts';
import { LIFT_SUBJECT } from '../../request/freeze-desk.ts';
import { approverOf } from '../approver-signature.ts';
import { signAsPerson } from '../approver/sign-as-person.ts';
import type { CliContext } from '../cli-context.ts';
import { freezeLines } from '../freeze-page.ts';
import { Page } from '../page.ts';
import { withProgress } from '../progress.ts';
import type { Cli } from '../run-cli.ts';
import { say } from '../say.ts';
import { requireTerminal, Terminal } from '../terminal.ts';
import { approve } from './approve.ts';
import { whichHosts, type WhichHosts } from './freeze.ts';

interface Options {
  readonly host?: readonly string[];
  readonly all?: boolean;
  readonly reason?: string;
  readonly local?: boolean;
}

/**
 * `mcp-pra unfreeze`: asks each host to lift its freeze, a request that is HIGH by itself, read and signed here at once where an approver
 * is configured; where the host wants several people, the others sign as for any request. With the host's receipt the freeze of this
 * machine is lifted for it too. A host that cannot be asked does not hold up the others: it is asked once more after them, and listed.
 * Exit 0 when all are lifted, 4 when signatures are missing, 5 when some were not reached.
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
  const which = whichHosts(options);
  if (options.local === true) return liftHere(context, which);
  const { reason } = options;
  if (reason === undefined) throw new PraError('USAGE', { what: say('unfreeze.reason_missing') });
  // Nothing is asked of a host that nobody could sign for afterwards.
  if (context.config().approver !== undefined) requireTerminal(context.io, screenOf(context));
  const { desk } = await context.app();
  const hosts = desk.freezes.hostsOf(which);
  let worst: ExitCode = 0;
  const take = (exit: ExitCode): void => void (worst = Math.max(worst, exit) as ExitCode);
  const askAll = async (names: readonly string[]): Promise<readonly Missed[]> => {
    const missed: Missed[] = [];
    for (const host of names) {
      const answer = await ask(context, host, reason, hosts.length > 1);
      if (answer === 'not_frozen') context.note(say('unfreeze.not_frozen', { host }));
      else if ('error' in answer) missed.push(answer);
      else take(await sign(context, answer));
    }
    return missed;
  };
  const missed = await askAll((await askAll(hosts)).map(({ host }) => host));
  for (const { error } of missed) take(error.exit);
  if (missed.length > 0) showMissed(context, missed);
  return worst;
};

/** Where a person reads: beside the JSON, if that is asked for. */
const screenOf = ({ json, io }: CliContext): typeof io.stdout => (json ? io.stderr : io.stdout);

/** A host that could not be asked. */
interface Missed {
  readonly host: string;
  readonly error: PraError;
}

/** The request that it is; one of several hosts that cannot be asked is no error of the others. */
const ask = async (
  context: CliContext,
  host: string,
  reason: string,
  isOneOf: boolean,
): Promise<RequestView | Missed | 'not_frozen'> => {
  const { desk } = await context.app();
  const query = { word: 'unfreeze', host, args: {}, reason } as const;
  try {
    return await withProgress(context.io, say('progress.offer', { host }), () =>
      desk.ask(context.caller(), query, { signal: context.signal }),
    );
  } catch (thrown) {
    const error = asPraError(thrown);
    if (error.values['code'] === 'NOT_FROZEN') return 'not_frozen';
    const isAboutHost = error.values['host'] !== undefined || error.code === 'RATE_LIMITED';
    if (!isOneOf || !isAboutHost || context.signal.aborted) throw thrown;
    return { host, error };
  }
};

/** Says which request it is before anybody signs, so that it can be found again whatever happens then. */
const sign = async (context: CliContext, { id, host, ...rest }: RequestView): Promise<ExitCode> => {
  const screen = screenOf(context);
  screen.write(`${say('unfreeze.asked', { host, id })}\n`);
  if (context.config().approver !== undefined) return approve(context, id, true);
  context.show({ id, host, ...rest }, (page) => page.text(say('unfreeze.unsigned', { id })));
  return 4;
};

const showMissed = (context: CliContext, missed: readonly Missed[]): void => {
  const hosts = missed.map(({ host }) => host).join(' ');
  const value = { missed: missed.map(({ host, error }) => ({ host, code: error.code })) };
  context.show(value, (page) => {
    for (const { host, error } of missed)
      page.line(page.paint('yellow', say('unfreeze.missed', { host, code: error.code })));
    page.text(say('unfreeze.again')).line(say('unfreeze.again_command', { hosts }));
  });
};

/** What HIGH takes of one person here: there is no host to ask how many it wants. */
const liftHere = async (context: CliContext, which: WhichHosts): Promise<ExitCode> => {
  const screen = screenOf(context);
  const terminal = new Terminal(context.io, screen);
  const principal = approverOf(context);
  const app = await context.app();
  const { freezes } = app.desk;
  const draft = freezes.liftDraft(which);
  if (draft === undefined) {
    context.show(freezes.status(), (page) => page.line(say('freeze.none')));
    return 0;
  }
  const hosts = which === 'all' ? say('freeze.every') : draft.hosts.join(', ');
  const word = which === 'all' ? 'all' : (draft.hosts[0] ?? '');
  const page = Page.for(context.io, context.json ? 'stderr' : 'stdout').text(
    say('unfreeze.local', { hosts }),
  );
  screen.write(
    freezeLines(page, draft.freezes)
      .title(say('ticket.title'))
      .verbatim(draft.statement.trimEnd())
      .toString(),
  );
  if ((await terminal.ask(say('unfreeze.type', { word }))) !== word) {
    screen.write(`${say('unfreeze.not')}\n`);
    return 4;
  }
  const seat = { terminal, approver: await app.approver(), write: (text: string) => screen.write(text) };
  const signed = await signAsPerson(seat, {
    sign: (signer) => signer.signStatement(draft.statement),
    subject: LIFT_SUBJECT,
    needsOtp: true,
  });
  freezes.lift(context.caller(), draft, { principal, ...signed });
  context.show(freezes.status(), (shown) => shown.line(say('unfreeze.local_done', { hosts })));
  return 0;
};
