import type { Command } from 'commander';
import { freezeLines } from '../freeze-page.ts';
import { oneLine } from '../plain-text.ts';
import type { Cli } from '../run-cli.ts';
import { say } from '../say.ts';

const OPEN = [
  'PROPOSED',
  'PENDING',
  'APPROVED',
  'AUTO_APPROVED',
  'DISPATCHING',
  'RUNNING',
  'UNKNOWN',
  'REVOKE_UNCONFIRMED',
] as const;
const LIMIT = 100;

/** `mcp-pra pending`: what waits for a decision or is under way. */
export const addPending = (program: Command, cli: Cli): void => {
  const command = cli
    .command(program, 'pending', 'requests that wait for a decision or are under way')
    .option('--all', `the last ${String(LIMIT)} requests, ended ones too`);
  command.action(({ all = false }: { readonly all?: boolean }) =>
    cli.run(command, async (context) => {
      const { desk } = await context.app();
      const views = desk.list(context.caller(), all ? { limit: LIMIT } : { states: OPEN, limit: LIMIT });
      context.show(views, (page) => {
        freezeLines(page, desk.freezes.status().freezes);
        if (views.length === 0) return page.line(say(all ? 'list.empty' : 'list.none'));
        const rows = views.map((view) => [
          view.id,
          view.state,
          clockOf(view.seconds_left),
          view.impact,
          view.action,
          view.host,
          oneLine(view.requester),
        ]);
        return page.table([say('list.head').split('|'), ...rows]);
      });
      return 0;
    }),
  );
};

/** `4:07`; nothing when no deadline runs. */
const clockOf = (seconds: number | null): string =>
  seconds === null ? '' : `${String(Math.floor(seconds / 60))}:${String(seconds % 60).padStart(2, '0')}`;
