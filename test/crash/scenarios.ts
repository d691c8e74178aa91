import { existsSync, statSync } from 'node:fs';
import { join } from 'node:path';
import type { State } from '../../src/request/types.ts';
import { hasRow, kill, settleAndJudge, type Result } from './disturb.ts';
import { file, start, type Underway } from './flows.ts';
import type { Lane } from './lane.ts';
import { FLOWS, HEIRS, VICTIMS, type Flow, type Heir, type Victim } from './moments.ts';

/** A row of the operator's ledger, or a file on the host: what exists just before the kill. */
type Point =
  | { readonly kind: 'row'; readonly code: string }
  | { readonly kind: 'step'; readonly step: (typeof STEPS)[number] };

export interface Scenario {
  readonly flow: Flow;
  readonly victim: Victim;
  readonly heir: Heir;
  readonly point: Point;
  /** The connection is cut once the run is accepted, so that there is something to lose. */
  readonly isCutBefore: boolean;
}

/** What appears on the host, in this order. */
export const STEPS = ['claim', 'started', 'begun', 'output', 'ended', 'result', 'receipt'] as const;

/** The rows that each flow writes, from its first to its last. */
const ROWS: Readonly<Record<(typeof FLOWS)[number], readonly string[]>> = {
  auto: ['PROPOSED', 'auto_approve', 'dispatch', 'accept', 'succeed'],
  tool: ['dispatch', 'accept', 'succeed'],
  execute: ['dispatch', 'accept', 'succeed'],
  approve: ['approve', 'dispatch', 'accept', 'succeed'],
};

const STATE_AFTER: Readonly<Record<string, State>> = {
  PROPOSED: 'PROPOSED',
  auto_approve: 'AUTO_APPROVED',
  approve: 'APPROVED',
  dispatch: 'DISPATCHING',
  accept: 'RUNNING',
  lose: 'UNKNOWN',
  succeed: 'SUCCEEDED',
  withdraw: 'REVOKE_UNCONFIRMED',
  revoke: 'REVOKED',
};

/** Every state transition of every flow, and every step on the host with every victim. */
export const allScenarios = (): readonly Scenario[] => {
  const heir = (at: number): Heir => HEIRS[at % HEIRS.length] ?? 'server';
  const rows = FLOWS.flatMap((flow) =>
    ROWS[flow].map((code, at): Scenario => ({
      flow,
      victim: 'operator',
      heir: heir(at),
      point: { kind: 'row', code },
      isCutBefore: false,
    })),
  );
  const lost = (['tool', 'execute'] as const).flatMap((flow) =>
    HEIRS.map((who): Scenario => ({
      flow,
      victim: 'operator',
      heir: who,
      point: { kind: 'row', code: 'lose' },
      isCutBefore: true,
    })),
  );
  const network = (['sshd', 'tcp'] as const).flatMap((victim) =>
    ['dispatch', 'accept'].map((code, at): Scenario => ({
      flow: 'tool',
      victim,
      heir: heir(at),
      point: { kind: 'row', code },
      isCutBefore: false,
    })),
  );
  const steps = STEPS.flatMap((step, at) =>
    VICTIMS.map((victim, second): Scenario => ({
      flow: (at + second) % 2 === 0 ? 'tool' : 'execute',
      victim,
      heir: heir(second),
      point: { kind: 'step', step },
      isCutBefore: false,
    })),
  );
  // Nobody but a server asks for what was taken back.
  const takenBack = (
    [
      ['operator', 'withdraw'],
      ['operator', 'revoke'],
      ['tcp', 'withdraw'],
    ] as const
  ).map(([victim, code]): Scenario => ({
    flow: 'withdraw',
    victim,
    heir: 'server',
    point: { kind: 'row', code },
    isCutBefore: false,
  }));
  return [...rows, ...lost, ...network, ...takenBack, ...steps];
};

export const nameOf = ({ flow, victim, heir, point }: Scenario): string =>
  `${flow}: ${victim} killed at ${point.kind === 'row' ? `the row ${point.code}` : point.step}, ${heir} goes on`;

/** States that last for less than a millisecond are missed now and then. */
const TRIES = 5;

/** A kill at one point, and what follows; again while the program was quicker than the harness. */
export const disturbIn = async (lane: Lane, scenario: Scenario): Promise<Result> => {
  const { point } = scenario;
  const wanted = point.kind === 'row' ? STATE_AFTER[point.code] : undefined;
  for (let left = TRIES; ; left -= 1) {
    const result = await disturbOnce(lane, scenario);
    if (left <= 1 || result.problem !== undefined || wanted === undefined || result.at === wanted)
      return result;
  }
};

const disturbOnce = async (lane: Lane, scenario: Scenario): Promise<Result> => {
  const { flow, victim, heir, point, isCutBefore } = scenario;
  const filed = await file(lane, flow);
  const { n } = filed;
  const { records } = lane;
  let underway: Underway | undefined;
  let isHit = false;
  let at = '-';
  const isOver = (): boolean => underway?.isOver() ?? false;
  const strike = async (): Promise<void> => {
    at = records.requestOf(n)?.state ?? '-';
    if (underway !== undefined) isHit = await kill(lane, victim, underway);
  };
  if (point.kind === 'step') {
    underway = await start(lane, flow, filed);
    await records.until(() => isStepDone(lane, n, point.step), isOver);
    await strike();
  } else if (isCutBefore) {
    underway = await start(lane, flow, filed);
    await records.until(() => hasRow(lane, n, 'accept'), isOver);
    const struck = records.atRow(n, point.code, isOver, strike);
    await lane.relay.cut();
    await lane.relay.restore();
    await struck;
  } else {
    const struck = records.atRow(n, point.code, isOver, strike);
    underway = await start(lane, flow, filed);
    await struck;
  }
  if (underway === undefined) throw new Error('the flow did not begin');
  return settleAndJudge(lane, { name: nameOf(scenario), flow, victim, heir, filed, underway, at, isHit });
};

const isStepDone = (lane: Lane, n: number, step: (typeof STEPS)[number]): boolean => {
  const id = lane.records.requestOf(n)?.id ?? '';
  const state = join(lane.host.rootDir, 'var/lib/mcp-pra');
  const isDone: Readonly<Record<typeof step, () => boolean>> = {
    claim: () => existsSync(join(state, `claims/${id}.json`)),
    started: () => existsSync(join(lane.processes.root, `run/mcp-pra/pra-run/started/${id}.json`)),
    begun: () => lane.happened(n).begun > 0,
    output: () => (statSync(join(state, `output/${id}`), { throwIfNoEntry: false })?.size ?? 0) > 0,
    ended: () => lane.happened(n).ended > 0,
    result: () => existsSync(join(state, `results/${id}.json`)),
    receipt: () => existsSync(join(state, `receipts/${id}.json`)),
  };
  return isDone[step]();
};
