import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { Ticket } from '../../src/request/types.ts';
import { isAlive } from '../support/is-alive.ts';
import { refusal, refused } from '../support/refused.ts';
import {
  frame,
  newId,
  RunnerTarget,
  type Json,
  type Said,
  type Signing,
  type SubmissionParts,
  signingsOf,
} from '../support/runner-target.ts';

// Stopping what runs, and burning what never ran: both ask for less than what started it.

let target: RunnerTarget;
let low: Signing;
let medium: Signing;
let high: Signing;
let auto: Signing;

beforeAll(() => {
  target = new RunnerTarget();
  ({ low } = signingsOf(target.anna));
  ({ medium, high } = signingsOf(target.bert));
  auto = { key: target.auto, namespace: 'mcp-pra-auto' };
});
afterAll(() => {
  target.remove();
});
beforeEach(() => {
  target.restore();
});

/** The number that a program has written, once all of it is there. */
const childOf = async (program: string): Promise<string> => {
  for (;;) {
    if (existsSync(`${program}.child`)) {
      const text = readFileSync(`${program}.child`, 'utf8');
      if (text.endsWith('\n')) return text.trim();
    }
    await sleep(5);
  }
};

interface Running {
  readonly parts: SubmissionParts;
  readonly said: Promise<Said>;
  readonly id: string;
  /** The submission of a ticket that would stop it. */
  readonly cancel: (signings: readonly Signing[], patch?: Partial<Ticket>) => string;
}

/** Starts an action and resolves when its first output has come. */
const start = async (
  action = 'stoppable',
  unit = 'hang.service',
  signings: readonly Signing[] = [low],
): Promise<Running> => {
  const proposal = await target.propose({ action, args: [['unit', unit]] });
  const parts = target.parts(proposal, signings);
  const { child, said } = target.start([action], frame(parts));
  await new Promise<void>((resolve) => {
    let text = '';
    child.stdout?.on('data', (chunk: Buffer) => {
      text += chunk.toString();
      if (text.includes('"output"')) resolve();
    });
  });
  const cancel = (signers: readonly Signing[], patch: Partial<Ticket> = {}): string =>
    target.submission(proposal, signers, { kind: 'cancel', impact: 'MEDIUM', reason: 'stop it', ...patch });
  return { parts, said, id: proposal.offer.id, cancel };
};

describe('cancel', () => {
  it('stops a run with all that it started, also what does not listen to TERM', async () => {
    rmSync(`${target.program}.child`, { force: true });
    const running = await start();
    const child = await childOf(target.program);
    const text = running.cancel([medium]);
    const said = await target.ask('cancel', text);
    const receipt = target.receipt(said);
    expect([said.exit, said.events.map(({ event }) => event), receipt]).toMatchObject([
      0,
      ['receipt'],
      { id: running.id, action: 'stoppable', state: 'INTERRUPTED', output: { bytes: 8 } },
    ]);
    expect(isAlive(child)).toBe(false);
    expect(target.receipt(await running.said)).toEqual(receipt);
    expect(target.receipt(await target.query('status', running.parts.ticketText))).toEqual(receipt);
    const kept = JSON.parse(
      readFileSync(join(target.prefix, `state/cancels/${running.id}.json`), 'utf8'),
    ) as Json;
    expect(kept).toMatchObject({ principals: ['bert'], ticket: text.slice(0, text.indexOf('signature ')) });
    // The same again, and the ticket of the run again: nothing happens.
    expect((await target.ask('cancel', text)).events).toEqual([said.events.at(-1)]);
    expect((await target.ask('stoppable', frame(running.parts))).code).toBe('REPLAYED');
  });

  it('stops what does not listen to TERM also when the program that started it does', async () => {
    rmSync(`${target.program}.child`, { force: true });
    const running = await start('stoppable', 'deaf.service');
    const child = await childOf(target.program);
    const said = await target.ask('cancel', running.cancel([medium]));
    expect(target.receipt(said).state).toBe('INTERRUPTED');
    expect(isAlive(child)).toBe(false);
    expect(target.receipt(await running.said)).toEqual(target.receipt(said));
  });

  it('changes nothing about what has ended', async () => {
    const proposal = await target.propose({ action: 'stoppable' });
    const said = await target.ask('stoppable', target.submission(proposal, [low]));
    const text = target.submission(proposal, [medium], { kind: 'cancel', impact: 'MEDIUM' });
    const cancelled = await target.ask('cancel', text);
    expect([cancelled.exit, cancelled.events]).toEqual([0, [said.events.at(-1)]]);
    expect(target.receipt(cancelled).state).toBe('SUCCEEDED');
    expect(existsSync(join(target.prefix, `state/cancels/${proposal.offer.id}.json`))).toBe(false);
  });

  it('goes on while the host is frozen, whatever became of the definition and of the offer’s age', async () => {
    target.writePolicy({ offer_seconds: 1 });
    const running = await start();
    writeFileSync(join(target.prefix, 'etc/frozen'), '');
    target.writeAction('stoppable', { argv: [target.program, '{unit}'], definition: 'e'.repeat(64) });
    const said = await target.ask('cancel', running.cancel([medium]));
    rmSync(join(target.prefix, 'etc/frozen'));
    target.writeAction('stoppable', { argv: [target.program, '{unit}'], cancellable: true });
    expect(target.receipt(said).state).toBe('INTERRUPTED');
    await running.said;
  });

  it.each([
    ['holds', 'eq', 'yes'],
    ['does not hold', 'ne', 'no'],
  ])('leaves the verification to say how the host is: one that %s', async (_, op, verified) => {
    const expected = {
      diagnostic: 'unit_state',
      args: { unit: '{unit}' },
      parse: 'kv',
      evidence: [],
      within: 0,
    };
    const verify = [
      {
        ...expected,
        facts: { active_state: { from: 'ActiveState', type: 'string' } },
        expect: [{ fact: 'active_state', op, value: 'active' }],
      },
    ];
    target.writeAction('stoppable', { argv: [target.program, '{unit}'], cancellable: true, verify });
    const running = await start();
    const said = await target.ask('cancel', running.cancel([medium]));
    target.writeAction('stoppable', { argv: [target.program, '{unit}'], cancellable: true });
    expect(target.receipt(said)).toMatchObject({ state: 'INTERRUPTED', verified: verified === 'yes' });
    await running.said;
  });

  it('asks one person, at the impact of the run', async () => {
    target.writePolicy({ quorum: { MEDIUM: 2, HIGH: 2 } });
    const running = await start('stoppable_high', 'hang.service', [
      high,
      { key: target.anna, namespace: 'mcp-pra-high' },
    ]);
    expect(refused(await target.ask('cancel', running.cancel([medium])))).toEqual(refusal('IMPACT_TOO_LOW'));
    expect(refused(await target.ask('cancel', running.cancel([medium], { impact: 'HIGH' })))).toEqual(
      refusal('NAMESPACE_WRONG'),
    );
    target.writePolicy({ signer: { MEDIUM: 'sk', HIGH: 'sk' } });
    expect(refused(await target.ask('cancel', running.cancel([high], { impact: 'HIGH' })))).toEqual(
      refusal('SECURITY_KEY_REQUIRED'),
    );
    target.writePolicy({ quorum: { MEDIUM: 2, HIGH: 2 } });
    const said = await target.ask('cancel', running.cancel([high], { impact: 'HIGH' }));
    expect(target.receipt(said).state).toBe('INTERRUPTED');
    await running.said;
  });

  it('is refused by every rule, and the run goes on', async () => {
    const running = await start('stoppable', 'wait.service');
    const ask = async (signings: readonly Signing[], patch: Partial<Ticket> = {}): Promise<Json> =>
      refused(await target.ask('cancel', running.cancel(signings, patch)));
    expect(await ask([low])).toEqual(refusal('NAMESPACE_WRONG'));
    expect(await ask([low], { impact: 'LOW' })).toEqual(refusal('IMPACT_TOO_LOW'));
    expect(await ask([auto])).toEqual(refusal('NAMESPACE_WRONG'));
    expect(await ask([{ ...auto, namespace: 'mcp-pra-medium' }])).toEqual(refusal('SIGNER_UNKNOWN'));
    expect(await ask([{ key: target.stranger, namespace: 'mcp-pra-medium' }])).toEqual(
      refusal('SIGNER_UNKNOWN'),
    );
    expect(await ask([medium, medium])).toEqual(refusal('SIGNER_TWICE'));
    expect(await ask([medium], { host: 'web2' })).toEqual(refusal('HOST_MISMATCH'));
    expect(await ask([medium], { id: newId() })).toEqual(refusal('ID_UNKNOWN'));
    expect(await ask([medium], { args: [['unit', 'quick.service']] })).toEqual(refusal('ID_UNKNOWN'));
    expect(await ask([medium], { offer: 'a'.repeat(64) })).toEqual(refusal('ID_UNKNOWN'));
    expect(await ask([medium], { definition: 'a'.repeat(64) })).toEqual(refusal('ID_UNKNOWN'));
    expect(await ask([medium], { mode: 'drill' })).toEqual(refusal('MODE_UNSUPPORTED'));
    expect(await ask([medium], { approval: 'break-glass', incident: 'inc-1' })).toEqual(
      refusal('APPROVAL_UNSUPPORTED'),
    );
    expect(await ask([medium], { kind: 'action' })).toEqual(refusal('KIND_UNSUPPORTED'));
    const other = await target.propose({ action: 'stoppable' });
    const [ticket, rest] = running.cancel([medium]).split(/(?=^offer .*\noffer-signature)/mu) as [
      string,
      string,
    ];
    void rest;
    const swapped = `${ticket}offer ${Buffer.from(other.signed.text).toString('base64')}\noffer-signature ${other.signed.signature}\nend\n`;
    expect(refused(await target.ask('cancel', swapped))).toEqual(refusal('OFFER_MISMATCH'));
    target.revoke(target.bert);
    expect(await ask([medium])).toEqual(refusal('SIGNER_REVOKED'));
    // A cancel burns nothing and starts nothing.
    target.revoke();
    expect(refused(await target.ask('fence', running.cancel([medium])))).toEqual(refusal('KIND_UNSUPPORTED'));
    expect(refused(await target.ask('stoppable', running.cancel([medium])))).toEqual(
      refusal('KIND_UNSUPPORTED'),
    );
    writeFileSync(`${target.program}.gate`, '');
    expect(target.receipt(await running.said)).toMatchObject({ state: 'SUCCEEDED', rc: 0 });
  });

  it('leaves alone what must not be stopped half-way', async () => {
    const running = await start('low_thing', 'wait.service');
    expect(refused(await target.ask('cancel', running.cancel([medium])))).toEqual(refusal('NOT_CANCELLABLE'));
    writeFileSync(`${target.program}.gate`, '');
    expect(target.receipt(await running.said).state).toBe('SUCCEEDED');
  });

  it('leaves a burnt id burnt', async () => {
    const proposal = await target.propose({ action: 'stoppable' });
    await target.ask('fence', target.submission(proposal, [low]));
    const text = target.submission(proposal, [medium], { kind: 'cancel', impact: 'MEDIUM' });
    expect(refused(await target.ask('cancel', text))).toEqual(refusal('NOT_CANCELLABLE'));
  });
});

describe('fence', () => {
  const people = (): readonly Signing[] => [
    { key: target.anna, namespace: 'mcp-pra-medium' },
    { key: target.bert, namespace: 'mcp-pra-medium' },
  ];
  const burnt = async (signings: readonly Signing[], before = (): void => undefined): Promise<Said> => {
    const text = target.submission(await target.propose({ action: 'medium_thing' }), signings);
    before();
    return target.ask('fence', text);
  };
  const state = async (said: Promise<Said>): Promise<string> => target.receipt(await said).state;

  it('asks for one signature of several', async () => {
    target.writePolicy({ quorum: { MEDIUM: 2, HIGH: 2 } });
    expect(await state(burnt(people().slice(0, 1)))).toBe('NEVER_STARTED');
    expect(await state(burnt(people(), () => target.revoke(target.anna)))).toBe('NEVER_STARTED');
    expect(refused(await burnt(people(), () => target.revoke(target.anna, target.bert)))).toEqual(
      refusal('SIGNER_REVOKED'),
    );
  });

  it('asks for no security key, and not for the same definition', async () => {
    expect(
      await state(burnt(people(), () => target.writePolicy({ signer: { MEDIUM: 'sk', HIGH: 'sk-uv' } }))),
    ).toBe('NEVER_STARTED');
    const change = (): void =>
      target.writeAction('medium_thing', { argv: [target.program, '{unit}'], definition: 'e'.repeat(64) });
    expect(await state(burnt(people(), change))).toBe('NEVER_STARTED');
    target.writeAction('medium_thing', { argv: [target.program, '{unit}'], impact: 'MEDIUM' });
  });

  it('does not ask for the impact that the host would ask for now', async () => {
    const raise = (): void => target.writePolicy({ impact: { medium_thing: 'HIGH' } });
    expect(await state(burnt(people(), raise))).toBe('NEVER_STARTED');
  });

  it('is answered of what it burnt also when the action is gone', async () => {
    const text = target.parts(await target.propose({ action: 'medium_thing' }), people());
    const path = join(target.prefix, 'lib/actions/medium_thing.json');
    const definition = readFileSync(path);
    rmSync(path);
    const fenced = await target.ask('fence', frame(text));
    const asked = await target.query('status', text.ticketText);
    writeFileSync(path, definition);
    expect([fenced.exit, asked.events]).toEqual([0, fenced.events]);
  });

  it('asks for a signature of the ticket’s own impact', async () => {
    expect(refused(await burnt([low]))).toEqual(refusal('NAMESPACE_WRONG'));
    expect(refused(await burnt([high]))).toEqual(refusal('NAMESPACE_WRONG'));
    expect(refused(await burnt([{ key: target.stranger, namespace: 'mcp-pra-medium' }]))).toEqual(
      refusal('SIGNER_UNKNOWN'),
    );
  });

  it('of the auto key only burns what that key may start', async () => {
    const other = target.submission(await target.propose({ action: 'other_low' }), [auto]);
    expect(refused(await target.ask('fence', other))).toEqual(refusal('AUTO_NOT_ALLOWED'));
    expect((await target.ask('fence', target.submission(await target.propose(), [auto]))).exit).toBe(0);
  });
});
