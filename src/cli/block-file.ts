import { closeSync, lstatSync, openSync, readSync, writeFileSync } from 'node:fs';
import { ReadStream } from 'node:tty';
import { PraError } from '../errors.ts';
import type { CliContext } from './cli-context.ts';
import type { CliIo } from './cli-io.ts';
import { say } from './say.ts';

/** More than any block with a mail around it. */
const MAX_BYTES = 262_144;

/** The text of FILE, or of standard input for `-`: at most 256 KiB. Throws USAGE. */
export const readBlockFile = async (context: CliContext, path: string): Promise<string> => {
  if (path === '-') return readStandardInput(context.io.stdin);
  let file: number | undefined;
  try {
    file = openSync(path, 'r');
    const bytes = Buffer.alloc(MAX_BYTES + 1);
    const length = readSync(file, bytes, 0, bytes.length, 0);
    if (length > MAX_BYTES) throw new Error('size');
    return bytes.toString('latin1', 0, length);
  } catch (error) {
    throw new PraError('USAGE', { what: say('ticket.file_bad', { path }) }, error);
  } finally {
    if (file !== undefined) closeSync(file);
  }
};

const readStandardInput = async (stdin: CliIo['stdin']): Promise<string> => {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of stdin) {
    const bytes = Buffer.from(chunk);
    size += bytes.length;
    if (size > MAX_BYTES) throw new PraError('USAGE', { what: say('ticket.file_bad', { path: '-' }) });
    chunks.push(bytes);
  }
  return Buffer.concat(chunks).toString('latin1');
};

/** Before anybody types for a file that would not be written. Throws USAGE when it is there. */
export const requireNewFile = (path: string): void => {
  if (lstatSync(path, { throwIfNoEntry: false }) !== undefined) throw fileThere(path);
};

const fileThere = (path: string, cause?: unknown): PraError =>
  new PraError('USAGE', { what: say('ticket.file_there', { path }) }, cause);

/** Writes a new file; one that is there stays as it is. Throws USAGE. */
export const writeBlockFile = (path: string, block: string): void => {
  try {
    writeFileSync(path, block, { mode: 0o644, flag: 'wx' });
  } catch (error) {
    const isThere = error instanceof Error && 'code' in error && error.code === 'EEXIST';
    if (isThere) throw fileThere(path, error);
    throw new PraError('USAGE', { what: say('ticket.file_unwritable', { path }) }, error);
  }
};

/**
 * The streams of a person whose standard input is the block: they type at the controlling terminal. Throws TERMINAL_REQUIRED where there is
 * none. Close it.
 */
export const openTty = (io: CliIo): { readonly io: CliIo; close(): void } => {
  try {
    const stdin = new ReadStream(openSync('/dev/tty', 'r'));
    return { io: { ...io, stdin }, close: () => void stdin.destroy() };
  } catch (error) {
    throw new PraError('TERMINAL_REQUIRED', {}, error);
  }
};
