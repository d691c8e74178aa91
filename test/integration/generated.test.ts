import { execFileSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { isNotPresent, readFacts } from '../../src/catalog/facts.ts';
import { loadCatalog } from '../../src/catalog/load.ts';
import { isNameType } from '../../src/catalog/param-types.ts';
import { checkArgs } from '../../src/catalog/params.ts';
import { renderTables } from '../../src/catalog/render/tables.ts';
import type { Diagnostic, Facts } from '../../src/catalog/types.ts';
import { encodeRequest, parseAnswer, type Answer } from '../../src/catalog/wire.ts';
import { renderAll, staleFiles } from '../../src/gen.ts';
import { RenderedTarget } from '../support/rendered-target.ts';

const root = resolve(import.meta.dirname, '../..');
const catalog = loadCatalog([join(root, 'catalog')], { targetScripts: join(root, 'target-scripts') });

describe('generated files', () => {
  test('are those that are committed; otherwise: npm run gen', async () => {
    expect(staleFiles(await renderAll(root), root)).toEqual([]);
  });

  test('are noticed when they are changed, missing, or nobody generates them', async () => {
    const files = new Map(await renderAll(root));
    files.set('target-scripts/tables/sudoers', `${files.get('target-scripts/tables/sudoers') ?? ''}\n`);
    files.set('target-scripts/tables/verbs/new', 'v1\n');
    files.delete('target-scripts/tables/verbs/uptime');
    const stale = staleFiles(files, root).filter((path) => path.startsWith('target-scripts/tables/'));
    expect(stale).toEqual([
      'target-scripts/tables/sudoers',
      'target-scripts/tables/verbs/new',
      'target-scripts/tables/verbs/uptime',
    ]);
  });
});

describe('the real target', () => {
  const target = new RenderedTarget();
  renderTables(catalog, target.tables);
  target.install();
  afterAll(() => target.remove());

  /** Names of the example are in the host's tables, and stand for what is not there. */
  const nameExamples = ({ params, example }: Diagnostic): void => {
    for (const { name, type } of params.filter((param) => isNameType(param.type)))
      writeFileSync(target.path(`etc/names/${type}/${String(example[name])}`), '/nonexistent\n');
  };

  const look = async (
    diagnostic: Diagnostic,
  ): Promise<{ readonly answer: Answer; readonly facts: Facts }> => {
    nameExamples(diagnostic);
    const line = encodeRequest(diagnostic, checkArgs(diagnostic, diagnostic.example));
    const ended = await target.look(line);
    expect(ended.stderr).toBe('');
    const answer = parseAnswer(Buffer.from(ended.stdout, 'latin1'), {
      digest: diagnostic.digest,
      sections: diagnostic.run.map(({ section }) => section),
      limitBytes: diagnostic.limits.bytes,
    });
    return { answer, facts: readFacts(diagnostic, answer) };
  };

  // Whatever this machine has: a program that is missing or finds no systemd still gives a complete answer.
  test.each([...catalog.diagnostics.values()])('runs the verb file of $name', async (diagnostic) => {
    const { answer } = await look(diagnostic);
    expect(answer.sections).toHaveLength(diagnostic.run.length);
  });

  test('uptime, memory and disk_usage of this very machine', async () => {
    const factsOf = async (name: string): Promise<Facts> => {
      const diagnostic = catalog.diagnostics.get(name);
      if (diagnostic === undefined) throw new Error(`no diagnostic ${name}`);
      return (await look(diagnostic)).facts;
    };
    const uptime = await factsOf('uptime');
    expect(Object.keys(uptime)).toEqual(Object.keys(catalog.diagnostics.get('uptime')?.facts ?? {}));
    const memory = await factsOf('memory');
    expect(memory['available_kb']).toBeLessThanOrEqual(Number(memory['total_kb']));
    const disks = await factsOf('disk_usage');
    expect(disks['filesystems']).not.toHaveLength(0);
  });

  test('top_processes is not present until its collector has run, then has this process', async () => {
    const diagnostic = catalog.diagnostics.get('top_processes');
    if (diagnostic === undefined) throw new Error('no such diagnostic');
    expect(isNotPresent(diagnostic, (await look(diagnostic)).answer)).toBe(true);
    execFileSync(target.path('lib/collectors/processes'));
    const { facts } = await look(diagnostic);
    expect(facts).toMatchObject({ stale: false });
    expect(Object.keys(facts).sort()).toEqual(Object.keys(diagnostic.facts).sort());
    expect(facts['processes']).not.toHaveLength(0);
  });

  test('transport_keys is not present on a host without a list, then has its keys', async () => {
    const diagnostic = catalog.diagnostics.get('transport_keys');
    if (diagnostic === undefined) throw new Error('no such diagnostic');
    expect(isNotPresent(diagnostic, (await look(diagnostic)).answer)).toBe(true);
    const fingerprint = `SHA256:${'r'.repeat(43)}`;
    writeFileSync(target.path('etc/key-expiry'), `reader ${fingerprint} 2001-09-09T01:46:40Z\n`);
    const { answer, facts } = await look(diagnostic);
    expect(isNotPresent(diagnostic, answer)).toBe(false);
    expect(facts).toMatchObject({ count: 1, expired: 1, next_expires: '2001-09-09T01:46:40Z' });
  });

  test('pra-run takes every action file', () => {
    const check = [
      'import sys',
      'sys.path.insert(0, sys.argv[1])',
      'from pra_run import tables',
      'for name in sys.argv[4:]:',
      '    print(tables.load_action(sys.argv[2], int(sys.argv[3]), name)["definition"])',
    ].join('\n');
    const uid = String(process.getuid?.() ?? 0);
    const places = [join(root, 'target-scripts'), target.path('lib'), uid];
    const names = [...catalog.actions.keys()];
    const said = execFileSync('python3', ['-B', '-c', check, ...places, ...names], { encoding: 'utf8' });
    expect(said.trim().split('\n')).toEqual([...catalog.actions.values()].map(({ digest }) => digest));
  });
});
