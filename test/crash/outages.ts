import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync, readlinkSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import Sqlite from 'better-sqlite3';
import type { State } from '../../src/request/types.ts';
import { readHostStatus } from '../lab/lab-state.ts';
import { PROGRAM } from '../support/operator.ts';
import { settleAndJudge, type Result } from './disturb.ts';
import { file, SETTLE_MS, start } from './flows.ts';
import type { Lane } from './lane.ts';

/** Something that happens to a host while an action runs on it, and the one state that is true afterwards. */
interface Outage {
  readonly name: string;
  readonly action: 'crash_medium' | 'crash_reboot' | 'crash_poweroff';
  /** How long the action works, where that is asked for. Milliseconds. */
  readonly ms: number;
  readonly expected: State;
  /** From the moment at which the action has begun until the host may be asked. */
  readonly happen: (lane: Lane, id: string) => Promise<void>;
}

const stateIs = async (lane: Lane, id: string, state: State): Promise<void> => {
  while (lane.records.stateOf(id) !== state) await sleep(20);
};

const ended = async (lane: Lane, id: string): Promise<void> => {
  const results = join(lane.host.rootDir, 'var/lib/mcp-pra/results');
  while (!readdirSync(results).includes(`${id}.json`)) await sleep(20);
};

const bootOf = async (lane: Lane): Promise<number> =>
  (await readHostStatus(lane.labDir, lane.host.name))?.boot ?? 0;

/** Until the host has booted once more than `before` and its process 1 can be looked at. */
const booted = async (lane: Lane, before: number): Promise<void> => {
  for (;;) {
    const status = await readHostStatus(lane.labDir, lane.host.name);
    if (status?.kind === 'running' && status.boot > before) {
      await lane.processes.refresh();
      if (lane.processes.isUp()) return;
    }
    await sleep(50);
  }
};

const OUTAGES: readonly Outage[] = [
  {
    name: 'the network is cut, and comes back when the action has ended',
    action: 'crash_medium',
    ms: 2_000,
    expected: 'SUCCEEDED',
    happen: async (lane, id) => {
      await lane.host.link(false);
      await stateIs(lane, id, 'UNKNOWN');
      await ended(lane, id);
      await lane.host.link(true);
    },
  },
  {
    name: 'the network is cut, and comes back while the action runs',
    action: 'crash_medium',
    ms: 25_000,
    expected: 'SUCCEEDED',
    happen: async (lane, id) => {
      await lane.host.link(false);
      await stateIs(lane, id, 'UNKNOWN');
      await lane.host.link(true);
    },
  },
  {
    name: 'the host reboots in the middle of the action',
    action: 'crash_medium',
    ms: 20_000,
    expected: 'INTERRUPTED',
    happen: async (lane) => {
      await lane.host.reboot();
      await lane.processes.refresh();
    },
  },
  {
    name: 'the host loses its power in the middle of the action',
    action: 'crash_medium',
    ms: 20_000,
    expected: 'INTERRUPTED',
    happen: async (lane) => {
      const before = await bootOf(lane);
      await lane.host.run(['systemctl', 'reboot', '--force', '--force']);
      await booted(lane, before);
    },
  },
  {
    name: 'the action reboots the host',
    action: 'crash_reboot',
    ms: 0,
    expected: 'SUCCEEDED',
    happen: async (lane) => {
      const before = await bootOf(lane);
      await booted(lane, before);
    },
  },
];

/** Only for a host that is not needed any more; takes as long as a host may be away. */
const POWER_OFF: Outage = {
  name: 'the action switches the host off',
  action: 'crash_poweroff',
  ms: 0,
  expected: 'SENT_NO_RETURN',
  happen: async (lane) => {
    while ((await readHostStatus(lane.labDir, lane.host.name))?.kind === 'running') await sleep(50);
  },
};

const run = async (
  lane: Lane,
  { name, action, ms, expected, happen }: Outage,
  within = SETTLE_MS,
): Promise<Result> => {
  const filed = await file(lane, 'tool', ms, action);
  const { n, id = '' } = filed;
  const underway = await start(lane, 'tool', filed);
  const at = (): string => lane.records.stateOf(id) ?? '-';
  while (lane.happened(n).begun === 0 && !underway.isOver()) await sleep(2);
  const began = at();
  await happen(lane, id);
  const victim = 'host';
  const result = await settleAndJudge(lane, {
    name,
    flow: 'tool',
    victim,
    heir: 'server',
    filed,
    underway,
    at: began,
    isHit: true,
    within,
  });
  const problem =
    result.outcome === expected ? result.problem : `${expected} would be true, it ended ${result.outcome}`;
  return { ...result, problem: result.problem ?? problem };
};

/** One after the other on one host. */
export const runOutages = async (lane: Lane, add: (result: Result) => void): Promise<void> => {
  for (const outage of OUTAGES) add(await run(lane, outage));
};

/** A host that an action switches off is missed for five minutes (src/request/run-outcomes.ts), and asked for every half. */
const POWER_OFF_MS = 480_000;

/** The host stays off. */
export const runPowerOff = (lane: Lane): Promise<Result> => run(lane, POWER_OFF, POWER_OFF_MS);

/** What became of many processes that executed one approved request at once. */
export interface Race {
  readonly executors: number;
  /** How many had the database open, and none of them more than that, when the race began. */
  readonly together: number;
  readonly dispatched: number;
  readonly begun: number;
  /** Exit codes of the processes. */
  readonly codes: readonly number[];
  readonly outcome: string;
}

/** The starting line: longer than so many programs take to start on a busy machine. Milliseconds. */
const LINE_UP_MS = 60_000;

/**
 * Starts so many processes on one approved request. SQLite's write lock is held until each of them has the database open, and each
 * is stopped there; then all go on at once, all of them awake and just before the dispatch.
 */
export const race = async (lane: Lane, executors: number): Promise<Race> => {
  const { n, id = '' } = await file(lane, 'execute', 3_000);
  const gate = new Sqlite(join(lane.operator.stateDir, 'mcp-pra.db'));
  gate.exec('BEGIN IMMEDIATE');
  const children = Array.from({ length: executors }, () =>
    spawn(process.execPath, [PROGRAM, 'execute', id], { env: lane.operator.env, stdio: 'ignore' }),
  );
  const codes = children.map(async (child) => ((await once(child, 'close')) as [number | null])[0] ?? -1);
  const inLine = new Set<(typeof children)[number]>();
  const until = performance.now() + LINE_UP_MS;
  while (inLine.size < executors && performance.now() < until) {
    for (const child of children)
      if (!inLine.has(child) && hasOpen(child.pid ?? 0, 'mcp-pra.db') && child.kill('SIGSTOP'))
        inLine.add(child);
    await sleep(2);
  }
  gate.exec('ROLLBACK');
  gate.close();
  for (const child of inLine) child.kill('SIGCONT');
  const all = await Promise.all(codes);
  const dispatched = lane.records.rowsOf(id).filter(({ code }) => code === 'dispatch').length;
  const outcome = lane.records.stateOf(id) ?? '-';
  return { executors, together: inLine.size, dispatched, begun: lane.happened(n).begun, codes: all, outcome };
};

const hasOpen = (pid: number, name: string): boolean => {
  const folder = `/proc/${String(pid)}/fd`;
  try {
    return readdirSync(folder).some((fd) => isLinkTo(`${folder}/${fd}`, name));
  } catch {
    return false; // not there any more
  }
};

const isLinkTo = (link: string, name: string): boolean => {
  try {
    return readlinkSync(link).endsWith(`/${name}`);
  } catch {
    return false; // closed meanwhile
  }
};
