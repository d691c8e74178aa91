import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import type { EnrolledForTest } from '../support/authenticator.ts';
import { approveHighSteps } from '../support/operator.ts';
import { twoPeople, type TwoPeople } from '../support/two-people.ts';

// Lifting a freeze where the host asks for two people, who have a machine each.

let home: string;
let two: TwoPeople;
let codes: { readonly alice: EnrolledForTest; readonly bob: EnrolledForTest };

beforeAll(async () => {
  home = mkdtempSync(join(tmpdir(), 'mcp-pra-lifting-'));
  two = await twoPeople(home);
});
afterAll(async () => {
  await two?.target.stop();
  rmSync(home, { recursive: true, force: true });
});
beforeEach(async () => {
  codes = await two.enrol();
  rmSync(frozenFile(), { force: true });
});

const frozenFile = (): string => join(two.target.prefix, 'etc/frozen');
const freeze = async (): Promise<void> => {
  const { alice } = two;
  const typed = await alice.typed(
    ['freeze', '--all', '-r', 'somebody is in'],
    [{ expect: '[Pp]assphrase', send: `${alice.passphrase}\n` }],
  );
  expect(typed.code, typed.screen).toBe(0);
  expect(existsSync(frozenFile())).toBe(true);
};
const idOn = (screen: string): string => /mcp-pra approve ([a-z2-7]{16})/u.exec(screen)?.[1] ?? '';
const standing = async (): Promise<readonly unknown[]> => {
  const { stdout } = await two.alice.cli('freeze', '--status', '--json');
  return (JSON.parse(stdout) as { freezes: unknown[] }).freezes;
};
const file = (name: string, id: string): string => join(home, `${name}-${id}`);
/** Bob signs what alice has exported, and alice takes it in. */
const cosigned = async (id: string) => {
  const { alice, bob, target } = two;
  const exported = await alice.cli('ticket', 'export', id, file('ticket', id));
  expect(exported.code, exported.stderr).toBe(0);
  const second = await bob.typed(
    ['cosign', file('ticket', id), '--out', file('answer', id)],
    approveHighSteps(target.name, bob.passphrase, codes.bob.code()),
  );
  expect(second, second.screen).toMatchObject({ code: 0, missed: null });
  return alice.cli('ticket', 'import', file('answer', id), '--run', '--json');
};

test('who asks at the CLI signs it as one of the two, the other on their own machine, and nothing is frozen any more', async () => {
  const { alice, target } = two;
  await freeze();
  const first = await alice.typed(
    ['unfreeze', '--all', '-r', 'it was a false alarm'],
    approveHighSteps(target.name, alice.passphrase, codes.alice.code()),
  );
  expect(first, first.screen).toMatchObject({ code: 4, missed: null });
  const id = idOn(first.screen);
  expect(first.screen.indexOf(id)).toBeLessThan(first.screen.indexOf('type the name'));
  expect(first.screen.replaceAll(/\s+/gu, ' ')).toContain('1 of 2 signatures, by alice');
  expect(existsSync(frozenFile())).toBe(true);

  const done = await cosigned(id);
  expect(JSON.parse(done.stdout), done.stderr).toMatchObject({
    state: 'SUCCEEDED',
    action: 'unfreeze',
    requester: 'alice/cli',
    signed_by: ['alice', 'bob'],
  });
  expect(existsSync(frozenFile())).toBe(false);
  expect(await standing()).toEqual([]);
});

test('a machine without an approver asks, names the request and who signs it', async () => {
  const { alice, server, target } = two;
  await freeze();
  const asked = await server.cli('unfreeze', '--host', target.name, '-r', 'it was a false alarm');
  expect(asked.code, asked.stderr).toBe(4);
  const id = idOn(asked.stdout);
  expect(id).not.toBe('');
  const unsigned = await alice.cli('ticket', 'export', id);
  expect(unsigned.code).toBe(3);
  expect(unsigned.stderr).toContain('EXPORT_UNSIGNED');
  expect(unsigned.stderr.replaceAll(/\s+/gu, ' ')).toContain('ask for it on the machine of one');
  const first = await alice.typed(
    ['approve', id],
    approveHighSteps(target.name, alice.passphrase, codes.alice.code()),
  );
  expect(first.code, first.screen).toBe(4);
  expect(JSON.parse((await cosigned(id)).stdout)).toMatchObject({ state: 'SUCCEEDED' });
  expect(existsSync(frozenFile())).toBe(false);
});
