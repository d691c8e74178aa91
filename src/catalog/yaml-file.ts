import { isMap, isNode, isScalar, LineCounter, parseDocument, visit, type Document } from 'yaml';
import type { z } from 'zod';
import type { Fault, Problem } from './problem.ts';

/** Bytes of one definition. */
const MOST_BYTES = 65_536;

/** A parsed file: its value by the schema, or its problems; `place` turns later faults into problems. */
export interface YamlFile<T> {
  readonly value: T | undefined;
  readonly problems: readonly Problem[];
  place(fault: Fault): Problem;
}

/**
 * Reads YAML 1.2 into a schema, strictly: one document, no aliases, no tags, no key twice, no unknown key. Reports all
 * problems at once with line and column.
 */
export const readYaml = <T>(file: string, text: string, schema: z.ZodType<T>): YamlFile<T> => {
  const lines = new LineCounter();
  if (Buffer.byteLength(text) > MOST_BYTES) {
    const tooLong = { file, line: 1, column: 1, message: `is longer than ${String(MOST_BYTES)} bytes` };
    return {
      value: undefined,
      problems: [tooLong],
      place: (fault) => ({ ...tooLong, message: fault.message }),
    };
  }
  const document = parseDocument(text, { lineCounter: lines, version: '1.2', prettyErrors: false });
  const at = (offset: number, message: string): Problem => {
    const { line, col } = lines.linePos(offset);
    return { file, line: Math.max(1, line), column: Math.max(1, col), message };
  };
  const place = ({ path, message }: Fault): Problem => {
    const where = path.length === 0 ? '' : `${path.join('.')}: `;
    return at(offsetOf(document, path), where + message);
  };
  const broken = [...document.errors, ...document.warnings].map((error) => at(error.pos[0], error.message));
  visit(document, {
    Alias: (_key, node) => {
      broken.push(at(node.range?.[0] ?? 0, 'aliases are not allowed: write it out'));
    },
  });
  if (broken.length > 0) return { value: undefined, problems: broken, place };
  const parsed = schema.safeParse(document.toJS());
  if (parsed.success) return { value: parsed.data, problems: [], place };
  return { value: undefined, problems: parsed.error.issues.flatMap(faultsOf).map(place), place };
};

const faultsOf = (issue: z.core.$ZodIssue): readonly Fault[] => {
  const path = issue.path.filter((part) => typeof part !== 'symbol');
  if (issue.code === 'unrecognized_keys') {
    return issue.keys.map((key) => ({ path: [...path, key], message: 'there is no such key' }));
  }
  if (issue.code === 'invalid_key') {
    return [{ path, message: issue.issues[0]?.message ?? issue.message }];
  }
  return [{ path, message: issue.message }];
};

/** Where the deepest part of the path that exists is written: the key of a pair, the node of an item. */
const offsetOf = (document: Document, path: Fault['path']): number => {
  for (let length = path.length; length > 0; length -= 1) {
    const parent = document.getIn(path.slice(0, length - 1), true);
    const last = path[length - 1];
    const pair = isMap(parent)
      ? parent.items.find(({ key }) => isScalar(key) && String(key.value) === String(last))
      : undefined;
    const node = pair?.key ?? document.getIn(path.slice(0, length), true);
    const start = isNode(node) ? node.range?.[0] : undefined;
    if (start !== undefined) return start;
  }
  return document.contents?.range?.[0] ?? 0;
};
