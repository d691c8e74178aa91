import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openProcesses } from '../../src/app/processes.ts';
import { signTicket } from '../../src/approver/sign.ts';
import { loadCatalog } from '../../src/catalog/load.ts';
import type { PersonDesk, RequestView } from '../../src/request/desk.ts';
import { openDesk, type DeskParts, type OpenDesk } from '../../src/request/open-desk.ts';
import type { LedgerRow } from '../../src/request/ledger-entry.ts';
import type { Store } from '../../src/request/ports.ts';
import type { Caller, RequestId } from '../../src/request/types.ts';
import { openChannel, type OpenChannelOptions } from '../../src/ssh/open-channel.ts';
import { openPrivateKey } from '../../src/ssh/private-key.ts';
import { openStore } from '../../src/store/open.ts';
import { EMBEDDED_CATALOG, type EmbeddedTarget } from './embedded-target.ts';

export const MODEL: Caller = { principal: 'operator', client: 'test-client', channel: 'mcp' };
export const PERSON: Caller = { principal: 'operator', client: 'cli', channel: 'cli' };

/** One process of an operator, without the process: its desk, channel and connection to the database. */
export interface TestDesk {
  readonly desk: PersonDesk;
  readonly store: Store;
  readonly open: OpenDesk;
  /** What went to the log. */
  readonly errors: unknown[];
  ledger(): readonly LedgerRow[];
  /** A person reads the sheet and signs it. */
  approve(id: RequestId): Promise<RequestView>;
  /** As the program closes: the channel, what is followed, the database. */
  close(): Promise<void>;
}

export interface TestDeskOptions extends Partial<
  Pick<
    DeskParts,
    'operator' | 'limits' | 'clock' | 'processes' | 'autoSigner' | 'hosts' | 'source' | 'executeMs'
  >
> {
  readonly catalogDir?: string;
  /** Shared by desks that work on the same database. */
  readonly stateDir: string;
  readonly ssh?: Partial<OpenChannelOptions>;
}

export const makeStateDir = (): { readonly path: string; remove(): void } => {
  const root = mkdtempSync(join(tmpdir(), 'mcp-pra-desk-'));
  return { path: join(root, 'state'), remove: () => rmSync(root, { recursive: true, force: true }) };
};

/** The real parts of app.ts, with limits and a clock that a test may choose. */
export const openTestDesk = async (target: EmbeddedTarget, options: TestDeskOptions): Promise<TestDesk> => {
  const { catalogDir = EMBEDDED_CATALOG, stateDir, ssh, ...over } = options;
  const errors: unknown[] = [];
  const clock = over.clock ?? Date;
  const { executeMs } = over;
  const store = await openStore({ dir: stateDir, clock, ...(executeMs === undefined ? {} : { executeMs }) });
  const channel = openChannel({ ...target.sshOptions, ...ssh });
  const auto = openPrivateKey(readFileSync(target.autoKey.path), undefined, {
    account: 'auto',
    path: target.autoKey.path,
  });
  const open = openDesk({
    catalog: loadCatalog([catalogDir], { targetScripts: EMBEDDED_CATALOG }),
    hosts: [{ name: target.name, tags: [], groups: [] }],
    operator: { denyActions: [], raise: {}, autoApprove: true, rules: [] },
    limits: { callsPerMinute: 600, hostsPerCall: 20, resultTokens: 2_000 },
    channel,
    store,
    clock,
    processes: openProcesses(),
    autoSigner: (ticket) =>
      Promise.resolve(signTicket({ ticketText: ticket.toString(), namespace: 'mcp-pra-auto', key: auto })),
    onError: (error) => errors.push(error),
    ...over,
  });
  const desk = open.person;
  return {
    desk,
    store,
    open,
    errors,
    ledger: () => store.tail(100_000),
    approve: async (id) => {
      const { path, passphrase, principal } = target.approver;
      const sheet = await desk.sheet(id);
      const key = openPrivateKey(readFileSync(path), Buffer.from(passphrase), { account: 'approver', path });
      const signature = signTicket({ ticketText: sheet.ticket, namespace: sheet.namespace, key });
      return desk.approve(PERSON, sheet, { principal, signature });
    },
    close: async () => {
      await channel.close();
      await open.idle();
      store.close();
    },
  };
};
