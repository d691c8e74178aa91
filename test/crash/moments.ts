// Which moments a seed means. Pure: the same seed and index is the same moment on every machine. A moment counts from a point that
// every run passes, so that it is in the middle of one on a slow machine too.

/** How a request gets to run: who starts it, and so which process of ours there is to kill. */
export const FLOWS = ['auto', 'tool', 'execute', 'approve'] as const;
/**
 * What a moment is now and then instead, from its start on: an approval is taken back (its host burns the id), the first of two people
 * signs with a one-time password, the second one's signature comes in and runs it, the stop button is pressed.
 */
export const RARE_FLOWS = ['withdraw', 'sign', 'cosign', 'freeze'] as const;
export type Flow = (typeof FLOWS)[number] | (typeof RARE_FLOWS)[number];

/** The share of moments that are one of those, and the longest time after its start, in milliseconds. */
const RARELY = 1 / 6;
const RARE_MS = 2_500;

/**
 * What is killed: the operator's process of the flow (the server for `auto` and `tool`, the CLI for `execute` and `approve`),
 * the sshd session on the host, the TCP connection, the `pra-run` that our connection talks to, or the detached runner with
 * the action.
 */
export const VICTIMS = ['operator', 'sshd', 'tcp', 'pra-run', 'runner'] as const;
export type Victim = (typeof VICTIMS)[number];

/** Who comes back after the operator's process was killed: a new server, or somebody at the CLI. */
export const HEIRS = ['server', 'cli'] as const;
export type Heir = (typeof HEIRS)[number];

/** What a moment counts from: the start of the flow, or a row of the operator's ledger; and the longest time after it, in milliseconds. */
export const ANCHORS = { start: 800, dispatch: 500, accept: 600 } as const;
export type Anchor = keyof typeof ANCHORS;

export interface Moment {
  readonly index: number;
  readonly flow: Flow;
  readonly victim: Victim;
  readonly heir: Heir;
  readonly anchor: Anchor;
  /** How long after the anchor. */
  readonly ms: number;
}

/** mulberry32, seeded anew for each moment, so that one can be drawn without those before it. */
const randomOf = (seed: number, index: number): (() => number) => {
  let state = (seed ^ Math.imul(index + 1, 0x9e37_79b1)) >>> 0;
  return () => {
    state = (state + 0x6d2b_79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
};

/** Half of the moments kill the operator's process: it has the most states to be killed in. */
const VICTIM_WEIGHTS: readonly (readonly [Victim, number])[] = [
  ['operator', 0.5],
  ['sshd', 0.66],
  ['tcp', 0.82],
  ['pra-run', 0.97],
  ['runner', 1],
];

/** The moment with this index of a seed. */
export const drawMoment = (seed: number, index: number): Moment => {
  const random = randomOf(seed, index);
  random();
  const flow = FLOWS[Math.floor(random() * FLOWS.length)] ?? 'tool';
  const draw = random();
  const victim = VICTIM_WEIGHTS.find(([, upTo]) => draw < upTo)?.[0] ?? 'operator';
  const heir = HEIRS[Math.floor(random() * HEIRS.length)] ?? 'server';
  const anchors = Object.keys(ANCHORS) as Anchor[];
  const anchor = anchors[Math.floor(random() * anchors.length)] ?? 'start';
  const ms = Math.floor(random() * ANCHORS[anchor]);
  // Drawn last, so that all other moments of a seed are what they were before there were these.
  const rare = RARE_FLOWS[Math.floor((random() / RARELY) * RARE_FLOWS.length)];
  if (rare === undefined) return { index, flow, victim, heir, anchor, ms };
  // Nobody but a server asks for what was taken back.
  const next = rare === 'withdraw' ? 'server' : heir;
  return { index, flow: rare, victim, heir: next, anchor: 'start', ms: Math.floor(random() * RARE_MS) };
};
