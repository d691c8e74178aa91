import { setTimeout as sleep } from 'node:timers/promises';
import { isOver } from '../../src/request/lifecycle.ts';
import { IS_VICTIM, killAll } from './host-processes.ts';
import { file, resume, SETTLE_MS, start, type Filed, type Underway } from './flows.ts';
import type { Lane } from './lane.ts';
import { FLOWS, RARE_FLOWS, type Flow, type Heir, type Moment, type Victim } from './moments.ts';
import { whyRowsAreWrong, type Recorded } from './records.ts';
import { whyStopIsWrong } from './stop-button.ts';
import { whyUntrue } from './truth.ts';

/** One disturbed request and what became of it. */
export interface Result {
  readonly name: string;
  readonly flow: Flow;
  readonly victim: string;
  readonly n: number;
  readonly id: string | undefined;
  /** State of the request when the victim died; `-` when there was no request yet. */
  readonly at: string;
  /** Whether there was still something to kill. */
  readonly isHit: boolean;
  readonly outcome: string;
  readonly begun: number;
  /** From the kill to the end. Milliseconds. */
  readonly settledMs: number;
  readonly problem: string | undefined;
}

/** Kills a victim as soon as there is one; false when the flow was over before. */
export const kill = async (lane: Lane, victim: Victim, flow: Underway): Promise<boolean> => {
  if (victim === 'tcp') {
    await lane.relay.cut();
    await lane.relay.restore();
    return !flow.isOver();
  }
  for (;;) {
    const pid = flow.pid();
    const pids =
      victim !== 'operator' ? lane.processes.find(IS_VICTIM[victim]) : pid === undefined ? [] : [pid];
    // A server lives on when its call is over.
    if (killAll(pids) > 0) return !flow.isOver();
    if (flow.isOver()) return false;
    await sleep(2);
  }
};

/** What follows a kill: the heir does what is to be done, and all that is recorded is held against what happened. */
export const settleAndJudge = async (
  lane: Lane,
  given: {
    readonly name: string;
    readonly flow: Flow;
    readonly victim: string;
    readonly heir: Heir;
    readonly filed: Filed;
    readonly underway: Underway;
    readonly at: string;
    readonly isHit: boolean;
    /** When it counts as lost. Milliseconds. */
    readonly within?: number;
  },
): Promise<Result> => {
  const { name, flow, victim, heir, filed, underway, at, isHit, within = SETTLE_MS } = given;
  const began = performance.now();
  // Whoever was not killed goes on by itself, for as long as it likes.
  await Promise.race([underway.over, sleep(within, undefined, { ref: false })]);
  if (victim === 'operator' && (flow === 'auto' || flow === 'tool' || heir === 'server'))
    await lane.dropServer();
  const stop = flow === 'freeze' ? await whyStopIsWrong(lane, filed.id ?? '', filed.n) : undefined;
  const settled = await resume(lane, filed.n, heir, within);
  const settledMs = performance.now() - began;
  const request = lane.records.requestOf(filed.n);
  const problem =
    stop ?? (settled === undefined ? `not settled: ${request?.state ?? '-'}` : judge(lane, filed.n, request));
  const outcome = request?.state ?? 'nothing filed';
  const { begun } = lane.happened(filed.n);
  return { name, flow, victim, n: filed.n, id: request?.id, at, isHit, outcome, begun, settledMs, problem };
};

/** What is wrong with what is recorded of an execution; undefined when all of it is true. */
export const judge = (lane: Lane, n: number, request = lane.records.requestOf(n)): string | undefined => {
  const verified = /^verified (yes|no)$/mu.exec(request?.receipt ?? '')?.[1];
  return (
    whyUntrue(request?.state, lane.happened(n), verified) ??
    (request === undefined
      ? undefined
      : (whyRowsAreWrong(request, lane.records.rowsOf(request.id)) ?? whyUnsigned(request)))
  );
};

const whyUnsigned = ({ state, receipt }: Recorded): string | undefined => {
  const word = /^state (\w+)$/mu.exec(receipt ?? '')?.[1];
  const signed = ['SUCCEEDED', 'FAILED', 'VERIFY_FAILED', 'INTERRUPTED', 'NEVER_STARTED'].includes(state);
  return isOver(state) && signed && word !== state
    ? `${state}, and the receipt says ${word ?? 'nothing'}`
    : undefined;
};

/** One moment of a seed. Where its anchor never comes, it is too late. */
export const disturbAt = async (lane: Lane, moment: Moment): Promise<Result> => {
  const { flow, victim, heir, anchor, ms, index } = moment;
  const filed = await file(lane, flow);
  const underway = await start(lane, flow, filed);
  if (anchor !== 'start')
    await lane.records.until(
      () => hasRow(lane, filed.n, anchor),
      () => underway.isOver(),
    );
  await sleep(ms);
  const isHit = await kill(lane, victim, underway);
  const at = lane.records.requestOf(filed.n)?.state ?? '-';
  const name = `moment ${String(index)}: ${String(ms)} ms after ${anchor}`;
  return settleAndJudge(lane, { name, flow, victim, heir, filed, underway, at, isHit });
};

/** Whether a request's ledger has such a row. */
export const hasRow = (lane: Lane, n: number, code: string): boolean => {
  const id = lane.records.requestOf(n)?.id;
  return id !== undefined && lane.records.rowsOf(id).some((row) => row.code === code);
};

/** Each flow once without any disturbance: a harness whose flows do not work would find nothing wrong. */
export const undisturbed = async (lane: Lane): Promise<void> => {
  for (const flow of [...FLOWS, ...RARE_FLOWS]) {
    const filed = await file(lane, flow);
    const underway = await start(lane, flow, filed);
    await underway.over;
    const given = { name: flow, flow, victim: 'nobody', heir: 'server', filed, underway } as const;
    const { problem: wrong } = await settleAndJudge(lane, { ...given, at: '-', isHit: false });
    const wanted = flow === 'withdraw' ? 0 : 1;
    const problem =
      wrong ?? (lane.happened(filed.n).ended === wanted ? undefined : 'it did not do what it should');
    if (problem !== undefined) throw new Error(`undisturbed ${flow}: ${problem}`);
  }
};
