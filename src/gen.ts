import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { loadCatalog } from './catalog/load.ts';
import { renderJsonSchemas } from './catalog/render/json-schema.ts';
import {
  renderActionsPage,
  renderDiagnosticsPage,
  renderErrorCodesPage,
} from './catalog/render/reference.ts';
import { renderTableFiles } from './catalog/render/tables.ts';

/** Folders of which every file is generated: what is not rendered any more is removed, so that no old table is installed. */
const GENERATED_FOLDERS = ['target-scripts/tables', 'catalog/schema'];

/** Every generated file of the repository at `root`, by relative path. Throws CATALOG_INVALID. */
export const renderAll = async (root: string): Promise<ReadonlyMap<string, string>> => {
  const catalog = loadCatalog([join(root, 'catalog')], { targetScripts: join(root, 'target-scripts') });
  const files = new Map<string, string>();
  for (const [path, content] of renderTableFiles(catalog))
    files.set(`target-scripts/tables/${path}`, content);
  for (const [name, content] of renderJsonSchemas()) files.set(`catalog/schema/${name}`, content);
  files.set('docs/reference/diagnostics.md', renderDiagnosticsPage(catalog));
  files.set('docs/reference/actions.md', renderActionsPage(catalog));
  files.set('docs/reference/error-codes.md', renderErrorCodesPage());
  const configSchema = await readConfigSchema();
  if (configSchema !== undefined) {
    files.set('docs/reference/mcp-pra.schema.json', `${JSON.stringify(configSchema, null, 2)}\n`);
  }
  return files;
};

/** config.ts is above the catalog, so it is asked only here. */
const readConfigSchema = async (): Promise<unknown> => {
  const config: Readonly<Record<string, unknown>> = await import('./config.ts');
  return config['configJsonSchema'];
};

/** Paths that differ from what is on disk: missing, changed, or not generated any more. */
export const staleFiles = (files: ReadonlyMap<string, string>, root: string): readonly string[] => {
  const changed = [...files].filter(([path, content]) => {
    const file = join(root, path);
    return !existsSync(file) || readFileSync(file, 'utf8') !== content;
  });
  return [...changed.map(([path]) => path), ...leftOver(files, root)].sort();
};

const leftOver = (files: ReadonlyMap<string, string>, root: string): readonly string[] =>
  GENERATED_FOLDERS.filter((folder) => existsSync(join(root, folder)))
    .flatMap((folder) =>
      readdirSync(join(root, folder), { recursive: true, withFileTypes: true })
        .filter((entry) => entry.isFile())
        .map((entry) => join(entry.parentPath, entry.name).slice(root.length + 1)),
    )
    .filter((path) => !files.has(path));

const main = async (): Promise<void> => {
  const root = join(import.meta.dirname, '..');
  const files = await renderAll(root);
  const stale = staleFiles(files, root);
  if (process.argv.includes('--check')) {
    if (stale.length === 0) return;
    process.stderr.write(`stale, run npm run gen:\n${stale.map((path) => `  ${path}\n`).join('')}`);
    process.exitCode = 1;
    return;
  }
  for (const path of stale) {
    const content = files.get(path);
    mkdirSync(dirname(join(root, path)), { recursive: true });
    if (content === undefined) rmSync(join(root, path));
    else writeFileSync(join(root, path), content);
    process.stdout.write(`${content === undefined ? 'removed' : 'wrote'} ${path}\n`);
  }
};

if (import.meta.main) await main();
