import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import Sqlite from 'better-sqlite3';
import { next, TRANSITIONS, type LifecycleEvent } from '../../src/request/lifecycle.ts';
import type { LedgerEntry } from '../../src/request/ledger-entry.ts';
import type { RequestPatch, Store } from '../../src/request/ports.ts';
import type { State, StoredRequest } from '../../src/request/types.ts';
import { openStore, type StoreOptions } from '../../src/store/open.ts';

/** Any moment; tests move the clock from here. */
export const START = Date.UTC(2026, 10, 3, 3, 0, 0);

export type NewRequest = Omit<StoredRequest, 'state' | 'updatedAt'>;

/** A request as the desk files it. */
export const newRequest = (id: string, over: Partial<NewRequest> = {}): NewRequest => ({
  id,
  host: 'web1',
  action: 'restart_service',
  args: [['unit', 'nginx.service']],
  definition: 'd'.repeat(64),
  impact: 'MEDIUM',
  requester: 'operator/claude-desktop',
  reason: 'nginx answers nothing',
  createdAt: START,
  offeredAt: START,
  decideBy: START + 300_000,
  executeBy: undefined,
  offer: { text: 'mcp-pra offer v1\n', signature: 'c2ln' },
  rule: 'impact-medium',
  decidedBy: undefined,
  decisionNote: undefined,
  ticket: undefined,
  signatures: [],
  approvals: [],
  dispatcher: undefined,
  dispatchedAt: undefined,
  isClaimed: false,
  ending: undefined,
  incident: undefined,
  refusal: undefined,
  receipt: undefined,
  renewOf: undefined,
  undoOf: undefined,
  ...over,
});

/** A ledger row about a request. */
export const row = (request: string, code = 'test'): LedgerEntry => ({
  kind: 'decision',
  code,
  actor: 'operator/cli',
  host: 'web1',
  subject: 'restart_service',
  request,
});

const ALPHABET = 'abcdefghijklmnopqrstuvwxyz234567';

/** The n-th id; the first characters tell them apart. */
export const nthId = (n: number): string =>
  Array.from({ length: 4 }, (_, place) => ALPHABET[Math.floor(n / 32 ** place) % 32]).join('') +
  'a'.repeat(12);

/** A store in a directory of its own, with a clock that only the test moves. */
export class TempStore {
  readonly dir: string;
  readonly clock: { time: number; now(): number };
  readonly warnings: string[];
  store: Store;

  private constructor(dir: string, clock: { time: number; now(): number }, warnings: string[], store: Store) {
    this.dir = dir;
    this.clock = clock;
    this.warnings = warnings;
    this.store = store;
  }

  static async open(): Promise<TempStore> {
    const dir = join(mkdtempSync(join(tmpdir(), 'mcp-pra-store-')), 'state');
    const clock = {
      time: START,
      now(): number {
        return this.time;
      },
    };
    const warnings: string[] = [];
    const store = await openStore({ dir, clock, onWarning: (code) => warnings.push(code) });
    return new TempStore(dir, clock, warnings, store);
  }

  get file(): string {
    return join(this.dir, 'mcp-pra.db');
  }

  get auditDir(): string {
    return join(this.dir, 'audit');
  }

  /** Another store on the same files, as another process would have it. */
  another(options: Partial<StoreOptions> = {}): Promise<Store> {
    return openStore({
      dir: this.dir,
      clock: this.clock,
      onWarning: (code) => this.warnings.push(code),
      ...options,
    });
  }

  async reopen(): Promise<void> {
    this.store.close();
    this.store = await this.another();
  }

  /** A connection without any manners of ours. */
  raw(): Sqlite.Database {
    return new Sqlite(this.file, { fileMustExist: true });
  }

  /** Drops the triggers, as somebody would who wants to change the past. */
  tamper(sql: string): void {
    const database = this.raw();
    const triggers = database
      .prepare<[], string>("SELECT name FROM sqlite_schema WHERE type = 'trigger'")
      .pluck()
      .all();
    for (const name of triggers) database.exec(`DROP TRIGGER ${name}`);
    database.exec(sql);
    database.close();
  }

  dispose(): void {
    this.store.close();
    rmSync(join(this.dir, '..'), { recursive: true });
  }
}

/** A shortest way from PROPOSED to a state. */
export const wayTo = (state: State): readonly LifecycleEvent[] => {
  const ways = new Map<State, readonly LifecycleEvent[]>([['PROPOSED', []]]);
  for (const [from, way] of ways) {
    for (const event of Object.keys(Object(Reflect.get(TRANSITIONS, from))) as LifecycleEvent[]) {
      const to = next(from, event);
      if (to !== undefined && !ways.has(to)) ways.set(to, [...way, event]);
    }
  }
  const way = ways.get(state);
  if (way === undefined) throw new Error(`nothing leads to ${state}`);
  return way;
};

/** What the store asks of an event besides its row. */
export const patchOf = (event: LifecycleEvent): RequestPatch => {
  if (event === 'cosign') return { ticket: 'the ticket', signatures: ['YQ=='] };
  if (event === 'vanish') return { ending: 'stayed_off' };
  const isSaidByHost = event === 'revoke' || event === 'burn';
  return isSaidByHost ? { receipt: { text: 'mcp-pra receipt v1\n', signature: 'cmVj' } } : {};
};

/** Files a request and takes it to a state. */
export const requestIn = (
  store: Store,
  id: string,
  state: State,
  over: Partial<NewRequest> = {},
): StoredRequest => {
  store.create(newRequest(id, over), row(id, 'PROPOSED'));
  for (const event of wayTo(state)) store.transition(id, event, patchOf(event), row(id, event));
  return store.find(id);
};
