import type { JsonSchemaType } from '@modelcontextprotocol/sdk/validation';
import { AjvJsonSchemaValidator } from '@modelcontextprotocol/sdk/validation/ajv';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { loadCatalog } from '../../../src/catalog/load.ts';
import type { Catalog } from '../../../src/catalog/types.ts';
import { describeTool } from '../../../src/mcp/describe-tool.ts';
import { instructionsFor } from '../../../src/mcp/instructions.ts';
import { listing, listingBytes, MAX_LISTING_BYTES } from '../../../src/mcp/listing.ts';
import { manyDiagnostics } from './many-diagnostics.ts';

const ROOT = join(import.meta.dirname, '../../..');
const catalog = loadCatalog([join(ROOT, 'catalog')], {
  targetScripts: join(ROOT, 'target-scripts'),
});
const tools = listing(catalog).map(describeTool);
const instructions = instructionsFor(catalog);
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
    'triage',
    ...[...catalog.diagnostics.values()].filter(({ promote }) => promote).map(({ name }) => name),
    'list_diagnostics',
    'run_diagnostic',
    'compare_hosts',
    'read_more',
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
  for (const { name, inputSchema } of tools) {
    expect(inputSchema).toMatchObject({ type: 'object', additionalProperties: false });
    // Without $schema it is 2020-12 (MCP 2025-11-25), and every tool is some bytes shorter.
    expect(inputSchema).not.toHaveProperty('$schema');
    for (const [path, node] of walk(inputSchema, name)) {
      for (const key of ['prefixItems', '$dynamicRef', 'unevaluatedProperties', 'dependentSchemas'])
        expect(node, path).not.toHaveProperty(key);
    }
    for (const [input, value] of Object.entries(inputSchema.properties ?? {}))
      expect(value, `${name} ${input}`).toHaveProperty('description');
    expect(() => validator.getValidator(inputSchema as JsonSchemaType)).not.toThrow();
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

describe('the list has at most 16,384 bytes', () => {
  const bytesOf = (one: Catalog): number =>
    Buffer.byteLength(JSON.stringify({ tools: listing(one).map(describeTool) }));

  test('with everything that is shipped, and with 200 diagnostics more', () => {
    expect(MAX_LISTING_BYTES).toBe(16_384);
    expect(bytesOf(catalog)).toBeLessThanOrEqual(16_384);
    const more = { ...catalog, diagnostics: new Map([...catalog.diagnostics, ...manyDiagnostics(200)]) };
    expect(bytesOf(more)).toBe(bytesOf(catalog));
  });

  test('one promoted diagnostic too many is refused, with the number of bytes; the last that fits is listed', () => {
    const promoted = (count: number): Catalog => ({
      ...catalog,
      diagnostics: new Map(manyDiagnostics(count).map(([name, one]) => [name, { ...one, promote: true }])),
    });
    let fitting = 0;
    while (fitting < 100 && fits(promoted(fitting + 1))) fitting += 1;
    expect(fitting).toBeGreaterThan(5);
    expect(fitting).toBeLessThan(100);
    const most = listing(promoted(fitting));
    expect(listingBytes(most)).toBe(bytesOf(promoted(fitting)));
    expect(listingBytes(most)).toBeLessThanOrEqual(16_384);
    const refusal = (): unknown => listing(promoted(fitting + 1));
    expect(refusal).toThrow(expect.objectContaining({ code: 'LISTING_TOO_LARGE' }));
    expect(refusal).toThrow(/would have 1[67]\d{3} bytes with \d+ promoted diagnostics; at most 16384/u);
  });

  const fits = (one: Catalog): boolean => {
    try {
      listing(one);
      return true;
    } catch {
      return false;
    }
  };
});
