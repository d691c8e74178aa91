import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { valuesFrom } from './values.ts';

/** A secret in a text: its class, and where it is. */
export interface Span {
  readonly class: string;
  readonly from: number;
  readonly to: number;
}

/** One line of a log (several where a private key is in it), and all secrets that are in it. */
export interface Sample {
  /** The name of the file, without its ending. */
  readonly log: string;
  readonly text: string;
  readonly spans: readonly Span[];
}

const HOLE = /\{\{([a-z-]+)\|([a-z0-9]+)\}\}/gu;

const fill = (log: string, template: string, value: (form: string) => string): Sample => {
  const spans: Span[] = [];
  let [text, at] = ['', 0];
  for (const { 0: hole, 1: kind = '', 2: form = '', index } of template.matchAll(HOLE)) {
    text += template.slice(at, index);
    const made = value(`${kind}|${form}`);
    if (kind !== '-') spans.push({ class: kind, from: text.length, to: text.length + made.length });
    text += made;
    at = index + hole.length;
  }
  return { log, text: text + template.slice(at), spans };
};

/** Every line of every file, `times` times with other values. */
export const corpus = (seed: number, times: number): readonly Sample[] => {
  const value = valuesFrom(seed);
  const templates = readdirSync(import.meta.dirname)
    .filter((name) => /\.(?:log|jsonl|yaml|txt)$/u.test(name))
    .toSorted()
    .flatMap((name) =>
      readFileSync(join(import.meta.dirname, name), 'utf8')
        .split('\n')
        .filter((line) => line !== '' && !line.startsWith('#'))
        .map((line) => [name.replace(/\.\w+$/u, ''), line] as const),
    );
  return Array.from({ length: times }, () => templates.map(([log, line]) => fill(log, line, value))).flat();
};
