import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { systemClock } from '../../src/app/system-clock.ts';
import type { Store } from '../../src/request/ports.ts';
import { openStore } from '../../src/store/open.ts';
import { makeOperator, type Operator } from '../support/operator.ts';
import { makeKey } from '../support/ssh-keys.ts';
import { nthId, requestIn } from '../support/store-fixture.ts';

// What is past its time, and what stays open, in the real program, with a host that answers nothing.

let home: string;
let operator: Operator;
let store: Store;

beforeAll(async () => {
  home = mkdtempSync(join(tmpdir(), 'mcp-pra-overdue-'));
  const [reader, runner] = [makeKey(home, 'reader'), makeKey(home, 'runner')];
  const knownHosts = join(home, 'known_hosts');
  writeFileSync(knownHosts, '');
  operator = makeOperator({
    home,
    hosts: { web1: { address: '127.0.0.1', port: 9 } },
    keys: { reader: reader.path, runner: runner.path },
    knownHosts,
  });
  store = await openStore({ dir: operator.stateDir, clock: systemClock });
});
afterAll(() => {
  store.close();
  rmSync(home, { recursive: true, force: true });
});

const file = (n: number, state: Parameters<typeof requestIn>[2], ms = 300_000): string => {
  const now = store.time();
  requestIn(store, nthId(n), state, {
    createdAt: Date.now(),
    offeredAt: now,
    decideBy: now + ms,
    offer: undefined,
  });
  return nthId(n);
};

test('a running server ends what nobody decided in time, without anybody asking', async () => {
  const id = file(1, 'PENDING', 2_000);
  const session = await operator.serve();
  try {
    expect(store.find(id).state).toBe('PENDING');
    await expect.poll(() => store.find(id).state, { timeout: 50_000 }).toBe('EXPIRED');
  } finally {
    await session.close();
  }
  expect(store.tail(1)[0]).toMatchObject({ kind: 'expiry', request: id, detail: { ending: 'undecided' } });
}, 90_000);

test('what is taken back and not confirmed is listed among what is open, with the time it has', async () => {
  const id = file(2, 'REVOKE_UNCONFIRMED');
  const listed = JSON.parse((await operator.cli('pending', '--json')).stdout) as {
    id: string;
    seconds_left: number;
  }[];
  const found = listed.find((one) => one.id === id);
  expect(found?.seconds_left).toBeGreaterThan(400);
  expect(found?.seconds_left).toBeLessThanOrEqual(480);
});

test('a person closes what stays unknown: with a reason, and the ledger says who said so', async () => {
  const offeredAt = store.time() - 480_000 + 2_000;
  const id = nthId(3);
  requestIn(store, id, 'UNKNOWN', {
    createdAt: Date.now(),
    offeredAt,
    decideBy: store.time() + 300_000,
    offer: undefined,
  });
  await expect.poll(() => store.time() > offeredAt + 480_000, { timeout: 20_000 }).toBe(true);
  expect((await operator.cli('close', id)).code).toBe(2);
  const closed = await operator.cli('close', id, '-r', 'The machine was scrapped.');
  expect(closed, closed.stderr).toMatchObject({ code: 0, stdout: expect.stringContaining('SENT_NO_RETURN') });
  expect(closed.stdout).toContain('A person closed it, not its host');
  expect(store.find(id)).toMatchObject({ state: 'SENT_NO_RETURN', ending: 'closed' });
  const [row] = await operator.ledger('close');
  expect(row).toMatchObject({ kind: 'decision', detail: { reason: 'The machine was scrapped.' } });
  const again = await operator.cli('close', id, '-r', 'Once more.');
  expect(again).toMatchObject({ code: 3, stderr: expect.stringContaining('STATE_CONFLICT') });
});
