import {
  isAlias,
  isMap,
  isNode,
  isScalar,
  isSeq,
  LineCounter,
  parseDocument,
  visit,
  type Document,
} from 'yaml';
import type { ConfigProblem } from './problem.ts';

/** Steps from the root of the file to a value. */
export type KeyPath = readonly (string | number)[];

/** A YAML text together with the places its values have. */
export class ConfigSource {
  readonly file: string;
  readonly #lines = new LineCounter();
  readonly #document: Document;

  constructor(file: string, text: string) {
    this.file = file;
    this.#document = parseDocument(text, {
      lineCounter: this.#lines,
      prettyErrors: false,
      uniqueKeys: true,
      stringKeys: true,
    });
  }

  /** The plain value; only meaningful when `syntaxProblems` is empty. */
  value(): unknown {
    return this.#document.toJS({ maxAliasCount: 0 }) as unknown;
  }

  /** What is wrong with the YAML itself. Aliases are refused: a short file that means a long one is nobody's intention. */
  syntaxProblems(): ConfigProblem[] {
    const found = [...this.#document.errors, ...this.#document.warnings].map((error) =>
      this.#at(error.pos[0], '', sentenceOf(error.code), 'correct the YAML at this place'),
    );
    visit(this.#document, {
      Alias: (_, node) => {
        found.push(
          this.#at(node.range?.[0] ?? 0, '', 'YAML aliases are not used here', 'write the value out'),
        );
      },
    });
    return found;
  }

  /** A problem with the value at `path`, or with its nearest parent when it is missing. */
  problem(path: KeyPath, message: string, fix: string): ConfigProblem {
    return this.#at(this.#offset(path, 'value'), path.join('.'), message, fix);
  }

  /** A problem with the key that ends `path`. */
  keyProblem(path: KeyPath, message: string, fix: string): ConfigProblem {
    return this.#at(this.#offset(path, 'key'), path.slice(0, -1).join('.'), message, fix);
  }

  #at(offset: number, path: string, message: string, fix: string): ConfigProblem {
    const { line, col } = this.#lines.linePos(offset);
    return { file: this.file, line: Math.max(1, line), column: Math.max(1, col), path, message, fix };
  }

  #offset(path: KeyPath, end: 'key' | 'value'): number {
    let node: unknown = this.#document.contents;
    let offset = isNode(node) ? (node.range?.[0] ?? 0) : 0;
    for (const [depth, step] of path.entries()) {
      let key: unknown;
      if (isMap(node)) {
        const pair = node.items.find((item) => isScalar(item.key) && String(item.key.value) === String(step));
        if (pair === undefined) return offset;
        key = pair.key;
        node = pair.value;
      } else if (isSeq(node)) {
        node = node.items[Number(step)];
        key = node;
      } else return offset;
      const wanted =
        depth === path.length - 1 && end === 'value' && isNode(node) && !isAlias(node) ? node : key;
      offset = isNode(wanted) ? (wanted.range?.[0] ?? offset) : offset;
    }
    return offset;
  }
}

/** The parser's own words may quote the file; these do not. */
const sentenceOf = (code: string): string =>
  ({
    DUPLICATE_KEY: 'this key is there twice',
    TAG_RESOLVE_FAILED: 'YAML tags are not used here',
    MULTIPLE_DOCS: 'there is more than one YAML document',
    TAB_AS_INDENT: 'tabs cannot indent YAML',
    BAD_INDENT: 'the indentation is not right',
    MISSING_CHAR: 'a character such as : or a closing bracket is missing',
    NON_STRING_KEY: 'a key must be a plain word',
  })[code] ?? `this is not valid YAML (${code.toLowerCase()})`;
