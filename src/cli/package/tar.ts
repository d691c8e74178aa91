/** A file or folder (path ends with `/`) of an archive; all belong to root. */
export interface ArchiveEntry {
  /** Relative, with `/`. */
  readonly path: string;
  readonly mode: number;
  readonly content: Buffer;
}

const BLOCK = 512;

/** A ustar archive (POSIX.1-1988) of the entries in the order given: owner root, one time for all, so that the same entries are the same bytes. */
export const tar = (entries: readonly ArchiveEntry[], seconds: number): Buffer =>
  Buffer.concat([
    ...entries.flatMap((entry) => [
      header(entry, seconds),
      entry.content,
      Buffer.alloc((BLOCK - (entry.content.length % BLOCK)) % BLOCK),
    ]),
    Buffer.alloc(2 * BLOCK),
  ]);

const header = ({ path, mode, content }: ArchiveEntry, seconds: number): Buffer => {
  const block = Buffer.alloc(BLOCK);
  // A long name would go into the prefix field; ours never are.
  if (Buffer.byteLength(path) > 100) throw new TypeError(`too long for an archive: ${path}`);
  block.write(path, 0);
  const octal = (value: number, offset: number, digits: number): void =>
    void block.write(`${value.toString(8).padStart(digits, '0')}\0`, offset);
  octal(mode, 100, 7);
  octal(0, 108, 7);
  octal(0, 116, 7);
  octal(content.length, 124, 11);
  octal(seconds, 136, 11);
  block.fill(' ', 148, 156);
  block.write(path.endsWith('/') ? '5' : '0', 156);
  block.write('ustar\x0000', 257);
  block.write('root', 265);
  block.write('root', 297);
  const sum = block.reduce((total, byte) => total + byte, 0);
  block.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148);
  return block;
};
