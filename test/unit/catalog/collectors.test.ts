import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { loadCatalog } from '../../../src/catalog/load.ts';

const root = join(import.meta.dirname, '../../..');
const folder = join(root, 'target-scripts/collectors');
const catalog = loadCatalog([join(root, 'catalog')], { targetScripts: join(root, 'target-scripts') });
const shipped = readdirSync(folder)
  .filter((name) => statSync(join(folder, name)).isFile())
  .toSorted();
const unit = (name: string, kind: string): string =>
  readFileSync(join(folder, 'units', `mcp-pra-collect-${name}.${kind}`), 'utf8');

describe('collectors', () => {
  test('refresh_facts and facts_age know all that are shipped, and no other', () => {
    for (const definition of [catalog.actions.get('refresh_facts'), catalog.diagnostics.get('facts_age')]) {
      const [param] = definition?.params ?? [];
      expect(param?.bounds.split(',').toSorted()).toEqual(shipped);
    }
  });

  test('refresh_facts has time for a collector that has just begun and for the run after it', () => {
    const longest = Math.max(
      ...shipped.map((name) => Number(/^TimeoutStartSec=([0-9]+)$/mu.exec(unit(name, 'service'))?.[1])),
    );
    expect(catalog.actions.get('refresh_facts')?.limits.seconds).toBeGreaterThan(2 * longest);
  });

  test('a diagnostic names one that is shipped', () => {
    const named = [...catalog.diagnostics.values()].flatMap(({ collector }) => collector ?? []);
    // `servers` writes one file for each server that is installed, so that one that is not is not present; others name their files.
    const text = (name: string): string => readFileSync(join(folder, name), 'utf8');
    const [, table = ''] = /^SERVERS = \{(.+)\}$/mu.exec(text('servers')) ?? [];
    const files = shipped.flatMap((name) => [...text(name).matchAll(/\bwrite\(FACTS, '([a-z_]+)',/gu)]);
    const written = [
      ...shipped,
      ...[...files, ...table.matchAll(/'([a-z_]+)':/gu)].map(([, name = '']) => name),
    ];
    expect(named.filter((name) => !written.includes(name))).toEqual([]);
  });

  test.each(shipped)(
    '%s is known to SECURITY.md, with what a thief of the reader key learns from it',
    (name) => {
      expect(readFileSync(join(root, 'SECURITY.md'), 'utf8')).toMatch(
        new RegExp(`^  - \`${name}\`: \\S`, 'mu'),
      );
    },
  );

  test.each(shipped)('%s runs in a sandbox, as often as it says', (name) => {
    const [, period] = /^PERIOD = ([0-9]+)/mu.exec(readFileSync(join(folder, name), 'utf8')) ?? [];
    expect(unit(name, 'timer')).toContain(`\nOnUnitActiveSec=${period ?? '?'}s\n`);
    const service = unit(name, 'service').split('\n');
    expect(service).toContain(`ExecStart=@LIB@/collectors/${name}`);
    expect(service).toEqual(
      expect.arrayContaining([
        // refresh_facts starts it besides its timer; five times in ten seconds would be the most otherwise.
        'StartLimitIntervalSec=0',
        'Group=@READER_USER@',
        'NoNewPrivileges=yes',
        'ProtectSystem=strict',
        'PrivateTmp=yes',
        // These ask devices: a list of them, and no other.
        ['hardware', 'lvm'].includes(name) ? 'DevicePolicy=closed' : 'PrivateDevices=yes',
        'LockPersonality=yes',
        'SystemCallArchitectures=native',
      ]),
    );
    expect(service.some((line) => /^TimeoutStartSec=[1-9]/u.test(line))).toBe(true);
    expect(service.some((line) => line.startsWith('CapabilityBoundingSet='))).toBe(true);
  });
});
