import type { Action, Diagnostic } from '../types.ts';

type Defined = Pick<Diagnostic | Action, 'kind' | 'name' | 'digest'>;

/** `<diagnostic|action> <name> <sha256>` lines in order: what `version` prints, and what the catalog's own digest covers. */
export const renderDigests = (definitions: Iterable<Defined>): string =>
  Array.from(definitions, ({ kind, name, digest }) => `${kind} ${name} ${digest}\n`)
    .sort()
    .join('');
