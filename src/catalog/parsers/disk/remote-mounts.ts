import { outputLines } from '../../output-lines.ts';
import { jsonOf, numberOf, textOf } from '../json-output.ts';
import type { FactParser } from '../parser.ts';

/** `probes`: one JSON object a line, of the helper remote-mounts. */
export const remoteMounts: FactParser = (sections, codes) => {
  if (codes.get('probes') !== 0) return {};
  const mounts = outputLines(sections.get('probes') ?? '').flatMap((line) => {
    const probe = jsonOf(line);
    const [target, state] = [textOf(probe, 'target'), textOf(probe, 'state')];
    if (target === undefined || state === undefined) return [];
    return [
      {
        target,
        source: textOf(probe, 'source'),
        fstype: textOf(probe, 'fstype'),
        state,
        milliseconds: numberOf(probe, 'milliseconds'),
      },
    ];
  });
  const troubled = mounts.filter(({ state }) => ['hangs', 'stale', 'error'].includes(state));
  const answered = mounts.flatMap(({ state, milliseconds: took }) =>
    state === 'answers' && took !== undefined ? [took] : [],
  );
  return {
    mounted: mounts.length,
    troubled: troubled.length,
    troubled_targets: troubled.map(({ target }) => target).join(' ') || 'none',
    slowest_ms: answered.length === 0 ? undefined : Math.max(...answered),
    mounts,
  };
};
