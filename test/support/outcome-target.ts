import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Receipt } from '../../src/request/types.ts';
import { frame, RunnerTarget, type Json, type Said, type SubmissionParts } from './runner-target.ts';

export const OTHER_BOOT = '00000000-0000-0000-0000-000000000000';

const CHECK = {
  diagnostic: 'unit_state',
  args: { unit: '{unit}' },
  parse: 'kv',
  facts: {
    load_state: { from: 'LoadState', type: 'string' },
    active_state: { from: 'ActiveState', type: 'string' },
    restarts: { from: 'NRestarts', type: 'integer' },
  },
};
/** The verification of `thing`: its unit is active. */
export const VERIFY = {
  ...CHECK,
  expect: [{ fact: 'active_state', op: 'eq', value: 'active' }],
  evidence: [],
  within: 0,
};
export const PRECHECK = { ...CHECK, stable: ['load_state', 'restarts'], tolerance: {}, expect: [] };

/** How a program ended, as a runner writes it down. */
export const END = {
  rc: '0',
  is_stopped: false,
  boottime_ms: 1,
  started: '2026-11-20T10:00:00Z',
  finished: '2026-11-20T10:00:01Z',
  duration_ms: '1000',
  output: '- 0',
};

/** A line of evidence about `thing`. */
export const fact = (name: string, before: string | undefined, after: string | undefined) => ({
  diagnostic: 'unit_state',
  fact: name,
  before,
  after,
});

export const until = async (isTrue: () => boolean): Promise<void> => {
  while (!isTrue()) await sleep(10);
};
export const idOf = ({ ticketText }: SubmissionParts): string => /^id (.*)$/mu.exec(ticketText)?.[1] ?? '';
export const isGone = (pid: number): boolean =>
  !existsSync(`/proc/${String(pid)}`) || / [ZX] /u.test(readFileSync(`/proc/${String(pid)}/stat`, 'utf8'));

/** A target with one action, `thing`, that has a verification; what becomes of its runs is what tests are about. */
export class OutcomeTarget extends RunnerTarget {
  readonly #diagnostic: string;

  /** Seconds that outcome.py waits after a boot and for a host to go down; short. */
  constructor() {
    super();
    const units = ['quick', 'fail', 'wait', 'fix', 'late', 'vanish'].map((name) => `${name}.service`);
    this.policy['values'] = { thing: { unit: units } };
    this.#diagnostic = readFileSync(`${this.program}-state`, 'utf8');
    this.setSeconds('AFTER_BOOT_SECONDS', 2);
    this.setSeconds('GOING_DOWN_SECONDS', 1);
    this.reset();
  }

  /** As at the beginning: the unit has failed. */
  reset(): void {
    writeFileSync(`${this.program}-state`, this.#diagnostic);
    this.writePolicy();
    this.setState('loaded', 'failed');
    this.define({});
  }

  /** Changes a time that this target waits. */
  setSeconds(name: string, seconds: number, module = 'outcome'): void {
    const path = join(this.prefix, `lib/pra_run/${module}.py`);
    const text = readFileSync(path, 'utf8');
    const changed = text.replace(new RegExp(`^${name} = \\d+`, 'mu'), `${name} = ${String(seconds)}`);
    if (!changed.includes(`\n${name} = `)) throw new Error(`${name} is called otherwise`);
    writeFileSync(path, changed);
  }

  /** Installs the action `thing` with these parts. */
  define(parts: Json): void {
    this.writeAction('thing', {
      argv: [this.program, '{unit}'],
      precheck: [PRECHECK],
      verify: [VERIFY],
      impact: 'MEDIUM',
      ...parts,
    });
  }

  /** Has the diagnostic do something first. It cannot write to files, only make them (mcp-wrapper). */
  diagnose(line: string): void {
    writeFileSync(
      `${this.program}-state`,
      this.#diagnostic.replace('\n', () => `\n${line}\n`),
    );
  }

  statePath(path: string): string {
    return join(this.prefix, 'state', path);
  }

  async prepare(unit: string): Promise<SubmissionParts> {
    const proposal = await this.propose({
      action: 'thing',
      args: [['unit', `${unit}.service`]],
      impact: 'MEDIUM',
    });
    return this.parts(proposal, [{ key: this.anna, namespace: 'mcp-pra-medium' }]);
  }

  async hand(parts: SubmissionParts): Promise<Said> {
    return this.ask('thing', frame(parts));
  }

  /** The receipt of one run. */
  async run(unit: string): Promise<Receipt> {
    return this.receipt(await this.hand(await this.prepare(unit)));
  }

  /** The final receipt, asked for as a caller would. */
  async settled(ticketText: string, patch: { id?: string } = {}): Promise<Receipt> {
    for (;;) {
      const receipt = this.receipt(await this.query('status', ticketText, { wait: 20, ...patch }));
      if (receipt.state !== 'RUNNING') return receipt;
    }
  }

  /** `pra-run --settle`, as the boot unit starts it; its exit status. */
  async settle(): Promise<number | null> {
    return (await this.start(['--settle'], '').said).exit;
  }

  /** A run that waits for its gate, in a process of its own whose caller can be lost. */
  async begin(unit = 'wait') {
    const parts = await this.prepare(unit);
    const { child, said } = this.start(['thing'], frame(parts));
    const started = join(this.prefix, `run/pra-run/started/${idOf(parts)}.json`);
    await until(() => existsSync(started));
    const { pid } = JSON.parse(readFileSync(started, 'utf8')) as { pid: number };
    const output = this.statePath(`output/${idOf(parts)}`);
    await until(() => existsSync(output) && readFileSync(output, 'utf8') !== ''); // the program runs
    return { parts, child, said, pid };
  }

  async openGate(): Promise<void> {
    writeFileSync(`${this.program}.gate`, '');
    await until(() => !existsSync(`${this.program}.gate`));
  }

  /** The claim of an ended run under another id, as if it were an open one; what else is left of it is for the test to say. */
  leave(parts: SubmissionParts, patch: Json): { id: string } {
    const id = idOf(parts).replace(/^./u, (letter) => (letter === 'a' ? 'b' : 'a'));
    const claim = JSON.parse(readFileSync(this.statePath(`claims/${idOf(parts)}.json`), 'utf8')) as Json;
    writeFileSync(this.statePath(`claims/${id}.json`), JSON.stringify({ ...claim, ...patch, id }));
    return { id };
  }

  /** What a host finds after a reboot: such a claim of another boot, and what the runner had written down: that it began, how it ended. */
  afterReboot(
    parts: SubmissionParts,
    left: { readonly begun?: boolean; readonly end?: Json | undefined; readonly cancelled?: boolean },
    patch: Json = {},
  ): { id: string } {
    const { begun = true, end, cancelled = false } = left;
    const { id } = this.leave(parts, { boot_id: OTHER_BOOT, ...patch });
    const note = (folder: string, value: Json): void =>
      writeFileSync(this.statePath(`${folder}/${id}.json`), JSON.stringify(value));
    if (begun) note('begun', { time: END.started });
    if (end !== undefined) note('ended', end);
    if (cancelled) note('cancels', { v: 1 });
    return { id };
  }
}
