import { spawnSync } from 'node:child_process';
import { join, resolve } from 'node:path';
import type { RenderedTarget } from './rendered-target.ts';

const COLLECTORS = resolve(import.meta.dirname, '../../target-scripts/collectors');

/** How a collector ends that is given an argument, and how it ends as it stands in the repository, where nothing has rendered it. */
export const collectorRefusals = (target: RenderedTarget, name: string, argument: string) => {
  const given = spawnSync(target.path('lib/collectors', name), [argument], { encoding: 'utf8' });
  return {
    given: { status: given.status, stderr: given.stderr },
    unrendered: { status: spawnSync(join(COLLECTORS, name)).status },
  };
};

/** What these are for every collector. */
export const refusalsOf = (name: string) => ({
  given: { status: 126, stderr: `refused ${name} LOGIN\n` },
  unrendered: { status: 126 },
});
