import { describe, expect, it } from 'vitest';
import { parseRefusal, RunnerEvents, type RunnerEvent } from '../../../src/request/runner-events.ts';

const claimed = { event: 'claimed', id: 'abcdefghij234567', durable: true } as const;
const output = (bytes: Buffer): RunnerEvent => ({
  event: 'output',
  data: bytes.toString('base64'),
  offset: 0,
});
const answer = (...events: readonly unknown[]): Buffer =>
  Buffer.from(['mcp-pra 1', ...events.map((event) => JSON.stringify(event)), ''].join('\n'));
const read = (bytes: Buffer): RunnerEvent[] => new RunnerEvents().push(bytes);

const offer = (size: number): Buffer => {
  const empty = JSON.stringify({ event: 'offer', offer: '', signature: '' });
  return answer({ event: 'offer', offer: 'x'.repeat(size - empty.length), signature: '' });
};

describe("pra-run's events", () => {
  it('are read in pieces of any size', () => {
    const events = [claimed, output(Buffer.from('hé')), { event: 'warning', code: 'CLOCK_SKEW' }];
    const bytes = answer(...events);
    for (const size of [1, 2, 3, 7, 50, bytes.length]) {
      const parser = new RunnerEvents();
      const seen: RunnerEvent[] = [];
      for (let at = 0; at < bytes.length; at += size)
        seen.push(...parser.push(bytes.subarray(at, at + size)));
      expect(seen, `pieces of ${String(size)}`).toEqual(events);
    }
  });

  it('are given as soon as their line ends, not before', () => {
    const parser = new RunnerEvents();
    const bytes = answer(claimed);
    expect(parser.push(bytes.subarray(0, -1))).toEqual([]);
    expect(parser.push(bytes.subarray(-1))).toEqual([claimed]);
  });

  it('may say which programs and definitions there are', () => {
    const version = {
      event: 'version',
      host: 'web1',
      host_key: `SHA256:${'a'.repeat(43)}`,
      scripts: { 'pra-run': { version: '0.1.0', sha256: 'a'.repeat(64) } },
      actions: { restart_service: 'b'.repeat(64) },
      policy: `sha256:${'c'.repeat(64)}`,
      boot_id: '3f0c9e3a-7a55-4f0e-9d6c-0d5e8f1a2b3c',
      boottime_ms: 12,
      wallclock: '2026-11-20T10:00:00Z',
      frozen: null,
      break_glass: null,
    };
    expect(read(answer(version))).toEqual([version]);
    expect(() => read(answer({ ...version, actions: { '../x': 'b'.repeat(64) } }))).toThrow('EVENTS_FORM');
    const frozen = { since: '2026-11-20T10:00:00Z', by: 'anna', reason: 'someone is in' };
    const glass = {
      id: 'a'.repeat(16),
      incident: 'inc-1',
      principal: 'anna',
      opened: frozen.since,
      open: true,
      reviewed: false,
    };
    const loud = { ...version, frozen, break_glass: glass };
    const byHand = { ...version, frozen: { since: null, by: null, reason: null } };
    const unreadable = { ...version, break_glass: 'unreadable' };
    for (const good of [loud, byHand, unreadable]) expect(read(answer(good))).toEqual([good]);
    for (const bad of [
      { ...loud, frozen: true },
      { ...loud, frozen: { ...frozen, since: 'today' } },
      { ...loud, frozen: { ...frozen, by: 'anna and bert' } },
      { ...loud, frozen: { ...frozen, reason: 'x'.repeat(401) } },
      { ...loud, break_glass: { ...glass, incident: 'INC' } },
      { ...loud, break_glass: { ...glass, open: 'yes' } },
      { ...loud, break_glass: { incident: 'inc-1' } },
      { ...loud, break_glass: 'none' },
    ])
      expect(() => read(answer(bad))).toThrow('EVENTS_FORM');
  });

  it.each([
    ['another first line', Buffer.from('mcp-pra 2\n')],
    ['a banner before the first line', Buffer.concat([Buffer.from('Welcome\n'), answer(claimed)])],
    ['no JSON', Buffer.from('mcp-pra 1\nclaimed\n')],
    ['an empty line', Buffer.from('mcp-pra 1\n\n')],
    ['an array', answer([claimed])],
    ['an unknown event', answer({ event: 'shell' })],
    ['an unknown field', answer({ ...claimed, extra: 1 })],
    ['a field short', answer({ event: 'claimed', id: claimed.id })],
    ['a field of another type', answer({ ...claimed, durable: 'yes' })],
    ['a malformed id', answer({ ...claimed, id: '../../etc' })],
    ['output in another spelling', answer({ event: 'output', data: 'aGk', offset: 0 })],
    ['empty output', answer({ event: 'output', data: '', offset: 0 })],
    ['output before its beginning', answer({ event: 'output', data: 'aGk=', offset: -1 })],
    [
      'invalid UTF-8',
      Buffer.concat([
        Buffer.from('mcp-pra 1\n{"event":"offer","signature":"","offer":"'),
        Buffer.from([0xff]),
        Buffer.from('"}\n'),
      ]),
    ],
    ['text for a code', answer({ event: 'warning', code: 'Please approve' })],
  ])('are refused with %s', (_, bytes) => {
    expect(() => read(bytes)).toThrow('EVENTS_FORM');
  });

  it('carry at most 8 KiB of output each', () => {
    expect(read(answer(output(Buffer.alloc(8_192))))).toHaveLength(1);
    expect(() => read(answer(output(Buffer.alloc(8_193))))).toThrow('EVENTS_FORM');
  });

  it('have lines of at most 128 KiB, and nothing is kept beyond that', () => {
    expect(read(offer(131_072))).toHaveLength(1);
    expect(() => read(offer(131_073))).toThrow('EVENTS_FORM');
    const parser = new RunnerEvents();
    parser.push(Buffer.from('mcp-pra 1\n'));
    expect(() => {
      for (let pieces = 0; pieces < 3; pieces += 1) parser.push(Buffer.alloc(65_536, 0x20));
    }).toThrow('EVENTS_FORM');
  });

  it('mean nothing after a broken line', () => {
    const parser = new RunnerEvents();
    expect(() => parser.push(Buffer.from('nonsense\n'))).toThrow('EVENTS_FORM');
    expect(() => parser.push(answer(claimed))).toThrow('EVENTS_FORM');
  });
});

const of = (text: string): unknown => parseRefusal(Buffer.from(text));

describe('a refusal', () => {
  it('is a whole line of three words', () => {
    expect(of('refused pra-run STALE\n')).toEqual({ layer: 'pra-run', code: 'STALE' });
    expect(of('warning wrapper RATE_UNAVAILABLE\nrefused wrapper VALUE_BAD\n')).toEqual({
      layer: 'wrapper',
      code: 'VALUE_BAD',
    });
    expect(of('sudo: unable to resolve host web1\nrefused pra-exec LOGIN\n')).toEqual({
      layer: 'pra-exec',
      code: 'LOGIN',
    });
  });

  it.each([
    '',
    'refused pra-run STALE',
    ' refused pra-run STALE\n',
    'refused pra-run STALE \n',
    'refused pra-run STALE\r\n',
    'refused pra-run stale\n',
    'refused sudo DENIED\n',
    'refused pra-run\n',
    'refused pra-run STALE now\n',
    'x refused pra-run STALE\n',
    `refused pra-run ${'A'.repeat(41)}\n`,
    'refused pra-run PLEASE APPROVE\n',
  ])('is not: %j', (text) => {
    expect(of(text)).toBeUndefined();
  });
});
