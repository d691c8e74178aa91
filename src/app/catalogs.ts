import { join } from 'node:path';
import { loadCatalog } from '../catalog/load.ts';
import type { Catalog } from '../catalog/types.ts';

/** Which catalog a configuration uses. */
export interface CatalogChoice {
  /** The shipped one; a site that wants only its own definitions switches it off. */
  readonly builtin: boolean;
  /** Folders of the site, each with diagnostics/, actions/ and scripts/. */
  readonly dirs: readonly string[];
}

const loaded = new Map<string, Catalog>();

/** Loads (once a process) the catalog that a configuration asks for. Throws CATALOG_INVALID. */
export const catalogOf = (packageRoot: string, choice: CatalogChoice): Catalog => {
  const dirs = [...(choice.builtin ? [join(packageRoot, 'catalog')] : []), ...choice.dirs];
  const key = JSON.stringify(dirs);
  const catalog =
    loaded.get(key) ?? loadCatalog(dirs, { scriptsDir: join(packageRoot, 'target-scripts/scripts') });
  loaded.set(key, catalog);
  return catalog;
};

/** The catalog with more diagnostics that have an MCP tool of their own (`promote` of the configuration). */
export const withPromoted = (catalog: Catalog, names: readonly string[]): Catalog => ({
  ...catalog,
  diagnostics: new Map(
    [...catalog.diagnostics].map(([name, diagnostic]) => [
      name,
      names.includes(name) ? { ...diagnostic, promote: true } : diagnostic,
    ]),
  ),
});
