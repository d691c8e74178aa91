import type { Catalog } from '../catalog/types.ts';
import { asPraError, PraError } from '../errors.ts';
import type { ModelDesk } from '../request/desk.ts';
import type { Caller } from '../request/types.ts';
import { errorText, LONGEST_CALL_MS } from './tool.ts';

/** JSON-RPC codes of MCP 2025-11-25: server/resources, and JSON-RPC 2.0 §5.1. */
const RESOURCE_NOT_FOUND = -32_002;
const INVALID_PARAMS = -32_602;
const INTERNAL_ERROR = -32_603;

/** Either a working desk, or why there is none: then every call says that, and the handshake still completes. */
export type Service =
  | {
      readonly kind: 'ready';
      readonly desk: ModelDesk;
      /** Names of logs that the configuration knows: for completion only, each host decides. */
      readonly logNames: readonly string[];
    }
  | {
      readonly kind: 'broken';
      readonly catalog: Catalog;
      readonly error: PraError;
      readonly details: readonly string[];
    };

/** What the handlers of one session share. */
export interface Serving {
  readonly service: Service;
  /** Names of the tools that are listed. */
  readonly toolNames: ReadonlySet<string>;
  readonly caller: () => Caller;
  /** What must not reach the client. */
  readonly onError: (error: unknown) => void;
}

/** What a working session gives to a resource or a prompt. */
export interface Session {
  readonly desk: ModelDesk;
  readonly logNames: readonly string[];
  readonly toolNames: ReadonlySet<string>;
  readonly caller: Caller;
  /** Aborts when the client cancels or the call's time is over. */
  readonly signal: AbortSignal;
}

/** An error of a request that is no tool call, with our own text only (JSON-RPC error). */
class RpcRefusal extends Error {
  readonly code: number;

  constructor(code: number, text: string) {
    super(text);
    this.code = code;
  }
}

/** Answers a request other than a tool call: refusals are ours, counted and written down as those of tools. */
export const answer = async <T>(
  { service, toolNames, caller, onError }: Serving,
  signal: AbortSignal,
  subject: string,
  work: (session: Session) => T | Promise<T>,
): Promise<T> => {
  if (service.kind === 'broken') {
    throw new RpcRefusal(INTERNAL_ERROR, [errorText(service.error), ...service.details].join('\n'));
  }
  const { desk, logNames } = service;
  const until = AbortSignal.any([signal, AbortSignal.timeout(LONGEST_CALL_MS)]);
  try {
    return await work({ desk, logNames, toolNames, caller: caller(), signal: until });
  } catch (thrown) {
    if (!(thrown instanceof PraError)) onError(thrown);
    const error = asPraError(thrown);
    // What `look` refuses it has counted itself.
    const told = MADE_HERE.has(error.code) ? desk.refused(caller(), subject, error) : error;
    throw new RpcRefusal(rpcCodeOf(told), errorText(told));
  }
};

const MADE_HERE: ReadonlySet<PraError['code']> = new Set([
  'RESOURCE_UNKNOWN',
  'PROMPT_UNKNOWN',
  'PROMPT_BAD',
]);

const rpcCodeOf = ({ code }: PraError): number =>
  code === 'RESOURCE_UNKNOWN' ? RESOURCE_NOT_FOUND : code === 'INTERNAL' ? INTERNAL_ERROR : INVALID_PARAMS;
