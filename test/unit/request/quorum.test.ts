import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { PraError } from '../../../src/errors.ts';
import { addSignature, refuseKey, requireIntact } from '../../../src/request/quorum.ts';
import { wordDigest } from '../../../src/request/built-in.ts';
import { parseTicket, serialiseTicket } from '../../../src/request/ticket.ts';
import { wireSeconds } from '../../../src/request/wire-time.ts';
import type { StoredRequest } from '../../../src/request/types.ts';
import { makeSigner, offeredRequest, type Signer } from '../../support/signed-request.ts';
import { makeTokenKey } from '../../support/token-signature.ts';

const HOST = makeSigner('host');
const [alice, bob, carol] = ['alice', 'bob', 'carol'].map(makeSigner) as [Signer, Signer, Signer];
const code = (expected: string) => expect.objectContaining({ code: expected });
const HIGH = 'mcp-pra-high';

/** What came of it, or the code of its refusal. */
const comesTo = (work: () => string): string => {
  try {
    return work();
  } catch (error) {
    if (error instanceof PraError) return error.code;
    throw error;
  }
};

const by = (signer: Signer, text: string, way: 'here' | 'cosigned' = 'here', namespace = HIGH) => ({
  principal: signer.principal,
  signature: signer.sign(text, namespace),
  way,
});

/** The request after these people signed, one after the other. */
const signedBy = (count: number, ...signers: readonly Signer[]) => {
  const { request, offer, ticket } = offeredRequest(HOST, count);
  const after = signers.reduce<StoredRequest>((before, signer) => {
    const { event, patch } = addSignature(before, offer, ticket, by(signer, ticket));
    return { ...before, ...patch, state: event === 'approve' ? 'APPROVED' : 'PENDING' };
  }, request);
  return { request: after, offer, ticket };
};

describe('several approvers', () => {
  test('the last one that is needed approves, all before it cosign; one is enough where one is asked for', () => {
    expect(signedBy(1, alice).request).toMatchObject({ state: 'APPROVED', decidedBy: 'alice' });
    expect(signedBy(2, alice).request).toMatchObject({ state: 'PENDING', decidedBy: undefined });
    const { request, offer } = signedBy(3, alice, bob, carol);
    expect(request).toMatchObject({ state: 'APPROVED', decidedBy: 'alice, bob, carol' });
    expect(request.approvals).toEqual(
      [alice, bob, carol].map(({ principal, key }) => ({ principal, key, way: 'here' })),
    );
    expect(() => requireIntact(request, offer)).not.toThrow();
    // One fewer is not what the host asked for.
    expect(() => requireIntact({ ...signedBy(3, alice, bob).request, state: 'APPROVED' }, offer)).toThrow(
      code('APPROVAL_BROKEN'),
    );
  });

  test('nobody signs twice, under another name or with another key either', () => {
    const { request, offer, ticket } = signedBy(3, alice);
    for (const signer of [alice, { ...alice, principal: 'zoe' }, { ...bob, principal: 'alice' }])
      expect(() => addSignature(request, offer, ticket, by(signer, ticket))).toThrow(code('SIGNER_TWICE'));
  });

  test('the requester counts where one is asked for, and never where several are', () => {
    const operator = makeSigner('operator');
    expect(signedBy(1, operator).request.state).toBe('APPROVED');
    expect(() => signedBy(2, operator)).toThrow(code('REQUESTER_SIGNED'));
    expect(() => signedBy(2, alice, operator)).toThrow(code('REQUESTER_SIGNED'));
  });

  test('a signature of the auto namespace, of a lower impact or of another text is none', () => {
    const { request, offer, ticket } = signedBy(2, alice);
    for (const namespace of ['mcp-pra-auto', 'mcp-pra-low', 'mcp-pra-medium', 'mcp-pra-offer'])
      expect(() => addSignature(request, offer, ticket, by(bob, ticket, 'here', namespace))).toThrow(
        code('SIGNATURE_INVALID'),
      );
    const other = { ...by(bob, `${ticket} `) };
    expect(() => addSignature(request, offer, ticket, other)).toThrow(code('SIGNATURE_INVALID'));
  });

  test('who asked for what no model can ask for is one of several', () => {
    const over = { action: 'unfreeze', args: [], definition: wordDigest('unfreeze'), requester: 'alice/cli' };
    const { request, offer, ticket } = offeredRequest(HOST, 2, over);
    const first = addSignature(request, offer, ticket, by(alice, ticket));
    expect(first.event).toBe('cosign');
    const next = { ...request, ...first.patch };
    expect(() => addSignature(next, offer, ticket, by(alice, ticket))).toThrow(code('SIGNER_TWICE'));
    const second = addSignature(next, offer, ticket, by(bob, ticket));
    expect(second.event).toBe('approve');
    expect(() => requireIntact({ ...next, ...second.patch, state: 'APPROVED' }, offer)).not.toThrow();
  });

  test('all sign the ticket of the first one', () => {
    const { request, offer, ticket } = signedBy(2, alice);
    const later = serialiseTicket({ ...parseTicket(ticket), issued: '2026-11-03T03:00:01Z' });
    expect(() => addSignature(request, offer, later, by(bob, later))).toThrow(code('SIGNED_MEANWHILE'));
  });

  test('a ticket lasts as long as the signatures may take and the dispatch after them', () => {
    const seconds = (count: number): number => {
      const { issued, expires } = parseTicket(offeredRequest(HOST, count).ticket);
      return (wireSeconds(expires) ?? 0) - (wireSeconds(issued) ?? 0);
    };
    expect([seconds(1), seconds(2), seconds(5)]).toEqual([300, 1_200, 1_200]);
  });

  test('however many sign in whatever order: it is approved by the last of as many different people, and never before', () => {
    const people = [...['alice', 'bob', 'carol', 'dave', 'erin'].map(makeSigner), makeSigner('operator')];
    const order = fc.array(fc.constantFrom(...people), { maxLength: 9 });
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 5 }), order, (count, signers) => {
        const { request, offer, ticket } = offeredRequest(HOST, count);
        let now = request;
        const counted = new Set<string>();
        for (const signer of signers) {
          if (now.state === 'APPROVED') break;
          const isRefused = counted.has(signer.principal) || (count > 1 && signer.principal === 'operator');
          const before = now;
          const came = comesTo(() => {
            const { event, patch } = addSignature(before, offer, ticket, by(signer, ticket));
            expect(patch.signatures?.slice(0, -1)).toEqual(before.signatures);
            now = { ...before, ...patch, state: event === 'approve' ? 'APPROVED' : 'PENDING' };
            counted.add(signer.principal);
            return event;
          });
          const good = counted.size === count ? 'approve' : 'cosign';
          expect(came).toMatch(
            isRefused ? /^(?:SIGNER_TWICE|REQUESTER_SIGNED)$/u : new RegExp(`^${good}$`, 'u'),
          );
        }
        const intact = comesTo(() => {
          requireIntact({ ...now, state: 'APPROVED' }, offer);
          return 'intact';
        });
        expect(intact).toBe(counted.size === count ? 'intact' : 'APPROVAL_BROKEN');
      }),
      { numRuns: 60 },
    );
  });
});

describe('the key that the host asks for', () => {
  const token = makeTokenKey();
  const [TOUCHED, VERIFIED] = [0x01, 0x05];
  const signing = (signer: 'software-key' | 'sk' | 'sk-uv', flags?: number) => {
    const { request, offer, ticket } = offeredRequest(HOST, 1);
    const signature = flags === undefined ? alice.sign(ticket, HIGH) : token.sign(ticket, HIGH, flags);
    const asked = { ...offer, requires: { ...offer.requires, signer } };
    return comesTo(
      () => addSignature(request, asked, ticket, { principal: 'alice', signature, way: 'here' }).event,
    );
  };

  test('is one of those that its policy takes, with the person there and where it says so verified', () => {
    for (const [signer, flags, comes] of [
      ['software-key', undefined, 'approve'],
      ['software-key', TOUCHED, 'approve'],
      ['software-key', 0x00, 'PRESENCE_MISSING'],
      ['sk', undefined, 'SECURITY_KEY_REQUIRED'],
      ['sk', 0x00, 'PRESENCE_MISSING'],
      ['sk', TOUCHED, 'approve'],
      ['sk-uv', undefined, 'SECURITY_KEY_REQUIRED'],
      ['sk-uv', TOUCHED, 'VERIFICATION_MISSING'],
      ['sk-uv', 0x04, 'PRESENCE_MISSING'],
      ['sk-uv', VERIFIED, 'approve'],
    ] as const)
      expect([signer, flags, signing(signer, flags)]).toEqual([signer, flags, comes]);
  });

  test('of a key that has signed nothing yet is known only whether it is a security key', () => {
    const { offer } = offeredRequest(HOST, 1);
    const asked = { ...offer, requires: { ...offer.requires, signer: 'sk-uv' as const } };
    expect(() => refuseKey(asked, undefined)).toThrow(code('SECURITY_KEY_REQUIRED'));
  });
});

describe('what was approved and what is dispatched', () => {
  /** The text with one byte replaced by another one. */
  const flipped = (text: string, at: number, add: number): string => {
    const bytes = Buffer.from(text, 'latin1');
    const place = at % bytes.length;
    bytes[place] = (Number(bytes[place]) + 1 + (add % 255)) % 256;
    return bytes.toString('latin1');
  };

  test('any changed byte of the ticket, a signature or the offer voids it', () => {
    const { request, offer } = signedBy(2, alice, bob);
    const text = request.offer ?? { text: '', signature: '' };
    const changed: Record<string, (flip: (part: string) => string) => StoredRequest> = {
      ticket: (flip) => ({ ...request, ticket: flip(String(request.ticket)) }),
      offer: (flip) => ({ ...request, offer: { ...text, text: flip(text.text) } }),
      first: (flip) => ({
        ...request,
        signatures: [flip(String(request.signatures[0])), ...request.signatures.slice(1)],
      }),
      last: (flip) => ({
        ...request,
        signatures: [...request.signatures.slice(0, -1), flip(String(request.signatures.at(-1)))],
      }),
    };
    const where = fc.constantFrom(...Object.keys(changed));
    fc.assert(
      fc.property(where, fc.nat(100_000), fc.nat(254), (part, at, add) => {
        const tampered = changed[part]?.((one) => flipped(one, at, add)) ?? request;
        expect(() => requireIntact(tampered, offer)).toThrow(code('APPROVAL_BROKEN'));
      }),
      { numRuns: 400 },
    );
  });

  test('fields of the request beside the ticket are those of the ticket', () => {
    const { request, offer } = signedBy(2, alice, bob);
    expect(() => requireIntact(request, offer)).not.toThrow();
    const others: readonly Partial<StoredRequest>[] = [
      { host: 'web2' },
      { action: 'reboot_host' },
      { args: [] },
      { definition: 'e'.repeat(64) },
      { requester: 'alice/cli' },
      { requester: 'mallory/cli' },
      { reason: 'another' },
      { approvals: request.approvals.slice(0, 1) },
      { signatures: request.signatures.slice(0, 1) },
      { signatures: [...request.signatures, String(request.signatures[0])] },
      { approvals: request.approvals.map((one) => ({ ...one, principal: 'alice' })) },
      { approvals: [...request.approvals].reverse() },
    ];
    for (const over of others)
      expect(() => requireIntact({ ...request, ...over }, offer), JSON.stringify(over)).toThrow(
        code('APPROVAL_BROKEN'),
      );
  });
});

describe('an automatic approval', () => {
  const auto = makeSigner('auto');
  const automatic = (namespace: string, isAuto: boolean) => {
    const { request, offer, ticket } = offeredRequest(HOST, 1);
    const signatures = [auto.sign(ticket, namespace)];
    const state = 'AUTO_APPROVED' as const;
    return { request: { ...request, state, ticket, signatures }, offer: { ...offer, auto: isAuto } };
  };

  test('is one of the auto namespace for what the host lets run by itself, and none of a person', () => {
    const { request, offer } = automatic('mcp-pra-auto', true);
    expect(() => requireIntact(request, offer)).not.toThrow();
    for (const state of ['APPROVED', 'PENDING'] as const)
      expect(() => requireIntact({ ...request, state }, offer)).toThrow(code('APPROVAL_BROKEN'));
    const notAuto = automatic('mcp-pra-auto', false);
    expect(() => requireIntact(notAuto.request, notAuto.offer)).toThrow(code('APPROVAL_BROKEN'));
    const person = automatic('mcp-pra-high', true);
    expect(() => requireIntact(person.request, person.offer)).toThrow(code('APPROVAL_BROKEN'));
  });
});
