import { MARKED } from '../../../src/request/mask-mark.ts';
import type { Sample } from './corpus.ts';

/** What was found of a class of secrets. */
export interface Recall {
  secrets: number;
  /** All of the secret is masked. */
  found: number;
}

/** How many marks of a kind stand for a secret. */
export interface Precision {
  marks: number;
  right: number;
}

export interface Score {
  readonly recall: ReadonlyMap<string, Recall>;
  readonly precision: ReadonlyMap<string, Precision>;
  /** Characters that are no secret, and how many of them are still there. */
  readonly plain: number;
  readonly kept: number;
  /** Samples without any secret, and those of them that are unchanged. */
  readonly readable: number;
  readonly untouched: number;
  /** Lines where something was missed or taken for a secret, for whoever works on the rules. */
  readonly wrong: readonly string[];
}

/** The secrets that no rule can know: counted, and not asked for. */
export const HARD = 'hard';

const MARK = new RegExp(MARKED, 'gu');
const KIND = /:([a-z-]+)-[a-z2-7]+\]/u;
const literally = (text: string): string => text.replaceAll(/[.*+?^${}()|[\]\\]/gu, String.raw`\$&`);

interface Gap {
  readonly kind: string | undefined;
  readonly from: number;
  readonly to: number;
}

/** What of the text the marks stand for: the text between the marks is still there, in its order. */
const gapsOf = (text: string, masked: string): readonly Gap[] => {
  const marks = [...masked.matchAll(MARK)];
  if (marks.length === 0) return [];
  const kept = masked.split(new RegExp(MARKED, 'u'));
  const found = new RegExp(`^${kept.map(literally).join('([^]*?)')}$`, 'du').exec(text);
  if (found?.indices === undefined) throw new Error(`not the same text: ${masked}`);
  return marks.map(([mark], at) => {
    const [from, to] = found.indices?.[at + 1] ?? [0, 0];
    return { kind: KIND.exec(mark)?.[1], from, to };
  });
};

/** A mark without a kind goes on with the one before it (lines of a private key). */
const joined = (gaps: readonly Gap[]): readonly Gap[] => {
  const whole: Gap[] = [];
  for (const gap of gaps) {
    const last = whole.at(-1);
    if (gap.kind === undefined && last !== undefined) whole[whole.length - 1] = { ...last, to: gap.to };
    else whole.push(gap);
  }
  return whole;
};

/** Compares what was masked with the labels. */
export const score = (samples: readonly Sample[], mask: (text: string) => string): Score => {
  const recall = new Map<string, Recall>();
  const precision = new Map<string, Precision>();
  const wrong: string[] = [];
  let [plain, kept, readable, untouched] = [0, 0, 0, 0];
  for (const { text, spans } of samples) {
    const masked = mask(text);
    const gaps = joined(gapsOf(text, masked));
    let isRight = true;
    for (const span of spans) {
      const one = recall.get(span.class) ?? { secrets: 0, found: 0 };
      const isFound = gaps.some(({ from, to }) => from <= span.from && to >= span.to);
      recall.set(span.class, { secrets: one.secrets + 1, found: one.found + (isFound ? 1 : 0) });
      isRight &&= isFound;
    }
    for (const { kind = '', from, to } of gaps) {
      const one = precision.get(kind) ?? { marks: 0, right: 0 };
      const hit = spans.some((span) => span.from < to && span.to > from);
      precision.set(kind, { marks: one.marks + 1, right: one.right + (hit ? 1 : 0) });
      isRight &&= hit;
    }
    const isIn = (ranges: readonly { from: number; to: number }[], at: number): boolean =>
      ranges.some(({ from, to }) => at >= from && at < to);
    for (let at = 0; at < text.length; at += 1) {
      if (isIn(spans, at)) continue;
      plain += 1;
      if (!isIn(gaps, at)) kept += 1;
    }
    if (spans.length === 0) {
      readable += 1;
      if (masked === text) untouched += 1;
    }
    if (!isRight) wrong.push(`${text}\n    ${masked}`);
  }
  return { recall, precision, plain, kept, readable, untouched, wrong };
};
