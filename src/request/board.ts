import type { RequestView } from './desk.ts';
import type { Clock, Store } from './ports.ts';
import { warningsAbout } from './host-warnings.ts';
import { taintOf } from './session-taint.ts';
import type { State, StoredRequest } from './types.ts';
import { viewOf, type Moment } from './view.ts';

/** The state in which a person is waited for. */
const WAITING: readonly State[] = ['PENDING'];
const MOST = 200;

/** What a screen on this machine looks at every second. Nothing of it asks a host or counts as a call. */
export interface Board {
  /** What waits for a decision, the nearest deadline first, at most 200. Closes what is overdue. */
  waiting(): readonly RequestView[];
  /** One request as the database has it. Throws REQUEST_UNKNOWN. */
  peek(id: string): RequestView;
  /** Resolves when any process changed something, after `ms`, or when aborted. */
  changed(ms: number, signal?: AbortSignal): Promise<void>;
}

export const openBoard = (store: Store, clock: Clock): Board => {
  const moment = (): Moment => ({ wall: clock.now(), steady: store.time() });
  const viewed = (request: StoredRequest): RequestView =>
    viewOf(request, moment(), {
      warnings: warningsAbout(store, request.id),
      taint: taintOf(store, request.id),
    });
  return {
    waiting: () => {
      store.expireDue();
      return [...store.list({ states: WAITING, limit: MOST })]
        .sort((a, b) => a.decideBy - b.decideBy)
        .map(viewed);
    },
    peek: (id) => {
      store.expireDue();
      return viewed(store.find(id));
    },
    changed: (ms, signal) => store.changed(ms, signal),
  };
};
