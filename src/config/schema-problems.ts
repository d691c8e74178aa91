import type { z } from 'zod';
import { nearest } from '../nearest.ts';
import type { ConfigProblem } from './problem.ts';
import type { ConfigSource, KeyPath } from './source.ts';

type Issue = z.core.$ZodIssue;
/** As much of a JSON Schema as is needed to name the keys that are allowed at a place. */
export interface SchemaNode {
  readonly properties?: Readonly<Record<string, SchemaNode>>;
  readonly additionalProperties?: SchemaNode | boolean;
  readonly items?: SchemaNode;
  readonly anyOf?: readonly SchemaNode[];
}

/** What zod found, as problems with a place, a sentence and a fix of our own. */
export const schemaProblems = (
  issues: readonly Issue[],
  source: ConfigSource,
  schema: SchemaNode,
  base: KeyPath = [],
): ConfigProblem[] =>
  issues.flatMap((issue) => {
    const path: KeyPath = [...base, ...issue.path.map((step) => (typeof step === 'symbol' ? '?' : step))];
    switch (issue.code) {
      case 'unrecognized_keys':
        return issue.keys.map((key) => unknownKey(key, path, source, keysAt(schema, path)));
      case 'invalid_union':
        return schemaProblems(bestBranch(issue.errors), source, schema, path);
      default:
        return [source.problem(path, sentence(issue), fix(issue, path))];
    }
  });

const unknownKey = (
  key: string,
  path: KeyPath,
  source: ConfigSource,
  known: readonly string[],
): ConfigProblem => {
  const meant = nearest(key, known);
  const advice = meant === undefined ? `use one of: ${known.join(', ')}` : `write '${meant}'`;
  return source.keyProblem([...path, key], `'${key.slice(0, 40)}' is not a key here`, advice);
};

/** Of a union, the alternative that fits best: one of the right type at its root, then the one with fewer issues. */
const bestBranch = (branches: readonly (readonly Issue[])[]): readonly Issue[] => {
  const wrongRoot = (issues: readonly Issue[]): number =>
    Number(issues.some((issue) => issue.code === 'invalid_type' && issue.path.length === 0));
  const [best] = [...branches].sort((a, b) => wrongRoot(a) - wrongRoot(b) || a.length - b.length);
  return best ?? [];
};

const sentence = (issue: Issue): string => {
  switch (issue.code) {
    case 'invalid_type':
      return issue.input === undefined && /received undefined/u.test(issue.message)
        ? 'it is missing'
        : `it must be ${article(issue.expected)}`;
    case 'invalid_value':
      return `it must be ${issue.values
        .map(String)
        .join(', ')
        .replace(/, (?=[^,]*$)/u, ' or ')}`;
    case 'too_small':
      return `it must be at least ${String(issue.minimum)}${unit(issue.origin)}`;
    case 'too_big':
      return `it must be at most ${String(issue.maximum)}${unit(issue.origin)}`;
    case 'invalid_format':
      return `it ${issue.message.startsWith('must') ? issue.message : 'has a form that is not allowed'}`;
    default:
      return 'it is not allowed';
  }
};

const unit = (origin: string): string =>
  origin === 'string' ? ' characters' : origin === 'array' ? ' entries' : '';

const article = (type: string): string =>
  ({
    string: 'a text (put it in quotes)',
    number: 'a number',
    int: 'a whole number',
    boolean: 'true or false',
    object: 'a group of keys',
    record: 'a group of keys',
    array: 'a list',
  })[type] ?? `of type ${type}`;

const fix = (issue: Issue, path: KeyPath): string => {
  const key = String(path.at(-1) ?? 'the file');
  if (issue.code === 'invalid_type' && /received undefined/u.test(issue.message)) return `add '${key}'`;
  return `correct '${key}'`;
};

/** The keys that the published schema allows in the object at `path`. */
const keysAt = (schema: SchemaNode, path: KeyPath): readonly string[] => {
  let nodes: readonly SchemaNode[] = alternatives(schema);
  for (const step of path) nodes = nodes.flatMap((node) => alternatives(childOf(node, step)));
  return [...new Set(nodes.flatMap((node) => Object.keys(node.properties ?? {})))];
};

const alternatives = (node: SchemaNode | undefined): readonly SchemaNode[] =>
  node === undefined ? [] : [node, ...(node.anyOf ?? []).flatMap(alternatives)];

const childOf = (node: SchemaNode, step: string | number): SchemaNode | undefined => {
  if (typeof step === 'number') return node.items;
  const other = node.additionalProperties;
  return node.properties?.[step] ?? (typeof other === 'object' ? other : undefined);
};
