import { sha256 } from '../catalog/digest.ts';
import { isNotPresent, readFacts } from '../catalog/facts.ts';
import type { Catalog, CheckedArgs, Diagnostic } from '../catalog/types.ts';
import { parseAnswer, type Answer } from '../catalog/wire.ts';
import { asPraError, PraError, type ErrorCode } from '../errors.ts';
import { targetAdvice } from '../messages/target-en.ts';
import type { Whole } from './answer-parts.ts';
import { compactLog } from './compact-log.ts';
import type { ReadResult, ReadStatus } from './desk.ts';
import { actorOf } from './desk-rows.ts';
import type { HostClocks } from './host-clocks.ts';
import { cleanFacts, stringsOf, textOf } from './host-words.ts';
import { mask } from './mask.ts';
import type { Policy } from './policy.ts';
import type { Channel, Clock, Store } from './ports.ts';
import { runRead } from './read-again.ts';
import { parseRefusal } from './runner-events.ts';
import type { SessionTaint } from './session-taint.ts';
import { findSuspicious } from './suspicious.ts';
import { isTimeUp } from './time-up.ts';
import type { Caller } from './types.ts';

export interface HostLookParts {
  readonly catalog: Catalog;
  readonly policy: Policy;
  readonly channel: Channel;
  readonly store: Store;
  readonly clock: Clock;
  readonly clocks: HostClocks;
  readonly taint: SessionTaint;
  /** For the log: a fault of this program, which the host's result only calls INTERNAL. */
  readonly onError: (error: unknown) => void;
}

/** The same for every host of a call. */
export interface Question {
  readonly diagnostic: Diagnostic;
  readonly args: CheckedArgs;
  /** A log as it is, not made short. */
  readonly verbatim: boolean;
  readonly signal: AbortSignal | undefined;
}

/** What one host answered, clean and whole: `result` has neither facts nor text yet. */
export interface HostAnswer {
  readonly result: ReadResult;
  readonly whole: Whole;
}

/**
 * One diagnostic on one host: ledger → channel → parse → neutralise → mask → ledger. What is wrong with the host is its result; throws
 * CANCELLED only.
 */
export const lookAtHost = async (
  parts: HostLookParts,
  caller: Caller,
  host: string,
  question: Question,
): Promise<HostAnswer> => {
  const { diagnostic, args } = question;
  const row = {
    kind: 'call',
    actor: actorOf(caller),
    host,
    subject: diagnostic.name,
  } as const;
  const shownArgs = mask([...args].map(([name, value]) => `${name}=${value}`).join(' ')).text;
  parts.store.append({ ...row, code: 'ASKED', detail: { args: shownArgs, definition: diagnostic.digest } });
  const started = performance.now();
  // In the ledger, so that an auditor can tell one call that was asked twice from two calls.
  const askedAgain = (ms: number): void =>
    void parts.store.append({ ...row, code: 'ASKED_AGAIN', detail: { ms } });
  const answer = await ask(parts, host, question, askedAgain).catch((thrown: unknown) => {
    const ms = Math.round(performance.now() - started);
    const error = hostError(host, asPraError(thrown), question.signal, ms);
    if (error.code === 'CANCELLED') {
      parts.store.append({ ...row, code: 'CANCELLED', detail: { ms } });
      throw error;
    }
    if (error.code === 'INTERNAL') parts.onError(thrown);
    return { result: failed(parts, host, diagnostic, ms, error), whole: NOTHING };
  });
  const { result, whole } = answer;
  parts.taint.note(host, diagnostic.name, result.suspicious);
  const said = whole.lines.map(({ text }) => `${text}\n`).join('');
  parts.store.append({
    ...row,
    code: result.code ?? result.status.toUpperCase(),
    detail: {
      status: result.status,
      ms: result.duration_ms,
      chars: said.length,
      sha256: sha256(said),
      ...(result.suspicious.length === 0 ? {} : { suspicious: result.suspicious.join(',') }),
    },
  });
  return answer;
};

const NOTHING: Whole = { facts: {}, lines: [], isLog: false };

/** A call whose time is over ends with what it has: the hosts that have not answered are its timeouts. */
const hostError = (host: string, error: PraError, signal: AbortSignal | undefined, ms: number): PraError =>
  error.code === 'CANCELLED' && isTimeUp(signal)
    ? new PraError('DEADLINE', { host, seconds: Math.round(ms / 1_000) }, error)
    : error;

const ask = async (
  parts: HostLookParts,
  host: string,
  { diagnostic, args, verbatim, signal }: Question,
  onAgain: (ms: number) => void,
): Promise<HostAnswer> => {
  const said = await runRead(parts, parts.policy.read(host, diagnostic, args), { signal, onAgain });
  const base = {
    ...blank(parts, host, diagnostic, Math.round(said.durationMs)),
    clock_offset_ms: parts.clocks.offset(host),
  };
  const refusal = parseRefusal(said.stderr);
  if (refusal !== undefined) {
    const hint = targetAdvice[refusal.code] ?? targetAdvice['other'] ?? null;
    const code = `${refusal.layer} ${refusal.code}`;
    return { result: { ...base, status: 'refused', exit: said.exit ?? null, code, hint }, whole: NOTHING };
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
  const status: ReadStatus = timedOut ? 'timeout' : absent ? 'not_present' : statusOf(diagnostic, answer);
  const { facts, redactions } = cleanFacts(timedOut || absent ? {} : readFacts(diagnostic, answer));
  // Where the facts say it all, the text would say it twice.
  const isText = diagnostic.text || Object.keys(facts).length === 0;
  const shown = textOf(isText ? answer : { sections: [] });
  const whole = wholeOf(facts, shown.text, diagnostic.compact && !verbatim);
  const words = `${whole.lines.map(({ text }) => text).join('\n')}\n${stringsOf(facts)}`;
  const result: ReadResult = {
    ...base,
    status,
    exit: timedOut ? said.exit : worstExit(answer),
    truncated: shown.isCut || answer.sections.some((section) => section.cut),
    // A secret of the text is one of the facts too: it is counted where more of it is.
    redactions: Math.max(shown.redactions, redactions),
    // Of the whole answer: where it is divided into parts would be a place to hide.
    suspicious: findSuspicious(words, shown.hidden),
    hint: timedOut ? `The program reached its limit of ${String(diagnostic.limits.seconds)} s.` : null,
  };
  return { result, whole };
};

const wholeOf = (facts: Whole['facts'], text: string, isLog: boolean): Whole => {
  const lines = text === '' ? [] : text.replace(/\n$/u, '').split('\n');
  return {
    facts,
    isLog,
    lines: isLog ? compactLog(lines) : lines.map((line, at) => ({ text: line, lines: 1, newest: at })),
  };
};

const blank = (
  parts: HostLookParts,
  host: string,
  diagnostic: Diagnostic,
  durationMs: number,
): ReadResult => ({
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
  left_out: null,
  redactions: 0,
  suspicious: [],
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
  parts: HostLookParts,
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

/** A section may end with a code of its own (systemctl's 3, say): it failed only when it also said nothing, and does not mean that. */
export const statusOf = (
  { run }: Pick<Diagnostic, 'run'>,
  { sections }: Pick<Answer, 'sections'>,
): ReadStatus =>
  sections.every(({ name, rc, output }) => {
    const none = run.find(({ section }) => section === name)?.none;
    return rc !== 0 && rc !== none && output.length === 0;
  })
    ? 'failed'
    : 'ok';
