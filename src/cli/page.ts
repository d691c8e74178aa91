import { widthOf, painter, type CliIo, type Paint } from './cli-io.ts';
import { cellsOf, chunks, fit, padTo } from './cells.ts';
import { wrap } from './plain-text.ts';

const LABEL = 12;

/** Builds a screen of titled sections, each line fitting the terminal; a string in the end. */
export class Page {
  /** Of sentences, in columns. */
  readonly width: number;
  /** Of tables: they are read across, so that they may fill a wider terminal. */
  readonly tableWidth: number;
  readonly paint: Paint;
  readonly #lines: string[] = [];

  constructor(width: number, paint: Paint, tableWidth = width) {
    this.width = width;
    this.paint = paint;
    this.tableWidth = tableWidth;
  }

  /** For one of the two output streams. */
  static for(io: CliIo, stream: 'stdout' | 'stderr' = 'stdout'): Page {
    const { columns } = io[stream];
    const width = widthOf(io[stream]);
    return new Page(width, painter(io[stream], io.env), Math.max(width, columns ?? 0));
  }

  /** One line as it is. */
  line(text = ''): this {
    this.#lines.push(text);
    return this;
  }

  /** A sentence of ours, wrapped. */
  text(text: string): this {
    for (const part of wrap(text, this.width)) this.line(part);
    return this;
  }

  /** The head of a section, after an empty line. */
  title(text: string): this {
    if (this.#lines.length > 0) this.line();
    for (const part of wrap(text, this.width)) this.line(this.paint('bold', part));
    return this;
  }

  /**
   * `label   value`, the value wrapped under itself, below a label that is too long for `columns`. An empty label continues the one
   * before.
   */
  field(label: string, value: string, columns = LABEL): this {
    if (label.length >= columns) {
      this.line(`  ${this.paint('dim', label)}`);
      return value === '' ? this : this.field('', value, columns);
    }
    const lines = wrap(value, this.width - columns - 2);
    for (const [index, text] of lines.entries()) {
      const name = (index === 0 ? label : '').padEnd(columns);
      this.line(`  ${label === '' ? name : this.paint('dim', name)}${text}`.trimEnd());
    }
    return this;
  }

  /** Words of somebody else behind a bar, so that they cannot pose as a part of the screen. */
  words(text: string): this {
    for (const part of wrap(text, this.width - 4)) this.#behindBar('│', part);
    return this;
  }

  /** The same for text whose spaces count: broken at the width only, a broken-off rest behind another bar. */
  verbatim(text: string): this {
    for (const line of text.split('\n')) {
      for (const [index, part] of chunks(line, this.width - 4).entries())
        this.#behindBar(index === 0 ? '│' : '┆', part);
    }
    return this;
  }

  #behindBar(bar: string, text: string): void {
    this.line(`  ${this.paint('dim', bar)} ${text}`.trimEnd());
  }

  /** A numbered list to choose from: number, name, and what it is as far as it fits. */
  choices(lines: readonly { readonly name: string; readonly about: string }[]): this {
    const width = Math.max(0, ...lines.map(({ name }) => cellsOf(name)));
    for (const [index, { name, about }] of lines.entries()) {
      const text = `${String(index + 1).padStart(4)}  ${padTo(name, width)}  ${about}`.trimEnd();
      this.line(cellsOf(text) > this.width ? fit(text, this.width) : text);
    }
    return this;
  }

  /** Columns as wide as their widest cell; the last may be cut. */
  table(rows: readonly (readonly string[])[]): this {
    const widths = (rows[0] ?? []).map((_, column) =>
      Math.max(...rows.map((row) => cellsOf(row[column] ?? ''))),
    );
    for (const [index, row] of rows.entries()) {
      const text = row
        .map((cell, column) => padTo(cell, widths[column] ?? 0))
        .join('  ')
        .trimEnd();
      const fitted = cellsOf(text) > this.width ? fit(text, this.width) : text;
      this.line(index === 0 ? this.paint('dim', fitted) : fitted);
    }
    return this;
  }

  toString(): string {
    return `${this.#lines.join('\n')}\n`;
  }
}
