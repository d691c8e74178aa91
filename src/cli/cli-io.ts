import { styleText } from 'node:util';

/** Where a command reads and writes. `main.ts` gives the process's own streams; tests give theirs. */
export interface CliIo {
  readonly stdin: NodeJS.ReadableStream & { readonly isTTY?: boolean; setRawMode?(raw: boolean): unknown };
  readonly stdout: NodeJS.WritableStream & {
    readonly isTTY?: boolean;
    readonly columns?: number;
    readonly rows?: number;
  };
  readonly stderr: NodeJS.WritableStream & { readonly isTTY?: boolean; readonly columns?: number };
  readonly env: Readonly<Record<string, string | undefined>>;
}

type Stream = CliIo['stdout'];
export type Style = 'bold' | 'dim' | 'red' | 'green' | 'yellow' | 'cyan';
export type Paint = (style: Style, text: string) => string;

/** Colours only on a terminal, and never when NO_COLOR is set (no-color.org) or the terminal is dumb. */
export const painter = (stream: Stream, env: CliIo['env']): Paint => {
  const coloured = stream.isTTY === true && (env['NO_COLOR'] ?? '') === '' && env['TERM'] !== 'dumb';
  return coloured ? (style, text) => styleText(style, text, { validateStream: false }) : (_, text) => text;
};

/** Columns to fill: the terminal's, at most 100, so that lines stay readable. */
export const widthOf = (stream: Stream): number => Math.max(40, Math.min(stream.columns ?? 80, 100));
