import { Command, CommanderError } from 'commander';
import { asPraError, PraError, type ExitCode } from '../errors.ts';
import { levelFrom } from '../log.ts';
import { CliContext, type CommandWork, type CommonFlags } from './cli-context.ts';
import type { CliIo } from './cli-io.ts';
import type { CliParts } from './cli-parts.ts';
import { addActions } from './commands/actions.ts';
import { addApprove } from './commands/approve.ts';
import { addApprover } from './commands/approver.ts';
import { addAudit } from './commands/audit.ts';
import { addCancel } from './commands/cancel.ts';
import { addCatalog } from './commands/catalog.ts';
import { addClose } from './commands/close.ts';
import { addCosign } from './commands/cosign.ts';
import { addDeny } from './commands/deny.ts';
import { addDoctor } from './commands/doctor.ts';
import { addExecute } from './commands/execute.ts';
import { addFreeze } from './commands/freeze.ts';
import { addHosts } from './commands/hosts.ts';
import { addInit } from './commands/init.ts';
import { addInventory } from './commands/inventory.ts';
import { addKeys } from './commands/keys.ts';
import { addLook } from './commands/look.ts';
import { addPending } from './commands/pending.ts';
import { addPropose } from './commands/propose.ts';
import { addRenew } from './commands/renew.ts';
import { addRotation } from './commands/rotation.ts';
import { addServe } from './commands/serve.ts';
import { addShow } from './commands/show.ts';
import { addTarget } from './commands/target.ts';
import { addWatch } from './commands/watch.ts';
import { addTriage } from './commands/triage.ts';
import { addTicket } from './commands/ticket.ts';
import { addReview } from './commands/review.ts';
import { addUnapprove } from './commands/unapprove.ts';
import { addUnfreeze } from './commands/unfreeze.ts';
import { addUndo } from './commands/undo.ts';
import { addWithdraw } from './commands/withdraw.ts';
import { printError } from './print-error.ts';

/** How a command file hands over its work: options first, then what it does with them. */
export interface Cli {
  /** Adds a command that has --json and --config. */
  command(parent: Command, name: string, description: string): Command;
  /** Runs the work with a context of its own and keeps its exit code. */
  run(command: Command, work: CommandWork): Promise<void>;
}

const COMMANDS = [
  addServe,
  addLook,
  addTriage,
  addActions,
  addCatalog,
  addPropose,
  addPending,
  addWatch,
  addShow,
  addApprove,
  addApprover,
  addTicket,
  addCosign,
  addDeny,
  addUnapprove,
  addClose,
  addExecute,
  addCancel,
  addUndo,
  addWithdraw,
  addFreeze,
  addUnfreeze,
  addReview,
  addRenew,
  addAudit,
  addHosts,
  addInventory,
  addTarget,
  addInit,
  addKeys,
  addDoctor,
  addRotation,
];

/** Runs one command line (without node and script) and returns its exit code (DESIGN §4). Never throws. */
export const runCli = async (
  argv: readonly string[],
  io: CliIo,
  parts: CliParts,
  signal: AbortSignal,
): Promise<ExitCode> => {
  let exit: ExitCode = 0;
  const program = new Command('mcp-pra')
    .description('Look at Linux hosts and help recover them; people approve, targets verify.')
    .version(parts.version)
    .exitOverride()
    .showSuggestionAfterError(true)
    .configureOutput({
      writeOut: (text) => io.stdout.write(text),
      writeErr: (text) => io.stderr.write(text),
    });
  const cli: Cli = {
    command: (parent, name, description) =>
      parent
        .command(name)
        .description(description)
        .option('--json', 'print JSON')
        .option('--config <file>', 'configuration file (else MCP_PRA_CONFIG, else the default place)'),
    run: async (command, work) => {
      const context = new CliContext(io, parts, command.opts<CommonFlags>(), signal);
      try {
        exit = await work(context);
      } finally {
        await context.close();
      }
    },
  };
  for (const add of COMMANDS) add(program, cli);

  try {
    await program.parseAsync(argv, { from: 'user' });
    return exit;
  } catch (thrown) {
    if (thrown instanceof CommanderError) return thrown.exitCode === 0 ? 0 : 2; // commander has said what is wrong
    const error = signal.aborted ? new PraError('CANCELLED') : asPraError(thrown);
    printError(io, error, argv.includes('--json'));
    if (error.code === 'INTERNAL') await logCause(thrown, io);
    return error.exit;
  }
};

/** The details of a mistake of ours: only when they are asked for, since the text is nobody's. */
const logCause = async (thrown: unknown, io: CliIo): Promise<void> => {
  if (levelFrom(io.env, 'silent') === 'silent') return;
  const { openLog } = await import('../log.ts');
  openLog('debug', io.stderr).error('command_failed', thrown);
};
