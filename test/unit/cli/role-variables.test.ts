import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { parse } from 'yaml';
import { siteOf } from '../../../src/cli/package/site-file.ts';

// The variables of the role are an interface with four sides: argument_specs.yml, defaults, the table for people, and the package
// without Ansible. None of them knows one that another does not.

const ANSIBLE = join(import.meta.dirname, '../../../ansible');
const ROLE = join(ANSIBLE, 'roles/target');
const read = (path: string): string => readFileSync(path, 'utf8');

interface Option {
  readonly type: string;
  readonly description: string;
  readonly required?: boolean;
  readonly default?: unknown;
}
const specs = parse(read(join(ROLE, 'meta/argument_specs.yml')), { merge: true }) as {
  readonly argument_specs: { readonly main: { readonly options: Record<string, Option> } };
};
const options = Object.entries(specs.argument_specs.main.options);
const defaults = parse(read(join(ROLE, 'defaults/main.yml'))) as Record<string, unknown>;

test('every variable is either required or has its default in both files', () => {
  const optional = options.filter(([, option]) => option.required !== true);
  expect(Object.keys(defaults).toSorted()).toEqual(optional.map(([name]) => name).toSorted());
  for (const [name, option] of optional) expect(option.default ?? null, name).toEqual(defaults[name]);
});

test('the table of the README has a row for each, and for no other', () => {
  const rows = read(join(ANSIBLE, 'README.md'))
    .split('\n')
    .filter((line) => line.startsWith('| `mcp_pra_'));
  const named = rows.flatMap((row) =>
    [...(row.split('|')[1] ?? '').matchAll(/`(mcp_pra_\w+)`/gu)].map(([, name]) => name ?? ''),
  );
  // The playbook's own, read before any role.
  expect(named.toSorted()).toEqual([...options.map(([name]) => name), 'mcp_pra_serial'].toSorted());
});

describe('the package', () => {
  test.each(options)('knows %s', (name, { type, default: value }) => {
    expect(() => siteOf({ [name]: value ?? (type === 'list' ? [] : null) })).not.toThrow();
  });

  test('refuses one that is none', () => {
    expect(() => siteOf({ mcp_pra_reader_key: [] })).toThrow(/mcp_pra_reader_key is no variable/u);
  });
});
