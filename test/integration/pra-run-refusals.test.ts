// oxlint-disable unicorn/consistent-function-scoping -- what only one test needs stands in it
import {
  appendFileSync,
  chmodSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { Draft, Ticket } from '../../src/request/types.ts';
import { refusal, refused } from '../support/refused.ts';
import {
  frame,
  newId,
  RunnerTarget,
  type Json,
  type Proposal,
  type Said,
  type Signing,
  signingsOf,
} from '../support/runner-target.ts';
import { makeTokenKey } from '../support/token-signature.ts';

// The real pra-run against real ssh-keygen keys. Each refusal below differs from a submission that runs in one thing only.

let target: RunnerTarget;
let low: Signing;
let auto: Signing;
let medium: Signing;
let high: Signing;

beforeAll(() => {
  target = new RunnerTarget();
  ({ low, medium, high } = signingsOf(target.anna));
  auto = { key: target.auto, namespace: 'mcp-pra-auto' };
});
afterAll(() => {
  target.remove();
});
beforeEach(() => {
  target.restore();
});

const etc = (name: string): string => join(target.prefix, 'etc', name);

/** Proposes, lets the test change what is handed in, and hands it in. */
const submit = async (
  options: {
    draft?: Json;
    ticket?: Partial<Ticket>;
    signings?: readonly Signing[];
    word?: string;
    offer?: (proposal: Proposal) => Proposal;
    edit?: (text: string) => string;
    before?: () => void;
  } = {},
): Promise<Said> => {
  const made = await target.propose(options.draft);
  const proposal = options.offer?.(made) ?? made;
  const text = target.submission(proposal, options.signings ?? [low], options.ticket);
  options.before?.();
  return target.ask(options.word ?? made.offer.action, options.edit?.(text) ?? text);
};

it('runs what is in order, so that the refusals below mean something', async () => {
  for (const said of [
    await submit(),
    await submit({ signings: [auto] }),
    await submit({ draft: { action: 'medium_thing' }, signings: [medium] }),
    await submit({ draft: { impact: 'HIGH' }, signings: [high] }),
    await submit({ draft: { action: 'other_low' }, ticket: { requester: 'anna/cli' } }),
  ]) {
    expect(target.receipt(said)).toMatchObject({ state: 'SUCCEEDED', rc: 0, durable: true });
  }
});

describe('the program itself', () => {
  it('refuses unrendered, and anything but one argument', async () => {
    const { spawnSync } = await import('node:child_process');
    const bare = spawnSync(join(import.meta.dirname, '../../target-scripts/pra-run'), ['version']);
    expect([bare.status, bare.stderr.toString()]).toEqual([70, 'refused pra-run INTERNAL\n']);
    for (const words of [
      [],
      ['low_thing', 'x'],
      ['--help'],
      ['-c'],
      ['Low'],
      ['low_thing\n'],
      ['../x'],
      [''],
    ]) {
      expect(refused(await target.start(words, '').said)).toEqual(refusal('LINE_FORM', 64));
    }
  });

  it('refuses actions that are not installed, and has no word without a ticket', async () => {
    expect(refused(await target.ask('no_such_thing'))).toEqual(refusal('WORD_UNLISTED', 77));
    for (const word of ['cancel', 'freeze', 'unfreeze', 'review']) {
      expect(refused(await target.ask(word))).toEqual(refusal('SUBMISSION_FORM', 64));
    }
  });

  it('lets nobody in by its inner door: not through sudo, not for an unknown id', async () => {
    const id = newId();
    expect(refused(await target.start(['--execute', id], '', { SUDO_UID: '0' }).said)).toEqual(
      refusal('LINE_FORM', 64),
    );
    expect((await target.start(['--execute', '../x'], '').said).exit).toBe(64);
    expect((await target.start(['--execute', id], '').said).exit).toBe(70);
  });

  it('gives a hanging caller up', async () => {
    const { child, said } = target.start(['status'], undefined);
    child.stdin?.write('mcp-pra query v1\n');
    expect(refused(await said)).toEqual(refusal('INPUT_TIMEOUT', 64));
  });

  it('keeps its own mistakes to itself', async () => {
    const proposal = await target.propose();
    const text = target.submission(proposal, [low]);
    const claims = join(target.prefix, 'run/pra-run');
    chmodSync(claims, 0o777);
    const said = await target.ask('low_thing', text);
    chmodSync(claims, 0o700);
    expect([refused(said), said.stderr]).toEqual([refusal('INTERNAL', 70), 'refused pra-run INTERNAL\n']);
  });
});

describe('1, 2: size and switches', () => {
  it('takes 65,536 bytes and not one more', async () => {
    expect(refused(await target.ask('low_thing', Buffer.alloc(65_536, 'a')))).toEqual(
      refusal('SUBMISSION_FORM', 64),
    );
    expect(refused(await target.ask('low_thing', Buffer.alloc(65_537, 'a')))).toEqual(refusal('SIZE', 64));
    expect(refused(await target.ask('prepare', Buffer.alloc(4_097, 'a')))).toEqual(refusal('SIZE', 64));
    expect(refused(await target.ask('prepare', Buffer.alloc(4_096, 'a')))).toEqual(refusal('DRAFT_FORM', 64));
    expect(refused(await target.ask('status', Buffer.alloc(1_025, 'a')))).toEqual(refusal('SIZE', 64));
    expect(refused(await target.ask('status', Buffer.alloc(1_024, 'a')))).toEqual(refusal('QUERY_FORM', 64));
  });

  it('refuses everything while disabled', async () => {
    const proposal = await target.propose();
    const text = target.submission(proposal, [low]);
    writeFileSync(etc('disabled'), '');
    const said = [
      await target.ask('low_thing', text),
      await target.ask('prepare', target.draft()),
      await target.ask('version'),
    ];
    said.push(await target.query('status', text), await target.ask('fence', text));
    rmSync(etc('disabled'));
    expect(said.map(refused)).toEqual(said.map(() => refusal('DISABLED', 75)));
    expect((await target.ask('low_thing', text)).exit).toBe(0);
  });

  it('refuses new claims while frozen, also by a dangling link; questions go on', async () => {
    const done = await target.propose();
    const parts = target.parts(done, [low]);
    await target.ask('low_thing', frame(parts));
    const next = target.submission(await target.propose(), [low]);
    symlinkSync('/nonexistent', etc('frozen'));
    const said = [await target.ask('low_thing', next), await target.ask('prepare', target.draft())];
    const goOn = [
      await target.query('status', parts.ticketText),
      await target.query('result', parts.ticketText),
      await target.ask('version'),
    ];
    goOn.push(await target.ask('fence', frame(parts)));
    rmSync(etc('frozen'));
    expect(said.map(refused)).toEqual(said.map(() => refusal('FROZEN', 75)));
    expect(goOn.map(({ exit }) => exit)).toEqual([0, 0, 0, 0]);
  });
});

describe('3: text and signatures', () => {
  it.each<[string, (text: string) => string, string]>([
    ['nothing', () => '', 'SUBMISSION_FORM'],
    ['only a ticket', (text) => text.slice(0, text.indexOf('signature ')), 'SUBMISSION_FORM'],
    ['a byte after the end', (text) => `${text}\n`, 'SUBMISSION_FORM'],
    ['a second submission after the first', (text) => text + text, 'TICKET_FORM'],
    ['no signature', (text) => text.replace(/^signature .*\n/mu, ''), 'SIGNATURE_MISSING'],
    ['six signatures', (text) => text.replace(/^(signature .*\n)/mu, '$1$1$1$1$1$1'), 'SUBMISSION_FORM'],
    ['CR LF', (text) => text.replaceAll('\n', '\r\n'), 'SUBMISSION_FORM'],
    ['a NUL in the ticket', (text) => text.replace('reason a', 'reason \0'), 'TICKET_FORM'],
    ['an unknown key', (text) => text.replace('plan -', 'plan -\nextra x'), 'TICKET_FORM'],
    [
      'a signature that is armoured',
      (text) => text.replace(/^signature .*/mu, 'signature -----BEGIN'),
      'SUBMISSION_FORM',
    ],
    [
      'a blob with a byte after it',
      (text) => withBlob(text, (blob) => Buffer.concat([blob, Buffer.of(0)])),
      'SIGNATURE_FORM',
    ],
    [
      'a blob without its last byte',
      (text) => withBlob(text, (blob) => blob.subarray(0, -1)),
      'SIGNATURE_FORM',
    ],
    [
      'a blob of version 2',
      (text) =>
        withBlob(text, (blob) => Buffer.concat([blob.subarray(0, 9), Buffer.of(2), blob.subarray(10)])),
      'SIGNATURE_FORM',
    ],
    ['base64 with loose bits', (text) => text.replace(/^(signature .*).==$/mu, '$1B=='), 'SIGNATURE_FORM'],
  ])('refuses %s', async (_, edit, code) => {
    expect(refused(await submit({ edit }))).toEqual(refusal(code, 64));
  });
});

const withBlob = (text: string, change: (blob: Buffer) => Buffer): string =>
  text.replace(
    /^signature (.*)$/mu,
    (_, base64: string) => `signature ${change(Buffer.from(base64, 'base64')).toString('base64')}`,
  );

describe('4: word, kind, host', () => {
  it.each<[string, Partial<Ticket>, string]>([
    ['kind cancel', { kind: 'cancel' }, 'KIND_UNSUPPORTED'],
    ['mode drill', { mode: 'drill' }, 'MODE_UNSUPPORTED'],
    ['approval break-glass', { approval: 'break-glass', incident: 'inc-1' }, 'APPROVAL_UNSUPPORTED'],
    ['a plan', { plan: { root: '0'.repeat(64), step: 1, of: 2 } }, 'PLAN_UNSUPPORTED'],
    ['another host', { host: 'web2' }, 'HOST_MISMATCH'],
    ['another host key', { hostKey: `SHA256:${'A'.repeat(43)}` }, 'HOST_KEY_MISMATCH'],
  ])('refuses %s', async (_, ticket, code) => {
    expect(refused(await submit({ ticket }))).toEqual(refusal(code, 77));
  });

  it('refuses a word that is not the action of the ticket', async () => {
    expect(refused(await submit({ word: 'other_low' }))).toEqual(refusal('WORD_MISMATCH', 77));
  });

  it('refuses a draft for another host, or for a drill', async () => {
    expect(refused(await target.ask('prepare', target.draft({ host: 'web2' })))).toEqual(
      refusal('HOST_MISMATCH', 77),
    );
    expect(refused(await target.ask('prepare', target.draft({ mode: 'drill' })))).toEqual(
      refusal('MODE_UNSUPPORTED', 77),
    );
    expect(refused(await target.ask('prepare', target.draft({ action: 'no_such' })))).toEqual(
      refusal('WORD_UNLISTED', 77),
    );
  });
});

describe('5: arguments', () => {
  const unit = (value: string): Json => ({ args: [['unit', value]] });

  it.each<[string, Json, string, number]>([
    [
      'an unknown one',
      {
        args: [
          ['colour', 'red'],
          ['unit', 'quick.service'],
        ],
      },
      'ARG_UNKNOWN',
      64,
    ],
    ['none', { args: [] }, 'ARG_MISSING', 64],
    ['one of another kind', unit('quick.timer'), 'ARG_BAD', 64],
    ['one that looks like an option', unit('-quick.service'), 'ARG_BAD', 64],
    ['one that the policy does not list', unit('sshd.service'), 'ARG_NOT_ON_HOST', 77],
    ['an integer below', { action: 'scripted', args: [['days', '6']] }, 'ARG_BAD', 64],
    ['an integer above', { action: 'scripted', args: [['days', '366']] }, 'ARG_BAD', 64],
    ['an integer with a zero before it', { action: 'scripted', args: [['days', '030']] }, 'ARG_BAD', 64],
    [
      'a name that is not in the table',
      { action: 'scripted', args: [['log', 'other']] },
      'ARG_NOT_ON_HOST',
      77,
    ],
  ])('refuses %s', async (_, draft, code, exit) => {
    expect(refused(await target.ask('prepare', target.draft(draft)))).toEqual(refusal(code, exit));
  });

  it('refuses the same in a ticket: the policy may have changed, defaults are not filled in twice', async () => {
    expect(refused(await submit({ ticket: { args: [] } }))).toEqual(refusal('ARG_MISSING', 64));
    const before = (): void => target.writePolicy({ values: {} });
    expect(refused(await submit({ before }))).toEqual(refusal('ARG_NOT_ON_HOST', 77));
    target.writePolicy();
    expect(refused(await submit({ before: () => target.writePolicy({ deny: ['low_thing'] }) }))).toEqual(
      refusal('ACTION_DENIED', 77),
    );
  });

  it.each<[string, () => void]>([
    ['an unknown key', () => target.writePolicy({ colour: 'red' })],
    ['a quorum of none', () => target.writePolicy({ quorum: { MEDIUM: 0, HIGH: 1 } })],
    ['a longer life for offers', () => target.writePolicy({ offer_seconds: 481 })],
    ['true for a number', () => target.writePolicy({ v: true })],
    [
      'a key twice',
      () =>
        writeFileSync(
          etc('policy.json'),
          readFileSync(etc('policy.json'), 'utf8').replace('{', '{"deny":[],'),
        ),
    ],
    ['a file that others can write', () => chmodSync(etc('policy.json'), 0o666)],
    ['no JSON', () => writeFileSync(etc('policy.json'), '{')],
    ['no file', () => rmSync(etc('policy.json'))],
  ])('does nothing with a policy that has %s', async (_, spoil) => {
    spoil();
    const said = await target.ask('prepare', target.draft());
    rmSync(etc('policy.json'), { force: true });
    expect(refused(said)).toEqual(refusal('POLICY_BAD', 70));
  });
});

describe('6: definition and script', () => {
  it('refuses a definition that changed since', async () => {
    const before = (): void =>
      target.writeAction('low_thing', { argv: [target.program, '{unit}'], definition: 'e'.repeat(64) });
    const said = await submit({ before });
    target.writeAction('low_thing', { argv: [target.program, '{unit}'] });
    expect(refused(said)).toEqual(refusal('DEFINITION_STALE', 77));
  });

  it('refuses a script that is not the one of the definition, before and after the offer', async () => {
    const script = join(target.prefix, 'lib/scripts/test-script');
    writeFileSync(join(target.prefix, 'etc/names/log/app'), '/var/log/app.log\n');
    const draft = { action: 'scripted', args: [] };
    const said = await submit({ draft, before: () => appendFileSync(script, '# more\n') });
    const offered = await target.ask('prepare', target.draft({ ...draft, id: newId() }));
    target.install();
    expect([refused(said), refused(offered)]).toEqual([
      refusal('SCRIPT_CHANGED', 77),
      refusal('SCRIPT_CHANGED', 77),
    ]);
    expect((await submit({ draft })).output).toBe('script 30\n');
  });

  it('refuses a definition with anything in it that is not of the format', async () => {
    const verification = {
      diagnostic: 'unit_state',
      args: { unit: '{unit}' },
      parse: 'kv',
      facts: { load_state: { from: 'LoadState', type: 'string' } },
      expect: [{ fact: 'load_state', op: 'eq', value: 'loaded' }],
      evidence: [],
      within: 0,
    };
    const precheck = { ...verification, stable: ['load_state'], tolerance: {} };
    const { within: _, evidence: _none, ...check } = precheck;
    for (const parts of [
      { verify: null },
      { verify: [verification, verification] },
      { verify: [{ ...verification, within: 301 }] },
      { verify: [{ ...verification, within: '1' }] },
      { verify: [{ ...verification, expect: [] }] },
      { verify: [{ ...verification, evidence: ['other'] }] },
      { verify: [{ ...verification, evidence: undefined }] },
      { verify: [{ ...verification, stable: [] }] },
      { verify: [{ ...verification, args: { unit: '{other}' } }] },
      { verify: [{ ...verification, args: { unit: 'x={unit}' } }] },
      { precheck: [precheck] },
      { precheck: [{ ...check, tolerance: { load_state: 1 } }] },
      { precheck: [{ ...check, tolerance: { other: 1 } }] },
      { ends: 'halt' },
      { ends: 'reboot', impact: 'LOW' },
      { undo_action: {} },
      { undo_action: { action: 'x', args: { unit: '{other}' } } },
      { undo_action: { action: '../x', args: {} } },
      { argv: ['/bin/sh', '{other}'] },
      { argv: ['sh', '{unit}'] },
      { impact: 'NONE' },
      { extra: 1 },
      { name: 'other_low' },
    ]) {
      target.writeAction('low_thing', { argv: [target.program, '{unit}'], ...parts });
      expect(refused(await target.ask('prepare', target.draft()))).toEqual(refusal('TABLE_BAD', 70));
    }
    target.writeAction('low_thing', { argv: [target.program, '{unit}'] });
  });
});

describe('7: the offer', () => {
  it.each<[string, (proposal: Proposal) => Proposal, string]>([
    [
      'signed by a stranger',
      (made) => target.forgeOffer(made, (text) => text, target.stranger),
      'OFFER_SIGNATURE',
    ],
    [
      'signed by an approver',
      (made) => target.forgeOffer(made, (text) => text, target.anna),
      'OFFER_SIGNATURE',
    ],
    [
      'that is a receipt by its namespace',
      (made) => target.forgeOffer(made, (text) => text, target.hostKey, 'mcp-pra-receipt'),
      'OFFER_SIGNATURE',
    ],
    [
      'changed by one byte',
      (made) => ({
        ...made,
        signed: { ...made.signed, text: made.signed.text.replace('boottime ', 'boottime 1') },
      }),
      'OFFER_SIGNATURE',
    ],
    [
      'from before a reboot',
      (made) => target.forgeOffer(made, (text) => text.replace(/boot-id ..../u, 'boot-id 0000')),
      'OFFER_BOOT',
    ],
    [
      'from the future',
      (made) => target.forgeOffer(made, (text) => text.replace(/boottime (.*)/u, 'boottime 9$1')),
      'OFFER_EXPIRED',
    ],
    [
      'that signed something else as this one',
      (made) => ({ ...made, offer: { ...made.offer, id: newId() } }),
      'OFFER_MISMATCH',
    ],
  ])('refuses one %s', async (_, offer, code) => {
    expect(refused(await submit({ offer }))).toEqual(refusal(code, 77));
  });

  it('refuses a ticket that names another offer, and an offer whose text is none', async () => {
    expect(refused(await submit({ ticket: { offer: 'a'.repeat(64) } }))).toEqual(
      refusal('OFFER_MISMATCH', 77),
    );
    const offer = (made: Proposal): Proposal => {
      const text = made.signed.text.replace('auto yes', 'auto perhaps');
      return {
        ...made,
        signed: { text, signature: target.sign(text, { key: target.hostKey, namespace: 'mcp-pra-offer' }) },
      };
    };
    expect(refused(await submit({ offer }))).toEqual(refusal('OFFER_MISMATCH', 77));
  });

  it('measures age on the clock since boot, by the policy, longer where more than one has to sign', async () => {
    // Small ones: no offer can be older than the machine that runs this is up.
    const short = (): void => target.writePolicy({ offer_seconds: 30 });
    const older = (made: Proposal): Proposal => target.forgeOffer(made, age(30_001));
    expect(refused(await submit({ offer: older, before: short }))).toEqual(refusal('OFFER_EXPIRED', 77));
    const quorum = { quorum: { MEDIUM: 2, HIGH: 2 } };
    target.writePolicy({ ...quorum, offer_seconds: 30 });
    const draft = { action: 'medium_thing' };
    const signings = [medium, { key: target.bert, namespace: 'mcp-pra-medium' }];
    expect(
      (await submit({ draft, signings, offer: (made) => target.forgeOffer(made, age(60_000)) })).exit,
    ).toBe(0);
    const late = await submit({ draft, signings, offer: (made) => target.forgeOffer(made, age(75_001)) });
    expect(refused(late)).toEqual(refusal('OFFER_EXPIRED', 77));
  });
});

const age =
  (milliseconds: number) =>
  (text: string): string =>
    text.replace(/boottime (.*)/u, (_, since: string) => `boottime ${String(Number(since) - milliseconds)}`);

describe('8: impact and namespace', () => {
  it('refuses a ticket below what the host rates the action by now', async () => {
    const before = (): void => target.writePolicy({ impact: { low_thing: 'MEDIUM' } });
    expect(refused(await submit({ before }))).toEqual(refusal('IMPACT_TOO_LOW', 77));
  });

  it('lets its policy only raise, never lower', async () => {
    target.writePolicy({ impact: { medium_thing: 'LOW' } });
    expect((await target.propose({ action: 'medium_thing' })).offer.impact).toBe('MEDIUM');
  });

  it.each<[string, Json, () => readonly Signing[]]>([
    ['the auto key on MEDIUM', { action: 'medium_thing' }, () => [auto]],
    ['the auto key where the caller wanted MEDIUM', { impact: 'MEDIUM' }, () => [auto]],
    ['a signature for LOW on MEDIUM', { action: 'medium_thing' }, () => [low]],
    ['a signature for HIGH on LOW', {}, () => [high]],
    ['a namespace of another program', {}, () => [{ key: target.anna, namespace: 'git' }]],
    ['two namespaces together', {}, () => [low, auto]],
    ['an offer for a ticket', {}, () => [{ key: target.hostKey, namespace: 'mcp-pra-offer' }]],
  ])('refuses %s', async (_, draft, signings) => {
    expect(refused(await submit({ draft, signings: signings() }))).toEqual(refusal('NAMESPACE_WRONG', 77));
  });
});

describe('9: signers', () => {
  it.each<[string, () => readonly Signing[], string]>([
    ['a stranger', () => [{ key: target.stranger, namespace: 'mcp-pra-low' }], 'SIGNER_UNKNOWN'],
    ['the host itself', () => [{ key: target.hostKey, namespace: 'mcp-pra-low' }], 'SIGNER_UNKNOWN'],
    [
      'the auto key as if it were a person',
      () => [{ key: target.auto, namespace: 'mcp-pra-low' }],
      'SIGNER_UNKNOWN',
    ],
    [
      'a person as if it were the auto key',
      () => [{ key: target.anna, namespace: 'mcp-pra-auto' }],
      'SIGNER_UNKNOWN',
    ],
    [
      'one good signer and a stranger',
      () => [low, { key: target.stranger, namespace: 'mcp-pra-low' }],
      'SIGNER_UNKNOWN',
    ],
  ])('refuses %s', async (_, signings, code) => {
    expect(refused(await submit({ signings: signings() }))).toEqual(refusal(code, 77));
  });

  it.each<[string, (text: string) => string]>([
    ['the ticket changed in one byte', (text) => text.replace('reason a', 'reason b')],
    [
      'a later expiry',
      (text) =>
        text.replace(/^expires 20(..)(.*)$/mu, (line) =>
          line.replace(
            /:(\d)(\d)Z/u,
            (_, tens: string, ones: string) => `:${tens}${String((Number(ones) + 1) % 10)}Z`,
          ),
        ),
    ],
    ['another requester', (text) => text.replace('requester carl/', 'requester emil/')],
    ['another ledger head', (text) => text.replace('ledger sha256:0', 'ledger sha256:1')],
    [
      'a bit of the signature turned',
      (text) => withBlob(text, (blob) => Buffer.from(blob.with(blob.length - 5, (blob.at(-5) ?? 0) ^ 1))),
    ],
  ])('refuses %s', async (_, edit) => {
    expect(refused(await submit({ edit }))).toEqual(refusal('SIGNATURE_BAD', 77));
  });

  it('refuses the signature of another ticket', async () => {
    const other = /^signature .*$/mu.exec(target.submission(await target.propose(), [low]))?.[0] ?? '';
    expect(refused(await submit({ edit: (text) => text.replace(/^signature .*$/mu, other) }))).toEqual(
      refusal('SIGNATURE_BAD', 77),
    );
  });

  it('refuses a revoked key, and a revoked host key', async () => {
    expect(refused(await submit({ before: () => target.revoke(target.anna) }))).toEqual(
      refusal('SIGNER_REVOKED', 77),
    );
    expect(refused(await submit({ before: () => target.revoke(target.hostKey) }))).toEqual(
      refusal('OFFER_SIGNATURE', 77),
    );
    expect((await submit({ before: () => target.revoke(target.bert) })).exit).toBe(0);
  });

  it.each<[string, () => void]>([
    ['no KRL', () => rmSync(etc('revoked_signers'))],
    ['a KRL of no bytes', () => writeFileSync(etc('revoked_signers'), '')],
    ['a KRL that is none', () => writeFileSync(etc('revoked_signers'), 'ssh-ed25519 AAAA\n')],
    [
      'a KRL that was cut',
      () => (
        target.revoke(target.bert),
        writeFileSync(etc('revoked_signers'), readFileSync(etc('revoked_signers')).subarray(0, 60))
      ),
    ],
    ['no signers', () => rmSync(etc('allowed_signers'))],
    ['signers that others can write', () => chmodSync(etc('allowed_signers'), 0o666)],
    [
      'signers by a link',
      () => (
        renameSync(etc('allowed_signers'), etc('elsewhere')),
        symlinkSync('elsewhere', etc('allowed_signers'))
      ),
    ],
    ['no namespaces', () => target.writeSigners(`anna ${target.anna.line}\n`)],
    [
      'a namespace of another program',
      () => target.writeSigners(`anna namespaces="mcp-pra-low,git" ${target.anna.line}\n`),
    ],
    ['a wildcard namespace', () => target.writeSigners(`anna namespaces="mcp-pra-*" ${target.anna.line}\n`)],
    [
      'two principals on a line',
      () => target.writeSigners(`anna,bert namespaces="mcp-pra-low" ${target.anna.line}\n`),
    ],
    ['a wildcard', () => target.writeSigners(`* namespaces="mcp-pra-low" ${target.anna.line}\n`)],
    [
      'a cert-authority',
      () => target.writeSigners(`anna cert-authority,namespaces="mcp-pra-low" ${target.anna.line}\n`),
    ],
    [
      'an option more',
      () =>
        target.writeSigners(`anna namespaces="mcp-pra-low",valid-before="20991231" ${target.anna.line}\n`),
    ],
    [
      'a principal twice for different purposes',
      () =>
        target.writeSigners(
          `${signer('anna', target.anna.line)}anna namespaces="mcp-pra-low" ${target.bert.line}\n`,
        ),
    ],
    [
      'a principal three times',
      () =>
        target.writeSigners(
          twoKeys('anna', 'anna') +
            signer(
              'anna',
              'ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIHXZjk4eU9v7FQ1o5DkPLlEy3PJmcGlj4nFTbLqZyQ0b',
            ),
        ),
    ],
    [
      'two auto keys under one name',
      () =>
        target.writeSigners(
          `auto namespaces="mcp-pra-auto" ${target.auto.line}\nauto namespaces="mcp-pra-auto" ${target.bert.line}\n`,
        ),
    ],
    [
      'a key twice',
      () => target.writeSigners(`${signer('anna', target.anna.line)}${signer('bert', target.anna.line)}`),
    ],
    [
      'auto with a person’s namespace',
      () => target.writeSigners(`auto namespaces="mcp-pra-auto,mcp-pra-low" ${target.auto.line}\n`),
    ],
    [
      'a key of another type than it says',
      () =>
        target.writeSigners(
          `anna namespaces="mcp-pra-low" ssh-rsa ${String(target.anna.line.split(' ')[1])}\n`,
        ),
    ],
    ['a space before a line', () => target.writeSigners(` ${signer('anna', target.anna.line)}`)],
    ['a carriage return', () => target.writeSigners(signer('anna', target.anna.line).replace('\n', '\r\n'))],
  ])('trusts nobody with %s', async (_, spoil) => {
    const said = await submit({ before: spoil });
    for (const name of ['allowed_signers', 'revoked_signers']) rmSync(etc(name), { force: true });
    expect(refused(said)).toEqual(refusal('SIGNERS_FILE', 70));
  });
});

const signer = (principal: string, line: string): string =>
  `${principal} namespaces="mcp-pra-low,mcp-pra-medium" ${line}\n`;
const twoKeys = (first: string, second: string): string =>
  signer(first, target.anna.line) + signer(second, target.bert.line);

describe.each(['ed25519', 'ecdsa'] as const)('10: security keys, %s', (kind) => {
  const token = makeTokenKey(kind);

  const submitWith = async (level: string, flags: number): Promise<Said> => {
    target.writePolicy({ signer: { MEDIUM: level, HIGH: level } });
    target.writeSigners(`anna namespaces="mcp-pra-medium" ${token.line}\n`);
    const proposal = await target.propose({ action: 'medium_thing' });
    const ticketText = target.ticket(proposal);
    return target.ask(
      'medium_thing',
      frame({
        ticketText,
        signatures: [token.sign(ticketText, 'mcp-pra-medium', flags)],
        offer: proposal.signed,
      }),
    );
  };

  it('wants a touch always, verification and the key itself where the policy says so', async () => {
    expect((await submitWith('software-key', 0x01)).exit).toBe(0);
    expect((await submitWith('sk', 0x01)).exit).toBe(0);
    expect((await submitWith('sk-uv', 0x05)).exit).toBe(0);
    expect(refused(await submitWith('software-key', 0x00))).toEqual(refusal('PRESENCE_MISSING', 77));
    expect(refused(await submitWith('sk-uv', 0x04))).toEqual(refusal('PRESENCE_MISSING', 77));
    expect(refused(await submitWith('sk-uv', 0x01))).toEqual(refusal('VERIFICATION_MISSING', 77));
    target.writePolicy({ signer: { MEDIUM: 'sk', HIGH: 'sk' } });
    target.writeSigners();
    const said = await submit({ draft: { action: 'medium_thing' }, signings: [medium] });
    expect(refused(said)).toEqual(refusal('SECURITY_KEY_REQUIRED', 77));
  });
});

describe('11: who and how many', () => {
  const draft = { action: 'medium_thing' };
  const quorum = (): void => target.writePolicy({ quorum: { MEDIUM: 2, HIGH: 2 } });
  const both = (): Signing[] => [medium, { key: target.bert, namespace: 'mcp-pra-medium' }];

  it('counts people: one is not two, twice the same is not two, the requester is not one', async () => {
    quorum();
    expect((await submit({ draft, signings: both() })).exit).toBe(0);
    expect(refused(await submit({ draft, signings: [medium] }))).toEqual(refusal('QUORUM', 77));
    expect(refused(await submit({ draft, signings: [medium, medium] }))).toEqual(refusal('SIGNER_TWICE', 77));
    const ticket = { requester: 'bert/cli' };
    expect(refused(await submit({ draft, ticket, signings: both() }))).toEqual(
      refusal('REQUESTER_SIGNED', 77),
    );
  });

  it('counts a person with two keys, the old and the new one of a rotation, once', async () => {
    target.writeSigners(twoKeys('anna', 'anna'));
    for (const signing of both()) expect((await submit({ draft, signings: [signing] })).exit).toBe(0);
    quorum();
    expect(refused(await submit({ draft, signings: both() }))).toEqual(refusal('SIGNER_TWICE', 77));
    target.writeSigners();
  });

  it('says beforehand what it will ask for', async () => {
    quorum();
    const { offer } = await target.propose(draft);
    expect([offer.requires, offer.rule]).toEqual([
      { count: 2, namespace: 'mcp-pra-medium', signer: 'software-key' },
      'MEDIUM by the definition: policy.json asks for 2 with software-key',
    ]);
  });

  it('takes the auto key for exactly the listed pairs', async () => {
    const fail = { args: [['unit', 'fail.service']] } satisfies Partial<Draft>;
    expect((await target.propose(fail)).offer.auto).toBe(false);
    expect(refused(await submit({ draft: fail, signings: [auto] }))).toEqual(refusal('AUTO_NOT_ALLOWED', 77));
    expect(refused(await submit({ draft: { action: 'other_low' }, signings: [auto] }))).toEqual(
      refusal('AUTO_NOT_ALLOWED', 77),
    );
    expect(
      refused(await submit({ signings: [auto], before: () => target.writePolicy({ auto: [] }) })),
    ).toEqual(refusal('AUTO_NOT_ALLOWED', 77));
    target.writePolicy({ auto: [{ action: 'once_thing', args: { unit: 'quick.service' } }] });
    expect(refused(await submit({ draft: { action: 'once_thing' }, signings: [auto] }))).toEqual(
      refusal('AUTO_NOT_ALLOWED', 77),
    );
  });
});

describe('12: as offered, or not at all', () => {
  it('refuses when the facts changed, or are not as they must be', async () => {
    expect(refused(await submit({ before: () => target.setState('loaded', 'failed') }))).toEqual(
      refusal('STALE', 77),
    );
    target.setState('loaded', 'active');
    expect(refused(await submit({ before: () => target.setState('masked', 'active') }))).toEqual(
      refusal('PRECHECK_FAILED', 77),
    );
    expect(refused(await target.ask('prepare', target.draft()))).toEqual(refusal('PRECHECK_FAILED', 77));
  });

  it('refuses when a file that would run is not the one that was offered', async () => {
    const source = readFileSync(target.program);
    const said = await submit({ before: () => appendFileSync(target.program, '# more\n') });
    writeFileSync(target.program, source);
    expect(refused(said)).toEqual(refusal('STALE', 77));
  });

  it('refuses when the argv would be another one', async () => {
    const before = (): void => target.writeAction('low_thing', { argv: [target.program, '{unit}', 'more'] });
    const said = await submit({ before });
    target.writeAction('low_thing', { argv: [target.program, '{unit}'] });
    expect(refused(said)).toEqual(refusal('STALE', 77));
  });

  it('refuses to offer a program that is not there', async () => {
    target.writeAction('low_thing', { argv: ['/nonexistent/program', '{unit}'] });
    const said = await target.ask('prepare', target.draft());
    target.writeAction('low_thing', { argv: [target.program, '{unit}'] });
    expect(refused(said)).toEqual(refusal('PROGRAM_MISSING', 70));
  });
});
