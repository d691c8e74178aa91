import { spawnSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { signTicket } from '../../../src/approver/sign.ts';
import { serialiseDraft } from '../../../src/request/draft.ts';
import { armour } from '../../../src/request/sshsig.ts';
import { serialiseTicket } from '../../../src/request/ticket.ts';
import { openPrivateKey } from '../../../src/ssh/private-key.ts';
import { sampleDraft, sampleTicket } from '../../support/sample-texts.ts';
import { makeKey, temporaryDirectory } from '../../support/ssh-keys.ts';

const folder = temporaryDirectory('sign');
afterAll(() => folder[Symbol.dispose]());
const alice = makeKey(folder.path, 'alice', { passphrase: 'correct horse' });
const key = openPrivateKey(readFileSync(alice.path), Buffer.from('correct horse'));
const ticketText = serialiseTicket({ ...sampleTicket, impact: 'MEDIUM' });
const lowTicket = serialiseTicket({ ...sampleTicket, impact: 'LOW' });

describe('signing a ticket', () => {
  it('gives one line of base64 that ssh-keygen verifies against allowed_signers', () => {
    const signature = signTicket({ ticketText, namespace: 'mcp-pra-medium', key });
    expect(signature).toMatch(/^[A-Za-z0-9+/]+={0,2}$/u);
    writeFileSync(
      join(folder.path, 'signers'),
      `alice namespaces="mcp-pra-low,mcp-pra-medium" ${alice.line}\n`,
    );
    writeFileSync(join(folder.path, 'sig'), armour(Buffer.from(signature, 'base64')));
    const args = [
      '-Y',
      'verify',
      '-f',
      join(folder.path, 'signers'),
      '-I',
      'alice',
      '-n',
      'mcp-pra-medium',
      '-s',
      join(folder.path, 'sig'),
    ];
    expect(spawnSync('ssh-keygen', args, { input: ticketText }).status).toBe(0);
    expect(spawnSync('ssh-keygen', args, { input: ticketText.replace('normal', 'normax') }).status).not.toBe(
      0,
    );
  });

  it.each([
    ['another impact', ticketText, 'mcp-pra-low'],
    ['a higher impact', ticketText, 'mcp-pra-high'],
    ['automation above LOW', ticketText, 'mcp-pra-auto'],
    ['receipts', lowTicket, 'mcp-pra-receipt'],
    ['files', lowTicket, 'file'],
  ])('is refused in the namespace of %s', (_, text, namespace) => {
    expect(() => signTicket({ ticketText: text, namespace, key })).toThrow('internal');
  });

  it('is possible for automation at LOW', () => {
    expect(signTicket({ ticketText: lowTicket, namespace: 'mcp-pra-auto', key })).not.toBe('');
  });

  it.each([
    ['a draft', serialiseDraft(sampleDraft)],
    ['a ticket with something after it', `${ticketText}x\n`],
    ['a ticket with CRLF', ticketText.replaceAll('\n', '\r\n')],
    ['nothing', ''],
  ])('is refused for %s', (_, text) => {
    expect(() => signTicket({ ticketText: text, namespace: 'mcp-pra-medium', key })).toThrow('TICKET_FORM');
  });

  it('never gives out a signature that does not verify', () => {
    const broken = { ...key, sign: () => Buffer.alloc(64, 1) };
    expect(() => signTicket({ ticketText, namespace: 'mcp-pra-medium', key: broken })).toThrow(
      'does not fit',
    );
    const rsa = openPrivateKey(readFileSync(makeKey(folder.path, 'rsa', { sort: 'rsa' }).path));
    expect(() => signTicket({ ticketText, namespace: 'mcp-pra-medium', key: rsa })).toThrow('does not fit');
  });
});
