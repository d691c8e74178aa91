import { mkdtempSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { makeOperator, type McpSession } from '../support/operator.ts';
import type { Field } from './field.ts';

/** `mcp-pra serve` on a machine that knows one host, with a known_hosts of one's choice. */
export const withDesk = async <T>(
  field: Field,
  knownHosts: string,
  work: (session: McpSession) => Promise<T>,
): Promise<T> => {
  const { keys, host } = field;
  const operator = makeOperator({
    home: mkdtempSync(join(field.dir, 'operator-')),
    hosts: { [host.name]: { address: host.address } },
    keys: { reader: keys.reader, runner: keys.runner, auto: keys.auto },
    knownHosts,
  });
  const session = await operator.serve();
  try {
    return await work(session);
  } finally {
    await session.close();
  }
};

/** A known_hosts file of the attack's own. */
export const knownHostsOf = (field: Field, name: string, content: string): string => {
  const path = join(field.dir, `known_hosts-${name}`);
  writeFileSync(path, content, { mode: 0o600 });
  return path;
};
