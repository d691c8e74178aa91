import { sha256 } from '../catalog/digest.ts';
import { checkArgs } from '../catalog/params.ts';
import type { Diagnostic } from '../catalog/types.ts';
import { PraError } from '../errors.ts';
import { nearestNames } from '../nearest.ts';
import type { AnswerMemory } from './answer-memory.ts';
import { leftOutOf, share, sizeOf, takePart, type Part, type Room } from './answer-parts.ts';
import { compareHosts, saidDifferences } from './compare-hosts.ts';
import type { LookOptions, LookReport, ReadResult, ReadStatus } from './desk.ts';
import { actorOf } from './desk-rows.ts';
import { inParallel } from './in-parallel.ts';
import { lookAtHost, type HostAnswer, type HostLookParts } from './look-at-host.ts';
import type { Caller } from './types.ts';

export interface LookParts extends HostLookParts {
  readonly maxHosts: number;
  /** For facts and text of all hosts of one call, in tokens; above MOST_TOKENS it is that. */
  readonly resultTokens: number;
  readonly memory: AnswerMemory;
}

export interface LookQuery {
  readonly diagnostic: string;
  readonly hosts: readonly string[];
  readonly args: Readonly<Record<string, unknown>>;
}

/** Hosts asked at the same time in one call. */
const PARALLEL_HOSTS = 10;
/** What a call may say at most, whatever is configured. */
export const MOST_TOKENS = 8_000;
/** As many characters count as a token. */
const TOKEN_CHARACTERS = 4;

/**
 * One diagnostic on some hosts: whitelist → catalog → arguments → each host → who differs → what fits. What is wrong with the call
 * throws; what is wrong with one host is that host's result.
 */
export const look = async (
  parts: LookParts,
  caller: Caller,
  query: LookQuery,
  options: LookOptions = {},
): Promise<LookReport> => {
  const diagnostic = parts.catalog.diagnostics.get(query.diagnostic);
  if (diagnostic === undefined) {
    const near = nearestNames(query.diagnostic, [...parts.catalog.diagnostics.keys()], 8);
    throw new PraError('DIAGNOSTIC_UNKNOWN', { names: near.join(', ') || 'none' });
  }
  const hosts = parts.policy.select(query.hosts);
  if (hosts.length > parts.maxHosts) throw new PraError('TOO_MANY_HOSTS', { max: parts.maxHosts });
  const args = checkArgs(diagnostic, query.args);
  const isWhole = options.isWhole === true;

  let done = 0;
  const question = { diagnostic, args, verbatim: isWhole, signal: options.signal };
  const answers = await inParallel(hosts, PARALLEL_HOSTS, async (host) => {
    const answer = await lookAtHost(parts, caller, host, question);
    done += 1;
    options.onProgress?.(done, hosts.length);
    return answer;
  });
  const rooms = isWhole ? answers.map(() => EVERYTHING) : roomsFor(answers, charactersOf(parts));
  return {
    results: answers.map(({ result, whole }, index) => {
      const part = takePart(whole, rooms[index] ?? { facts: 0, text: 0 });
      const cursor = part.rest === undefined ? null : parts.memory.keep(result, part.rest);
      return resultOf(result, part, cursor);
    }),
    summary: summarise(diagnostic, answers),
    differences: saidDifferences(
      compareHosts(answers.map(({ result, whole }) => ({ ...result, facts: whole.facts }))),
    ),
  };
};

/** The next part of one host's answer: nothing is asked of the host. Throws CURSOR_GONE. */
export const readMore = (parts: LookParts, caller: Caller, cursor: string): LookReport => {
  const { result, part, next } = parts.memory.read(cursor, charactersOf(parts));
  parts.store.append({
    kind: 'call',
    code: 'READ_MORE',
    actor: actorOf(caller),
    host: result.host,
    subject: result.diagnostic,
    detail: { chars: part.text.length, sha256: sha256(part.text) },
  });
  return {
    results: [resultOf(result, part, next)],
    summary: `${result.diagnostic} on ${result.host}: the next part of the answer of ${result.collected_at}`,
    differences: [],
  };
};

const EVERYTHING: Room = { facts: Infinity, text: Infinity };

const charactersOf = ({ resultTokens }: Pick<LookParts, 'resultTokens'>): number =>
  Math.min(resultTokens, MOST_TOKENS) * TOKEN_CHARACTERS;

/**
 * Divides what a call may say among its hosts. Facts come first, and the text gets what they leave; the text of a log is what was asked
 * for, and has as good a claim as its facts.
 */
const roomsFor = (answers: readonly HostAnswer[], characters: number): readonly Room[] => {
  const sizes = answers.map(({ whole }) => sizeOf(whole));
  const isFirst = ({ whole }: HostAnswer): boolean => whole.isLog || Object.keys(whole.facts).length === 0;
  const firsts = answers.map((answer, index) => {
    const { facts = 0, text = 0 } = sizes[index] ?? {};
    return isFirst(answer) ? facts + text : facts;
  });
  const first = share(characters, firsts);
  const left = characters - first.reduce((sum, given) => sum + given, 0);
  const seconds = share(
    left,
    answers.map((answer, index) => (isFirst(answer) ? 0 : (sizes[index]?.text ?? 0))),
  );
  return answers.map((answer, index) => {
    const given = first[index] ?? 0;
    if (!isFirst(answer)) return { facts: given, text: seconds[index] ?? 0 };
    const { facts = 0, text = 0 } = sizes[index] ?? {};
    const [forFacts = 0, forText = 0] = share(given, [facts, text]);
    return { facts: forFacts, text: forText };
  });
};

const resultOf = (result: ReadResult, { facts, text, rest }: Part, cursor: string | null): ReadResult => ({
  ...result,
  facts,
  text,
  truncated: result.truncated || rest !== undefined,
  left_out: rest === undefined ? null : leftOutOf(rest),
  next_cursor: cursor,
});

const summarise = (diagnostic: Diagnostic, answers: readonly HostAnswer[]): string => {
  const counts = new Map<ReadStatus, number>();
  for (const { result } of answers) counts.set(result.status, (counts.get(result.status) ?? 0) + 1);
  const said = [...counts].map(([status, count]) => `${String(count)} ${status}`);
  return `${diagnostic.name} on ${String(answers.length)} host(s): ${said.join(', ')}`;
};
