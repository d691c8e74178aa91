import { mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import { PRINCIPAL } from '../../config/schema.ts';
import { PraError } from '../../errors.ts';
import { FINGERPRINT, isSerial, type Order } from './order.ts';

/**
 * A revocation that is not done everywhere: what, and where it is left. Written before the first host is asked, so that one
 * that was interrupted is known too, and removed when nothing is left.
 */
export interface LeftHosts {
  readonly path: string;
  readonly order: Order;
  readonly began: string;
  readonly inventories: readonly string[];
  /** Names in mcp-pra.yaml or in the inventory; null: all of the inventory, nobody has said yet which those are. */
  readonly hosts: readonly string[] | null;
}

/** What an inventory may call a host, and nothing that Ansible would take for a template. */
export const INVENTORY_NAME = /^[^\s{}]{1,253}$/u;

const file = z.strictObject({
  order: z.strictObject({
    v: z.literal(1),
    keys: z.array(z.string().regex(FINGERPRINT)),
    publicKeys: z.array(z.base64()),
    approvers: z.array(z.string().regex(PRINCIPAL)),
    serials: z.array(z.string().refine(isSerial)),
    ca: z.string().regex(FINGERPRINT).nullable(),
    switch: z.enum(['lift', 'keep']),
    keepQuorum: z.boolean().default(false),
  }),
  began: z.iso.datetime(),
  inventories: z.array(z.string()),
  hosts: z.array(z.string().regex(INVENTORY_NAME)).nullable(),
});

const folderOf = (stateDir: string): string => join(stateDir, 'revocations');

/** A new file for an order. Throws what the file system throws. */
export const beginLeft = (
  stateDir: string,
  order: Order,
  inventories: readonly string[],
  hosts: readonly string[] | null,
  now: Date,
): LeftHosts => {
  mkdirSync(folderOf(stateDir), { recursive: true, mode: 0o700 });
  const began = now.toISOString();
  const path = join(folderOf(stateDir), `${began.replace(/[:.]/gu, '-')}-${String(process.pid)}.json`);
  return saveLeft({ path, order, began, inventories, hosts }, hosts);
};

/** The same with other hosts left; no host left removes the file. */
export const saveLeft = (left: LeftHosts, hosts: readonly string[] | null): LeftHosts => {
  if (hosts?.length === 0) {
    rmSync(left.path, { force: true });
    return { ...left, hosts };
  }
  const { path, ...content } = { ...left, hosts };
  writeFileSync(`${path}.new`, `${JSON.stringify(content, undefined, 2)}\n`, { mode: 0o600 });
  renameSync(`${path}.new`, path);
  return { ...left, hosts };
};

/**
 * Every revocation that is left, oldest first; REVOCATION_FILE in the place of a file that is none. That one must not be passed over,
 * and must not hold up the others.
 */
export const readLeft = (stateDir: string): readonly (LeftHosts | PraError)[] => {
  let names: readonly string[];
  try {
    names = readdirSync(folderOf(stateDir));
  } catch (thrown) {
    if ((thrown as NodeJS.ErrnoException).code === 'ENOENT') return [];
    throw thrown;
  }
  return names
    .filter((name) => name.endsWith('.json'))
    .toSorted()
    .map((name) => {
      const path = join(folderOf(stateDir), name);
      try {
        return { path, ...file.parse(JSON.parse(readFileSync(path, 'utf8'))) };
      } catch (thrown) {
        return new PraError('REVOCATION_FILE', { path }, thrown);
      }
    });
};
