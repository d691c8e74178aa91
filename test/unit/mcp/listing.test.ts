import type { JsonSchemaType } from '@modelcontextprotocol/sdk/validation';
import { AjvJsonSchemaValidator } from '@modelcontextprotocol/sdk/validation/ajv';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { loadCatalog } from '../../../src/catalog/load.ts';
import { describeTool } from '../../../src/mcp/describe-tool.ts';
import { instructions } from '../../../src/mcp/instructions.ts';
import { listing } from '../../../src/mcp/listing.ts';

const ROOT = join(import.meta.dirname, '../../..');
const catalog = loadCatalog([join(ROOT, 'catalog')], {
  scriptsDir: join(ROOT, 'target-scripts/scripts'),
});
const tools = listing(catalog).map(describeTool);
const named = (name: string) => tools.find((tool) => tool.name === name);

/** Every object of a schema with the path to it. */
const walk = (node: unknown, path: string): [string, Record<string, unknown>][] => {
  if (typeof node !== 'object' || node === null) return [];
  const here: [string, Record<string, unknown>][] = Array.isArray(node)
    ? []
    : [[path, node as Record<string, unknown>]];
  return [...here, ...Object.entries(node).flatMap(([key, child]) => walk(child, `${path}/${key}`))];
};
/** Names of everything a caller may send: properties at any depth. */
const inputNames = (schema: unknown): string[] =>
  walk(schema, '').flatMap(([, node]) => Object.keys(node['properties'] ?? {}));

test('the listing is what it was: a change of it is made on purpose (vitest -u) and read in the diff', async () => {
  await expect(JSON.stringify({ instructions, tools }, undefined, 2)).toMatchFileSnapshot('listing.golden');
});

test('there is no tool that decides, carries a one-time password, or takes a key, a path or a command', () => {
  expect(tools.map(({ name }) => name)).toEqual([
    'list_hosts',
    ...[...catalog.diagnostics.values()].filter(({ promote }) => promote).map(({ name }) => name),
    'list_pra_actions',
    'propose_pra_action',
    'get_pra_action',
    'execute_pra_action',
    'withdraw_pra_action',
    'list_pra_requests',
  ]);
  const decides = /approv|den(?:y|ies)|grant|sign|unlock|freeze|revoke|override|force|confirm/iu;
  const secret = /otp|passw|passphrase|secret|token|pin\b|credential|key/iu;
  const code = /command|shell|script|exec(?!ute_pra_action)|argv|path|file/iu;
  for (const tool of tools) {
    expect(tool.name).not.toMatch(decides);
    expect(tool.title ?? '').not.toMatch(/\b(?:approve|deny|sign)\b/iu);
    for (const name of inputNames(tool.inputSchema)) {
      // The one word with it asks for the rule of the host, which decides by itself.
      expect(name.replace(/^auto_approve$/u, '')).not.toMatch(decides);
      expect(name).not.toMatch(secret);
      expect(name).not.toMatch(code);
    }
    for (const [path, node] of walk(tool.inputSchema, tool.name)) {
      const help = typeof node['description'] === 'string' ? node['description'] : '';
      expect(`${path}: ${help}`).not.toMatch(/one-time|passphrase|password|\bOTP\b|your key/u);
    }
    expect(tool.description).not.toMatch(/one-time|passphrase|password|\bOTP\b/u);
  }
  // Whoever approves does it elsewhere, and the model is told where.
  expect(instructions).toContain('cannot approve anything');
  expect(instructions).toContain('mcp-pra approve <id>');
});

test('every tool says what it does: a title, a sentence, and hints derived from its risk', () => {
  expect(new Set(tools.map(({ name }) => name)).size).toBe(tools.length);
  for (const { name, title, description, annotations } of tools) {
    expect(name).toMatch(/^[a-z][a-z0-9_]{0,39}$/u);
    expect(title).toMatch(/^\S.{2,60}$/u);
    expect(description?.length).toBeGreaterThan(30);
    expect(Object.keys(annotations ?? {}).sort()).toEqual([
      'destructiveHint',
      'idempotentHint',
      'openWorldHint',
      'readOnlyHint',
      'title',
    ]);
  }
  const changing = tools.filter(({ annotations }) => annotations?.readOnlyHint !== true);
  expect(changing.map(({ name }) => name)).toEqual([
    'propose_pra_action',
    'execute_pra_action',
    'withdraw_pra_action',
  ]);
  expect(named('execute_pra_action')?.annotations).toMatchObject({
    destructiveHint: true,
    idempotentHint: true,
  });
  expect(named('propose_pra_action')?.annotations).toMatchObject({
    destructiveHint: true,
    idempotentHint: false,
  });
  expect(named('withdraw_pra_action')?.annotations).toMatchObject({ destructiveHint: false });
});

test('schemas are 2020-12, closed for input, described, and no client trips over them', () => {
  const validator = new AjvJsonSchemaValidator();
  for (const { name, inputSchema, outputSchema } of tools) {
    expect(inputSchema).toMatchObject({ type: 'object', additionalProperties: false });
    expect(inputSchema['$schema']).toBe('https://json-schema.org/draft/2020-12/schema');
    for (const [path, node] of [...walk(inputSchema, name), ...walk(outputSchema, name)]) {
      for (const key of ['prefixItems', '$dynamicRef', 'unevaluatedProperties', 'dependentSchemas'])
        expect(node, path).not.toHaveProperty(key);
    }
    for (const [input, value] of Object.entries(inputSchema.properties ?? {}))
      expect(value, `${name} ${input}`).toHaveProperty('description');
    for (const schema of [inputSchema, outputSchema] as JsonSchemaType[])
      expect(() => validator.getValidator(schema)).not.toThrow();
  }
});

test('a diagnostic is a tool when it is promoted, and never under the name of another tool', () => {
  const [first] = catalog.diagnostics.values();
  if (first === undefined) throw new Error('no diagnostics');
  const names = (promote: boolean): string[] => {
    const one = { ...first, name: 'some_one', promote };
    return listing({ ...catalog, diagnostics: new Map([['some_one', one]]) }).map(({ name }) => name);
  };
  expect(names(false)).not.toContain('some_one');
  expect(names(true)).toContain('some_one');
  for (const name of ['execute_pra_action', 'list_hosts']) {
    const taken = { ...catalog, diagnostics: new Map([[name, { ...first, name, promote: true }]]) };
    expect(() => listing(taken)).toThrow(`diagnostic ${name} has the name of a tool`);
  }
});
