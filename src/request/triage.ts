import { holds } from '../catalog/expectations.ts';
import { WORD } from '../catalog/param-types.ts';
import type { Facts, Finding, Triage } from '../catalog/types.ts';
import { PraError } from '../errors.ts';
import type { LookOptions, ModelDesk, ReadResult, ReadStatus } from './desk.ts';
import type { Suspicion } from './suspicious.ts';
import type { Caller } from './types.ts';

/** Something that explains the symptom. `value` is the host's; the rest is ours. */
export interface TriageFinding {
  readonly say: string;
  /** With its argument where it was asked for each name: `certificate_file certificate=shop`. */
  readonly diagnostic: string;
  readonly fact: string;
  readonly value: string | number | boolean;
  /** What it was judged by: `>= 40`. */
  readonly limit: string;
}

export interface TriageHost {
  readonly host: string;
  readonly findings: readonly TriageFinding[];
  /** Asked, answered, and nothing found. */
  readonly clean: readonly string[];
  readonly not_present: readonly string[];
  /** For which names it was not asked: those beyond the eighth of a kind (the next eight by name), and those that masking has made none. */
  readonly not_asked: readonly string[];
  readonly unanswered: readonly {
    readonly diagnostic: string;
    readonly status: ReadStatus;
    readonly code: string | null;
    readonly hint: string | null;
  }[];
  /** Facts of the diagnostics with findings, the first rows of each table. Untrusted. */
  readonly facts: Readonly<Record<string, Facts>>;
  /** What seems to address a model in it. */
  readonly suspicious: readonly Suspicion[];
}

export interface TriageReport {
  readonly symptom: string;
  readonly hosts: readonly TriageHost[];
  readonly summary: string;
  /** Where to look when nothing was found. */
  readonly next: string;
}

/** Rows of a table in a report: the biggest are first. */
const ROWS = 5;
/** Tells the names that a host has. */
const NAMED_THINGS = 'named_things';
/** Names of one kind that are asked about on a host, at most. */
const NAMES = 8;

const SIGNS: Readonly<Record<Finding['op'], string>> = {
  eq: '=',
  ne: '!=',
  lt: '<',
  le: '<=',
  gt: '>',
  ge: '>=',
};

/**
 * Asks all diagnostics of a symptom at once, on one connection to each host (those about named things once the names are known), and says
 * what explains it. Throws SYMPTOM_UNKNOWN and what `look` throws; what is wrong with one host is in its part.
 */
export const runTriage = async (
  desk: Pick<ModelDesk, 'catalog' | 'look'>,
  caller: Caller,
  query: { readonly symptom: string; readonly hosts: readonly string[] },
  { signal, onProgress }: LookOptions = {},
): Promise<TriageReport> => {
  const triage = desk.catalog.triages.get(query.symptom);
  if (triage === undefined)
    throw new PraError('SYMPTOM_UNKNOWN', { names: [...desk.catalog.triages.keys()].join(', ') });
  const ask = async ({ step, hosts, args }: Asking): Promise<Asked> => {
    const question = { diagnostic: step.diagnostic, hosts, args: { ...step.args, ...args } };
    const { results } = await desk.look(caller, question, signal === undefined ? {} : { signal });
    onProgress?.((done += 1), total);
    return { step, label: labelOf(step, args), results };
  };
  let done = 0;
  const plain = triage.ask.filter(({ each }) => each === undefined);
  let total = triage.ask.length;
  const first = await Promise.all(plain.map((step) => ask({ step, hosts: query.hosts, args: {} })));
  const named = first.find(({ step }) => step.diagnostic === NAMED_THINGS)?.results ?? [];
  const further = triage.ask.flatMap((step) => forEachName(step, named));
  total = plain.length + further.length;
  const asked = [...first, ...(await Promise.all(further.map(ask)))];
  const names = first[0]?.results.map(({ host }) => host) ?? [];
  const hosts = names.map((host) => ({
    ...hostPart(host, asked),
    not_asked: named
      .filter((one) => one.host === host)
      .flatMap((one) => triage.ask.flatMap((step) => notAsked(step, one))),
  }));
  return { symptom: triage.symptom, hosts, summary: summarise(triage, hosts), next: triage.next };
};

type Step = Triage['ask'][number];

interface Asking {
  readonly step: Step;
  readonly hosts: readonly string[];
  readonly args: Readonly<Record<string, string>>;
}
interface Asked {
  readonly step: Step;
  /** The diagnostic, and for which name it was asked. */
  readonly label: string;
  readonly results: readonly ReadResult[];
}

const labelOf = ({ diagnostic }: Step, args: Readonly<Record<string, string>>): string =>
  [diagnostic, ...Object.entries(args).map(([name, value]) => `${name}=${value}`)].join(' ');

/** The names of a step's kind that a host has. */
const namesFor = ({ each }: Step, { facts }: ReadResult): readonly string[] => {
  const rows = typeof facts['names'] === 'object' ? facts['names'] : [];
  return rows.filter(({ kind }) => kind === each).map(({ name }) => String(name));
};

/** A step once for each name of its kind, on the hosts that have the name. */
const forEachName = (step: Step, named: readonly ReadResult[]): readonly Asking[] => {
  const { each } = step;
  if (each === undefined) return [];
  const hostsOf = new Map<string, string[]>();
  for (const result of named)
    for (const name of namesFor(step, result).filter(isName).slice(0, NAMES))
      hostsOf.set(name, [...(hostsOf.get(name) ?? []), result.host]);
  return [...hostsOf].map(([name, hosts]) => ({ step, hosts, args: { [each]: name } }));
};

/** As many again by name, and how many more there are: a host may have hundreds. */
const notAsked = (step: Step, named: ReadResult): readonly string[] => {
  const { each } = step;
  if (each === undefined) return [];
  const names = namesFor(step, named);
  const left = names.filter(isName).slice(NAMES);
  const masked = names.filter((name) => !isName(name));
  const more = [
    ...(left.length > NAMES ? [`${String(left.length - NAMES)} more`] : []),
    ...(masked.length > 0 ? [`${String(masked.length)} masked`] : []),
  ];
  return [
    ...left.slice(0, NAMES).map((name) => labelOf(step, { [each]: name })),
    ...more.map((words) => `${step.diagnostic} (${words})`),
  ];
};

/** A name that looks like a secret or an address is masked, and is then no argument. */
const isName = (name: string): boolean => WORD.test(name);

const hostPart = (host: string, all: readonly Asked[]): Omit<TriageHost, 'not_asked'> => {
  const asked = all.flatMap(({ step, label, results }) => {
    const result = results.find((one) => one.host === host);
    return result === undefined ? [] : [{ step, label, result }];
  });
  const answered = asked
    .filter(({ result }) => result.status === 'ok')
    .map((one) => ({ ...one, findings: findingsOf(one) }));
  return {
    host,
    findings: answered.flatMap(({ findings }) => findings),
    clean: answered.filter(({ findings }) => findings.length === 0).map(({ label }) => label),
    not_present: asked.filter(({ result }) => result.status === 'not_present').map(({ label }) => label),
    unanswered: asked
      .filter(({ result: { status } }) => status !== 'ok' && status !== 'not_present')
      .map(({ label, result: { status, code, hint } }) => ({ diagnostic: label, status, code, hint })),
    facts: Object.fromEntries(
      answered
        .filter(({ findings }) => findings.length > 0)
        .map(({ label, result }) => [label, firstRows(result.facts)]),
    ),
    suspicious: [...new Set(asked.flatMap(({ result }) => result.suspicious))],
  };
};

const findingsOf = ({
  step,
  label,
  result: { facts },
}: Omit<Asked, 'results'> & { readonly result: ReadResult }): readonly TriageFinding[] =>
  step.findings.flatMap((finding) => {
    const value = facts[finding.fact];
    if (value === undefined || typeof value === 'object' || !holds(finding, value)) return [];
    const limit = `${SIGNS[finding.op]} ${String(finding.value)}`;
    return [{ say: finding.say, diagnostic: label, fact: finding.fact, value, limit }];
  });

const firstRows = (facts: Facts): Facts =>
  Object.fromEntries(
    Object.entries(facts).map(([name, value]) => [
      name,
      typeof value === 'object' ? value.slice(0, ROWS) : value,
    ]),
  );

const summarise = ({ symptom }: Triage, hosts: readonly TriageHost[]): string => {
  const found = hosts.filter(({ findings }) => findings.length > 0).map(({ host }) => host);
  const silent = hosts.filter(({ unanswered }) => unanswered.length > 0).map(({ host }) => host);
  return [
    `triage ${symptom}: `,
    found.length === 0 ? 'nothing found' : `findings on ${found.join(', ')}`,
    silent.length === 0 ? '' : `; not everything answered on ${silent.join(', ')}`,
  ].join('');
};
