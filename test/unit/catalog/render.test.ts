import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { canonicalJson, sha256 } from '../../../src/catalog/digest.ts';
import { loadCatalog } from '../../../src/catalog/load.ts';
import { renderAction } from '../../../src/catalog/render/actions.ts';
import { renderJsonSchemas } from '../../../src/catalog/render/json-schema.ts';
import {
  renderActionsPage,
  renderDiagnosticsPage,
  renderErrorCodesPage,
} from '../../../src/catalog/render/reference.ts';
import { renderSudoers } from '../../../src/catalog/render/sudoers.ts';
import { renderTableFiles, renderTables } from '../../../src/catalog/render/tables.ts';
import { refusals } from '../../../src/errors.ts';

const root = join(import.meta.dirname, '../../..');
const load = () => loadCatalog([join(root, 'catalog')], { targetScripts: join(root, 'target-scripts') });
const catalog = load();
const files = renderTableFiles(catalog);

test('the catalog that is shipped', () => {
  // What each may do is in the generated tables, whose diff is reviewed; here only that none is lost.
  const shipped = readdirSync(join(root, 'catalog/diagnostics')).map((file) => file.replace(/\.yaml$/u, ''));
  expect([...catalog.diagnostics.keys()].toSorted()).toEqual(shipped.toSorted());
  expect([...catalog.actions.values()].map(({ name, impact }) => `${name} ${impact}`)).toEqual([
    'refresh_facts LOW',
    'reload_proxy MEDIUM',
    'restart_service LOW',
    'vacuum_journal LOW',
  ]);
});

test('a verb file is what the wire protocol says', () => {
  expect(files.get('verbs/unit_journal')).toBe(
    `v1\t${catalog.diagnostics.get('unit_journal')?.digest ?? ''}
param\tunit\tunit\tservice,socket,timer,mount,path,target,slice,scope,swap
param\tlines\tinteger\t1..500
param\tsince\tspan\t1..2592000
limit\t10\t131072
run\tjournal\t/usr/local/lib/mcp-pra/helpers/journal-tail\t--lines={lines}\t--since=-{since}\t--output=short-iso\t--unit={unit}
`,
  );
});

describe('an action file', () => {
  const text = files.get('actions/restart_service.json') ?? '';
  const file: Record<string, unknown> = JSON.parse(text);

  test('is canonical JSON and an LF', () => {
    expect(text).toBe(`${canonicalJson(file)}\n`);
  });

  test('has exactly the members of the wire protocol', () => {
    expect(Object.keys(file)).toEqual(
      'argv cancellable cooldown definition ends idempotent impact limit name params precheck script undo_action v verify'.split(
        ' ',
      ),
    );
    expect(file['definition']).toBe(catalog.actions.get('restart_service')?.digest);
  });

  test('carries what the target needs to read the facts of its precheck', () => {
    const { precheck }: { precheck: Record<string, unknown>[] } = JSON.parse(text);
    expect(precheck).toHaveLength(1);
    expect(precheck[0]).toMatchObject({
      diagnostic: 'unit_status',
      args: { unit: '{unit}' },
      parse: 'kv',
      stable: ['id', 'load_state', 'unit_file_state', 'need_daemon_reload', 'fragment_path'],
      expect: [{ fact: 'load_state', op: 'eq', value: 'loaded' }],
    });
    expect(precheck[0]?.['facts']).toHaveProperty('load_state', { from: 'LoadState', type: 'string' });
  });

  test('carries what must be true afterwards, and how long that may take', () => {
    const { verify }: { verify: Record<string, unknown>[] } = JSON.parse(text);
    expect(verify).toHaveLength(1);
    expect(verify[0]).toMatchObject({
      diagnostic: 'unit_status',
      args: { unit: '{unit}' },
      parse: 'kv',
      within: 20,
      expect: [{ fact: 'active_state', op: 'eq', value: 'active' }],
      evidence: ['main_pid', 'active_since'],
    });
    expect(verify[0]).not.toHaveProperty('stable');
    expect(file).toMatchObject({ ends: 'nothing', undo_action: null });
  });

  test('names its script and the bytes it was approved with', () => {
    const vacuum: Record<string, unknown> = JSON.parse(files.get('actions/vacuum_journal.json') ?? '');
    const bytes = readFileSync(join(root, 'target-scripts/scripts/vacuum-journal'));
    expect(vacuum['script']).toEqual({ file: 'vacuum-journal', sha256: sha256(bytes) });
    expect(vacuum['argv']).toEqual(['script:vacuum-journal', '{days}']);
    expect(vacuum['params']).toEqual([{ name: 'days', type: 'integer', bounds: '7..365', default: '30' }]);
  });

  test('fills in the defaults of the diagnostic it uses', () => {
    const action = catalog.actions.get('restart_service');
    const journal = catalog.diagnostics.get('unit_journal');
    if (action === undefined || journal === undefined) throw new Error('not in the catalog');
    const changed = {
      ...action,
      precheck: [
        { diagnostic: 'unit_journal', args: { unit: '{unit}', lines: '5' }, expect: [], tolerance: {} },
      ],
    };
    const rendered: { precheck: { args: unknown }[] } = JSON.parse(
      renderAction(changed, catalog.diagnostics),
    );
    expect(rendered.precheck[0]?.args).toEqual({ unit: '{unit}', lines: '5', since: '1h' });
  });
});

test('sudoers has one literal line a word, sorted, and nothing that could match another', () => {
  const rules = renderSudoers(catalog)
    .split('\n')
    .filter((line) => !/^(?:#|Defaults:pra-runner |$)/u.test(line));
  const words =
    'cancel fence freeze prepare refresh_facts reload_proxy restart_service result review status unfreeze vacuum_journal version'.split(
      ' ',
    );
  expect(rules).toEqual(
    words.map((word) => `pra-runner ALL=(root) NOPASSWD: /usr/local/bin/pra-run ${word}`),
  );
  expect(renderSudoers(catalog)).not.toMatch(/[*?[\]!]pra-run|pra-run\s*$|pra-run [^a-z]/mu);
});

test('DIGESTS lists every definition, and the digest of the catalog is over it', () => {
  const text = files.get('DIGESTS') ?? '';
  expect(text.split('\n').slice(0, -1)).toHaveLength(catalog.diagnostics.size + catalog.actions.size);
  expect(text).toContain(`diagnostic uptime ${catalog.diagnostics.get('uptime')?.digest ?? ''}\n`);
  expect(sha256(text)).toBe(catalog.digest);
});

test('the same catalog gives the same bytes', () => {
  expect([...renderTableFiles(load())]).toEqual([...files]);
});

test('renderTables writes them all and removes what is gone', () => {
  const out = mkdtempSync(join(tmpdir(), 'mcp-pra-tables-'));
  try {
    mkdirSync(join(out, 'verbs'));
    writeFileSync(join(out, 'verbs/old'), 'v1\n');
    writeFileSync(join(out, 'mine.txt'), 'not a table');
    expect(renderTables(catalog, out)).toEqual([...files.keys()]);
    for (const [path, content] of files) expect(readFileSync(join(out, path), 'utf8')).toBe(content);
    expect(existsSync(join(out, 'verbs/old'))).toBe(false);
    expect(existsSync(join(out, 'mine.txt'))).toBe(true);
  } finally {
    rmSync(out, { recursive: true });
  }
});

test('the published schemas are of 2020-12 and strict', () => {
  for (const [name, text] of renderJsonSchemas()) {
    const schema: Record<string, unknown> = JSON.parse(text);
    expect(name).toMatch(/\.schema\.json$/u);
    expect(schema).toMatchObject({
      $schema: 'https://json-schema.org/draft/2020-12/schema',
      type: 'object',
      additionalProperties: false,
    });
  }
});

test('the reference pages name every definition, parameter, fact and code', () => {
  const diagnostics = renderDiagnosticsPage(catalog);
  for (const { name, params, facts } of catalog.diagnostics.values()) {
    expect(diagnostics).toContain(`\n## ${name}: `);
    for (const word of [...params.map((param) => param.name), ...Object.keys(facts)])
      expect(diagnostics).toContain(`| \`${word}\` |`);
  }
  const actions = renderActionsPage(catalog);
  for (const { name, params } of catalog.actions.values()) {
    expect(actions).toContain(`\n## ${name}: `);
    for (const param of params) expect(actions).toContain(`| \`${param.name}\` |`);
  }
  for (const code of Object.keys(refusals)) expect(renderErrorCodesPage()).toContain(`| \`${code}\` |`);
});
