import { execFileSync, spawnSync } from 'node:child_process';
import { chmodSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import * as fc from 'fast-check';
import { afterAll, describe, expect, it } from 'vitest';
import { matchesHost, parseKnownHosts, readKnownHosts } from '../../../src/ssh/known-hosts.ts';
import { makeKey, temporaryDirectory } from '../../support/ssh-keys.ts';

const room = temporaryDirectory('known-hosts');
afterAll(() => room[Symbol.dispose]());
const key = makeKey(room.path, 'a');
const other = makeKey(room.path, 'b', { sort: 'ecdsa' });

const parse = (text: string) => parseKnownHosts(Buffer.from(text), 'known_hosts');

/** The line numbers that the real ssh-keygen finds for a name. */
const foundBySshKeygen = (text: string, name: string): number[] => {
  const path = join(room.path, 'compared');
  writeFileSync(path, text);
  const { stdout } = spawnSync('ssh-keygen', ['-F', name, '-f', path], { encoding: 'utf8' });
  return [...stdout.matchAll(/^# Host .* found: line (\d+)/gmu)].map((match) => Number(match[1]));
};

const foundHere = (text: string, name: string): number[] =>
  parse(text)
    .filter((line) => matchesHost(line.hosts, name))
    .map((line) => line.number);

describe('known_hosts, compared with ssh-keygen -F', () => {
  const plain = [
    '# a comment',
    `web1 ${key.line}`,
    `web1,10.0.0.5 ${other.line} with a comment`,
    `[web1]:2222 ${key.line}`,
    `*.example.org,!bad.example.org ${key.line}`,
    `!all.example.net,*.example.net,all.example.net ${key.line}`,
    `w?b2\t${key.line}`,
    `  UPPER.example.com ${key.line}`,
    `[2001:db8::1]:2200,2001:db8::1 ${key.line}`,
    `@revoked web3 ${key.line}`,
    `@cert-authority *.ca.example ${key.line}`,
    `[*.ports.example]:22?? ${key.line}`,
    `web4 ssh-ed25519`,
    `crlf ${key.line}\r`,
    '',
  ].join('\n');
  const names = [
    'web1',
    'WEB1',
    '10.0.0.5',
    '[web1]:2222',
    '[web1]:2223',
    'a.example.org',
    'bad.example.org',
  ];
  names.push('x.example.net', 'all.example.net', 'web2', 'wb2', 'weeb2', 'upper.example.com', '2001:db8::1');
  names.push('[2001:db8::1]:2200', 'web3', 'h.ca.example', '[a.ports.example]:2201', '[a.ports.example]:222');
  names.push('web4', 'crlf', 'absent', 'example.org', '*', 'web', 'web1.', '!web1');

  it.each(names)('finds the same lines for %s', (name) => {
    expect(foundHere(plain, name)).toEqual(foundBySshKeygen(plain, name));
  });

  it('finds something at all, so that the comparison means something', () => {
    expect(foundHere(plain, 'web1')).toEqual([2, 3]);
    expect(foundHere(plain, 'bad.example.org')).toEqual([]);
    expect(foundHere(plain, 'crlf')).toEqual([14]);
  });

  it('finds the same lines once ssh-keygen -H has hashed them', () => {
    const path = join(room.path, 'hashed');
    writeFileSync(
      path,
      [`web1,10.0.0.5 ${key.line}`, `[web1]:2222 ${other.line}`, `*.wild.example ${key.line}`, ''].join('\n'),
    );
    execFileSync('ssh-keygen', ['-H', '-f', path], { stdio: 'ignore' });
    const text = readFileSync(path, 'utf8');
    expect(text).toContain('|1|');
    expect(text).not.toContain('web1');
    for (const name of ['web1', '10.0.0.5', '[web1]:2222', 'web2', 'x.wild.example']) {
      expect([name, foundHere(text, name)]).toEqual([name, foundBySshKeygen(text, name)]);
    }
    expect(foundHere(text, 'web1')).toHaveLength(1);
  });

  it('agrees with ssh-keygen on random patterns', () => {
    const label = fc.stringMatching(/^[ab.*?]{1,6}$/u);
    const list = fc.array(fc.tuple(fc.boolean(), label), { minLength: 1, maxLength: 4 });
    fc.assert(
      fc.property(list, fc.stringMatching(/^[ab.]{1,6}$/u), (patterns, name) => {
        const hosts = patterns.map(([negated, pattern]) => (negated ? `!${pattern}` : pattern)).join(',');
        const text = `${hosts} ${key.line}\n`;
        expect([text, foundHere(text, name)]).toEqual([text, foundBySshKeygen(text, name)]);
      }),
      { numRuns: 60 },
    );
  });
});

describe('known_hosts, where it is stricter', () => {
  it.each([
    ['an unknown marker', `@revokd web1 ${key.line}\n`],
    ['a revoked line without a key', '@revoked web1 ssh-ed25519\n'],
    ['a revoked line with a damaged key', `@revoked web1 ssh-ed25519 AAAA*\n`],
    ['a marker alone', '@revoked\n'],
    ['a line of more than 32 KiB', `web1 ${key.line} ${'x'.repeat(33 * 1024)}\n`],
  ])('refuses the whole file for %s: it could be a revocation', (_, text) => {
    expect(() => parse(`web2 ${key.line}\n${text}`)).toThrow(
      expect.objectContaining({ code: 'KNOWN_HOSTS_BAD' }),
    );
  });

  it('takes no key from a line whose key is damaged or of another type than it says', () => {
    const [, base64 = ''] = key.line.split(' ');
    const text = [
      'ssh-ed25519 not*base64',
      `ssh-rsa ${base64}`,
      `ssh-ed25519 ${base64.slice(0, 20)}`,
      'ssh-ed25519',
    ];
    expect(parse(text.map((rest) => `web1 ${rest}\n`).join(''))).toEqual([]);
  });

  it('takes a line of just under the limit', () => {
    const line = `web1 ${key.line} `;
    expect(parse(line.padEnd(32 * 1024, 'x'))).toHaveLength(1);
    expect(() => parse(line.padEnd(32 * 1024 + 1, 'x'))).toThrow(
      expect.objectContaining({ code: 'KNOWN_HOSTS_BAD' }),
    );
  });

  it('matches a pattern of many stars without taking for ever', () => {
    const pattern = '*a'.repeat(2_000);
    expect(matchesHost(pattern, 'a'.repeat(1_999))).toBe(false);
    expect(matchesHost(pattern, 'a'.repeat(2_000))).toBe(true);
  });

  it('takes no hashed name of another form', () => {
    const [salt, hash] = ['c2FsdHNhbHRzYWx0c2FsdHNhbHQ=', 'aGFzaA=='];
    for (const hosts of [`|1|${salt}`, `|2|${salt}|${hash}`, `|1|${salt}|${hash}|x`, '|', '|1||']) {
      expect([hosts, matchesHost(hosts, 'web1')]).toEqual([hosts, false]);
    }
  });
});

describe('known_hosts files', () => {
  it('reads several, and takes a missing one for empty', async () => {
    const [first, second] = [join(room.path, 'first'), join(room.path, 'second')];
    writeFileSync(first, `web1 ${key.line}\n`);
    writeFileSync(second, `web2 ${other.line}\n`);
    const lines = await readKnownHosts([first, join(room.path, 'missing'), second]);
    expect(lines.map((line) => [line.file, line.hosts])).toEqual([
      [first, 'web1'],
      [second, 'web2'],
    ]);
  });

  it('refuses a directory, and a file that others can write', async () => {
    const directory = join(room.path, 'directory');
    mkdirSync(directory);
    await expect(readKnownHosts([directory])).rejects.toMatchObject({ code: 'KNOWN_HOSTS_BAD' });
    const open = join(room.path, 'open');
    writeFileSync(open, `web1 ${key.line}\n`);
    chmodSync(open, 0o664);
    await expect(readKnownHosts([open])).rejects.toMatchObject({ code: 'KNOWN_HOSTS_BAD' });
    chmodSync(open, 0o644);
    await expect(readKnownHosts([open])).resolves.toHaveLength(1);
  });

  it('refuses a file of more than 8 MiB', async () => {
    const large = join(room.path, 'large');
    writeFileSync(large, `${'#'.repeat(1023)}\n`.repeat(8 * 1024 + 1));
    await expect(readKnownHosts([large])).rejects.toMatchObject({ code: 'KNOWN_HOSTS_BAD' });
  });
});
