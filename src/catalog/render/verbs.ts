import type { Diagnostic } from '../types.ts';

/** A verb file (docs/wire-protocol.md §2): what the reader account can do with this diagnostic, and nothing else. */
export const renderVerb = ({ digest, params, limits, run }: Diagnostic): string => {
  const rows = [
    ['v1', digest],
    ...params.map(({ name, type, bounds }) => ['param', name, type, bounds]),
    ['limit', String(limits.seconds), String(limits.bytes)],
    ...run.map(({ section, argv }) => ['run', section, ...argv]),
  ];
  return rows.map((row) => `${row.join('\t')}\n`).join('');
};
