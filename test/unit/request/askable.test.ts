import { join } from 'node:path';
import { expect, test } from 'vitest';
import { loadCatalog } from '../../../src/catalog/load.ts';
import { ASKABLE, lackingOn, neededPath } from '../../../src/request/askable.ts';

const root = join(import.meta.dirname, '../../..');
const catalog = loadCatalog([join(root, 'catalog')], { targetScripts: join(root, 'target-scripts') });
const lookedFor = catalog.diagnostics.get(ASKABLE)?.run[0]?.argv.filter((word) => word.startsWith('/')) ?? [];

/** Programs of coreutils and grep, without which no wrapper runs, and helpers, which are installed with it. */
const ALWAYS =
  /^\/usr\/bin\/(?:cat|cut|df|du|grep|ls|printf|tail|uname)$|^\/usr\/local\/lib\/mcp-pra\/helpers\//u;

test('it looks for everything that a shipped diagnostic may lack, and for nothing else', () => {
  const needed = [...catalog.diagnostics.values()]
    .filter(({ collector }) => collector === undefined)
    .map((diagnostic) => neededPath(diagnostic) ?? '')
    .filter((path) => !ALWAYS.test(path));
  expect(lookedFor.slice(1).toSorted()).toEqual([...new Set(needed)].toSorted());
});

test('what is there lacks nothing', () => {
  const collectors = [...catalog.diagnostics.values()].map(({ collector }) => ({
    name: collector ?? 'none',
  }));
  const present = lookedFor.map((path) => ({ path }));
  expect(lackingOn(catalog, { present, collectors })).toEqual([]);
});

test('what is not there is named, with what it lacks', () => {
  const present = lookedFor.filter((path) => path !== '/usr/bin/redis-cli').map((path) => ({ path }));
  const collectors = [...catalog.diagnostics.values()]
    .map(({ collector }) => ({ name: collector ?? 'none' }))
    .filter(({ name }) => name !== 'nginx');
  expect(lackingOn(catalog, { present, collectors })).toEqual([
    { diagnostic: 'nginx_status', lacks: 'collector nginx' },
    { diagnostic: 'redis_status', lacks: '/usr/bin/redis-cli' },
  ]);
});
