import { cpSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const ROOT = fileURLToPath(new URL('../../', import.meta.url));

/**
 * A copy of what the playbooks need, in `folder` (which must not exist), to be spoilt: the role packs what lies beside it.
 * `edits` maps files to changes, each of which must change something. Returns the path of the copy's provision.yml.
 */
export const spoiltCheckout = (folder: string, edits: Record<string, (text: string) => string>): string => {
  mkdirSync(folder);
  for (const part of ['ansible', 'target-scripts', 'package.json'])
    cpSync(join(ROOT, part), join(folder, part), { recursive: true, verbatimSymlinks: true });
  for (const [file, change] of Object.entries(edits)) {
    const before = readFileSync(join(folder, file), 'utf8');
    const after = change(before);
    if (after === before) throw new Error(`${file} is not spoilt: what the edit looks for is not there`);
    writeFileSync(join(folder, file), after);
  }
  return join(folder, 'ansible/playbooks/provision.yml');
};
