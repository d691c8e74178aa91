import { approverErrorsEn } from './messages/approver-errors-en.ts';
import { en } from './messages/en.ts';
import { stopErrorsEn } from './messages/stop-errors-en.ts';

/** Layer, exit code, sentence and next step of every code. */
export const refusals = { ...en, ...approverErrorsEn, ...stopErrorsEn };

/** A stable code for machines and the ledger; its sentences are in messages/. */
export type ErrorCode = keyof typeof refusals;

/** Exit codes of the CLI (DESIGN: 0 done, 1 failed, 2 usage, 3 refused, 4 pending or expired, 5 unreachable, 6 unknown, 130). */
export type ExitCode = 0 | 1 | 2 | 3 | 4 | 5 | 6 | 130;

/** Characters that may be filled into a sentence: no controls, no markup, nothing that could pose as an instruction. */
const HARMLESS = /^[\w@.:;+/=, ()'%~#-]{0,600}$/u;

const fill = (template: string, values: Readonly<Record<string, string | number>>): string =>
  template.replace(/\{(\w+)\}/gu, (_, name: string) => {
    const value = String(values[name] ?? '?');
    return HARMLESS.test(value) ? value : '(not shown)';
  });

/**
 * A refusal or failure that people and models may read: a code, a sentence and the next step, all written by this
 * project. Anything else that is known (a cause, a stack) goes to the log only.
 */
export class PraError extends Error {
  override readonly name = 'PraError';
  readonly code: ErrorCode;
  readonly layer: string;
  readonly exit: ExitCode;
  readonly hint: string;
  /** The values the sentence was filled with; safe for the ledger. */
  readonly values: Readonly<Record<string, string | number>>;

  constructor(code: ErrorCode, values: Readonly<Record<string, string | number>> = {}, cause?: unknown) {
    const [layer, exit, say, hint] = refusals[code];
    super(fill(say, values), cause === undefined ? undefined : { cause });
    this.code = code;
    this.layer = layer;
    this.exit = exit as ExitCode;
    this.hint = fill(hint, values);
    this.values = values;
  }
}

/** Whatever was thrown, as something that may be shown: unknown errors become INTERNAL, their text stays in `cause`. */
export const asPraError = (thrown: unknown): PraError =>
  thrown instanceof PraError ? thrown : new PraError('INTERNAL', {}, thrown);
