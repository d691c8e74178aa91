import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { parse } from 'yaml';
import type { Config } from '../../config.ts';
import { PraError } from '../../errors.ts';
import { allowedSigners } from '../init/provision-files.ts';
import { publicLine } from '../init/transport-key.ts';
import { say } from '../say.ts';

type Variables = Readonly<Record<string, unknown>>;

/** Read beside the configuration when no --vars are given; the later ones win. The first is a person's, the second of `init` and of rotations. */
const VARIABLE_FILES = ['provision-vars.yml', 'transport-keys.yml'];

/**
 * What Ansible would be given for a host: the public halves of the configuration's keys, and over them the variables of the files.
 * Throws USAGE for a file that is no YAML map.
 */
export const configVariables = (
  config: Config,
  host: string,
  files: readonly string[] | undefined,
): Variables => {
  const chosen = files ?? VARIABLE_FILES.map((name) => join(dirname(config.path), name)).filter(existsSync);
  const written = Object.assign({}, ...chosen.map(readVariables)) as Variables;
  const all = { ...publicKeys(config), ...written };
  const signers = written['mcp_pra_allowed_signers'];
  // Vars files of earlier versions list the auto key among the signers; twice would be refused.
  const listsAuto = Array.isArray(signers) && signers.some((line) => String(line).startsWith('auto '));
  if (listsAuto && written['mcp_pra_auto_keys'] === undefined) delete all['mcp_pra_auto_keys'];
  return { ...all, mcp_pra_host: host };
};

const publicKeys = ({ keys, approver, principal }: Config): Record<string, unknown> => {
  const signs = approver !== undefined && existsSync(`${approver.key}.pub`);
  return {
    mcp_pra_reader_keys: [publicLine(keys.reader.path).trim()],
    mcp_pra_runner_keys: [publicLine(keys.runner.path).trim()],
    mcp_pra_auto_keys: keys.auto === undefined ? [] : [publicLine(keys.auto.path).trim()],
    mcp_pra_allowed_signers: allowedSigners({
      principal,
      reader: '',
      runner: '',
      auto: undefined,
      approver: signs ? readFileSync(`${approver.key}.pub`, 'utf8') : undefined,
    }),
  };
};

const readVariables = (path: string): Variables => {
  let value: unknown;
  try {
    value = parse(readFileSync(path, 'utf8'), { maxAliasCount: 0 });
  } catch (thrown) {
    throw new PraError('USAGE', { what: say('package.vars', { path }) }, thrown);
  }
  if (value === null) return {};
  if (typeof value !== 'object' || Array.isArray(value))
    throw new PraError('USAGE', { what: say('package.vars', { path }) });
  return value as Variables;
};
