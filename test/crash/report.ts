import { judge, type Result } from './disturb.ts';
import type { Lane } from './lane.ts';
import type { Race } from './outages.ts';

const counted = (values: readonly string[]): string =>
  Object.entries(Object.groupBy(values, (value) => value))
    .map(([value, all]) => [value, all?.length ?? 0] as const)
    .toSorted(([, a], [, b]) => b - a)
    .map(([value, times]) => `${value} ${String(times)}`)
    .join(', ');

const seconds = (ms: number): string => `${(ms / 1_000).toFixed(1)} s`;

/** What a section of the run comes to, in one line. */
const summaryOf = (results: readonly Result[]): string => {
  const times = results.map(({ settledMs }) => settledMs).toSorted((a, b) => a - b);
  const half = times[Math.floor((times.length - 1) / 2)] ?? 0;
  return (
    `${String(results.length)}; killed ${counted(results.map(({ victim }) => victim))}; ` +
    `at ${counted(results.map(({ at }) => at))}; ended ${counted(results.map(({ outcome }) => outcome))}; half within ${seconds(half)}`
  );
};

/** Collects results and prints what they come to: one line a class, then the summary. */
export class Report {
  readonly #say: (line: string) => void;
  readonly #all: Result[] = [];
  #open: Result[] = [];
  readonly #late: string[] = [];

  constructor(say: (line: string) => void) {
    this.#say = say;
  }

  get problems(): readonly string[] {
    return [
      ...this.#all.flatMap(({ name, flow, victim, at, problem }) =>
        problem === undefined ? [] : [`${name} (${flow}, ${victim} at ${at}): ${problem}`],
      ),
      ...this.#late,
    ];
  }

  add(result: Result): void {
    this.#all.push(result);
    this.#open.push(result);
    const { name, flow, victim, at, outcome, settledMs, problem, id = '-' } = result;
    if (problem !== undefined)
      this.#say(`FAILED ${name} (${flow}, ${victim} at ${at}, ${id}) ended ${outcome}: ${problem}`);
    else if (process.env['MCP_PRA_CRASH_VERBOSE'] !== undefined)
      this.#say(
        `${name} (${flow}, ${victim} at ${at}) ended ${outcome} after ${String(Math.round(settledMs))} ms`,
      );
  }

  /** Prints the race, which is a problem unless one execution came of it and nobody failed. */
  race({ executors, together, dispatched, begun, codes, outcome }: Race): void {
    const line =
      `race: ${String(executors)} executors, ${String(together)} of them let go together, ${String(dispatched)} dispatch rows, ` +
      `${String(begun)} executions, exit codes ${counted(codes.map(String))}, ended ${outcome}`;
    this.#say(line);
    if (dispatched !== 1 || begun !== 1 || outcome !== 'SUCCEEDED' || codes.some((code) => code !== 0))
      this.#late.push(line);
  }

  /** Prints a line for each class of kills since the last call. */
  close(title: string): void {
    if (this.#open.length === 0) return;
    const groups = Object.groupBy(this.#open, ({ flow, victim }) => `${flow} / ${victim}`);
    this.#say(`${title}: ${summaryOf(this.#open)}`);
    for (const [name, results = []] of Object.entries(groups)) {
      const slowest = Math.max(...results.map(({ settledMs }) => settledMs));
      this.#say(
        `  ${name}: ${String(results.length)} kills (${String(results.filter(({ isHit }) => isHit).length)} while it ran); ` +
          `at ${counted(results.map(({ at }) => at))}; ended ${counted(results.map(({ outcome }) => outcome))}; ` +
          `slowest ${seconds(slowest)}`,
      );
    }
    this.#open = [];
  }

  /** Everything once more at the end: nothing that was settled may have run later, and the ledgers hold. */
  async judgeAgain(lanes: readonly Lane[]): Promise<void> {
    for (const lane of lanes) {
      for (const n of lane.numbers()) {
        const problem = judge(lane, n);
        if (problem !== undefined)
          this.#late.push(`${lane.host.name} ${String(n)}, looked at again: ${problem}`);
      }
      const verified = await lane.operator.cli('audit', 'verify', '--json');
      this.#say(`${lane.host.name}: audit verify ${verified.code === 0 ? verified.stdout.trim() : 'FAILED'}`);
      if (verified.code !== 0)
        this.#late.push(`audit verify of ${lane.host.name}: ${verified.stderr.trim()}`);
    }
    for (const late of this.#late) this.#say(`FAILED ${late}`);
  }

  /** The last line; true when nothing is wrong. */
  summary(seed: number): boolean {
    const all = this.#all;
    const runs = all.filter(({ begun }) => begun === 1).length;
    const slowest = Math.max(0, ...all.map(({ settledMs }) => settledMs));
    this.#say(
      `crash: ${String(all.length)} kills (seed ${String(seed)}), ${String(runs)} executed once, ${String(all.filter(({ begun }) => begun > 1).length)} twice, ` +
        `${String(all.filter(({ begun }) => begun === 0).length)} never; all states at the kill: ${counted(all.map(({ at }) => at))}; ` +
        `slowest to settle ${(slowest / 1_000).toFixed(1)} s; ${String(this.problems.length)} problems`,
    );
    return this.problems.length === 0;
  }
}
