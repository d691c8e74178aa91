import { describe, expect, it } from 'vitest';
import { parseDraft, serialiseDraft } from '../../../src/request/draft.ts';
import { FormError } from '../../../src/request/form-error.ts';
import { parseOffer, serialiseOffer } from '../../../src/request/offer.ts';
import { parseQuery, serialiseQuery } from '../../../src/request/query.ts';
import { parseReceipt, serialiseReceipt } from '../../../src/request/receipt.ts';
import { fitsTicket, parseTicket, serialiseTicket } from '../../../src/request/ticket.ts';
import {
  sampleDraft,
  sampleOffer,
  sampleQuery,
  sampleReceipt,
  sampleTicket,
} from '../../support/sample-texts.ts';

const draft = serialiseDraft(sampleDraft);
const offer = serialiseOffer(sampleOffer);
const ticket = serialiseTicket(sampleTicket);
const query = serialiseQuery(sampleQuery);
const receipt = serialiseReceipt(sampleReceipt);

const texts = [
  { name: 'draft', text: draft, value: sampleDraft, parse: parseDraft, code: 'DRAFT_FORM' },
  { name: 'offer', text: offer, value: sampleOffer, parse: parseOffer, code: 'OFFER_FORM' },
  { name: 'ticket', text: ticket, value: sampleTicket, parse: parseTicket, code: 'TICKET_FORM' },
  { name: 'query', text: query, value: sampleQuery, parse: parseQuery, code: 'QUERY_FORM' },
  { name: 'receipt', text: receipt, value: sampleReceipt, parse: parseReceipt, code: 'RECEIPT_FORM' },
] as const;

/** The text with the line of `key` (or the n-th of that key) replaced. */
const withLine = (text: string, key: string, line: string, nth = 0): string => {
  const lines = text.split('\n');
  const at = lines.flatMap((one, index) => (one.startsWith(`${key} `) ? [index] : []))[nth] ?? -1;
  if (at < 0) throw new Error(`no line ${key}`);
  lines[at] = line;
  return lines.join('\n');
};

/** `ok` when it parses and comes back byte for byte, else the code. */
const verdict = <T>(parse: (text: string) => T, serialise: (value: T) => string, text: string): string => {
  try {
    return serialise(parse(text)) === text ? 'ok' : 'another text';
  } catch (error) {
    return error instanceof FormError ? error.code : String(error);
  }
};

describe.each(texts)('$name', ({ text, value, parse, code }) => {
  it('comes back from its text, given as bytes or as a string', () => {
    expect(parse(text)).toEqual(value);
    expect(parse(Buffer.from(text))).toEqual(value);
  });

  const lines = text.split('\n').slice(0, -1);
  const broken: [string, string][] = [
    ['nothing', ''],
    ['no last line end', text.slice(0, -1)],
    ['two line ends', `${text}\n`],
    ['a carriage return', text.replace('\n', '\r\n')],
    ['a byte order mark', `\ufeff${text}`],
    ['a NUL at the end', `${text}\0`],
    ['another version', text.replace(' v1\n', ' v2\n')],
    ['a line after the last', `${text}x y\n`],
    ['the text twice', text + text],
    ...lines.map((line, at): [string, string] => [
      `without "${line.slice(0, 30)}"`,
      `${lines.toSpliced(at, 1).join('\n')}\n`,
    ]),
    ...lines.map((line, at): [string, string] => [
      `"${line.slice(0, 30)}" twice`,
      `${lines.toSpliced(at, 0, line).join('\n')}\n`,
    ]),
    ...lines.map((line, at): [string, string] => [
      `a space after "${line.slice(0, 30)}"`,
      `${lines.with(at, `${line} `).join('\n')}\n`,
    ]),
    ...lines.map((line, at): [string, string] => [
      `a space before "${line.slice(0, 30)}"`,
      `${lines.with(at, ` ${line}`).join('\n')}\n`,
    ]),
    ...lines.map((line, at): [string, string] => [
      `a NUL in "${line.slice(0, 30)}"`,
      `${lines.with(at, line.replace(/.$/u, '\0')).join('\n')}\n`,
    ]),
  ];
  // These lines may be missing or come again.
  const free = /^(?:without|") ?"?(?:arg |token |fact |file |evidence )/u;
  it.each(broken.filter(([name]) => !free.test(name) || name.includes('space') || name.includes('NUL')))(
    'is refused with %s',
    (_, bad) => {
      expect(() => parse(bad)).toThrow(code);
      expect(() => parse(Buffer.from(bad))).toThrow(code);
    },
  );

  it('is refused when two neighbouring lines change places', () => {
    for (let at = 0; at + 1 < lines.length; at += 1) {
      const [one, two] = [lines[at] ?? '', lines[at + 1] ?? ''];
      // The tokens of an argv may come in any order: another order is another argv.
      if (one === two || (one.startsWith('token ') && two.startsWith('token '))) continue;
      const swapped = `${lines
        .with(at, two)
        .with(at + 1, one)
        .join('\n')}\n`;
      expect(() => parse(swapped)).toThrow(code);
    }
  });
});

const manyArgs = (count: number): string =>
  Array.from({ length: count }, (_, at) => `arg b${String(at).padStart(3, '0')} ${'x'.repeat(90)}`).join(
    '\n',
  );

/** The text filled up with arguments to this many bytes. */
const padded = (text: string, bytes: number): string => {
  const empty = text.replaceAll(/^arg .*\n/gmu, '');
  const count = Math.floor((bytes - empty.length) / 100) - 1;
  const filled = empty.replace(/(?<=\naction .*\n)/u, `${manyArgs(count)}\n`);
  const rest = bytes - filled.length;
  return filled.replace(
    /(?<=\naction .*\n)/u,
    `arg a ${'y'.repeat(Math.floor(rest / 2) - 7)}\narg aa ${'y'.repeat(Math.ceil(rest / 2) - 8)}\n`,
  );
};

describe('limits of the words, on both sides', () => {
  it.each([
    ['id', 'a'.repeat(16), true],
    ['id', 'a'.repeat(15), false],
    ['id', 'a'.repeat(17), false],
    ['id', 'abcdefghij234561', false],
    ['id', 'ABCDEFGHIJ234567', false],
    ['host', `w${'1'.repeat(62)}`, true],
    ['host', `w${'1'.repeat(63)}`, false],
    ['host', '-web', false],
    ['host', 'Web1', false],
    ['action', `a${'_'.repeat(39)}`, true],
    ['action', `a${'_'.repeat(40)}`, false],
    ['action', '1a', false],
    ['impact', 'HIGH', true],
    ['impact', 'low', false],
    ['impact', 'CRITICAL', false],
    ['mode', 'drill', true],
    ['mode', 'dry', false],
    ['requester', `${'a'.repeat(64)}/${'b'.repeat(64)}`, true],
    ['requester', `${'a'.repeat(65)}/b`, false],
    ['requester', `a/${'b'.repeat(65)}`, false],
    ['requester', 'alice', false],
    ['requester', 'a/b/c', false],
    ['requester', '/b', false],
  ])('draft %s %s: %s', (key, value, good) => {
    const text = withLine(draft, key, `${key} ${value}`);
    expect(verdict(parseDraft, serialiseDraft, text)).toBe(good ? 'ok' : 'DRAFT_FORM');
  });

  it.each([
    ['96 bytes', `unit ${'x'.repeat(96)}`, true],
    ['97 bytes', `unit ${'x'.repeat(97)}`, false],
    ['all its punctuation', 'unit A@._:+-9', true],
    ['a slash', 'unit ../x', false],
    ['a percent sign', 'unit a%20', false],
    ['empty', 'unit ', false],
    ['a name before the last one', 'a x', false],
    ['the same name again', 'mode x', false],
  ])('an argument of %s', (_, arg, good) => {
    const text = withLine(draft, 'arg', `arg ${arg}`, 1);
    expect(verdict(parseDraft, serialiseDraft, text)).toBe(good ? 'ok' : 'DRAFT_FORM');
  });

  it.each([
    ['definition', `sha256:${'a'.repeat(64)}`, true],
    ['definition', `sha256:${'a'.repeat(63)}`, false],
    ['definition', `sha256:${'A'.repeat(64)}`, false],
    ['definition', 'a'.repeat(64), false],
    ['host-key', `SHA256:${'a'.repeat(42)}`, false],
    ['host-key', `SHA256:${'a'.repeat(43)}=`, false],
    ['kind', 'cancel', true],
    ['kind', 'shell', false],
    ['approval', 'break-glass inc-2041', true],
    ['approval', 'break-glass', false],
    ['approval', 'normal inc-2041', false],
    ['offer', '-', false],
    ['approval', 'none', false],
    ['plan', `sha256:${'a'.repeat(64)} 1/1`, true],
    ['plan', `sha256:${'a'.repeat(64)} 99/99`, true],
    ['plan', `sha256:${'a'.repeat(64)} 2/1`, false],
    ['plan', `sha256:${'a'.repeat(64)} 0/1`, false],
    ['plan', `sha256:${'a'.repeat(64)} 1/100`, false],
    ['plan', `sha256:${'a'.repeat(64)} 01/2`, false],
    ['plan', `sha256:${'a'.repeat(64)}`, false],
    ['expires', '2026-11-20T10:00:01Z', true],
    ['expires', '2026-11-20T10:00:00Z', false],
    ['expires', '2026-11-20T09:59:59Z', false],
    ['expires', '2026-11-20T10:25:00Z', true],
    ['expires', '2026-11-20T10:25:01Z', false],
    ['expires', '2026-11-20T10:60:00Z', false],
    ['expires', '2026-11-20T10:04:60Z', false],
    ['expires', '2026-11-20T10:05:00.0Z', false],
    ['expires', '2026-11-20t10:05:00Z', false],
    ['expires', '2026-11-20T10:05:00+00:00', false],
    ['reason', 'x'.repeat(400), true],
    ['reason', 'x'.repeat(401), false],
    ['reason', `${'x'.repeat(397)}%25`, true],
    ['reason', `${'x'.repeat(398)}%25`, false],
    ['reason', '%41', false],
    ['reason', 'two words', false],
    ['reason', '%C3', false],
  ])('ticket %s %s: %s', (key, value, good) => {
    const text = withLine(ticket, key, `${key} ${value}`);
    expect(verdict(parseTicket, serialiseTicket, text)).toBe(good ? 'ok' : 'TICKET_FORM');
  });

  it.each(['2026-02-29', '2026-04-31', '2026-13-01', '2026-00-10', '0000-01-01', '1969-12-31'])(
    'no ticket is issued on %s',
    (day) => {
      const issued = withLine(ticket, 'issued', `issued ${day}T10:00:00Z`);
      const text = withLine(issued, 'expires', `expires ${day}T10:05:00Z`);
      expect(() => parseTicket(text)).toThrow('TICKET_FORM');
    },
  );

  it('29 February of a leap year is a day', () => {
    const issued = withLine(ticket, 'issued', 'issued 2028-02-29T23:59:59Z');
    expect(parseTicket(withLine(issued, 'expires', 'expires 2028-03-01T00:00:00Z')).issued).toBe(
      '2028-02-29T23:59:59Z',
    );
  });

  it('a ticket is at most 8 KiB, a draft 4 KiB', () => {
    for (const [text, limit, parse, code] of [
      [ticket, 8_192, parseTicket, 'TICKET_FORM'],
      [draft, 4_096, parseDraft, 'SIZE'],
    ] as const) {
      expect(padded(text, limit)).toHaveLength(limit);
      expect(parse(padded(text, limit)).id).toBe(sampleDraft.id);
      expect(() => parse(padded(text, limit + 1))).toThrow(code);
    }
  });

  it.each([
    ['wait', '0', true],
    ['wait', '26', false],
    ['wait', '05', false],
    ['offset', '999999999', true],
    ['offset', '1000000000', false],
    ['offset', '-1', false],
    ['offset', '00', false],
  ])('query %s %s: %s', (key, value, good) => {
    const text = withLine(query, key, `${key} ${value}`);
    expect(verdict(parseQuery, serialiseQuery, text)).toBe(good ? 'ok' : 'QUERY_FORM');
  });

  it.each([
    ['rc', '255', true],
    ['rc', '256', false],
    ['rc', '-', true],
    ['rc', '-1', false],
    ['rc', '00', false],
    ['started', '-', true],
    ['started', '2026-02-30T00:00:00Z', false],
    ['claimed', '-', false],
    ['output', '- 0', true],
    ['output', '- 1', false],
    ['output', `sha256:${'a'.repeat(64)}`, false],
    ['output', `sha256:${'a'.repeat(64)} 0`, true],
    ['durable', 'maybe', false],
    ['verified', '-', true],
    ['verified', 'no', false],
    ['verified', 'maybe', false],
    ['state', 'VERIFY_FAILED', false],
    ['state', 'FAILED', true],
    ['state', 'INTERRUPTED', true],
    ['state', 'RUNNING', false],
    ['state', 'NEVER_STARTED', false],
    ['evidence', 'a b c', false],
    ['evidence', 'a b c d', true],
    ['evidence', 'a b c d e', false],
    ['evidence', 'a b - %7F', true],
    ['evidence', 'a b - %7f', false],
    ['evidence', 'a b  d', false],
    ['evidence', 'z b c d', false],
    ['state', 'UNKNOWN', false],
    ['previous', `sha256:${'a'.repeat(64)}`, true],
    ['duration-ms', '1.5', false],
    ['boot-id', '3F0C9E3A-7a55-4f0e-9d6c-0d5e8f1a2b3c', false],
  ])('receipt %s %s: %s', (key, value, good) => {
    const text = withLine(receipt, key, `${key} ${value}`);
    expect(verdict(parseReceipt, serialiseReceipt, text)).toBe(good ? 'ok' : 'RECEIPT_FORM');
  });

  it.each([
    ['requires', '5 mcp-pra-high sk-uv', true],
    ['requires', '0 mcp-pra-high sk-uv', false],
    ['requires', '6 mcp-pra-high sk-uv', false],
    ['requires', '1 mcp-pra-offer sk', false],
    ['requires', '1 mcp-pra-high hardware', false],
    ['auto', 'no', true],
    ['auto', 'true', false],
    ['rule', 'a%20b', true],
    ['rule', 'a%2fb', false],
    ['token', '%C3', false],
    ['token', '', false],
    ['file', `sha256:${'a'.repeat(64)} /x%20y`, true],
    ['file', `sha256:${'a'.repeat(64)} x`, false],
    ['fact', 'a b %7F', true],
    ['fact', 'a b ', false],
    ['fact', 'z b x', false],
    ['boottime', '999999999999999', true],
    ['boottime', '1000000000000000', false],
    ['wallclock', '2026-02-30T00:00:00Z', false],
  ])('offer %s %s: %s', (key, value, good) => {
    const text = withLine(offer, key, `${key} ${value}`);
    expect(verdict(parseOffer, serialiseOffer, text)).toBe(good ? 'ok' : 'OFFER_FORM');
  });

  it('an offer executes something', () => {
    expect(() => parseOffer(offer.replaceAll(/^token .*\n/gmu, ''))).toThrow('OFFER_FORM');
    expect(() => parseOffer(offer.replaceAll(/^file .*\n/gmu, ''))).toThrow('OFFER_FORM');
    expect(parseOffer(offer.replaceAll(/^fact .*\n/gmu, '')).facts).toEqual([]);
  });
});

describe('writing', () => {
  it.each([
    ['a line end in a host', { ...sampleTicket, host: 'web1\nkind action' }],
    ['arguments out of order', { ...sampleTicket, args: sampleTicket.args.toReversed() }],
    ['an argument with a space', { ...sampleTicket, args: [['unit', 'a b']] as const }],
    ['no reason', { ...sampleTicket, reason: '' }],
    ['a reason that is too long once encoded', { ...sampleTicket, reason: 'é'.repeat(67) }],
    ['a lone surrogate', { ...sampleTicket, reason: '\ud800' }],
    ['a fraction', { ...sampleTicket, plan: { root: 'a'.repeat(64), step: 1.5, of: 2 } }],
  ])('refuses to write %s', (_, value) => {
    expect(() => serialiseTicket(value)).toThrow('TICKET_FORM');
  });

  it('says beforehand whether a reason fits', () => {
    expect(fitsTicket('é'.repeat(66))).toBe(true);
    expect(fitsTicket('é'.repeat(67))).toBe(false);
    expect(fitsTicket('')).toBe(false);
    expect(fitsTicket('\ud800')).toBe(false);
  });
});
