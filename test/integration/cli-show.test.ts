import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import Sqlite from 'better-sqlite3';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { EMBEDDED_CATALOG, startEmbeddedTarget, type EmbeddedTarget } from '../support/embedded-target.ts';
import { approveHighSteps, enrolOperator, makeOperator, type Operator } from '../support/operator.ts';

let home: string;
let target: EmbeddedTarget;
let operator: Operator;
let plain: string;

beforeAll(async () => {
  home = mkdtempSync(join(tmpdir(), 'mcp-pra-show-'));
  target = await startEmbeddedTarget();
  operator = makeOperator({
    home,
    hosts: { [target.name]: { address: target.address, port: target.port } },
    keys: { reader: target.readerKey, runner: target.runnerKey, auto: target.autoKey.path },
    approver: { principal: target.approver.principal, key: target.approver.path },
    knownHosts: target.knownHostsPath,
    more: { catalog: { builtin: false, dirs: [EMBEDDED_CATALOG] } },
  });
  plain = readFileSync(operator.config, 'utf8');
});
beforeEach(() => writeFileSync(operator.config, plain));
afterAll(async () => {
  await target?.stop();
  rmSync(home, { recursive: true, force: true });
});

const configure = (more: object): void =>
  writeFileSync(operator.config, JSON.stringify({ ...(JSON.parse(plain) as object), ...more }));
const propose = async (...more: string[]): Promise<string> => {
  const argv = ['propose', 'rotate_demo', '-H', target.name, '-r', 'full', '--json', ...more];
  return (JSON.parse((await operator.cli(...argv)).stdout) as { id: string }).id;
};
/** Writes past the program: whoever has the account can. */
const spoil = (id: string, sql: string): void => {
  const raw = new Sqlite(join(operator.stateDir, 'mcp-pra.db'), { fileMustExist: true });
  const triggers = raw
    .prepare<[], { name: string; sql: string }>("SELECT name, sql FROM sqlite_schema WHERE type = 'trigger'")
    .all();
  for (const { name } of triggers) raw.exec(`DROP TRIGGER ${name}`);
  raw.prepare(`UPDATE requests SET ${sql} WHERE id = ?`).run(id);
  for (const trigger of triggers) raw.exec(trigger.sql);
  raw.close();
};

test('what the host warns of stands with the request, for people and for a model, and in the ledger once', async () => {
  const id = await propose('--impact', 'HIGH');
  expect((await operator.cli('show', id)).stdout).toMatch(/warning +SOFTWARE_KEY: The policy of the host/u);
  const { code, passphrase } = { ...(await enrolOperator(operator, target.approver)), ...target.approver };
  const approved = await operator.typed(['approve', id], approveHighSteps(target.name, passphrase, code()));
  expect(approved).toMatchObject({ code: 0, missed: null });
  // Right above the question, and with the outcome.
  expect(approved.screen).toMatch(
    /In short[\s\S]*SOFTWARE_KEY[\s\S]*type the name of the host[\s\S]*SOFTWARE_KEY/u,
  );
  const session = await operator.serve();
  const answer = await session.call('get_pra_action', { id });
  await session.close();
  expect(answer.data).toMatchObject({ warnings: [{ code: 'SOFTWARE_KEY' }] });
  expect(answer.text).toContain('warning of the host: SOFTWARE_KEY: The policy of the host');
  expect(await operator.ledger('HOST_WARNING')).toMatchObject([
    { host: target.name, detail: { warning: 'SOFTWARE_KEY' } },
  ]);
  expect(JSON.parse((await operator.cli('show', await propose(), '--json')).stdout)).toMatchObject({
    warnings: [],
  });
});

describe('what cannot be approved now is shown all the same, and why', () => {
  /** What a person and a program read of it. */
  const show = async (id: string): Promise<readonly unknown[]> => {
    const [page, json] = [await operator.cli('show', id), await operator.cli('show', id, '--json')];
    return [page, { ...json, stdout: JSON.parse(json.stdout) as unknown }];
  };
  const refusedWith = (code: string): unknown => [
    {
      code: 0,
      stdout: expect.stringContaining(`rotate_demo @ ${target.name}`),
      stderr: expect.stringContaining(code),
    },
    {
      code: 0,
      stdout: expect.objectContaining({
        state: 'PENDING',
        not_approvable: expect.objectContaining({ code }),
      }),
      stderr: '',
    },
  ];

  test('an action that the configuration denies by now', async () => {
    const id = await propose();
    configure({ policy: { deny_actions: ['rotate_demo'] } });
    expect(await show(id)).toEqual(refusedWith('ACTION_DENIED'));
  });

  test.each([
    ['a ticket', "ticket = 'x'", 'APPROVAL_BROKEN'],
    ['an offer', "offer_text = 'x'", 'OFFER_INVALID'],
    ['the signature of an offer', "offer_signature = 'x'", 'OFFER_INVALID'],
  ])('%s that somebody has changed in the database', async (_, sql, code) => {
    const id = await propose();
    spoil(id, sql);
    expect(await show(id)).toEqual(refusedWith(code));
  });

  test('a host that is frozen here', async () => {
    const id = await propose();
    expect(
      (await operator.cli('freeze', '--host', target.name, '--local', '-r', 'somebody is in')).code,
    ).toBe(0);
    expect(await show(id)).toEqual(refusedWith('FROZEN'));
  });
});

test('with --json no character that came into the database is obeyed by a terminal, and each is there', async () => {
  const id = await propose();
  spoil(id, "reason = 'full ' || char(8238) || 'gnp.exe' || char(155) || '2J'");
  for (const argv of [['show', id], ['pending']]) {
    const { stdout } = await operator.cli(...argv, '--json');
    expect(stdout).toContain('gnp.exe');
    expect(stdout).not.toMatch(/[\p{Cf}\u0080-\u009f]/u);
  }
  const shown = JSON.parse((await operator.cli('show', id, '--json')).stdout) as { reason: string };
  expect(shown.reason).toBe('full \u202egnp.exe\u009b2J');
});
