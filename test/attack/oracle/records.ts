import { setTimeout as sleep } from 'node:timers/promises';
import type { LabHost } from '../../lab/lab.ts';
import type { Account, Field } from '../field.ts';

// Exactly one well-formed record a request, from the journal itself: what a log file gets of it is the logs' own business.

const PROGRAMS = { 'mcp-reader': 'mcp-wrapper', 'pra-runner': 'pra-exec' } as const;
const RECORD =
  /^v=1 verdict=(ok|refused|timeout) code=([A-Z_]+|-) verb=([a-z][a-z0-9_]{0,39}|-) from=([0-9a-f.:]{1,45}|-) ms=\d+$/u;

/** How many records each program had in this boot: what comes after them is new. (A cursor would lose the entry that follows it when only one program is asked for.) */
export type Mark = Readonly<Record<string, number>>;

const allRecords = async (host: LabHost, program: string): Promise<readonly string[]> => {
  const { stdout } = await host.run([
    '/bin/sh',
    '-c',
    'journalctl --sync; exec journalctl -b -q -o cat -t "$1"',
    'sh',
    program,
  ]);
  return stdout.split('\n').filter((line) => line !== '');
};

export const markOf = async (host: LabHost): Promise<Mark> => {
  const mark: Record<string, number> = {};
  for (const program of Object.values(PROGRAMS)) mark[program] = (await allRecords(host, program)).length;
  return mark;
};

/** The records of a program since a mark, whoever sent them. */
const recordsSince = async (host: LabHost, mark: Mark, program: string): Promise<readonly string[]> =>
  (await allRecords(host, program)).slice(mark[program]);

/** What the client knows its request came to: `verdict code`, or undefined where no request reached the account's program. */
const outcomeOf = (
  account: Account,
  said: { readonly code: number; readonly stdout: string; readonly stderr: string },
): string | undefined => {
  const refused = /^refused (?:wrapper|pra-exec) ([A-Z_]+)$/mu.exec(said.stderr)?.[1];
  if (refused !== undefined) return `refused ${refused}`;
  // A subsystem: sshd keeps its standard error to itself.
  if (said.code === 64 && said.stdout + said.stderr === '') return 'refused LINE_FORM';
  if (account === 'pra-runner')
    return /^(?:mcp-pra 1|refused pra-run)/mu.test(said.stdout + said.stderr) ? 'ok -' : undefined;
  if (said.stdout.startsWith('mcp-pra 1 ')) return said.code === 124 ? 'timeout -' : 'ok -';
  return undefined;
};

/** A multiset as sorted lines with counts: what differs is what the test shows. */
const counted = (lines: readonly string[]): readonly string[] =>
  [...new Set(lines)]
    .toSorted()
    .map((line) => `${String(lines.filter((one) => one === line).length)} × ${line}`);

/** For each account what its requests came to, by their client and by the journal; equal when all is well. */
export const compareRecords = async (
  field: Field,
  mark: Mark,
  account: Account,
): Promise<{
  readonly asked: readonly string[];
  readonly recorded: readonly string[];
  readonly malformed: readonly string[];
}> => {
  const asked = field.asked
    .filter((one) => one.account === account)
    .map(({ said }) => outcomeOf(account, said))
    .filter((outcome) => outcome !== undefined);
  let records: readonly string[] = [];
  // Senders are never waited for, and give up after a second: five are enough for the slowest.
  for (let tries = 0; tries < 25 && records.length < asked.length; tries += 1) {
    if (tries > 0) await sleep(200);
    // Without an address it is a precheck, which the host asks of itself.
    records = (await recordsSince(field.host, mark, PROGRAMS[account])).filter(
      (record) => !record.includes(' from=- '),
    );
  }
  const outcomes = records.map((record) => {
    const [, verdict = '?', code = '?'] = RECORD.exec(record) ?? [];
    return `${verdict} ${code}`;
  });
  return {
    asked: counted(asked),
    recorded: counted(outcomes),
    malformed: records.filter((record) => !RECORD.test(record)),
  };
};

/** How many well-formed records of requests over ssh there are, once there are as many as expected or they stop coming. */
export const countRecords = async (
  host: LabHost,
  mark: Mark,
  program: string,
  expected: number,
): Promise<number> => {
  let before = -1;
  for (;;) {
    const now = (await recordsSince(host, mark, program)).filter(
      (record) => RECORD.test(record) && !record.includes(' from=- '),
    ).length;
    if (now >= expected || now === before) return now;
    before = now;
    await sleep(1_500);
  }
};
