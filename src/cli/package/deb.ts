import { createHash } from 'node:crypto';
import { gzip } from './gzip.ts';
import { tar, type ArchiveEntry } from './tar.ts';

/** What dpkg is told besides the files (deb-control(5)). */
export interface DebControl {
  /** `Package`, `Version`, …: name and value, in this order. */
  readonly fields: readonly (readonly [string, string])[];
  /** Maintainer scripts by name. */
  readonly scripts: Readonly<Record<string, Buffer>>;
}

/** A Debian binary package (deb(5)): the members of an ar archive, the same bytes for the same input. Paths of `files` are without the `/`. */
export const deb = (control: DebControl, files: readonly ArchiveEntry[], seconds: number): Buffer => {
  const sums = files
    .filter(({ path }) => !path.endsWith('/'))
    .map(({ path, content }) => `${createHash('md5').update(content).digest('hex')}  ${path}\n`)
    .join('');
  const scripts = Object.entries(control.scripts).map(([name, content]) =>
    entry(`./${name}`, content, 0o755),
  );
  const about = [
    { path: './', mode: 0o755, content: Buffer.alloc(0) },
    entry('./control', Buffer.from(control.fields.map(([name, value]) => `${name}: ${value}\n`).join(''))),
    entry('./md5sums', Buffer.from(sums)),
    ...scripts,
  ];
  const data = [
    { path: './', mode: 0o755, content: Buffer.alloc(0) },
    ...files.map((file) => ({ ...file, path: `./${file.path}` })),
  ];
  return ar(
    [
      ['debian-binary', Buffer.from('2.0\n')],
      ['control.tar.gz', gzip(tar(about, seconds))],
      ['data.tar.gz', gzip(tar(data, seconds))],
    ],
    seconds,
  );
};

const entry = (path: string, content: Buffer, mode = 0o644): ArchiveEntry => ({ path, mode, content });

/** ar(5), the common form. */
const ar = (members: readonly (readonly [string, Buffer])[], seconds: number): Buffer =>
  Buffer.concat([
    Buffer.from('!<arch>\n'),
    ...members.flatMap(([name, content]) => [
      Buffer.from(
        `${name.padEnd(16)}${String(seconds).padEnd(12)}${'0'.padEnd(6)}${'0'.padEnd(6)}${'100644'.padEnd(8)}${String(content.length).padEnd(10)}\`\n`,
      ),
      content,
      Buffer.from(content.length % 2 === 0 ? '' : '\n'),
    ]),
  ]);
