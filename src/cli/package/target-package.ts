import { createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import { deb } from './deb.ts';
import { gzip } from './gzip.ts';
import { tar, type ArchiveEntry } from './tar.ts';

export interface PackageInput {
  /** The folder with package.json and target-scripts/. */
  readonly packageRoot: string;
  readonly version: string;
  /** The site file, already judged. */
  readonly site: string;
  /** Time of every file, in seconds since the epoch: SOURCE_DATE_EPOCH, or always the same. */
  readonly seconds: number;
}

export interface TargetPackage {
  readonly deb: Buffer;
  readonly tarGz: Buffer;
}

/** Where dpkg puts it. */
export const SHARE = 'usr/share/mcp-pra-target';
/** 2026-01-01T00:00:00Z: tar warns of files from 1970. */
export const DEFAULT_SECONDS = 1_767_225_600;

const RUN = ['install', 'verify', 'uninstall'];
/** Of the folder target-scripts/package: for dpkg only. */
const MAINTAINER = ['postinst', 'prerm'];

/**
 * The package of one host, as .deb and as .tar.gz: what is installed with this program (package.json, target-scripts), its site
 * file, install, verify, uninstall and SHA256SUMS. The same input gives the same bytes.
 */
export const targetPackage = (input: PackageInput): TargetPackage => {
  const { version, seconds } = input;
  const files = withFolders(packFiles(input));
  const below = (prefix: string): readonly ArchiveEntry[] => [
    ...parentsOf(prefix).map(folder),
    ...files.map((file) => ({ ...file, path: `${prefix}/${file.path}` })),
  ];
  const scripts = join(input.packageRoot, 'target-scripts/package');
  const control = {
    fields: controlFields(version, files),
    scripts: Object.fromEntries(MAINTAINER.map((name) => [name, readFileSync(join(scripts, name))])),
  };
  return {
    deb: deb(control, below(SHARE), seconds),
    tarGz: gzip(tar(below(`mcp-pra-target-${version}`), seconds)),
  };
};

const controlFields = (
  version: string,
  files: readonly ArchiveEntry[],
): readonly (readonly [string, string])[] => [
  ['Package', 'mcp-pra-target'],
  ['Version', version],
  ['Architecture', 'all'],
  ['Maintainer', 'mcp-pra maintainers <noreply@mcp-pra.invalid>'],
  ['Installed-Size', String(Math.ceil(files.reduce((sum, { content }) => sum + content.length, 0) / 1_024))],
  [
    'Depends',
    'python3 (>= 3.9), openssh-server (>= 1:8.4), openssh-client, sudo, systemd, util-linux, coreutils, passwd',
  ],
  ['Recommends', 'rsyslog, logrotate, fail2ban'],
  ['Section', 'admin'],
  ['Priority', 'optional'],
  [
    'Description',
    [
      'makes this host a target of mcp-pra',
      'Diagnostics and approved recovery actions over SSH. No daemon, no agent and no outbound',
      'connection. Installing the package changes nothing on the host: run',
      '/usr/share/mcp-pra-target/install, verify and uninstall.',
    ].join('\n '),
  ],
];

/** Sorted, without folders. Modes come from what a file is, not from how it was unpacked. */
const packFiles = ({ packageRoot, version, site }: PackageInput): readonly ArchiveEntry[] => {
  const scripts = join(packageRoot, 'target-scripts');
  const files = [
    file('package.json', Buffer.from(`${JSON.stringify({ name: 'mcp-pra', version })}\n`)),
    file('site.json', Buffer.from(site)),
    ...RUN.map((name) => file(name, readFileSync(join(scripts, 'package', name)))),
    ...readdirSync(scripts, { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map((entry) => relative(scripts, join(entry.parentPath, entry.name)).replaceAll('\\', '/'))
      .filter((path) => !path.startsWith('package/') && !/(?:^|\/)(?:\.|__pycache__)|\.pyc$/u.test(path))
      .map((path) => file(`target-scripts/${path}`, readFileSync(join(scripts, path)))),
  ].sort(byPath);
  const sums = files
    .map(({ path, content }) => `${createHash('sha256').update(content).digest('hex')}  ${path}\n`)
    .join('');
  return [...files, file('SHA256SUMS', Buffer.from(sums))].sort(byPath);
};

const file = (path: string, content: Buffer): ArchiveEntry => ({
  path,
  mode: content.toString('latin1', 0, 2) === '#!' ? 0o755 : 0o644,
  content,
});

const folder = (path: string): ArchiveEntry => ({
  path: `${path}/`,
  mode: 0o755,
  content: Buffer.alloc(0),
});

/** By code units: the same order everywhere. */
const byPath = (a: ArchiveEntry, b: ArchiveEntry): number => (a.path < b.path ? -1 : 1);

const withFolders = (files: readonly ArchiveEntry[]): readonly ArchiveEntry[] => {
  const folders = new Set(files.flatMap(({ path }) => parentsOf(path).slice(0, -1)));
  return [...[...folders].map(folder), ...files].sort(byPath);
};

/** `a/b/c` → `a`, `a/b`, `a/b/c`. */
const parentsOf = (path: string): readonly string[] =>
  path.split('/').map((_, index, parts) => parts.slice(0, index + 1).join('/'));
