import { InvalidArgumentError, type Command } from 'commander';
import type { LedgerRow } from '../../request/ledger-entry.ts';
import { oneLine } from '../plain-text.ts';
import type { Cli } from '../run-cli.ts';
import { say } from '../say.ts';
import { jsonText } from '../json-text.ts';

const MAX_ROWS = 10_000;

/** `mcp-pra audit verify | tail`: the ledger. */
export const addAudit = (program: Command, cli: Cli): void => {
  const audit = program.command('audit').description('the ledger of calls, decisions, runs and refusals');

  const verify = cli.command(audit, 'verify', 'walk the whole chain and its mirror files');
  verify.action(() =>
    cli.run(verify, async (context) => {
      const { store } = await context.app();
      const verified = store.verifyLedger();
      context.show(verified, (page) => page.line(say('audit.good', verified)));
      return 0;
    }),
  );

  const tail = cli.command(audit, 'tail', 'the last entries').option('-n <count>', 'how many', countOf, 20);
  tail.action(({ n }: { readonly n: number }) =>
    cli.run(tail, async (context) => {
      const { store } = await context.app();
      const rows = store.tail(n);
      if (context.json) for (const row of rows) context.io.stdout.write(`${jsonText(row)}\n`);
      else
        context.show(rows, (page) =>
          rows.length === 0 ? page.line(say('audit.empty')) : rows.map((row) => page.line(rowLine(row))),
        );
      return 0;
    }),
  );
};

const rowLine = ({ seq, at, kind, code, actor, host, subject, request, detail }: LedgerRow): string => {
  const details = Object.entries(detail ?? {}).map(([name, value]) => `${name}=${String(value)}`);
  const where = [host, subject, request].filter((part) => part !== undefined);
  return oneLine([String(seq).padStart(6), at, kind, code, actor, ...where, ...details].join(' '));
};

const countOf = (word: string): number => {
  const count = Number(word);
  if (!Number.isInteger(count) || count < 1 || count > MAX_ROWS)
    throw new InvalidArgumentError(`It must be a whole number from 1 to ${String(MAX_ROWS)}.`);
  return count;
};
