import { sha256 } from '../catalog/digest.ts';
import { isNotPresent, readFacts } from '../catalog/facts.ts';
import { checkArgs } from '../catalog/params.ts';
import type { Catalog, CheckedArgs, Diagnostic } from '../catalog/types.ts';
import { parseAnswer, type Answer } from '../catalog/wire.ts';
import { asPraError, PraError, type ErrorCode } from '../errors.ts';
import { targetAdvice } from '../messages/target-en.ts';
import type { LookOptions, LookReport, ReadResult, ReadStatus } from './desk.ts';
import type { HostClocks } from './host-clocks.ts';
import { cleanFacts, fitFacts, textOf } from './host-words.ts';
import { mask } from './mask.ts';
import type { Policy } from './policy.ts';
import type { Channel, Clock, Store } from './ports.ts';
import { runRead } from './read-again.ts';
import { parseRefusal } from './runner-events.ts';
import { suspicious } from './suspicious.ts';
import { isTimeUp } from './time-up.ts';
import type { Caller } from './types.ts';

export interface LookParts {
  readonly catalog: Catalog;
  readonly policy: Policy;
  readonly channel: Channel;
  readonly store: Store;
  readonly clock: Clock;
  readonly clocks: HostClocks;
  readonly maxHosts: number;
  /** For the log: a fault of this program, which the host's result only calls INTERNAL. */
  readonly onError: (error: unknown) => void;
}

export interface LookQuery {
  readonly diagnostic: string;
  readonly hosts: readonly string[];
  readonly args: Readonly<Record<string, unknown>>;
}

/** Hosts asked at the same time in one call. */
const PARALLEL_HOSTS = 10;
/** Characters of host text in one call, shared by its hosts: what a model can use without drowning. */
const TEXT_BUDGET = 24_000;
/** Characters of facts (as JSON) in one call, shared in the same way: rows beyond it are left out. */
const FACTS_BUDGET = 48_000;

/**
 * One diagnostic on some hosts: whitelist → catalog → arguments → ledger → channel → parse → cap → neutralise → mask →
 * ledger. What is wrong with the call throws; what is wrong with one host is that host's result.
 */
export const look = async (
  parts: LookParts,
  caller: Caller,
  query: LookQuery,
  options: LookOptions = {},
): Promise<LookReport> => {
  const diagnostic = parts.catalog.diagnostics.get(query.diagnostic);
  if (diagnostic === undefined) {
    throw new PraError('DIAGNOSTIC_UNKNOWN', { names: [...parts.catalog.diagnostics.keys()].join(', ') });
  }
  const hosts = parts.policy.select(query.hosts);
  if (hosts.length > parts.maxHosts) throw new PraError('TOO_MANY_HOSTS', { max: parts.maxHosts });
  const args = checkArgs(diagnostic, query.args);
  const share = (budget: number): number => Math.floor(budget / Math.max(1, hosts.length));
  const limits = { text: share(TEXT_BUDGET), facts: share(FACTS_BUDGET) };

  let done = 0;
  const results = await inParallel(hosts, PARALLEL_HOSTS, async (host) => {
    const result = await lookAt(parts, caller, host, { diagnostic, args, limits, signal: options.signal });
    done += 1;
    options.onProgress?.(done, hosts.length);
    return result;
  });
  return { results, summary: summarise(diagnostic, results) };
};

/** The same for every host of a call. */
interface Question {
  readonly diagnostic: Diagnostic;
  readonly args: CheckedArgs;
  /** Characters for one host. */
  readonly limits: { readonly text: number; readonly facts: number };
  readonly signal: AbortSignal | undefined;
}

const lookAt = async (
  parts: LookParts,
  caller: Caller,
  host: string,
  question: Question,
): Promise<ReadResult> => {
  const { diagnostic, args } = question;
  const row = {
    kind: 'call',
    actor: `${caller.principal}/${caller.client}`,
    host,
    subject: diagnostic.name,
  } as const;
  const shownArgs = mask([...args].map(([name, value]) => `${name}=${value}`).join(' ')).text;
  parts.store.append({ ...row, code: 'ASKED', detail: { args: shownArgs, definition: diagnostic.digest } });
  const started = performance.now();
  // In the ledger, so that an auditor can tell one call that was asked twice from two calls.
  const askedAgain = (ms: number): void =>
    void parts.store.append({ ...row, code: 'ASKED_AGAIN', detail: { ms } });
  const result = await ask(parts, host, question, askedAgain).catch((thrown: unknown) => {
    const ms = Math.round(performance.now() - started);
    const error = hostError(host, asPraError(thrown), question.signal, ms);
    if (error.code === 'CANCELLED') {
      parts.store.append({ ...row, code: 'CANCELLED', detail: { ms } });
      throw error;
    }
    if (error.code === 'INTERNAL') parts.onError(thrown);
    return failed(parts, host, diagnostic, ms, error);
  });
  parts.store.append({
    ...row,
    code: result.code ?? result.status.toUpperCase(),
    detail: {
      status: result.status,
      ms: result.duration_ms,
      chars: result.text.length,
      sha256: sha256(result.text),
    },
  });
  return result;
};

/** A call whose time is over ends with what it has: the hosts that have not answered are its timeouts. */
const hostError = (host: string, error: PraError, signal: AbortSignal | undefined, ms: number): PraError =>
  error.code === 'CANCELLED' && isTimeUp(signal)
    ? new PraError('DEADLINE', { host, seconds: Math.round(ms / 1_000) }, error)
    : error;

const ask = async (
  parts: LookParts,
  host: string,
  { diagnostic, args, limits, signal }: Question,
  onAgain: (ms: number) => void,
): Promise<ReadResult> => {
  const said = await runRead(parts, parts.policy.read(host, diagnostic, args), { signal, onAgain });
  const base = {
    ...blank(parts, host, diagnostic, Math.round(said.durationMs)),
    clock_offset_ms: parts.clocks.offset(host),
  };
  const refusal = parseRefusal(said.stderr);
  if (refusal !== undefined) {
    const hint = targetAdvice[refusal.code] ?? targetAdvice['other'] ?? null;
    return {
      ...base,
      status: 'refused',
      exit: said.exit ?? null,
      code: `${refusal.layer} ${refusal.code}`,
      hint,
    };
  }
  // A run that reached its time limit ends the answer early: what came before stands.
  const timedOut = said.exit === 124;
  const answer = parseAnswer(said.stdout, {
    digest: diagnostic.digest,
    sections: diagnostic.run.map((run) => run.section),
    limitBytes: diagnostic.limits.bytes,
    host,
    ...(timedOut ? { partial: true } : {}),
  });
  const absent = !timedOut && isNotPresent(diagnostic, answer);
  const status: ReadStatus = timedOut ? 'timeout' : absent ? 'not_present' : statusOf(answer);
  const shown = textOf(answer, limits.text);
  const facts = timedOut || absent ? {} : cleanFacts(readFacts(diagnostic, answer));
  const fitting = fitFacts(facts, limits.facts);
  return {
    ...base,
    status,
    exit: timedOut ? said.exit : worstExit(answer),
    ...shown,
    facts: fitting.facts,
    truncated: shown.truncated || fitting.isCut || answer.sections.some((section) => section.cut),
    suspicious: shown.suspicious || suspicious(JSON.stringify(fitting.facts)),
    hint: hintOf(diagnostic, timedOut, fitting.isCut),
  };
};

const hintOf = (diagnostic: Diagnostic, timedOut: boolean, factsCut: boolean): string | null => {
  if (timedOut) return `The program reached its limit of ${String(diagnostic.limits.seconds)} s.`;
  return factsCut ? 'Some rows of the facts were left out: ask for fewer hosts in one call.' : null;
};

const blank = (parts: LookParts, host: string, diagnostic: Diagnostic, durationMs: number): ReadResult => ({
  host,
  diagnostic: diagnostic.name,
  definition: diagnostic.digest,
  status: 'failed',
  exit: null,
  duration_ms: durationMs,
  collected_at: new Date(parts.clock.now()).toISOString(),
  clock_offset_ms: parts.clocks.known(host),
  facts: {},
  text: '',
  truncated: false,
  redactions: 0,
  suspicious: false,
  next_cursor: null,
  hint: null,
  code: null,
});

/** Errors of one host as its result. */
const STATUS_OF: Partial<Record<ErrorCode, ReadStatus>> = {
  UNREACHABLE: 'unreachable',
  AUTH_REFUSED: 'unreachable',
  DEADLINE: 'timeout',
  HOST_KEY_UNKNOWN: 'refused',
  HOST_KEY_CHANGED: 'refused',
  HOST_KEY_REVOKED: 'refused',
};

const failed = (
  parts: LookParts,
  host: string,
  diagnostic: Diagnostic,
  durationMs: number,
  error: PraError,
): ReadResult => ({
  ...blank(parts, host, diagnostic, durationMs),
  status: STATUS_OF[error.code] ?? 'failed',
  code: error.code,
  hint: `${error.message} ${error.hint}`,
});

const worstExit = (answer: Answer): number | null =>
  answer.sections.length === 0 ? null : Math.max(...answer.sections.map((section) => section.rc));

/** A section may end with a code of its own (systemctl's 3, say): it failed only when it also said nothing. */
const statusOf = (answer: Answer): ReadStatus =>
  answer.sections.every((section) => section.rc !== 0 && section.output.length === 0) ? 'failed' : 'ok';

const summarise = (diagnostic: Diagnostic, results: readonly ReadResult[]): string => {
  const counts = new Map<ReadStatus, number>();
  for (const { status } of results) counts.set(status, (counts.get(status) ?? 0) + 1);
  const parts = [...counts].map(([status, count]) => `${String(count)} ${status}`);
  return `${diagnostic.name} on ${String(results.length)} host(s): ${parts.join(', ')}`;
};

/** At most `width` at a time, results in order. After a failure nothing more is begun, and it is thrown when all have ended. */
const inParallel = async <T, R>(
  items: readonly T[],
  width: number,
  work: (item: T) => Promise<R>,
): Promise<R[]> => {
  const results: R[] = [];
  let at = 0;
  const worker = async (): Promise<void> => {
    while (at < items.length) {
      const index = at;
      at += 1;
      try {
        results[index] = await work(items[index] as T);
      } catch (error) {
        at = items.length;
        throw error;
      }
    }
  };
  const ended = await Promise.allSettled(Array.from({ length: Math.min(width, items.length) }, worker));
  for (const end of ended) if (end.status === 'rejected') throw end.reason;
  return results;
};
