import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { isOver } from '../../src/request/lifecycle.ts';
import { startOnPty, type PtyStep } from '../support/on-pty.ts';
import { PROGRAM, approveSteps, type ToolAnswer } from '../support/operator.ts';
import { childOf } from './host-processes.ts';
import { PASSPHRASE, WORK_MS, type Lane } from './lane.ts';
import type { Flow, Heir } from './moments.ts';
import type { Recorded } from './records.ts';
import { aliceSteps, cosign, goOnByTwo, proposeHigh, signFirst } from './two-people.ts';

/** A flow that has begun. */
export interface Underway {
  /** The operator's process that does it, while it is there. */
  pid(): number | undefined;
  isOver(): boolean;
  /** Never rejects: what is killed ends in some way. */
  readonly over: Promise<void>;
}

/** What a flow runs, filed and, where the flow does not do it itself, approved. */
export interface Filed {
  readonly n: number;
  /** Milliseconds of work. */
  readonly ms: number;
  /** `undefined` for `auto`, which files by itself. */
  readonly id: string | undefined;
  /** What bob has signed, for `cosign`. */
  readonly answer?: string | undefined;
}

/** A request that is not settled after so long is lost. */
export const SETTLE_MS = 120_000;

const call = async (lane: Lane, name: string, args: Record<string, unknown>): Promise<ToolAnswer> =>
  (await lane.server()).call(name, args);

/** Without `ms` where the action does not take one: it is 0. */
const propose = (lane: Lane, action: string, n: number, ms: number, auto: boolean): Promise<ToolAnswer> =>
  call(lane, 'propose_pra_action', {
    action,
    host: lane.host.name,
    args: ms === 0 ? { n } : { n, ms },
    rationale: 'The harness counts it.',
    auto_approve: auto,
  });

/** After a connection that could not be made the program waits a moment before it tries again, and whoever asks meanwhile hears so. */
const filed = async (lane: Lane, action: string, n: number, ms: number): Promise<ToolAnswer> => {
  const until = performance.now() + SETTLE_MS;
  for (;;) {
    const answer = await propose(lane, action, n, ms, false);
    if (!answer.text.includes('ssh UNREACHABLE') || performance.now() > until) return answer;
    await sleep(200);
  }
};

/** What comes before the flow itself, undisturbed. */
export const file = async (lane: Lane, flow: Flow, ms = WORK_MS, action = 'crash_medium'): Promise<Filed> => {
  const n = lane.nextNumber(flow === 'auto' ? 'auto' : 'person');
  if (n === undefined) throw new Error(`${lane.host.name} has no automatic executions left: use more hosts`);
  if (flow === 'auto') {
    await lane.server();
    return { n, ms, id: undefined };
  }
  if (flow === 'sign' || flow === 'cosign') {
    const id = await proposeHigh(lane, n, ms);
    if (flow === 'sign') return { n, ms, id };
    await signFirst(lane, id);
    return { n, ms, id, answer: await cosign(lane, id) };
  }
  const { data, text } = await filed(lane, action, n, ms);
  if (data['state'] !== 'PENDING') throw new Error(`not filed: ${text}`);
  const id = String(data['id']);
  if (flow !== 'approve') {
    const typed = await lane.operator.typed(['approve', '--no-run', id], approveSteps(PASSPHRASE));
    if (typed.code !== 0) throw new Error(`not approved: ${typed.screen}`);
  }
  return { n, ms, id };
};

const underway = (pid: () => number | undefined, over: Promise<unknown>): Underway => {
  let hasEnded = false;
  const ended = over.then(
    () => undefined,
    () => undefined,
  );
  return { pid, isOver: () => hasEnded, over: ended.then(() => void (hasEnded = true)) };
};

/** Begins the flow: what may be disturbed. */
export const start = async (
  lane: Lane,
  flow: Flow,
  { n, ms, id = '', answer = '' }: Filed,
): Promise<Underway> => {
  if (flow === 'execute' || flow === 'withdraw' || flow === 'cosign') {
    const child = spawnCli(lane, ...(flow === 'cosign' ? ['ticket', 'import', answer, '--run'] : [flow, id]));
    return underway(() => child.pid, once(child, 'close'));
  }
  if (flow === 'approve') return startTyped(lane, ['approve', id], approveSteps(PASSPHRASE));
  if (flow === 'sign') return startTyped(lane, ['approve', id], await aliceSteps(lane));
  if (flow === 'freeze') {
    const words = ['freeze', '--host', lane.host.name, '-r', 'A drill.'];
    return startTyped(lane, words, [{ expect: '[Pp]assphrase', send: `${PASSPHRASE}\n` }]);
  }
  const { pid } = await lane.server();
  const done =
    flow === 'auto'
      ? propose(lane, 'crash_low', n, ms, true)
      : call(lane, 'execute_pra_action', { id, wait_seconds: 20 });
  return underway(() => pid ?? undefined, done);
};

const startTyped = (lane: Lane, argv: readonly string[], steps: readonly PtyStep[]): Underway => {
  const { pid, result } = startOnPty([process.execPath, PROGRAM, ...argv], steps, {
    env: lane.operator.env,
    cwd: lane.operator.home,
    seconds: 100,
  });
  return underway(() => childOf(pid), result);
};

const spawnCli = (lane: Lane, ...argv: string[]) =>
  spawn(process.execPath, [PROGRAM, ...argv], { env: lane.operator.env, stdio: 'ignore' });

/**
 * What a person or a model does when something went wrong: whatever the request's state calls for, until it has ended. Never runs
 * anything but what was approved. Returns the milliseconds it took; undefined when it did not end.
 */
export const resume = async (
  lane: Lane,
  n: number,
  heir: Heir,
  within = SETTLE_MS,
): Promise<number | undefined> => {
  const began = performance.now();
  const sofar = (): number => performance.now() - began;
  while (sofar() < within) {
    const request = lane.records.requestOf(n);
    if (request === undefined || isOver(request.state)) return sofar();
    await nextStep(lane, request, heir);
  }
  return undefined;
};

const nextStep = async (lane: Lane, { id, state, action }: Recorded, heir: Heir): Promise<void> => {
  switch (state) {
    case 'PENDING':
      if (action === 'crash_high') await goOnByTwo(lane, { id });
      else await lane.operator.typed(['approve', '--no-run', id], approveSteps(PASSPHRASE));
      return;
    case 'PROPOSED':
      if (heir === 'server') await call(lane, 'withdraw_pra_action', { id });
      else await lane.operator.cli('withdraw', id);
      return;
    case 'APPROVED':
    case 'AUTO_APPROVED':
      if (heir === 'server') await call(lane, 'execute_pra_action', { id, wait_seconds: 20 });
      else await lane.operator.cli('execute', id);
      return;
    default:
      // A new server asks by itself; and whoever waits for longer asks it.
      if (heir === 'cli') await lane.operator.cli('execute', id);
      else {
        await lane.server();
        await changeOf(lane, id, state, 20_000);
        await call(lane, 'get_pra_action', { id, wait_seconds: 5 });
      }
  }
};

/** Resolves when the request has another state, or after so long. */
const changeOf = async (lane: Lane, id: string, state: string, ms: number): Promise<void> => {
  const until = performance.now() + ms;
  while (performance.now() < until && lane.records.stateOf(id) === state) await sleep(20);
};
