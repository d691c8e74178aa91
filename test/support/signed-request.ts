import { generateKeyPairSync, sign } from 'node:crypto';
import { sha256 } from '../../src/catalog/digest.ts';
import { serialiseOffer } from '../../src/request/offer.ts';
import { sshString } from '../../src/request/ssh-reader.ts';
import { buildSshsig, fingerprint } from '../../src/request/sshsig.ts';
import { EXECUTE_MS, ticketFor } from '../../src/request/ticket-for.ts';
import type { Offer, StoredRequest } from '../../src/request/types.ts';
import { newRequest, nthId, START } from './store-fixture.ts';

/** Somebody with an ed25519 key of their own. */
export interface Signer {
  readonly principal: string;
  readonly publicKey: Buffer;
  /** `SHA256:…` */
  readonly key: string;
  /** Base64 SSHSIG blob. */
  sign(text: string, namespace: string): string;
}

export const makeSigner = (principal: string): Signer => {
  const { publicKey, privateKey } = generateKeyPairSync('ed25519');
  const raw = Buffer.from(publicKey.export({ format: 'jwk' }).x ?? '', 'base64url');
  const blob = Buffer.concat([sshString('ssh-ed25519'), sshString(raw)]);
  return {
    principal,
    publicKey: blob,
    key: fingerprint(blob),
    sign: (message, namespace) =>
      buildSshsig({
        namespace,
        message,
        publicKey: blob,
        sign: (data) => sign(null, data, privateKey),
      }).toString('base64'),
  };
};

/** A pending request with the offer that `host` signed, which asks for `count` people; nobody has signed it. */
export const offeredRequest = (
  host: Signer,
  count: number,
  over: Partial<StoredRequest> = {},
): { readonly request: StoredRequest; readonly offer: Offer; readonly ticket: string } => {
  const base = newRequest(over.id ?? nthId(1), over);
  const offer: Offer = {
    id: base.id,
    host: base.host,
    hostKey: host.key,
    action: base.action,
    args: base.args,
    definition: base.definition,
    impact: 'HIGH',
    mode: 'run',
    requires: { count, namespace: 'mcp-pra-high', signer: 'software-key' },
    rule: 'the policy of the host',
    auto: false,
    argvDigest: 'a'.repeat(64),
    argv: ['/usr/bin/true'],
    files: [{ sha256: 'b'.repeat(64), path: '/usr/bin/true' }],
    facts: [],
    bootId: '00000000-0000-4000-8000-000000000000',
    boottimeMs: 1_000,
    wallclock: '2026-11-03T03:00:00Z',
  };
  const text = serialiseOffer(offer);
  const offerText = { text, signature: host.sign(text, 'mcp-pra-offer') };
  const request: StoredRequest = {
    ...base,
    state: 'PENDING',
    updatedAt: START,
    impact: 'HIGH',
    offer: offerText,
    ...over,
  };
  const ticket = ticketFor({
    request,
    offer,
    offerText,
    reason: request.reason,
    now: START,
    ledger: sha256(''),
    executeMs: EXECUTE_MS,
  });
  return { request, offer, ticket };
};
