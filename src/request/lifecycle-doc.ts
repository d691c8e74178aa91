import { TRANSITIONS } from './lifecycle.ts';

/** The lifecycle table as a Mermaid state diagram, for docs/approvals.md: one line for each edge, in the table's order. */
export const lifecycleMermaid = (): string => {
  const edges = Object.entries(TRANSITIONS).flatMap(([from, events]) =>
    Object.entries(events).map(([event, to]) => ({ from, event, to: to as string })),
  );
  const terminal = new Set(edges.map(({ to }) => to).filter((state) => !Object.hasOwn(TRANSITIONS, state)));
  return [
    'stateDiagram-v2',
    '  [*] --> PROPOSED',
    ...edges.map(({ from, event, to }) => `  ${from} --> ${to}: ${event}`),
    ...[...terminal].map((state) => `  ${state} --> [*]`),
    '',
  ].join('\n');
};
