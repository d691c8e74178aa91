import { execFileSync } from 'node:child_process';
import type { EmbeddedTarget } from './embedded-target.ts';

/** Pids of the `sleep` programs that wrappers and actions of this target run now: what `demo_sleep` starts. */
export const sleepersOf = (target: EmbeddedTarget): readonly number[] => {
  const rows = execFileSync('ps', ['-A', '-o', 'pid=,ppid=,stat=,comm='], { encoding: 'utf8' })
    .trim()
    .split('\n')
    .map((row) => row.trim().split(/\s+/u));
  const below = (parents: readonly string[]): string[] => {
    const children = rows.filter(([, parent = '']) => parents.includes(parent)).map(([pid = '']) => pid);
    return children.length === 0 ? [] : [...children, ...below(children)];
  };
  const ours = new Set(below(target.processes().map(String)));
  return rows
    .filter(([pid = '', , state = '', name]) => ours.has(pid) && !state.startsWith('Z') && name === 'sleep')
    .map(([pid]) => Number(pid));
};
