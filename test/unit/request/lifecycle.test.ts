import { readFileSync } from 'node:fs';
import * as fc from 'fast-check';
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
    expect(STATES.filter((state) => ![...reachable(state)].some(isTerminal))).toEqual([]);
  });

  it('lets no final state go anywhere, by any event', () => {
    for (const state of STATES.filter(isTerminal)) {
      expect(EVENTS.filter((event) => next(state, event) !== undefined)).toEqual([]);
    }
  });

  it('sends nothing to a target without exactly one approval before it, and never twice', () => {
    fc.assert(
      fc.property(fc.array(fc.constantFrom(...EVENTS), { maxLength: 40 }), (events) => {
        let state: State = 'PROPOSED';
        const taken: LifecycleEvent[] = [];
        for (const event of events) {
          const to = next(state, event);
          if (to !== undefined) taken.push(event);
          state = to ?? state;
        }
        const sent = taken.filter((event) => event === 'dispatch').length;
        const approved = taken.filter((event) => event === 'approve' || event === 'auto_approve').length;
        expect(sent).toBeLessThanOrEqual(approved);
        expect(approved).toBeLessThanOrEqual(1);
        // What was taken back here may have been sent by somebody else who had the signed ticket: only its host can say.
        const isElsewhere = taken.includes('unconfirm');
        const isSent = ['DISPATCHING', 'RUNNING', 'UNKNOWN', 'SUCCEEDED'].includes(state);
        expect(isSent && sent === 0 && !isElsewhere).toBe(false);
        expect(isElsewhere && sent > 0).toBe(false);
      }),
      { numRuns: 500 },
    );
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

  it('is the one in the documentation', () => {
    const page = readFileSync(new URL('../../../docs/approvals.md', import.meta.url), 'utf8');
    expect(page).toContain(`\`\`\`mermaid\n${lifecycleMermaid()}\`\`\`\n<!-- lifecycle: end -->`);
  });
});
