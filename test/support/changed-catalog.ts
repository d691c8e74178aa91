import { cpSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { EMBEDDED_CATALOG } from './embedded-target.ts';

/** The embedded catalog, changed: `dir` for the target, whose scripts are where it wants them, `site` for operators. */
export interface ChangedCatalog extends Disposable {
  readonly dir: string;
  readonly site: string;
  remove(): void;
}

/** Two copies of the embedded catalog in a folder of their own, changed in the same way. */
export const changedCatalog = (change: (folder: string) => void): ChangedCatalog => {
  const root = mkdtempSync(join(tmpdir(), 'mcp-pra-catalog-'));
  const [dir, site] = [join(root, 'catalog'), join(root, 'site')];
  for (const folder of [dir, site]) {
    cpSync(EMBEDDED_CATALOG, folder, { recursive: true });
    change(folder);
  }
  rmSync(join(dir, 'scripts'), { recursive: true });
  const remove = (): void => rmSync(root, { recursive: true });
  return { dir, site, remove, [Symbol.dispose]: remove };
};
