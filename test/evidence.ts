// `npm run catalog:evidence`: tier and proof of each diagnostic; exit 1 when one lacks what its tier promises.
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { loadCatalog } from '../src/catalog/load.ts';
import type { Catalog, Diagnostic } from '../src/catalog/types.ts';
import { allFixtures, readFixture } from './fixtures/all-fixtures.ts';

const ROOT = join(import.meta.dirname, '..');
const LAB = join(ROOT, 'test/lab/diagnostics');

export interface Evidence {
  readonly diagnostic: string;
  readonly tier: Diagnostic['tier'];
  readonly captured: number;
  readonly sourced: number;
  /** Tests in the lab of each kind. */
  readonly planted: number;
  readonly absent: number;
  readonly genuine: number;
  /** What the tier promises and is not there. */
  readonly lacks: readonly string[];
}

type Counts = Omit<Evidence, 'diagnostic' | 'tier' | 'lacks'>;

/** What speaks for each diagnostic: recordings, and the tests of the lab that name it with planted, absent or genuine. */
export const evidenceOf = ({
  diagnostics,
  triages,
}: Pick<Catalog, 'diagnostics' | 'triages'>): readonly Evidence[] => {
  const labs = readdirSync(LAB)
    .filter((file) => file.endsWith('.test.ts'))
    .map((file) => readFileSync(join(LAB, file), 'utf8'))
    .join('\n');
  const proofs = [...labs.matchAll(/\b(planted|absent|genuine)\(\s*'([a-z0-9_ ]+)'/gu)];
  const origins = allFixtures().map(({ diagnostic, path }) => ({
    diagnostic,
    kind: readFixture({ path }).origin.kind,
  }));
  const all = [
    ...[...diagnostics.values()].map(({ name, tier }) => ({ name, tier, isRecorded: true })),
    // A triage has no output of its own to be recorded.
    ...[...triages.keys()].map((symptom) => ({
      name: `triage ${symptom}`,
      tier: 1 as const,
      isRecorded: false,
    })),
  ];
  return all.map(({ name, tier, isRecorded }) => {
    const proofsOf = (kind: string): number =>
      proofs.filter(([, found, about]) => found === kind && about === name).length;
    const recordings = (kind: string): number =>
      origins.filter((origin) => origin.diagnostic === name && origin.kind === kind).length;
    const counts: Counts = {
      captured: recordings('captured'),
      sourced: recordings('source'),
      planted: proofsOf('planted'),
      absent: proofsOf('absent'),
      genuine: proofsOf('genuine'),
    };
    return { diagnostic: name, tier, ...counts, lacks: lacking(tier, counts, isRecorded) };
  });
};

/** Tier 1: a fault planted and its absence; tier 2: a real instance; both with a recording of the lab. Tier 3: a recording that has a source. */
const lacking = (tier: Diagnostic['tier'], counts: Counts, isRecorded: boolean): readonly string[] => {
  if (tier === undefined) return ['its tier'];
  const lacks: string[] = [];
  const need = (is: boolean, what: string): void => void (is || lacks.push(what));
  if (tier === 3) {
    need(counts.sourced + counts.captured > 0, 'a recording with a source');
    return lacks;
  }
  need(counts.captured > 0 || !isRecorded, 'a recording captured in the lab');
  if (tier === 1) {
    need(counts.planted > 0, 'a lab test with the fault planted');
    need(counts.absent > 0, 'a lab test without it');
  } else need(counts.genuine + counts.planted > 0, 'a lab test on a real instance');
  return lacks;
};

const lineOf = (one: Evidence): string => {
  const proofs = [
    [one.planted, 'planted'],
    [one.absent, 'absent'],
    [one.genuine, 'genuine'],
    [one.captured, 'captured'],
    [one.sourced, 'sourced'],
  ]
    .filter(([count]) => count !== 0)
    .map(([count, what]) => `${String(count)} ${String(what)}`);
  const lacks = one.lacks.length === 0 ? '' : `  LACKS ${one.lacks.join('; ')}`;
  return `${String(one.tier ?? '-')}  ${one.diagnostic.padEnd(28)}${proofs.join(', ')}${lacks}`;
};

if (import.meta.main) {
  const all = evidenceOf(
    loadCatalog([join(ROOT, 'catalog')], { targetScripts: join(ROOT, 'target-scripts') }),
  );
  const sorted = all.toSorted(
    (a, b) => (a.tier ?? 0) - (b.tier ?? 0) || (a.diagnostic < b.diagnostic ? -1 : 1),
  );
  process.stdout.write(`${sorted.map(lineOf).join('\n')}\n`);
  const unproven = all.filter(({ lacks }) => lacks.length > 0).length;
  const ofTier = (tier: number): string => String(all.filter((one) => one.tier === tier).length);
  process.stdout.write(
    `${String(all.length)} diagnostics and triages: tier 1 ${ofTier(1)}, tier 2 ${ofTier(2)}, tier 3 ${ofTier(3)}; ${String(unproven)} without proof\n`,
  );
  process.exitCode = unproven === 0 ? 0 : 1;
}
