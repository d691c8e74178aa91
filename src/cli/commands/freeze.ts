import type { Command } from 'commander';
import { PraError, type ExitCode } from '../../errors.ts';
import type { FreezeStatus } from '../../request/freeze-desk.ts';
import { approverOf, openSigner } from '../approver-signature.ts';
import type { CliContext } from '../cli-context.ts';
import { freezePage } from '../freeze-page.ts';
import { Page } from '../page.ts';
import { withProgress } from '../progress.ts';
import type { Cli } from '../run-cli.ts';
import { say } from '../say.ts';
import { stopPage } from '../stop-page.ts';
import { Terminal } from '../terminal.ts';

interface Options {
  readonly host?: readonly string[];
  readonly all?: boolean;
  readonly reason?: string;
  readonly local?: boolean;
  readonly retry?: boolean;
  readonly status?: boolean;
}

/**
 * `mcp-pra freeze`: the stop button. First on this machine, at once and without a key; then a signed order to each host, kept until the
 * host has confirmed it. Exit 0 when all hosts have, 5 when some were not reached, 3 when some refused.
 */
export const addFreeze = (program: Command, cli: Cli): void => {
  const command = cli
    .command(program, 'freeze', 'stop button: nothing new runs, here and on the hosts')
    .option('-H, --host <host...>', 'these hosts, or groups')
    .option('--all', 'every host, also those that are configured later')
    .option('-r, --reason <text>', 'why; everybody who is refused by it reads that')
    .option('--local', 'on this machine only: no key, no terminal, no network')
    .option('--retry', 'send what has not reached its host yet')
    .option('--status', 'what is frozen here, and how far the hosts are');
  command.action((options: Options) => cli.run(command, (context) => freeze(context, options)));
};

const freeze = async (context: CliContext, options: Options): Promise<ExitCode> => {
  const { desk } = await context.app();
  const { freezes } = desk;
  if (options.status === true) return show(context, freezes.status());
  if (options.retry === true) {
    await send(context);
    return show(context, freezes.status());
  }
  const which = whichHosts(options);
  if (options.reason === undefined) throw new PraError('USAGE', { what: say('freeze.reason_missing') });
  const hosts = freezes.hostsOf(which);
  freezes.freeze(context.caller(), which, options.reason);
  context.note(say(which === 'all' ? 'freeze.here_all' : 'freeze.here', { hosts: hosts.join(', ') }));
  if (options.local === true) {
    context.note(say('freeze.local_only'));
    if (context.json) return show(context, freezes.status());
    return 0;
  }
  const screen = context.json ? context.io.stderr : context.io.stdout;
  const terminal = new Terminal(context.io, screen);
  const principal = approverOf(context);
  const drafts = await freezes.draft({ ...context.caller(), principal }, hosts, options.reason);
  const stop = {
    effects: say('freeze.effects'),
    undo: say('freeze.undo'),
    tickets: drafts.map(({ ticket }) => ticket),
  };
  const page = stopPage(Page.for(context.io, context.json ? 'stderr' : 'stdout'), stop).line();
  screen.write(page.text(say('freeze.signing', { count: drafts.length, principal })).toString());
  const signer = await openSigner(context, terminal, (text) => screen.write(text));
  for (const draft of drafts) {
    const signature = await signer.sign(draft.ticket, draft.namespace);
    freezes.order(context.caller(), draft, { principal, signature });
  }
  await send(context);
  return show(context, freezes.status());
};

/** Hosts and groups as they were named, or all. */
export type WhichHosts = readonly string[] | 'all';

/** Which hosts a command is about; exactly one of the two ways to say it. Throws USAGE. */
export const whichHosts = ({ host, all }: Pick<Options, 'host' | 'all'>): WhichHosts => {
  if ((host === undefined) === (all !== true)) throw new PraError('USAGE', { what: say('freeze.which') });
  return host ?? 'all';
};

const send = async (context: CliContext): Promise<void> => {
  const { desk } = await context.app();
  await withProgress(context.io, say('freeze.sending'), () => desk.freezes.send(context.signal));
};

const show = (context: CliContext, status: FreezeStatus): ExitCode => {
  context.show(status, (page) => freezePage(page, status));
  const states = status.orders.map(({ state }) => state);
  if (states.includes('REFUSED')) return 3;
  return states.includes('WAITING') ? 5 : 0;
};
