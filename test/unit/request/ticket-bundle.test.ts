import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { FormError } from '../../../src/request/form-error.ts';
import { BLOCK_CHARS, readBlock, writeBlock } from '../../../src/request/text-block.ts';
import {
  readBundle,
  readCosignature,
  requestOf,
  writeBundle,
  writeCosignature,
} from '../../../src/request/ticket-bundle.ts';
import { makeSigner, offeredRequest } from '../../support/signed-request.ts';

const HOST = makeSigner('host');
const alice = makeSigner('alice');
const bob = makeSigner('bob');

const whereOf = (read: () => unknown): string => {
  try {
    read();
    return 'read';
  } catch (error) {
    if (error instanceof FormError) return error.where;
    throw error;
  }
};

describe('a block', () => {
  const block = writeBlock('TICKET', 'a text of the kind that is sent\n'.repeat(5));
  const text = readBlock('TICKET', block);

  test('is found in a mail, whatever is around it and however its lines end', () => {
    for (const mail of [
      block,
      block.trimEnd(),
      block.replaceAll('\n', '\r\n'),
      `Hello,\n\nplease sign:\n${block}\n-- \nAlice\n`,
      `> quoted\n${block}-----BEGIN PGP SIGNATURE-----\n`,
    ])
      expect(readBlock('TICKET', mail)).toBe(text);
  });

  test('is nothing but what was written: no quoting, wrapping, gap or second one', () => {
    const lines = block.split('\n');
    for (const [spoilt, where] of [
      ['', 'BEGIN line'],
      [block.replaceAll(/^/gmu, '> '), 'BEGIN line'],
      [block.replace('-----BEGIN', ' -----BEGIN'), 'BEGIN line'],
      [block.replace('END MCP-PRA TICKET', 'END MCP-PRA'), 'END line'],
      [lines.toReversed().join('\n'), 'END line'],
      [block + block, 'more than one block'],
      [`${block}-----END MCP-PRA TICKET-----\n`, 'more than one block'],
      [lines.toSpliced(2, 1).join('\n'), 'read'],
      [lines.toSpliced(2, 0, '').join('\n'), 'lines between BEGIN and END'],
      [lines.map((line, n) => (n === 2 ? ` ${line}` : line)).join('\n'), 'lines between BEGIN and END'],
      [lines.map((line, n) => (n === 2 ? `${line} ` : line)).join('\n'), 'lines between BEGIN and END'],
      [
        lines.map((line, n) => (n === 2 ? line.replace(/(.{30})/u, '$1\n') : line)).join('\n'),
        'lines between BEGIN and END',
      ],
      [
        lines.map((line, n) => (n === 2 ? line.replace(/^../u, '=!') : line)).join('\n'),
        'lines between BEGIN and END',
      ],
      ['-----BEGIN MCP-PRA TICKET-----\n-----END MCP-PRA TICKET-----\n', 'lines between BEGIN and END'],
      [block.replaceAll('TICKET', 'SIGNATURE'), 'BEGIN line'],
    ] as const)
      expect([spoilt, whereOf(() => readBlock('TICKET', spoilt))]).toEqual([spoilt, where]);
  });

  test('has at most 64 KiB, and a mail around it at most four times that', () => {
    // 65 characters for 48 bytes, and the two lines around them.
    const most = Math.floor((BLOCK_CHARS - 59) / 65) * 48;
    const largest = writeBlock('TICKET', 'x'.repeat(most));
    expect(largest.length).toBeLessThanOrEqual(BLOCK_CHARS);
    expect(readBlock('TICKET', largest)).toHaveLength(most);
    expect(whereOf(() => writeBlock('TICKET', 'x'.repeat(most + 48)))).toBe('size');
    const padded = (length: number): string => block.padEnd(length, '.\n');
    expect(whereOf(() => readBlock('TICKET', padded(4 * BLOCK_CHARS)))).toBe('read');
    expect(whereOf(() => readBlock('TICKET', padded(4 * BLOCK_CHARS + 1)))).toBe('size');
  });
});

describe('what goes to the other machine and back', () => {
  const { request, ticket } = offeredRequest(HOST, 3);
  const offer = request.offer ?? { text: '', signature: '' };
  const signatures = [alice, bob].map((signer) => ({
    principal: signer.principal,
    signature: signer.sign(ticket, 'mcp-pra-high'),
  }));
  const block = writeBundle({ ticketText: ticket, offer, signatures });

  test('is ticket, offer and who signed, byte for byte', () => {
    const bundle = readBundle(block);
    expect(bundle).toMatchObject({ ticketText: ticket, offer, signatures });
    expect(writeBundle(bundle)).toBe(block);
    const read = requestOf(bundle);
    expect(read).toMatchObject({ state: 'PENDING', requester: request.requester, args: request.args });
    expect(read.approvals.map(({ principal, key }) => [principal, key])).toEqual([
      ['alice', alice.key],
      ['bob', bob.key],
    ]);
  });

  test('as many signers as signatures, of an action, with one at least', () => {
    const inner = readBlock('TICKET', block);
    const read = (text: string) => whereOf(() => readBundle(writeBlock('TICKET', text)));
    expect(read(inner)).toBe('read');
    expect(read(inner.replace('signer bob\n', ''))).toBe('signer');
    expect(read(inner.replace('signer bob\n', 'signer bob\nsigner carol\n'))).toBe('signer');
    expect(read(inner.replace('signer bob\n', 'signer b b\n'))).not.toBe('read');
    expect(read(inner.replace('cosign v1', 'cosign v2'))).toBe('title');
    expect(read(inner.replace('kind action', 'kind cancel'))).toBe('kind');
    expect(read(inner.replace('kind action', 'kind unfreeze'))).toBe('kind');
    expect(read(inner.replace('approval normal', 'approval break-glass inc-1'))).toBe('kind');
    const lifting = inner.replace('kind action', 'kind unfreeze').replace(/^action .*$/mu, 'action unfreeze');
    expect(read(lifting)).toBe('read');
    expect(read(inner.replaceAll(/^sign.*\n/gmu, ''))).toBe('signature');
    expect(whereOf(() => writeBundle({ ticketText: ticket, offer, signatures: [] }))).toBe('signature');
  });

  test('the answer names the ticket and the signer', () => {
    const answer = {
      id: request.id,
      ticket: 'a'.repeat(64),
      ...(signatures[0] ?? { principal: '', signature: '' }),
    };
    const written = writeCosignature(answer);
    expect(readCosignature(written)).toEqual(answer);
    expect(whereOf(() => readCosignature(block))).toBe('BEGIN line');
    expect(whereOf(() => readBundle(written))).toBe('BEGIN line');
    expect(whereOf(() => writeCosignature({ ...answer, principal: 'a b' }))).toBe('signer');
    expect(whereOf(() => writeCosignature({ ...answer, signature: 'YQ==' }))).not.toBe('read');
  });

  test('no other text reads as the same, and no damage throws anything else', () => {
    const answer = writeCosignature({
      id: request.id,
      ticket: 'a'.repeat(64),
      ...(signatures[0] ?? { principal: '', signature: '' }),
    });
    const change = fc.tuple(fc.nat(100_000), fc.integer({ min: 1, max: 127 }));
    fc.assert(
      fc.property(change, fc.boolean(), ([at, by], isTicket) => {
        const whole = isTicket ? block : answer;
        const bytes = Buffer.from(whole, 'latin1');
        const place = at % (bytes.length - 1);
        bytes[place] = (Number(bytes[place]) + by) % 128;
        const spoilt = bytes.toString('latin1');
        let again = 'refused';
        whereOf(() => {
          again = isTicket ? writeBundle(readBundle(spoilt)) : writeCosignature(readCosignature(spoilt));
        });
        expect(['refused', spoilt]).toContain(again);
      }),
      { numRuns: 500 },
    );
  });
});
