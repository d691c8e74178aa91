import { join } from 'node:path';
import { loadCatalog } from '../catalog/load.ts';
import type { Catalog } from '../catalog/types.ts';

/** Which catalog a configuration uses. */
export interface CatalogChoice {
  /** The shipped one; a site that wants only its own definitions switches it off. */
  readonly builtin: boolean;
  /** Folders of the site, each with diagnostics/, actions/, triage/, scripts/ and helpers/. */
  readonly dirs: readonly string[];
}

const loaded = new Map<string, Catalog>();

/** Loads (once a process) the catalog that a configuration asks for. Throws CATALOG_INVALID. */
export const catalogOf = (packageRoot: string, choice: CatalogChoice): Catalog => {
  const dirs = [...(choice.builtin ? [join(packageRoot, 'catalog')] : []), ...choice.dirs];
  const key = JSON.stringify(dirs);
  const catalog =
    loaded.get(key) ?? loadCatalog(dirs, { targetScripts: join(packageRoot, 'target-scripts') });
  loaded.set(key, catalog);
  return catalog;
};

/** The catalog with the diagnostics that a configuration gives an MCP tool of their own (`promote`), or takes it from (`demote`). */
export const withPromoted = (
  catalog: Catalog,
  { promote, demote }: { readonly promote: readonly string[]; readonly demote: readonly string[] },
): Catalog => ({
  ...catalog,
  diagnostics: new Map(
    [...catalog.diagnostics].map(([name, diagnostic]) => [
      name,
      {
        ...diagnostic,
        promote: promote.includes(name) || (diagnostic.promote && !demote.includes(name)),
      },
    ]),
  ),
});
