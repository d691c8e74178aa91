import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync, readFileSync, readlinkSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { Ticket } from '../../src/request/types.ts';
import {
  frame,
  newId,
  RunnerTarget,
  type Json,
  type Said,
  type Signing,
  type SubmissionParts,
} from '../support/runner-target.ts';
import { makeTokenKey } from '../support/token-signature.ts';

// The stop button of one host, and its release, with the real pra-run and keys of ssh-keygen.

let target: RunnerTarget;
let medium: Signing;
let high: Signing;
let low: Signing;
let bert: Signing;

beforeAll(() => {
  target = new RunnerTarget();
  low = { key: target.anna, namespace: 'mcp-pra-low' };
  medium = { key: target.anna, namespace: 'mcp-pra-medium' };
  high = { key: target.anna, namespace: 'mcp-pra-high' };
  bert = { key: target.bert, namespace: 'mcp-pra-high' };
});
afterAll(() => {
  target.remove();
});
beforeEach(() => {
  target.writePolicy();
  target.writeSigners();
  target.revoke();
});
afterEach(() => {
  rmSync(frozen(), { force: true });
  rmSync(join(target.prefix, 'run/pra-run/frozen'), { force: true });
});

/** Whether a process has a file open. */
const holdsOpen = (pid: number, path: string): boolean =>
  readdirSync(`/proc/${String(pid)}/fd`).some((fd) => {
    try {
      return readlinkSync(`/proc/${String(pid)}/fd/${fd}`) === path;
    } catch {
      return false;
    }
  });
const frozen = (): string => join(target.prefix, 'etc/frozen');
const refused = ({ code, exit, events }: Said): Json => ({ code, exit, events: events.length });
const refusal = (code: string, exit: number): Json => ({ code, exit, events: 0 });
const freeze = (signings: readonly Signing[], patch: Partial<Ticket> = {}): Promise<Said> =>
  target.ask('freeze', target.freeze(target.freezeTicket(patch), signings));
const isOpen = async (): Promise<string | undefined> =>
  (await target.ask('low_thing', target.submission(await target.propose(), [low]))).code;
const prepareCode = async (): Promise<string | undefined> =>
  (await target.ask('prepare', target.draft())).code;
const versionFrozen = async (): Promise<unknown> => (await target.ask('version')).events[0]?.['frozen'];

const unfreezing = async (
  signings: readonly Signing[],
  patch: Partial<Ticket> = {},
): Promise<SubmissionParts> =>
  target.parts(await target.propose({ action: 'unfreeze', args: [] }), signings, {
    kind: 'unfreeze',
    ...patch,
  });
const unfreeze = async (...given: Parameters<typeof unfreezing>): Promise<Said> =>
  target.ask('unfreeze', frame(await unfreezing(...given)));

describe('freeze', () => {
  it('takes one person, no offer, and stops new runs at once', async () => {
    expect(await versionFrozen()).toBe(null);
    const ready = target.submission(await target.propose(), [low]);
    const text = target.freezeTicket({ reason: 'someone is in: é' });
    const said = await target.ask('freeze', target.freeze(text, [medium]));
    expect([said.exit, said.events.map(({ event }) => event), target.receipt(said)]).toMatchObject([
      0,
      ['claimed', 'receipt'],
      { state: 'SUCCEEDED', rc: 0, action: 'freeze', durable: true },
    ]);
    expect(refused(await target.ask('low_thing', ready))).toEqual(refusal('FROZEN', 75));
    expect(await prepareCode()).toBe('FROZEN');
    const since = expect.stringMatching(/^\d{4}-.*Z$/u) as unknown;
    expect(JSON.parse(readFileSync(frozen(), 'utf8'))).toEqual({
      since,
      id: /^id (.*)$/mu.exec(text)?.[1],
      by: 'anna',
      reason: 'someone is in: é',
    });
    expect(await versionFrozen()).toEqual({ since, by: 'anna', reason: 'someone is in: é' });
  });

  it('says the same of a host that is frozen already, and keeps what the first one said', async () => {
    await freeze([medium], { reason: 'first' });
    expect(target.receipt(await freeze([medium], { reason: 'second' })).state).toBe('SUCCEEDED');
    expect(await versionFrozen()).toMatchObject({ reason: 'first' });
  });

  it('is done once: its ticket freezes nothing after the release', async () => {
    const text = target.freeze(target.freezeTicket(), [medium]);
    const first = await target.ask('freeze', text);
    expect((await unfreeze([high])).exit).toBe(0);
    const again = await target.ask('freeze', text);
    expect([again.code, again.events]).toEqual(['REPLAYED', [first.events.at(-1)]]);
    expect(await prepareCode()).toBe(undefined);
  });

  it('does not take an id that another ticket has', async () => {
    const id = newId();
    await freeze([medium], { id });
    expect(refused(await freeze([medium], { id, reason: 'another' }))).toEqual(refusal('ID_CONFLICT', 77));
  });

  it('may come late, or from a clock that is wrong: nothing about it ages', async () => {
    for (const [issued, expires] of [
      ['2001-01-01T00:00:00Z', '2001-01-01T00:05:00Z'],
      ['2199-01-01T00:00:00Z', '2199-01-01T00:05:00Z'],
    ] as const) {
      expect(target.receipt(await freeze([medium], { issued, expires })).state).toBe('SUCCEEDED');
      rmSync(frozen());
    }
  });

  it('may be raised to HIGH by its ticket, with a signature for that', async () => {
    expect((await freeze([high], { impact: 'HIGH' })).exit).toBe(0);
    expect(refused(await freeze([medium], { impact: 'HIGH' }))).toEqual(refusal('NAMESPACE_WRONG', 77));
  });

  it.each<[string, () => readonly Signing[], Partial<Ticket>, string, number]>([
    ['nobody', () => [], {}, 'SIGNATURE_MISSING', 64],
    ['a stranger', () => [{ key: target.stranger, namespace: 'mcp-pra-medium' }], {}, 'SIGNER_UNKNOWN', 77],
    ['the auto key', () => [{ key: target.auto, namespace: 'mcp-pra-auto' }], {}, 'NAMESPACE_WRONG', 77],
    [
      'the auto key for MEDIUM',
      () => [{ key: target.auto, namespace: 'mcp-pra-medium' }],
      {},
      'SIGNER_UNKNOWN',
      77,
    ],
    ['a person for LOW', () => [low], {}, 'NAMESPACE_WRONG', 77],
    ['a person on a LOW ticket', () => [low], { impact: 'LOW' }, 'IMPACT_TOO_LOW', 77],
    ['a person for another host', () => [medium], { host: 'web2' }, 'HOST_MISMATCH', 77],
    [
      'a person for another host key',
      () => [medium],
      { hostKey: `SHA256:${'A'.repeat(43)}` },
      'HOST_KEY_MISMATCH',
      77,
    ],
    ['a person for another action', () => [medium], { action: 'low_thing' }, 'WORD_MISMATCH', 77],
    ['a person with an argument', () => [medium], { args: [['unit', 'x']] }, 'ARG_UNKNOWN', 64],
    [
      'a person for another definition',
      () => [medium],
      { definition: '0'.repeat(64) },
      'DEFINITION_STALE',
      77,
    ],
    ['a person for a drill', () => [medium], { mode: 'drill' }, 'MODE_UNSUPPORTED', 77],
    [
      'a person who breaks glass for it',
      () => [medium],
      { approval: 'break-glass', incident: 'inc-1' },
      'APPROVAL_UNSUPPORTED',
      77,
    ],
    ['the same person twice', () => [medium, medium], {}, 'SIGNER_TWICE', 77],
  ])('is refused from %s, and nothing is frozen', async (_, signings, patch, code, exit) => {
    expect(refused(await freeze(signings(), patch))).toEqual(refusal(code, exit));
    expect(await isOpen()).toBe(undefined);
  });

  it('is refused of another kind, and its ticket under another word', async () => {
    const text = target.freeze(target.freezeTicket(), [medium]);
    expect(refused(await target.ask('low_thing', text))).toEqual(refusal('WORD_MISMATCH', 77));
    expect(refused(await target.ask('cancel', text))).toEqual(refusal('KIND_UNSUPPORTED', 77));
    expect(refused(await target.ask('freeze', target.submission(await target.propose(), [low])))).toEqual(
      refusal('WORD_MISMATCH', 77),
    );
    const action = target.submission(await target.propose(), [medium], { action: 'freeze' });
    expect(refused(await target.ask('freeze', action))).toEqual(refusal('KIND_UNSUPPORTED', 77));
  });

  it('asks the security key that MEDIUM asks here', async () => {
    target.writePolicy({ signer: { MEDIUM: 'sk', HIGH: 'sk' } });
    expect(refused(await freeze([medium]))).toEqual(refusal('SECURITY_KEY_REQUIRED', 77));
    const token = makeTokenKey();
    target.writeSigners(`anna namespaces="mcp-pra-medium" ${token.line}\n`);
    const by = (flags: number): Promise<Said> => {
      const ticketText = target.freezeTicket();
      const signatures = [token.sign(ticketText, 'mcp-pra-medium', flags)];
      return target.ask('freeze', frame({ ticketText, signatures, offer: undefined }));
    };
    expect(refused(await by(0x00))).toEqual(refusal('PRESENCE_MISSING', 77));
    expect((await by(0x01)).exit).toBe(0);
  });

  it('does not wait for the quorum of MEDIUM', async () => {
    target.writePolicy({ quorum: { MEDIUM: 2, HIGH: 2 } });
    expect((await freeze([medium])).exit).toBe(0);
  });

  it('can be burnt before it came', async () => {
    const text = target.freeze(target.freezeTicket(), [medium]);
    expect(target.receipt(await target.ask('fence', text))).toMatchObject({ state: 'NEVER_STARTED' });
    expect((await target.ask('freeze', text)).code).toBe('REPLAYED');
    expect(await isOpen()).toBe(undefined);
  });

  it('is in /run while /etc cannot be written, and is refused when nothing can', () => {
    const program = `
import json, sys
from types import SimpleNamespace as Some
sys.path.insert(0, sys.argv[1])
from pra_run import built_in
from pra_run.refusal import Refusal
permit = Some(ticket={'reason': 'why', 'id': 'a' * 16}, principals=['anna'])
try:
    built_in.throw_switch(Some(frozen_paths=json.loads(sys.argv[2])), permit)
except Refusal as refusal:
    print(refusal.code)
`;
    const scripts = join(import.meta.dirname, '../../target-scripts');
    const thrown = (...paths: readonly string[]): string =>
      execFileSync('/usr/bin/python3', ['-IBS', '-c', program, scripts, JSON.stringify(paths)]).toString();
    const path = join(target.root, 'frozen-elsewhere');
    expect(thrown('/proc/nothing/frozen', path)).toBe('');
    expect(JSON.parse(readFileSync(path, 'utf8'))).toMatchObject({ by: 'anna', reason: 'why' });
    expect(thrown('/proc/nothing/frozen', '/proc/nothing/either')).toBe('NO_SPACE\n');
  });

  it('is not possible while access is off, and root may have made the file by hand', async () => {
    writeFileSync(join(target.prefix, 'etc/disabled'), '');
    const said = await freeze([medium]);
    rmSync(join(target.prefix, 'etc/disabled'));
    expect(refused(said)).toEqual(refusal('DISABLED', 75));
    symlinkSync('/nonexistent', frozen());
    expect(await versionFrozen()).toEqual({ since: null, by: null, reason: null });
    expect((await freeze([medium])).exit).toBe(0);
    const { offer } = await target.propose({ action: 'unfreeze', args: [] });
    expect(offer.facts.map(({ value }) => value)).toEqual([undefined, undefined, undefined, undefined]);
  });

  it.each([
    ['no JSON', 'frozen by root\n'],
    ['other types', '{"since":1,"by":["anna"],"reason":{},"id":null}'],
    ['a line end in the reason', '{"reason":"a\\nb","by":"a b","since":"today"}'],
    ['a list', '[]'],
  ])('that says %s is a freeze all the same', async (_, text) => {
    writeFileSync(frozen(), text);
    expect(await prepareCode()).toBe('FROZEN');
    expect(await versionFrozen()).toEqual({ since: null, by: null, reason: null });
  });
});

describe('unfreeze', () => {
  it('is offered by a frozen host only, with what froze it', async () => {
    expect(refused(await target.ask('prepare', target.draft({ action: 'unfreeze', args: [] })))).toEqual(
      refusal('NOT_FROZEN', 77),
    );
    const text = target.freezeTicket({ reason: 'two words' });
    await target.ask('freeze', target.freeze(text, [medium]));
    const { offer } = await target.propose({ action: 'unfreeze', args: [] });
    expect(offer).toMatchObject({
      impact: 'HIGH',
      requires: { count: 1, namespace: 'mcp-pra-high', signer: 'software-key' },
      auto: false,
      argv: ['mcp-pra', 'unfreeze'],
      rule: 'unfreeze is HIGH by itself: policy.json asks for 1 with software-key',
    });
    expect(offer.files[0]?.path).toBe(join(target.prefix, 'bin/pra-run'));
    expect(Object.fromEntries(offer.facts.map(({ fact, value }) => [fact, value]))).toMatchObject({
      by: 'anna',
      id: /^id (.*)$/mu.exec(text)?.[1],
      reason: 'two words',
    });
  });

  it('lifts the freeze with a signature for HIGH, once', async () => {
    await freeze([medium]);
    const parts = await unfreezing([high]);
    const said = await target.ask('unfreeze', frame(parts));
    expect([said.exit, said.warnings, target.receipt(said)]).toMatchObject([
      0,
      ['SOFTWARE_KEY'],
      { state: 'SUCCEEDED', rc: 0, action: 'unfreeze' },
    ]);
    expect(await isOpen()).toBe(undefined);
    await freeze([medium]);
    expect((await target.ask('unfreeze', frame(parts))).code).toBe('REPLAYED');
    expect(await prepareCode()).toBe('FROZEN');
    expect((await target.query('status', parts.ticketText)).events).toEqual([said.events.at(-1)]);
  });

  it('lifts the freeze that its offer spoke of, and no later one', async () => {
    await freeze([medium], { reason: 'first' });
    const parts = await unfreezing([high]);
    rmSync(frozen());
    await freeze([medium], { reason: 'second' });
    expect(refused(await target.ask('unfreeze', frame(parts)))).toEqual(refusal('STALE', 77));
    rmSync(frozen());
    expect(refused(await target.ask('unfreeze', frame(parts)))).toEqual(refusal('NOT_FROZEN', 77));
  });

  it.each<[string, () => readonly Signing[], Partial<Ticket>, string]>([
    ['a signature for MEDIUM', () => [medium], {}, 'NAMESPACE_WRONG'],
    ['a MEDIUM ticket', () => [medium], { impact: 'MEDIUM' }, 'OFFER_MISMATCH'],
    ['the auto key', () => [{ key: target.auto, namespace: 'mcp-pra-auto' }], {}, 'NAMESPACE_WRONG'],
    ['a stranger', () => [{ key: target.stranger, namespace: 'mcp-pra-high' }], {}, 'SIGNER_UNKNOWN'],
    ['kind action', () => [high], { kind: 'action' }, 'KIND_UNSUPPORTED'],
    ['kind review', () => [high], { kind: 'review' }, 'KIND_UNSUPPORTED'],
  ])('is refused with %s', async (_, signings, patch, code) => {
    await freeze([medium]);
    expect(refused(await unfreeze(signings(), patch))).toEqual(refusal(code, 77));
    expect(await prepareCode()).toBe('FROZEN');
  });

  it('asks for as many people as HIGH here', async () => {
    target.writePolicy({ quorum: { MEDIUM: 1, HIGH: 2 } });
    await freeze([medium]);
    expect((await target.propose({ action: 'unfreeze', args: [] })).offer.requires.count).toBe(2);
    expect(refused(await unfreeze([high]))).toEqual(refusal('QUORUM', 77));
    expect(refused(await unfreeze([high, high]))).toEqual(refusal('SIGNER_TWICE', 77));
    expect(refused(await unfreeze([high, bert], { requester: 'bert/cli' }))).toEqual(
      refusal('REQUESTER_SIGNED', 77),
    );
    expect((await unfreeze([high, bert])).exit).toBe(0);
  });

  it('asks one person with a security key to be verified by it, also where HIGH asks for a touch', async () => {
    const token = makeTokenKey();
    target.writePolicy({ signer: { MEDIUM: 'software-key', HIGH: 'sk' } });
    target.writeSigners(
      `anna namespaces="mcp-pra-medium" ${target.anna.line}\ncleo namespaces="mcp-pra-high" ${token.line}\nanna2 namespaces="mcp-pra-high" ${target.bert.line}\n`,
    );
    await freeze([medium]);
    const proposal = await target.propose({ action: 'unfreeze', args: [] });
    expect(proposal.offer.requires.signer).toBe('sk-uv');
    const signed = (flags: number): Promise<Said> => {
      const ticketText = target.ticket(proposal, { kind: 'unfreeze' });
      const signatures = [token.sign(ticketText, 'mcp-pra-high', flags)];
      return target.ask('unfreeze', frame({ ticketText, signatures, offer: proposal.signed }));
    };
    expect(refused(await unfreeze([{ key: target.bert, namespace: 'mcp-pra-high' }]))).toEqual(
      refusal('SECURITY_KEY_REQUIRED', 77),
    );
    expect(refused(await signed(0x00))).toEqual(refusal('PRESENCE_MISSING', 77));
    expect(refused(await signed(0x01))).toEqual(refusal('VERIFICATION_MISSING', 77));
    expect(refused(await signed(0x04))).toEqual(refusal('PRESENCE_MISSING', 77));
    expect((await signed(0x05)).exit).toBe(0);
  });

  it('asks two people with security keys for a touch each', async () => {
    const [one, two] = [makeTokenKey(), makeTokenKey()];
    target.writePolicy({ signer: { MEDIUM: 'software-key', HIGH: 'sk' }, quorum: { MEDIUM: 1, HIGH: 2 } });
    target.writeSigners(
      `anna namespaces="mcp-pra-medium" ${target.anna.line}\ncleo namespaces="mcp-pra-high" ${one.line}\ndora namespaces="mcp-pra-high" ${two.line}\n`,
    );
    await freeze([medium]);
    const proposal = await target.propose({ action: 'unfreeze', args: [] });
    expect(proposal.offer.requires).toEqual({ count: 2, namespace: 'mcp-pra-high', signer: 'sk' });
    const ticketText = target.ticket(proposal, { kind: 'unfreeze' });
    const signatures = [one, two].map((token) => token.sign(ticketText, 'mcp-pra-high', 0x01));
    expect(
      (await target.ask('unfreeze', frame({ ticketText, signatures, offer: proposal.signed }))).exit,
    ).toBe(0);
  });

  it('is refused of who was revoked while it waited for the lock', async () => {
    await freeze([medium]);
    const text = frame(await unfreezing([bert]));
    const path = join(target.prefix, 'run/pra-run/claim.lock');
    const program =
      'import fcntl,sys; f=open(sys.argv[1],"a"); fcntl.flock(f,fcntl.LOCK_EX); print(flush=True); sys.stdin.read()';
    const holder = spawn('python3', ['-c', program, path]);
    await once(holder.stdout, 'data');
    const { child, said } = target.start(['unfreeze'], text);
    // It looks at the signatures first: once it has the lock's file open, they were good.
    while (!holdsOpen(Number(child.pid), path)) await sleep(5);
    target.revoke(target.bert);
    holder.stdin.end();
    expect(refused(await said)).toEqual(refusal('SIGNER_REVOKED', 77));
    expect(await prepareCode()).toBe('FROZEN');
  });

  it('can be burnt, and then lifts nothing', async () => {
    await freeze([medium]);
    const text = frame(await unfreezing([high]));
    expect(target.receipt(await target.ask('fence', text)).state).toBe('NEVER_STARTED');
    expect((await target.ask('unfreeze', text)).code).toBe('REPLAYED');
    expect(await prepareCode()).toBe('FROZEN');
  });

  it('also lifts what was frozen in /run while /etc could not be written', async () => {
    await prepareCode(); // makes the folder
    writeFileSync(join(target.prefix, 'run/pra-run/frozen'), '{}');
    expect(await prepareCode()).toBe('FROZEN');
    expect((await unfreeze([high])).exit).toBe(0);
    expect(await isOpen()).toBe(undefined);
  });
});
