import { closeSync, constants, fdatasyncSync, fstatSync, openSync, readSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { checkPrivateDescriptor } from './private-files.ts';

const NAME = /^mcp-audit-(\d{4}-\d\d-\d\d)\.jsonl$/u;

/** The file of a UTC day. */
export const mirrorPath = (dir: string, day: string): string => join(dir, `mcp-audit-${day}.jsonl`);

/** The day of a file name; undefined for any other file. */
export const mirrorDay = (name: string): string | undefined => NAME.exec(name)?.[1];

/** What of a line is in the file at a position. */
export type Presence = 'absent' | 'part' | 'whole' | 'different';

/** One day's file of the mirror, opened for appending (made when missing, 0600) or for reading. */
export class MirrorFile {
  readonly #descriptor: number;

  private constructor(descriptor: number) {
    this.#descriptor = descriptor;
  }

  /** Throws file system errors, FILE_MODE, STORE_BROKEN: it must be a plain file of ours, and no link. */
  static append(path: string): MirrorFile {
    const { O_RDWR, O_APPEND, O_CREAT } = constants;
    return MirrorFile.#open(path, O_RDWR | O_APPEND | O_CREAT);
  }

  static read(path: string): MirrorFile {
    return MirrorFile.#open(path, constants.O_RDONLY);
  }

  static #open(path: string, flags: number): MirrorFile {
    // Not on Windows: the first two have no meaning there.
    const careful = process.platform === 'win32' ? 0 : constants.O_NOFOLLOW | constants.O_NONBLOCK;
    const descriptor = openSync(path, flags | careful, 0o600);
    try {
      checkPrivateDescriptor(path, descriptor);
    } catch (error) {
      closeSync(descriptor);
      throw error;
    }
    return new MirrorFile(descriptor);
  }

  size(): number {
    return fstatSync(this.#descriptor).size;
  }

  /** Compares a line with the bytes at a position; a file may end within it. */
  holds(line: Buffer, at: number): { readonly presence: Presence; readonly bytes: number } {
    const found = Buffer.alloc(line.length);
    let bytes = 0;
    while (bytes < line.length) {
      const count = readSync(this.#descriptor, found, bytes, line.length - bytes, at + bytes);
      if (count === 0) break;
      bytes += count;
    }
    if (!found.subarray(0, bytes).equals(line.subarray(0, bytes))) return { presence: 'different', bytes };
    if (bytes === 0) return { presence: 'absent', bytes };
    return { presence: bytes === line.length ? 'whole' : 'part', bytes };
  }

  /** Appends in one write; throws when the file system took only a part, which the next attempt then finds. */
  write(bytes: Buffer): void {
    if (writeSync(this.#descriptor, bytes) !== bytes.length) throw new Error('short write');
  }

  sync(): void {
    fdatasyncSync(this.#descriptor);
  }

  close(): void {
    closeSync(this.#descriptor);
  }
}
