import { mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import type { Catalog } from '../types.ts';
import { renderAction } from './actions.ts';
import { renderDigests } from './digests.ts';
import { renderSudoers } from './sudoers.ts';
import { renderVerb } from './verbs.ts';

/** Everything a target needs to know of a catalog, by relative path, in the same bytes every time. */
export const renderTableFiles = (catalog: Catalog): ReadonlyMap<string, string> =>
  new Map([
    ['DIGESTS', renderDigests([...catalog.diagnostics.values(), ...catalog.actions.values()])],
    ...[...catalog.actions.values()].map(
      (action) => [`actions/${action.name}.json`, renderAction(action, catalog.diagnostics)] as const,
    ),
    ['sudoers', renderSudoers(catalog)],
    ...[...catalog.diagnostics.values()].map(
      (diagnostic) => [`verbs/${diagnostic.name}`, renderVerb(diagnostic)] as const,
    ),
  ]);

/** Writes them, and removes the tables of definitions that are gone. Returns the relative paths. */
export const renderTables = (catalog: Catalog, outDir: string): readonly string[] => {
  const files = renderTableFiles(catalog);
  for (const folder of ['verbs', 'actions']) mkdirSync(join(outDir, folder), { recursive: true });
  for (const stale of staleFiles(files, outDir)) rmSync(join(outDir, stale));
  for (const [path, content] of files) {
    mkdirSync(dirname(join(outDir, path)), { recursive: true });
    writeFileSync(join(outDir, path), content);
  }
  return [...files.keys()];
};

const staleFiles = (files: ReadonlyMap<string, string>, outDir: string): readonly string[] =>
  ['verbs', 'actions']
    .flatMap((folder) => readdirSync(join(outDir, folder)).map((name) => `${folder}/${name}`))
    .filter((path) => !files.has(path));
