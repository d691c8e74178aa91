import { z } from 'zod';
import { waitingFor } from '../../messages/next-en.ts';
import type { RequestView, WaitOptions } from '../../request/desk.ts';
import type { State } from '../../request/types.ts';
import { requestOutput } from '../result.ts';
import { requestView } from '../schemas.ts';
import { defineTool, LONGEST_CALL_MS, type ToolContext } from '../tool.ts';

const id = z
  .string()
  .regex(/^[a-z2-7]{16}$/u)
  .describe('The id of the request');
/** Leaves a few seconds of the call for the answer itself. */
const LONGEST_WAIT = LONGEST_CALL_MS / 1_000 - 3;
const waitSeconds = (fallback: number) =>
  z
    .number()
    .int()
    .min(0)
    .max(LONGEST_WAIT)
    .default(fallback)
    .describe('Seconds to wait for the outcome; ask again when it takes longer');

/** States from which a request can still change. */
const OPEN: readonly State[] = [
  'PROPOSED',
  'PENDING',
  'APPROVED',
  'AUTO_APPROVED',
  'DISPATCHING',
  'RUNNING',
  'UNKNOWN',
  'REVOKE_UNCONFIRMED',
];

/** Notices of output that come faster than this are left out; the result has the whole. Milliseconds. */
const FASTEST_MS = 100;

/**
 * What a call waits for as progress: how long a person still has, which state a run is in, and the last line of its output (masked; the
 * whole is in the result). Progress counts lines and notices, so that it always grows.
 */
const showProgress = ({ progress }: ToolContext): Pick<WaitOptions, 'onOutput' | 'onWaiting'> => {
  let done = 0;
  let toldAt = -Infinity;
  return {
    onOutput: (text) => {
      const lines = text.split('\n').filter((line) => line !== '');
      const last = lines.at(-1);
      if (last === undefined) return;
      done += lines.length;
      if (performance.now() - toldAt < FASTEST_MS) return;
      toldAt = performance.now();
      progress(done, undefined, `untrusted output: ${last.slice(0, 200).toWellFormed()}`);
    },
    onWaiting: (view) => {
      done += 1;
      progress(done, undefined, waitingText(view));
    },
  };
};

const waitingText = ({ state, host, seconds_left: left, ...view }: RequestView): string => {
  const needed = view.signatures_needed ?? 1;
  const text =
    state !== 'PENDING' ? waitingFor.end : needed > 1 ? waitingFor.signatures : waitingFor.decision;
  const minutes = Math.floor((left ?? 0) / 60);
  const values = { state, host, minutes, seconds: (left ?? 0) % 60, given: view.signed_by.length, needed };
  return text.replaceAll(/\{(\w+)\}/gu, (_, name: string) => String(Reflect.get(values, name)));
};

export const proposePraAction = defineTool({
  name: 'propose_pra_action',
  title: 'Propose a PRA action',
  description:
    'Files a request for one action on one host. The host itself says what it would run (argv) and signs that. With auto_approve a LOW action runs at once where the policy of the host allows it; everything else waits for a person, who approves in a terminal within 5 minutes.',
  risk: 'files-requests',
  input: z.strictObject({
    action: z.string().min(1).max(40).describe('Name from list_pra_actions'),
    host: z.string().min(1).max(64).describe('One host from list_hosts'),
    args: z
      .record(z.string().max(40), z.union([z.string().max(96), z.number()]))
      .default({})
      .describe('Parameters of the action, by name'),
    rationale: z
      .string()
      .min(1)
      .max(400)
      .describe('What is broken and why this helps: the person who approves reads it as your words'),
    auto_approve: z
      .boolean()
      .default(false)
      .describe('Ask for automatic approval of a LOW action; never possible for MEDIUM and HIGH'),
  }),
  output: requestView,
  run: async ({ action, host, args, rationale, auto_approve: autoApprove }, context) =>
    requestOutput(
      await context.desk.propose(
        context.caller,
        { action, host, args, reason: rationale, autoApprove },
        { signal: context.signal, waitMs: 15_000, ...showProgress(context) },
      ),
    ),
});

export const getPraAction = defineTool({
  name: 'get_pra_action',
  title: 'Look at a request',
  description:
    'State, receipt and output of a request. Waits for a change: a decision while it is pending, the end while it runs.',
  risk: 'reads',
  input: z.strictObject({ id, wait_seconds: waitSeconds(0) }),
  output: requestView,
  run: async ({ id: request, wait_seconds: wait }, context) =>
    requestOutput(
      await context.desk.get(context.caller, request, {
        signal: context.signal,
        waitMs: wait * 1_000,
        ...showProgress(context),
      }),
    ),
});

export const executePraAction = defineTool({
  name: 'execute_pra_action',
  title: 'Run an approved request',
  description:
    'Runs a request that was approved. Refused before that. Idempotent: it runs once, a second call reports the first run. Returns after at most 20 s; then wait with get_pra_action.',
  risk: 'runs-approved',
  input: z.strictObject({ id, wait_seconds: waitSeconds(20) }),
  output: requestView,
  run: async ({ id: request, wait_seconds: wait }, context) =>
    requestOutput(
      await context.desk.execute(context.caller, request, {
        signal: context.signal,
        waitMs: wait * 1_000,
        ...showProgress(context),
      }),
    ),
});

export const withdrawPraAction = defineTool({
  name: 'withdraw_pra_action',
  title: 'Withdraw a request',
  description:
    'Takes back a request that has not started. Use it when it is no longer needed, so that nobody has to decide.',
  risk: 'withdraws',
  input: z.strictObject({ id }),
  output: requestView,
  run: async ({ id: request }, { desk, caller, signal }) =>
    requestOutput(await desk.withdraw(caller, request, { signal })),
});

export const listPraRequests = defineTool({
  name: 'list_pra_requests',
  title: 'List requests',
  description:
    'Requests, newest first: what waits for a person, what runs, what ended and how. Without their output: get_pra_action has that.',
  risk: 'reads',
  input: z.strictObject({
    open_only: z.boolean().default(false).describe('Only those that can still change'),
    limit: z.number().int().min(1).max(50).default(10).describe('How many at most'),
  }),
  output: z.object({ requests: z.array(requestView) }),
  run: ({ open_only: openOnly, limit }, { desk, caller }) => {
    const requests = desk
      .list(caller, openOnly ? { states: OPEN, limit } : { limit })
      .map((view) => ({ ...view, output: null }));
    const text = requests.map((view) => requestOutput(view).text).join('\n\n');
    return Promise.resolve({ text: text === '' ? 'No requests.' : text, data: { requests } });
  },
});
