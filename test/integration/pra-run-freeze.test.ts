import { execFileSync, spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import {
  existsSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { canMount } from '../support/can-mount.ts';
import type { Ticket } from '../../src/request/types.ts';
import { refusal, refused } from '../support/refused.ts';
import {
  frame,
  newId,
  RunnerTarget,
  type Said,
  type Signing,
  type SubmissionParts,
  signingsOf,
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
  ({ low, medium, high } = signingsOf(target.anna));
  bert = signingsOf(target.bert).high;
});
afterAll(() => {
  target.remove();
});
beforeEach(() => {
  target.restore();
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
      ticket: `sha256:${createHash('sha256').update(text).digest('hex')}`,
      before: '-',
    });
    expect(await versionFrozen()).toEqual({ since, by: 'anna', reason: 'someone is in: é' });
  });

  it('takes the place of an earlier freeze, and its receipt names that one', async () => {
    const first = target.receipt(await freeze([medium], { reason: 'first' }));
    const said = await freeze([{ ...medium, key: target.bert }], { reason: 'second' });
    const second = target.receipt(said);
    expect([first.evidence, second.evidence]).toEqual([
      [{ diagnostic: 'frozen', fact: 'id', before: undefined, after: first.id }],
      [{ diagnostic: 'frozen', fact: 'id', before: first.id, after: second.id }],
    ]);
    expect(second.state).toBe('SUCCEEDED');
    expect(await versionFrozen()).toMatchObject({ by: 'bert', reason: 'second' });
    rmSync(frozen());
    writeFileSync(frozen(), 'by hand');
    const [evidence] = target.receipt(await freeze([medium])).evidence;
    expect(evidence?.before).toBe('unknown');
  });

  it('that died between its switch and its claim is in force: neither a fence nor another try says otherwise', async () => {
    const dead = (text: string): void => {
      const id = /^id (.*)$/mu.exec(text)?.[1] ?? '';
      for (const folder of ['claims', 'receipts']) rmSync(join(target.prefix, `state/${folder}/${id}.json`));
      rmSync(join(target.prefix, 'state/chain.json'));
    };
    let before: string | undefined = target.receipt(await freeze([medium])).id;
    for (const word of ['fence', 'freeze']) {
      const ticketText = target.freezeTicket();
      const text = target.freeze(ticketText, [medium]);
      await target.ask('freeze', text);
      dead(ticketText);
      const receipt = target.receipt(await target.ask(word, text));
      expect(receipt).toMatchObject({ state: 'SUCCEEDED', rc: 0, id: /^id (.*)$/mu.exec(ticketText)?.[1] });
      expect(receipt.evidence[0]?.before).toBe(before);
      before = receipt.id;
      expect((await target.ask('freeze', text)).code).toBe('REPLAYED');
    }
    const other = target.freezeTicket();
    expect(target.receipt(await target.ask('fence', target.freeze(other, [medium]))).state).toBe(
      'NEVER_STARTED',
    );
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

  it('is not possible while access is off, and root may have made the file by hand', async () => {
    writeFileSync(join(target.prefix, 'etc/disabled'), '');
    const said = await freeze([medium]);
    rmSync(join(target.prefix, 'etc/disabled'));
    expect(refused(said)).toEqual(refusal('DISABLED', 75));
    symlinkSync('/nonexistent', frozen());
    expect(await versionFrozen()).toEqual({ since: null, by: null, reason: null });
    const { offer } = await target.propose({ action: 'unfreeze', args: [] });
    expect(offer.facts.map(({ value }) => value)).toEqual([undefined, undefined, undefined, undefined]);
    expect((await freeze([medium])).exit).toBe(0);
    expect(await versionFrozen()).toMatchObject({ by: 'anna' });
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
    // Only a person asks for it: whoever did is one of them.
    expect((await unfreeze([high, bert], { requester: 'bert/cli' })).exit).toBe(0);
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

  it('asks two people with security keys for a touch each, and one who was verified is not two', async () => {
    const [one, two] = [makeTokenKey(), makeTokenKey()];
    target.writePolicy({ signer: { MEDIUM: 'software-key', HIGH: 'sk' }, quorum: { MEDIUM: 1, HIGH: 2 } });
    target.writeSigners(
      `anna namespaces="mcp-pra-medium" ${target.anna.line}\ncleo namespaces="mcp-pra-high" ${one.line}\ndora namespaces="mcp-pra-high" ${two.line}\n`,
    );
    await freeze([medium]);
    const proposal = await target.propose({ action: 'unfreeze', args: [] });
    expect(proposal.offer.requires).toEqual({ count: 2, namespace: 'mcp-pra-high', signer: 'sk' });
    const ticketText = target.ticket(proposal, { kind: 'unfreeze' });
    const alone = [one.sign(ticketText, 'mcp-pra-high', 0x05)];
    expect(
      refused(await target.ask('unfreeze', frame({ ticketText, signatures: alone, offer: proposal.signed }))),
    ).toEqual(refusal('QUORUM', 77));
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

/** Runs words where some folders of the target are read-only; what each of them said. */
const whileReadOnly = (
  folders: readonly string[],
  ...calls: readonly (readonly [word: string, input: string])[]
): readonly string[] => {
  calls.forEach(([, input], at) => writeFileSync(join(target.root, `input-${String(at)}`), input));
  const program = [
    'set -e; cd "$1"',
    ...folders.map(
      (folder) => `mount --bind target/${folder} target/${folder}; mount -o remount,bind,ro target/${folder}`,
    ),
    ...calls.map(
      ([word], at) => `target/bin/pra-run ${word} < input-${String(at)} > output-${String(at)} 2>&1 || true`,
    ),
  ].join('\n');
  execFileSync('unshare', ['-m', 'sh', '-c', program, 'sh', target.root], { stdio: 'pipe' });
  return calls.map((_, at) => readFileSync(join(target.root, `output-${String(at)}`), 'utf8'));
};
const NOT_DURABLE = '{"event":"warning","code":"NOT_DURABLE"}';

describe.skipIf(!canMount)('a host whose /etc is read-only (needs the right to mount)', () => {
  const inRun = (): string => join(target.prefix, 'run/pra-run/frozen');
  const freezing = (reason: string): string => target.freeze(target.freezeTicket({ reason }), [medium]);

  it('is frozen in /run, says that a boot forgets it, and is released while /etc is still read-only', async () => {
    const [said = ''] = whileReadOnly(['etc'], ['freeze', freezing('in /run')]);
    expect(said).toContain(`${NOT_DURABLE}\n`);
    expect(said).toContain('"durable":false');
    expect(said).toContain(String.raw`state SUCCEEDED\n`);
    expect(said).toContain(String.raw`durable no\n`);
    expect(existsSync(frozen())).toBe(false);
    expect(JSON.parse(readFileSync(inRun(), 'utf8'))).toMatchObject({ by: 'anna', reason: 'in /run' });
    const [lifted = ''] = whileReadOnly(['etc'], ['unfreeze', frame(await unfreezing([high]))]);
    expect(lifted).toContain(String.raw`state SUCCEEDED\n`);
    expect(await isOpen()).toBe(undefined);
  });

  it('is refused when nothing can hold the switch', () => {
    const [said] = whileReadOnly(['etc', 'run/pra-run'], ['freeze', freezing('nowhere')]);
    expect(said).toBe('refused pra-run NO_SPACE\n');
    expect([existsSync(frozen()), existsSync(inRun())]).toEqual([false, false]);
  });

  it('does not use an approval up that cannot lift anything, and says so beforehand', async () => {
    await freeze([medium]);
    const text = frame(await unfreezing([high]));
    expect(
      whileReadOnly(['etc'], ['unfreeze', text], ['prepare', target.draft({ action: 'unfreeze', args: [] })]),
    ).toEqual(['refused pra-run SWITCH_READ_ONLY\n', 'refused pra-run SWITCH_READ_ONLY\n']);
    expect((await target.ask('unfreeze', text)).exit).toBe(0);
    expect(await isOpen()).toBe(undefined);
  });

  it('takes a second freeze into /run, and once it can be written again one into /etc alone', async () => {
    await freeze([medium], { reason: 'first' });
    const text = frame(await unfreezing([high]));
    whileReadOnly(['etc'], ['freeze', freezing('second')]);
    expect(await versionFrozen()).toMatchObject({ reason: 'second' });
    expect(refused(await target.ask('unfreeze', text))).toEqual(refusal('STALE', 77));
    await freeze([medium], { reason: 'third' });
    expect(existsSync(inRun())).toBe(false);
    expect(await versionFrozen()).toMatchObject({ reason: 'third' });
  });
});
