import { globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';

const root = join(import.meta.dirname, '../../..');
const sources = globSync('src/**/*.ts', { cwd: root }).map((file) => ({
  file,
  text: readFileSync(join(root, file), 'utf8'),
}));
const naming = (pattern: RegExp): string[] =>
  sources.filter(({ text }) => pattern.test(text)).map(({ file }) => file);

describe('host key checking', () => {
  it('cannot be switched off: no option, variable or ssh setting does', () => {
    expect(sources.length).toBeGreaterThan(20);
    const ways =
      /StrictHostKeyChecking|\b(?:skip|ignore|disable|accept)[_-]?host[_-]?key|accept-?new|insecure|UserKnownHostsFile|hostHash/iu;
    // Two files write settings for the system's ssh; both only ever say that it is on.
    const [inventory, transport] = ['src/cli/inventory/ssh-options.ts', 'src/ssh/openssh-config.ts'];
    expect(naming(ways).toSorted()).toEqual([inventory, transport]);
    const [said, config] = [inventory, transport].map(
      (name) => sources.find(({ file }) => file === name)?.text ?? '',
    );
    const found = (text = ''): string[] => text.match(new RegExp(ways, 'giu')) ?? [];
    expect(found(said)).toEqual(['UserKnownHostsFile', 'StrictHostKeyChecking']);
    expect(said).toContain("'StrictHostKeyChecking=yes',");
    expect(found(config)).toEqual(['StrictHostKeyChecking', 'UserKnownHostsFile', 'UserKnownHostsFile']);
    expect(config).toContain("StrictHostKeyChecking: 'yes',");
    // The keys that our own reading of known_hosts trusts; and nothing, for a client that must not connect by itself.
    expect(config).toContain('UserKnownHostsFile: files.knownHosts,');
    expect(config).toContain('UserKnownHostsFile: files.empty,');
  });

  it('holds for the system ssh: wherever it is started, its configuration is ours', () => {
    expect(naming(/spawn\(\s*'ssh'/u).toSorted()).toEqual([
      'src/ssh/openssh-carrier.ts',
      'src/ssh/openssh-connect.ts',
      'src/ssh/openssh-exec.ts',
      'src/ssh/openssh-program.ts',
    ]);
    const starts = sources.flatMap(({ text }) => [...text.matchAll(/spawn\(\s*'ssh',\s*(\['-F'|\w+)/gu)]);
    // `args` are the questions for version and algorithms, which name no host.
    expect(starts).toHaveLength(4);
    expect(new Set(starts.map(([, first]) => first))).toEqual(new Set(["['-F'", 'args']));
  });

  it('has one place where a connection is made, and that place always asks', () => {
    expect(naming(/\bnew (?:ssh2\.)?Client\b/u)).toEqual(['src/ssh/connect.ts']);
    const connect = sources.find(({ file }) => file === 'src/ssh/connect.ts')?.text ?? '';
    expect(connect.match(/hostVerifier/gu)).toHaveLength(1);
    expect(connect).toMatch(
      /hostVerifier: \(key: Buffer\): boolean => \{\s+verdict = wish\.judge\(key\);\s+return verdict === undefined;/u,
    );
  });

  it('asks known_hosts: the only judges are judgeHostKey and the one for a fingerprint that a person compared', () => {
    expect(naming(/\bjudge:|\bjudge = /u)).toEqual(
      ['src/ssh/connect.ts', 'src/ssh/key-proof.ts', 'src/ssh/lines.ts', 'src/ssh/trust-host-key.ts'].sort(),
    );
  });

  it('keeps ssh2 in src/ssh, behind lazy imports', () => {
    const doors = naming(/from 'ssh2'/u);
    expect(doors.every((file) => file.startsWith('src/ssh/'))).toBe(true);
    const open = sources.find(({ file }) => file === 'src/ssh/open-channel.ts')?.text ?? '';
    const eager = [...open.matchAll(/^import (?!type)[^;]*from '\.\/([\w-]+)\.ts'/gmu)].map((match) =>
      String(match[1]),
    );
    expect(eager.sort()).toEqual(['host-key', 'known-hosts', 'limits']);
  });
});
