import type { FactParser } from '../parser.ts';
import { ipObjects, textIn, wordsIn } from './ip-json.ts';

/** ip -j neigh show (ip-neighbour(8)). Failed ones first: nobody answered for that address. */
export const neighbours: FactParser = (sections) => {
  const rows = ipObjects(sections.get('neighbours')).map((one) => ({
    address: textIn(one['dst']),
    interface: textIn(one['dev']),
    mac: textIn(one['lladdr']),
    state: wordsIn(one['state'])[0],
    router: one['router'] === null || one['router'] === true ? true : undefined,
  }));
  const inState = (...states: readonly string[]): number =>
    rows.filter(({ state }) => state !== undefined && states.includes(state)).length;
  return {
    count: rows.length,
    failed: inState('FAILED'),
    incomplete: inState('INCOMPLETE'),
    reachable: inState('REACHABLE', 'PERMANENT', 'DELAY', 'PROBE', 'STALE', 'NOARP'),
    neighbours: rows.toSorted((a, b) => rankOf(a.state) - rankOf(b.state)),
  };
};

const rankOf = (state: string | undefined): number => {
  const rank = ['FAILED', 'INCOMPLETE'].indexOf(state ?? '');
  return rank < 0 ? 2 : rank;
};
