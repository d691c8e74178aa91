import { PraError } from '../errors.ts';
import type { RequestView, WaitOptions } from '../request/desk.ts';
import { neutralise } from '../request/neutralise.ts';
import type { CliContext } from './cli-context.ts';
import { withProgress, type Progress } from './progress.ts';
import { say } from './say.ts';

/** How long one call waits; the loop below goes on as long as the action does. */
const WAIT_MS = 25_000;
/**
 * After so many waits without an outcome the command ends and says UNKNOWN; the request is settled later. One that is to switch its
 * host off is waited for until the silence says enough (five minutes, and a little more), so that it needs no server to end.
 */
const MAX_UNKNOWN = { other: 3, poweroff: 14 } as const;

/**
 * Starts something that runs on a host and watches it to its end: output as it comes, a receipt in the returned view.
 * Ctrl-C ends the watching only, and says so. Throws CANCELLED then.
 */
export const followRun = (
  context: CliContext,
  host: string,
  start: (options: WaitOptions) => Promise<RequestView>,
): Promise<RequestView> =>
  withProgress(context.io, say('progress.run', { host }), async (progress) => {
    const { signal } = context;
    let streamed = false;
    const print = printer(context, progress);
    const onOutput = (text: string): void => {
      streamed = true;
      print(text);
    };
    let view: RequestView | undefined;
    let unknown = 0;
    try {
      view = await start({ signal, waitMs: WAIT_MS, onOutput });
      const { desk } = await context.app();
      const isToBeOff = desk.catalog.actions.get(view.action)?.ends === 'poweroff';
      const most = isToBeOff ? MAX_UNKNOWN.poweroff : MAX_UNKNOWN.other;
      while (isUnderway(view) && unknown < most && !signal.aborted) {
        view = await desk.get(context.caller(), view.id, { signal, waitMs: WAIT_MS, onOutput });
        if (view.state === 'UNKNOWN') unknown += 1;
      }
    } catch (error) {
      if (!signal.aborted) throw error;
    }
    if (signal.aborted) {
      progress.clear();
      if (view !== undefined && isUnderway(view))
        context.io.stderr.write(`${say('run.left', { id: view.id })}\n`);
      throw new PraError('CANCELLED');
    }
    if (view === undefined) throw new PraError('INTERNAL');
    // What has been on the screen already is not shown again.
    return streamed && !context.json ? { ...view, output: null } : view;
  });

const isUnderway = ({ state }: RequestView): boolean => ['DISPATCHING', 'RUNNING', 'UNKNOWN'].includes(state);

const printer = (context: CliContext, progress: Progress): ((text: string) => void) =>
  context.json
    ? () => undefined
    : (text) => {
        progress.clear();
        context.io.stdout.write(neutralise(text).text);
      };
