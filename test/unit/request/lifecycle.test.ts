import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { lifecycleMermaid } from '../../../src/request/lifecycle-doc.ts';
import { isTerminal, next, TRANSITIONS, type LifecycleEvent } from '../../../src/request/lifecycle.ts';
import type { State } from '../../../src/request/types.ts';

const EDGES = Object.entries(TRANSITIONS).flatMap(([from, events]) =>
  Object.entries(events).map(([event, to]) => [from, event, to] as [State, LifecycleEvent, State]),
);
const STATES = [...new Set(EDGES.flatMap(([from, , to]) => [from, to]))];
const EVENTS = [...new Set(EDGES.map(([, event]) => event))];
const TERMINAL = [
  'DENIED',
  'EXPIRED',
  'FAILED',
  'INTERRUPTED',
  'NEVER_STARTED',
  'REFUSED_BY_TARGET',
  'REVOKED',
  'SENT_NO_RETURN',
  'STALE',
  'SUCCEEDED',
  'VERIFY_FAILED',
  'WITHDRAWN',
];

const reachable = (from: State): ReadonlySet<State> => {
  const seen = new Set<State>([from]);
  for (const state of seen) for (const [source, , to] of EDGES) if (source === state) seen.add(to);
  return seen;
};

describe('the lifecycle table', () => {
  it('ends in exactly the states that are meant to be final', () => {
    expect(STATES.filter(isTerminal).sort()).toEqual(TERMINAL);
  });

  it('reaches every state from PROPOSED', () => {
    expect([...reachable('PROPOSED')].sort()).toEqual([...STATES].sort());
  });

  it('leads from every state to a final one', () => {
    for (const state of STATES) expect([...reachable(state)].some(isTerminal), state).toBe(true);
  });

  it('lets no final state go anywhere, by any event', () => {
    fc.assert(
      fc.property(
        fc.constantFrom(...STATES.filter(isTerminal)),
        fc.constantFrom(...EVENTS),
        (state, event) => next(state, event) === undefined,
      ),
    );
  });

  it('sends nothing to a target without an approval before it', () => {
    fc.assert(
      fc.property(fc.array(fc.constantFrom(...EVENTS), { maxLength: 40 }), (events) => {
        let state: State = 'PROPOSED';
        const taken: LifecycleEvent[] = [];
        for (const event of events) {
          const to = next(state, event);
          if (to === undefined) continue;
          taken.push(event);
          state = to;
        }
        const sent = taken.indexOf('dispatch');
        const before = taken.slice(0, Math.max(sent, 0));
        if (sent !== -1) expect(before.includes('approve') || before.includes('auto_approve')).toBe(true);
        expect(taken.filter((event) => event === 'dispatch').length).toBeLessThanOrEqual(1);
        expect(before.includes('approve') && before.includes('auto_approve')).toBe(false);
      }),
      { numRuns: 500 },
    );
  });

  it('does not take words for events that every object knows', () => {
    for (const word of ['constructor', 'toString', '__proto__', 'hasOwnProperty']) {
      for (const state of STATES) expect(typeof next(state, word as LifecycleEvent), word).not.toBe('string');
    }
  });
});

describe('the diagram', () => {
  it('has one line for each edge, a beginning and the ends', () => {
    const lines = lifecycleMermaid().trimEnd().split('\n');
    expect(lines[0]).toBe('stateDiagram-v2');
    expect(lines).toContain('  [*] --> PROPOSED');
    for (const [from, event, to] of EDGES) expect(lines).toContain(`  ${from} --> ${to}: ${event}`);
    for (const state of TERMINAL) expect(lines).toContain(`  ${state} --> [*]`);
    expect(lines.length).toBe(2 + EDGES.length + TERMINAL.length);
  });
});
