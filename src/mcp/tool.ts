import type { z } from 'zod';
import { PraError } from '../errors.ts';
import type { ModelDesk } from '../request/desk.ts';
import type { Caller } from '../request/types.ts';

/** Claude Desktop cuts calls at 60 s and progress does not extend that: no call of ours is longer than this. */
export const LONGEST_CALL_MS = 25_000;

/** What a tool may use besides its input. */
export interface ToolContext {
  readonly desk: ModelDesk;
  readonly caller: Caller;
  /** Aborts when the client cancels or the call's time is over. */
  readonly signal: AbortSignal;
  /** Sends a progress notification when the client asked for them. */
  readonly progress: (done: number, total: number | undefined, message: string) => void;
}

/** Text for the model (complete by itself, Claude Desktop shows nothing else) and the same as data. */
export interface ToolOutput {
  readonly text: string;
  readonly data: Readonly<Record<string, unknown>>;
}

/** What a tool does to the world; the MCP annotations are derived from it and from nothing else. */
export type Risk = 'reads' | 'files-requests' | 'runs-approved' | 'withdraws';

export interface Tool {
  readonly name: string;
  readonly title: string;
  readonly description: string;
  readonly risk: Risk;
  readonly input: z.ZodType<Record<string, unknown>>;
  readonly output: z.ZodType;
  run(input: Record<string, unknown>, context: ToolContext): Promise<ToolOutput>;
}

/** Declares a tool with its input typed by its schema. */
export const defineTool = <Input extends Record<string, unknown>>(
  tool: Omit<Tool, 'input' | 'run'> & {
    readonly input: z.ZodType<Input>;
    readonly run: (input: Input, context: ToolContext) => Promise<ToolOutput>;
  },
): Tool => ({
  ...tool,
  // The server parses with the very schema before it calls run.
  run: (input, context) => tool.run(input as Input, context),
});

/** A refusal with lines of ours that say more than its sentence can: what a definition takes, say. */
export class DetailedRefusal extends Error {
  readonly refusal: PraError;
  readonly details: readonly string[];

  constructor(refusal: PraError, details: readonly string[]) {
    super(refusal.message, { cause: refusal });
    this.refusal = refusal;
    this.details = details;
  }
}

/** MCP annotations of a risk (MCP specification, ToolAnnotations). */
export const annotationsOf = (
  risk: Risk,
): { readOnlyHint: boolean; destructiveHint: boolean; idempotentHint: boolean; openWorldHint: boolean } => ({
  readOnlyHint: risk === 'reads',
  // Filing a request can run a LOW action by itself; executing runs what was approved.
  destructiveHint: risk === 'files-requests' || risk === 'runs-approved',
  idempotentHint: risk !== 'files-requests',
  openWorldHint: false,
});

/** A refusal as the model reads it: our sentence, the rule, the next step. */
export const errorText = (error: PraError): string =>
  `${error.message}\nRule: ${error.layer} ${error.code}\nNext: ${error.hint}`;
