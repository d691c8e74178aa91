import type { Action, CheckedArgs, Diagnostic, Impact } from '../catalog/types.ts';
import { encodeRequest } from '../catalog/wire.ts';
import { PraError } from '../errors.ts';
import { namesOf, readRules, RuleSentences, type ContextRule, type Verdict } from './context-rules.ts';
import { makeGrant, type Grant } from './grant.ts';
import { higher } from './impact.ts';
import type { HostEntry } from './ports.ts';
import type { SessionSource } from './session-source.ts';
import type { StoredRequest } from './types.ts';

/** What the operator's side may add: it can only restrict. The target's own policy decides. */
export interface OperatorPolicy {
  readonly denyActions: readonly string[];
  /** Least impact of an action here; lower than the catalog's is ignored. */
  readonly raise: Readonly<Record<string, Impact>>;
  readonly autoApprove: boolean;
  /** Raise or refuse by the circumstances, in the order of the configuration. */
  readonly rules: readonly ContextRule[];
}

/** Reserved words of the runner channel that carry no action. */
export type RunnerWord = 'prepare' | 'status' | 'result' | 'fence' | 'cancel' | 'freeze' | 'version';

/** Connecting, queueing and the network, on top of what the target itself allows. Seconds. */
const MARGIN_SECONDS = 15;
/** What a target's systemd may take to start a runner, and a runner to say that it has begun (pra_run/execute.py). */
const STARTING_SECONDS = 30 + 60;
/** Header, trailers and refusal lines of an answer. Bytes. */
const FRAME_BYTES = 4_096;
/** The most that one question of a verification takes on the target: a diagnostic's 20 s, and the wrapper's own. */
const QUESTION_SECONDS = 25;
/** How long a target waits for its own end when an action has it go down. */
const GOING_DOWN_SECONDS = 120;
/** An action's output as base64 in JSON lines. */
const EVENTS_FACTOR = 2;
/** The longest output that a definition may allow (catalog/schema.ts), as a query answers it. Bytes. */
const QUERY_BYTES = EVENTS_FACTOR * 1_048_576 + 256 * 1_024;

/**
 * Decides what may be said to a host. The only maker of grants: a channel runs nothing else. Hosts that are not in the
 * configuration get no grant, whoever asks.
 */
export class Policy {
  readonly #hosts: ReadonlyMap<string, HostEntry>;
  readonly #operator: OperatorPolicy;
  readonly #rules: ReturnType<typeof readRules>;
  readonly #source: SessionSource;

  /** `source`: where this process's session comes from, for the rules; one that is not told matches every network. */
  constructor(
    hosts: readonly HostEntry[],
    operator: OperatorPolicy,
    source: SessionSource = { kind: 'unknown' },
  ) {
    this.#hosts = new Map(hosts.map((host) => [host.name, host]));
    this.#operator = operator;
    this.#rules = readRules(operator.rules);
    this.#source = source;
  }

  /** Throws HOST_UNKNOWN. */
  host(name: string): HostEntry {
    const host = this.#hosts.get(name);
    if (host === undefined)
      throw new PraError('HOST_UNKNOWN', { hosts: [...this.#hosts.keys()].slice(0, 20).join(', ') });
    return host;
  }

  /** Hosts by their names or by names of groups (`@group` is a group only), each once, in the order given. Throws HOST_UNKNOWN. */
  select(names: readonly string[]): readonly string[] {
    const chosen = names.flatMap((name) => {
      if (this.#hosts.has(name)) return [name];
      const group = name.startsWith('@') ? name.slice(1) : name;
      const members = [...this.#hosts.values()]
        .filter((host) => host.groups.includes(group))
        .map((host) => host.name);
      return members.length > 0 ? members : [this.host(name).name];
    });
    return [...new Set(chosen)];
  }

  /** The least impact a draft asks for. Throws ACTION_DENIED. */
  impactOf(action: Action): Impact {
    if (this.#operator.denyActions.includes(action.name))
      throw new PraError('ACTION_DENIED', { action: action.name });
    return higher(action.impact, this.#operator.raise[action.name] ?? 'LOW');
  }

  /** What the rules of this machine say of an action at this moment. Throws RULE_REFUSED, HOST_UNKNOWN. */
  underRules(about: {
    readonly action: string;
    readonly host: string;
    readonly client: string;
    readonly now: number;
  }): Verdict {
    const verdict = this.#rules({ ...about, host: this.host(about.host), source: this.#source });
    if (verdict.refusedBy.length > 0)
      throw new PraError(
        'RULE_REFUSED',
        { action: about.action, host: about.host, rules: namesOf(verdict.refusedBy) },
        new RuleSentences(verdict.refusedBy),
      );
    return verdict;
  }

  /**
   * What the rules say of a request once more, before it is read, approved and run: the hour, the place or the configuration may be
   * another. Throws RULE_REFUSED, RULE_RAISED when it would have to be asked for at a higher impact now.
   */
  recheck(request: StoredRequest, now: number): Verdict {
    const client = request.requester.slice(request.requester.lastIndexOf('/') + 1);
    const { id, action, host } = request;
    const verdict = this.underRules({ action, host, client, now });
    const here = this.#operator.raise[action] ?? 'LOW';
    const impact = higher(verdict.impact, here);
    if (higher(impact, request.impact) !== request.impact) {
      const raising = verdict.raisedBy.filter((rule) => higher(rule.impact, request.impact) === rule.impact);
      const rules = namesOf(raising.length > 0 ? raising : [{ name: 'policy.raise' }]);
      throw new PraError('RULE_RAISED', { id, was: request.impact, impact, host, rules });
    }
    return verdict;
  }

  get autoApprove(): boolean {
    return this.#operator.autoApprove;
  }

  read(host: string, diagnostic: Diagnostic, args: CheckedArgs): Grant {
    const runs = diagnostic.run.length;
    return makeGrant({
      account: 'reader',
      host: this.host(host).name,
      line: encodeRequest(diagnostic, args),
      input: 'hold',
      seconds: runs * (diagnostic.limits.seconds + 1) + MARGIN_SECONDS,
      bytes: runs * diagnostic.limits.bytes + FRAME_BYTES,
    });
  }

  /** The built-in verb `version` of the reader channel. */
  readVersion(host: string): Grant {
    return makeGrant({
      account: 'reader',
      host: this.host(host).name,
      line: 'version',
      input: 'hold',
      seconds: MARGIN_SECONDS,
      bytes: 256 * 1_024,
    });
  }

  /**
   * A read once more, in what is left of its time; undefined when nothing is. For what changes nothing on a host only: every line of the
   * reader channel, and the runner's word `version`. Throws INTERNAL for anything else.
   */
  again(grant: Grant, spentMs: number): Grant | undefined {
    if (grant.account !== 'reader' && grant.line !== 'version')
      throw new PraError('INTERNAL', {}, new Error(`${grant.line} is not a read`));
    const seconds = Math.floor(grant.seconds * 10 - spentMs / 100) / 10;
    return seconds <= 0 ? undefined : makeGrant({ ...grant, seconds });
  }

  /** Words that start nothing. What stops something (`fence`, `cancel`, `freeze`) carries its signed ticket; the target answers the others to whoever holds the runner key and the ticket's hash. */
  ask(host: string, word: RunnerWord, input: Buffer, waitSeconds = 0): Grant {
    return makeGrant({
      account: 'runner',
      host: this.host(host).name,
      line: word,
      input,
      seconds: waitSeconds + 30 + MARGIN_SECONDS,
      bytes: QUERY_BYTES,
    });
  }

  /** The one grant that starts an action: only for a request that is durably DISPATCHING and carries a signature. */
  submit(request: StoredRequest, action: Action, submission: Buffer): Grant {
    if (
      request.state !== 'DISPATCHING' ||
      request.signatures.length === 0 ||
      request.action !== action.name
    ) {
      throw new PraError('NOT_APPROVED', { id: request.id, state: request.state });
    }
    return makeGrant({
      account: 'runner',
      host: this.host(request.host).name,
      line: action.name,
      input: submission,
      seconds: action.limits.seconds + settlingSeconds(action) + STARTING_SECONDS + MARGIN_SECONDS,
      bytes: EVENTS_FACTOR * action.limits.bytes + 256 * 1_024,
    });
  }
}

/** What a target may need between the end of an action's program and its receipt, as the target itself reckons it. */
const settlingSeconds = ({ verify, precheck, ends }: Action): number => {
  const goingDown = ends === 'nothing' ? 0 : GOING_DOWN_SECONDS;
  if (verify.length === 0) return goingDown;
  const asked = new Set([...verify, ...precheck].map(({ diagnostic }) => diagnostic));
  return goingDown + Math.max(...verify.map(({ within }) => within)) + 2 * QUESTION_SECONDS * asked.size;
};
