import { cpSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import Sqlite from 'better-sqlite3';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest';
import { sha256 } from '../../src/catalog/digest.ts';
import type { ApprovalSheet } from '../../src/request/desk.ts';
import { parseTicket } from '../../src/request/ticket.ts';
import { readBlock, writeBlock } from '../../src/request/text-block.ts';
import {
  makeStateDir,
  openTestDesk,
  PERSON,
  type TestDesk,
  type TestDeskOptions,
} from '../support/desk-on-target.ts';
import { EMBEDDED_CATALOG, startEmbeddedTarget, type EmbeddedTarget } from '../support/embedded-target.ts';
import { makeSigner, type Signer } from '../support/signed-request.ts';

// A host that asks for two people: at one machine, and at two that share nothing but the host's key in their known_hosts.

const [alice, bob, carol] = ['alice', 'bob', 'carol'].map(makeSigner) as [Signer, Signer, Signer];
const MODEL = { principal: 'zoe', client: 'test-client', channel: 'mcp' } as const;

let target: EmbeddedTarget;
let home: ReturnType<typeof makeStateDir>;
let desks: TestDesk[];

beforeAll(async () => {
  target = await startEmbeddedTarget();
  target.writePolicy({ quorum: { MEDIUM: 2, HIGH: 2 } });
  const namespaces = 'namespaces="mcp-pra-low,mcp-pra-medium,mcp-pra-high"';
  target.writeAllowedSigners(
    [alice, bob, carol].map(
      ({ principal, publicKey }) => `${principal} ${namespaces} ssh-ed25519 ${publicKey.toString('base64')}`,
    ),
  );
});
afterAll(() => target?.stop());
beforeEach(() => {
  home = makeStateDir();
  desks = [];
});
afterEach(async () => {
  await Promise.all(desks.map((desk) => desk.close()));
  home.remove();
});

/** A machine with a database of its own. */
const machine = async (name: string, over: Partial<TestDeskOptions> = {}): Promise<TestDesk> => {
  mkdirSync(join(home.path, '..'), { recursive: true });
  const desk = await openTestDesk(target, { stateDir: `${home.path}-${name}`, ...over });
  desks.push(desk);
  return desk;
};
const propose = ({ desk }: TestDesk, caller: typeof MODEL | typeof PERSON = MODEL) =>
  desk.propose(caller, {
    action: 'rotate_demo',
    host: target.name,
    args: {},
    reason: 'The log is full.',
    autoApprove: false,
  });
const signedBy = (signer: Signer, { ticket, namespace }: ApprovalSheet) => ({
  principal: signer.principal,
  signature: signer.sign(ticket, namespace),
});
const sign = async ({ desk }: TestDesk, id: string, signer: Signer) => {
  const sheet = await desk.sheet(id, signer.principal);
  return desk.approve(PERSON, sheet, signedBy(signer, sheet));
};
const cosign = async ({ desk }: TestDesk, block: string, signer: Signer): Promise<string> => {
  const sheet = await desk.cosignSheet(block, signer.principal);
  return desk.cosign(PERSON, block, sheet, signedBy(signer, sheet));
};
const rows = (desk: TestDesk, id: string) =>
  desk
    .ledger()
    .filter(({ request }) => request === id)
    .map(({ code, detail }) => [code, detail?.['approver'], detail?.['way']]);
const code = (expected: string) => ({ code: expected });
const run = ({ desk }: TestDesk, id: string) => desk.execute(PERSON, id, { waitMs: 20_000 });

describe('two people at one machine', () => {
  test('sign the same ticket; the first signature approves nothing, the second one does, and the host takes it', async () => {
    const it = await machine('a');
    const { id } = await propose(it);
    const rotations = target.demo.rotations();
    const first = await sign(it, id, alice);
    expect(first).toMatchObject({
      state: 'PENDING',
      signed_by: ['alice'],
      signatures_needed: 2,
      decided_by: null,
    });
    expect(first.seconds_left).toBeGreaterThan(890);
    await expect(run(it, id)).rejects.toMatchObject(code('NOT_APPROVED'));
    const ticket = it.store.find(id).ticket;
    expect(await sign(it, id, bob)).toMatchObject({ state: 'APPROVED', decided_by: 'alice, bob' });
    expect(it.store.find(id).ticket).toBe(ticket);
    expect(await run(it, id)).toMatchObject({ state: 'SUCCEEDED', receipt: { state: 'SUCCEEDED' } });
    expect(target.demo.rotations()).toBe(rotations + 1);
    expect(rows(it, id).filter(([, approver]) => approver !== undefined)).toEqual([
      ['cosign', 'alice', 'here'],
      ['approve', 'bob', 'here'],
    ]);
  });

  test('who asked does not count, and nobody counts twice', async () => {
    const it = await machine('a');
    const { id } = await propose(it, PERSON);
    const asked = { ...carol, principal: PERSON.principal };
    await expect(it.desk.sheet(id, PERSON.principal)).rejects.toMatchObject(code('REQUESTER_SIGNED'));
    const unnamed = await it.desk.sheet(id);
    expect(() => it.desk.approve(PERSON, unnamed, signedBy(asked, unnamed))).toThrow(
      expect.objectContaining(code('REQUESTER_SIGNED')),
    );
    await sign(it, id, alice);
    await expect(it.desk.sheet(id, 'alice')).rejects.toMatchObject(code('SIGNER_TWICE'));
    const sheet = await it.desk.sheet(id);
    for (const again of [alice, { ...alice, principal: 'bob' }, { ...bob, principal: 'alice' }])
      expect(() => it.desk.approve(PERSON, sheet, signedBy(again, sheet))).toThrow(
        expect.objectContaining(code('SIGNER_TWICE')),
      );
    expect(it.store.find(id)).toMatchObject({ state: 'PENDING', signatures: [expect.any(String)] });
  });

  test('two who read it at the same moment: the second one is told to read the ticket of the first', async () => {
    const it = await machine('a');
    const { id } = await propose(it);
    const [one, other] = [await it.desk.sheet(id), await it.desk.sheet(id)];
    it.desk.approve(PERSON, one, signedBy(alice, one));
    const later = {
      ...other,
      ticket: other.ticket.replace(/^ledger .*$/mu, `ledger sha256:${'0'.repeat(64)}`),
    };
    expect(() => it.desk.approve(PERSON, later, signedBy(bob, later))).toThrow(
      expect.objectContaining(code('SIGNED_MEANWHILE')),
    );
  });

  test('half signed it is taken back with the word of the host', async () => {
    const it = await machine('a');
    const { id } = await propose(it);
    await sign(it, id, alice);
    expect(await it.desk.deny(PERSON, id, 'No.')).toMatchObject({ state: 'REVOKED', decision_note: 'No.' });
    await expect(it.desk.sheet(id)).rejects.toMatchObject(code('STATE_CONFLICT'));
  });

  test('signed between the look and the word of who denies it, it is still the host that ends it', async () => {
    const [it, other] = [await machine('a'), await machine('a')];
    const { id } = await propose(it);
    const sheet = await other.desk.sheet(id);
    const transition = it.store.transition.bind(it.store);
    const first = vi.spyOn(it.store, 'transition').mockImplementationOnce((...given) => {
      other.desk.approve(PERSON, sheet, signedBy(alice, sheet));
      return transition(...given);
    });
    const view = await it.desk.deny(PERSON, id, 'No.');
    expect(first).toHaveBeenCalledWith(id, 'deny', expect.anything(), expect.anything());
    expect(view).toMatchObject({ state: 'REVOKED', receipt: { state: 'NEVER_STARTED' } });
  });
});

describe('two people at two machines', () => {
  test('one exports, the other cosigns, the first imports, and the host runs it once', async () => {
    const [here, there] = [await machine('a'), await machine('b')];
    const { id } = await propose(here);
    await expect(async () => here.desk.exportTicket(PERSON, id)).rejects.toMatchObject(
      code('EXPORT_UNSIGNED'),
    );
    await sign(here, id, alice);
    const block = here.desk.exportTicket(PERSON, id);

    const read = await there.desk.cosignSheet(`Hello Bob,\r\n${block.replaceAll('\n', '\r\n')}`, 'bob');
    const own = await here.desk.sheet(id);
    expect(read).toMatchObject({
      ticket: own.ticket,
      offer: own.offer,
      effects: own.effects,
      undo: own.undo,
      namespace: 'mcp-pra-medium',
      view: { signed_by: ['alice'], signatures_needed: 2, seconds_left: null, requester: 'zoe/test-client' },
    });
    const answer = await cosign(there, block, bob);
    expect(there.store.list()).toEqual([]);
    expect(rows(there, id)).toEqual([['COSIGNED', 'bob', undefined]]);

    const rotations = target.demo.rotations();
    expect(await here.desk.importSignature(PERSON, answer)).toMatchObject({
      state: 'APPROVED',
      decided_by: 'alice, bob',
    });
    expect(await run(here, id)).toMatchObject({ state: 'SUCCEEDED', receipt: { state: 'SUCCEEDED' } });
    expect(target.demo.rotations()).toBe(rotations + 1);
    expect(rows(here, id).slice(-6)).toMatchObject([
      ['cosign', 'alice', 'here'],
      ['TICKET_EXPORTED', undefined, undefined],
      ['approve', 'bob', 'cosigned'],
      ['dispatch', undefined, undefined],
      ['accept', undefined, undefined],
      ['succeed', undefined, undefined],
    ]);
    await expect(here.desk.importSignature(PERSON, answer)).rejects.toMatchObject(code('STATE_CONFLICT'));
    await expect(async () => here.desk.exportTicket(PERSON, id)).rejects.toMatchObject(
      code('STATE_CONFLICT'),
    );
  });

  test('the other machine trusts its own known_hosts, hosts and catalog, not the block', async () => {
    const here = await machine('a');
    const { id } = await propose(here);
    await sign(here, id, alice);
    const block = here.desk.exportTicket(PERSON, id);
    const refused = async (over: Partial<TestDeskOptions>): Promise<unknown> => {
      const there = await machine(`b${String(desks.length)}`, over);
      const error: unknown = await there.desk.cosignSheet(block, 'bob').catch((thrown: unknown) => thrown);
      expect(there.ledger().at(-1)).toMatchObject({ kind: 'refusal', subject: 'sheet' });
      return error;
    };

    const path = join(target.operatorDir, 'known_hosts_of_bob');
    const stranger = makeSigner('stranger').publicKey.toString('base64');
    writeFileSync(
      path,
      `${target.name},[${target.address}]:${String(target.port)} ssh-ed25519 ${stranger}\n`,
      {
        mode: 0o600,
      },
    );
    expect(await refused({ ssh: { knownHosts: [{ path }] } })).toMatchObject({
      code: 'OFFER_INVALID',
      values: { code: 'HOST_KEY_NOT_KNOWN' },
    });
    expect(await refused({ hosts: [{ name: 'another', tags: [], groups: [] }] })).toMatchObject(
      code('HOST_UNKNOWN'),
    );
    const changed = join(target.operatorDir, 'catalog-of-bob');
    cpSync(EMBEDDED_CATALOG, changed, { recursive: true });
    rmSync(join(changed, 'scripts'), { recursive: true });
    const definition = join(changed, 'actions/rotate_demo.yaml');
    writeFileSync(
      definition,
      readFileSync(definition, 'utf8').replace(/^effects: .*/mu, 'effects: Nothing at all, really.'),
    );
    expect(await refused({ catalogDir: changed })).toMatchObject(code('DEFINITION_DIFFERS'));
    const denied = { denyActions: ['rotate_demo'], raise: {}, autoApprove: true, rules: [] };
    expect(await refused({ operator: denied })).toMatchObject(code('ACTION_DENIED'));
  });

  test('alice signs once, zoe who asked not at all, and nothing but this ticket is taken', async () => {
    const [here, there] = [await machine('a'), await machine('b')];
    const [one, other] = [await propose(here), await propose(here)];
    for (const { id } of [one, other]) await sign(here, id, alice);
    const block = here.desk.exportTicket(PERSON, one.id);
    await expect(there.desk.cosignSheet(block, 'alice')).rejects.toMatchObject(code('SIGNER_TWICE'));
    await expect(there.desk.cosignSheet(block, 'zoe')).rejects.toMatchObject(code('REQUESTER_SIGNED'));
    const sheet = await there.desk.cosignSheet(block);
    for (const [signer, refusal] of [
      [alice, 'SIGNER_TWICE'],
      [{ ...alice, principal: 'bob' }, 'SIGNER_TWICE'],
      [{ ...bob, principal: 'zoe' }, 'REQUESTER_SIGNED'],
    ] as const)
      expect(() => there.desk.cosign(PERSON, block, sheet, signedBy(signer, sheet))).toThrow(
        expect.objectContaining(code(refusal)),
      );

    const answer = await cosign(there, block, bob);
    const altered = (change: (inner: string) => string): string =>
      writeBlock('SIGNATURE', change(readBlock('SIGNATURE', answer)));
    const take = (text: string) => here.desk.importSignature(PERSON, text);
    await expect(take(altered((inner) => inner.replace(one.id, other.id)))).rejects.toMatchObject(
      code('SIGNATURE_INVALID'),
    );
    const otherTicket = sha256(here.store.find(other.id).ticket ?? '');
    const moved = altered((inner) =>
      inner.replace(one.id, other.id).replace(/ticket .*/u, `ticket sha256:${otherTicket}`),
    );
    await expect(take(moved)).rejects.toMatchObject(code('SIGNATURE_INVALID'));
    await expect(take(altered((inner) => inner.replace('signer bob', 'signer alice')))).rejects.toMatchObject(
      code('SIGNER_TWICE'),
    );
    await expect(take(altered((inner) => inner.replace('signer bob', 'signer zoe')))).rejects.toMatchObject(
      code('REQUESTER_SIGNED'),
    );
    await expect(take(altered((inner) => inner.replace(one.id, 'aaaaaaaaaaaaaaaa')))).rejects.toMatchObject(
      code('REQUEST_UNKNOWN'),
    );
    await expect(take(block)).rejects.toMatchObject(code('BLOCK_BAD'));
    expect(here.store.find(one.id)).toMatchObject({ state: 'PENDING', approvals: [{ principal: 'alice' }] });
    // Which key is whose only the host knows: under a name that is not the key's own, it refuses.
    expect(await take(altered((inner) => inner.replace('signer bob', 'signer carol')))).toMatchObject({
      state: 'APPROVED',
    });
  });

  test('a block whose parts do not belong together is signed by nobody', async () => {
    const [here, there] = [await machine('a'), await machine('b')];
    const [one, other] = [await propose(here), await propose(here)];
    for (const { id } of [one, other]) await sign(here, id, alice);
    const inner = readBlock('TICKET', here.desk.exportTicket(PERSON, one.id));
    const signature = String(here.store.find(other.id).signatures[0]);
    const offer = Buffer.from(here.store.find(other.id).offer?.text ?? '').toString('base64');
    const offerSignature = here.store.find(other.id).offer?.signature ?? '';
    const lie = (from: string | RegExp, to: string) => inner.replace(from, to);
    for (const [forged, refusal] of [
      [lie(/^signature .*$/mu, `signature ${signature}`), 'COSIGN_FORGED'],
      [lie(/^offer (?!sha256).*$/mu, `offer ${offer}`), 'OFFER_INVALID'],
      [
        inner
          .replace(/^offer (?!sha256).*$/mu, `offer ${offer}`)
          .replace(/^offer-signature .*$/mu, `offer-signature ${offerSignature}`),
        'COSIGN_FORGED',
      ],
      [lie('reason The%20log%20is%20full.', 'reason Harmless'), 'COSIGN_FORGED'],
      [lie('requester zoe', 'requester carol'), 'COSIGN_FORGED'],
      [lie(/^ledger .*$/mu, `ledger sha256:${'0'.repeat(64)}`), 'COSIGN_FORGED'],
      [lie('signer alice', 'signer zoe'), 'COSIGN_FORGED'],
    ] as const) {
      expect(forged).not.toBe(inner);
      await expect(there.desk.cosignSheet(writeBlock('TICKET', forged), 'bob')).rejects.toMatchObject(
        code(refusal),
      );
    }
  });

  test('the second signature is taken for 15 minutes after the first one, and not a moment longer', async () => {
    const clock = {
      ahead: 0,
      now(): number {
        return Date.now() + this.ahead;
      },
    };
    const [here, there] = [await machine('a', { clock }), await machine('b')];
    const [one, late] = [await propose(here), await propose(here)];
    clock.ahead = 250_000;
    const answers = [];
    for (const { id } of [one, late]) {
      await sign(here, id, alice);
      answers.push(await cosign(there, here.desk.exportTicket(PERSON, id), bob));
    }
    clock.ahead += 880_000;
    expect(await here.desk.importSignature(PERSON, answers[0] ?? '')).toMatchObject({ state: 'APPROVED' });
    clock.ahead += 30_000;
    await expect(here.desk.importSignature(PERSON, answers[1] ?? '')).rejects.toMatchObject(
      code('REQUEST_EXPIRED'),
    );
    await expect(async () => here.desk.exportTicket(PERSON, late.id)).rejects.toMatchObject(
      code('REQUEST_EXPIRED'),
    );
    // The host would have taken it for five minutes more.
    const over = await here.desk.deny(PERSON, late.id, '');
    expect(over).toMatchObject({ state: 'REVOKED', receipt: { state: 'NEVER_STARTED' } });
    expect(over.next).toMatch(
      /^Not all signatures that its host asks for came in time\. The host has confirmed/u,
    );
  });
});

test('a shorter time to execute is in the ticket, and its store keeps it', async () => {
  const it = await machine('a', { executeMs: 60_000 });
  const { id } = await propose(it);
  await sign(it, id, alice);
  expect(await sign(it, id, bob)).toMatchObject({ state: 'APPROVED', seconds_left: 60 });
  const { issued, expires } = parseTicket(it.store.find(id).ticket ?? '');
  // 900 s for the other signature, and 60 from the last one.
  expect(Date.parse(expires) - Date.parse(issued)).toBe(960_000);
  expect(await run(it, id)).toMatchObject({ state: 'SUCCEEDED' });
});

test('what is stored is checked once more before it is sent: one changed byte, and nothing runs', async () => {
  const it = await machine('a');
  const rotations = target.demo.rotations();
  const spoil = async (sql: string): Promise<void> => {
    const { id } = await propose(it);
    await sign(it, id, alice);
    await sign(it, id, bob);
    const raw = new Sqlite(join(`${home.path}-a`, 'mcp-pra.db'), { fileMustExist: true });
    const triggers = raw
      .prepare<[], { name: string; sql: string }>(
        "SELECT name, sql FROM sqlite_schema WHERE type = 'trigger'",
      )
      .all();
    for (const { name } of triggers) raw.exec(`DROP TRIGGER ${name}`);
    raw.prepare(`UPDATE requests SET ${sql} WHERE id = ?`).run(id);
    for (const trigger of triggers) raw.exec(trigger.sql);
    raw.close();
    await expect(run(it, id), sql).rejects.toMatchObject({
      code: expect.stringMatching(/^(?:APPROVAL_BROKEN|OFFER_INVALID)$/u),
    });
    expect(it.store.find(id).state).toBe('APPROVED');
  };
  for (const sql of [
    "ticket = replace(ticket, 'requester zoe', 'requester bob')",
    "offer_text = replace(offer_text, 'impact MEDIUM', 'impact LOW')",
    "offer_signature = replace(offer_signature, 'A', 'B')",
    "signatures = json_array(json_extract(signatures, '$[0]'))",
    "signatures = json_array(json_extract(signatures, '$[1]'), json_extract(signatures, '$[0]'))",
    "approvals = json_array(json_extract(approvals, '$[0]'), json_extract(approvals, '$[0]'))",
    "reason = 'another'",
    "args = json_array(json_array('a', 'b'))",
  ])
    await spoil(sql);
  expect(target.demo.rotations()).toBe(rotations);
  expect(it.errors).toEqual([]);
});
