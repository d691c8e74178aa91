// What masking finds and what it leaves, on a labelled corpus, and how long it takes: `npm run bench:masking [-- seed [wrong]]`.
import { mask } from '../../src/request/mask.ts';
import { vendorTokens } from '../../src/request/mask-vendors.ts';
import { neutralise } from '../../src/request/neutralise.ts';
import { corpus } from './masking-corpus/corpus.ts';
import { HARD, type Recall, score } from './masking-corpus/score.ts';

const TIMES = 20;
const seed = Number(process.argv[2] ?? 20_261_122);
const samples = corpus(seed, TIMES);
const { recall, precision, plain, kept, readable, untouched, wrong } = score(
  samples,
  (text) => mask(text).text,
);

const say = (line: string): void => void process.stdout.write(`${line}\n`);
const share = (part: number, whole: number): string =>
  `${((100 * part) / whole).toFixed(1).padStart(5)} %  ${String(part)} of ${String(whole)}`;
const total = <T>(rows: Iterable<T>, of: (row: T) => number): number =>
  [...rows].reduce((sum, row) => sum + of(row), 0);
const byName = <T>(map: ReadonlyMap<string, T>): readonly (readonly [string, T])[] =>
  [...map].toSorted(([one], [other]) => (one < other ? -1 : 1));

say(`seed ${String(seed)}: ${String(samples.length)} samples, ${String(readable)} of them without a secret`);
say('\nrecall: secrets that are masked as a whole');
for (const [name, { secrets, found }] of byName(recall)) say(`  ${name.padEnd(12)} ${share(found, secrets)}`);
const asked = byName(recall).filter(([name]) => name !== HARD);
const sum = (rows: readonly (readonly [string, Recall])[]): string =>
  share(
    total(rows, ([, { found }]) => found),
    total(rows, ([, { secrets }]) => secrets),
  );
say(`  ${'all'.padEnd(12)} ${sum(byName(recall))}`);
say(`  ${'without hard'.padEnd(12)} ${sum(asked)}`);
say('\nprecision: marks that stand for a secret');
for (const [kind, { marks, right }] of byName(precision)) say(`  ${kind.padEnd(12)} ${share(right, marks)}`);
const all = [...precision.values()];
say(
  `  ${'all'.padEnd(12)} ${share(
    total(all, ({ right }) => right),
    total(all, ({ marks }) => marks),
  )}`,
);
say(`\nsamples without a secret that are untouched: ${share(untouched, readable)}`);
say(`characters outside of secrets that are kept: ${share(kept, plain)}`);
if (process.argv[3] === 'wrong') for (const line of new Set(wrong)) say(line);

/** Bytes a second of this thread's processor time, the best of seven. */
const speed = (text: string, work: (text: string) => unknown): number =>
  Math.max(
    ...Array.from({ length: 7 }, () => {
      const before = process.threadCpuUsage();
      for (let n = 0; n < 8; n += 1) work(text);
      const { user, system } = process.threadCpuUsage(before);
      return (8 * Buffer.byteLength(text)) / Math.max(1e-3, (user + system) / 1e6);
    }),
  );
const quiet = samples
  .filter(({ spans }) => spans.length === 0)
  .map(({ text }) => text)
  .join('\n');
const mixed = samples.map(({ text }) => text).join('\n');
say('');
for (const [name, text] of [
  ['the lines without a secret', quiet],
  ['all lines', mixed],
] as const) {
  const piece = text.slice(0, 131_072);
  const plainSpeed = speed(piece, (one) => neutralise(one));
  const maskSpeed = speed(piece, (one) => mask(one));
  const vendorSpeed = speed(piece, (one) => vendorTokens(one));
  const mb = (bytes: number): string => `${(bytes / 1e6).toFixed(1)} MB/s`;
  say(
    `${name}, 128 KiB: masking ${mb(maskSpeed)} (secretlint's rules alone ${mb(vendorSpeed)}), neutralising ${mb(plainSpeed)}, ratio ${(plainSpeed / maskSpeed).toFixed(1)}`,
  );
}
