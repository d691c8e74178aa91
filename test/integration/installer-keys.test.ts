import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { makeKey } from '../support/ssh-keys.ts';

// Who may log in, line by line (installer/keys.py). That sshd takes these lines is shown in the lab.

const RENDER = fileURLToPath(new URL('../support/render-keys.py', import.meta.url));
const NOW = [9, 2];
const SIGNERS = ['alice namespaces="mcp-pra-low" ssh-ed25519 AAAA'];
const KEYS = '/etc/mcp-pra/authorized_keys';

interface Rendered {
  readonly files: Record<string, string>;
  readonly modes: readonly string[];
  readonly paths: readonly string[];
  readonly sources: Record<string, readonly (readonly string[])[] | null>;
}

let dir: string;
const pub: Record<string, string> = {};

beforeAll(() => {
  dir = mkdtempSync(join(tmpdir(), 'mcp-pra-keys-'));
  for (const name of ['reader', 'reader2', 'runner', 'glass', 'ca', 'probe1', 'probe2'])
    pub[name] = readFileSync(`${makeKey(dir, name).path}.pub`, 'utf8').trim();
});
afterAll(() => rmSync(dir, { recursive: true, force: true }));

const render = (asked: Record<string, unknown>, zone = 'UTC'): Rendered => {
  const said = execFileSync('python3', ['-B', RENDER], {
    input: JSON.stringify({ openssh: NOW, ...asked }),
    encoding: 'utf8',
    env: { ...process.env, TZ: zone },
  });
  expect(said).not.toMatch(/^refused/u);
  return JSON.parse(said) as Rendered;
};

/** A site with these keys and otherwise as little as there may be. */
const site = (keys: Record<string, unknown>, more: Record<string, unknown> = {}): unknown => ({
  v: 1,
  host: 'web1',
  keys: { reader: [], runner: [], ...keys },
  allowed_signers: SIGNERS,
  ...more,
});

describe('authorized_keys', () => {
  test('a key runs its program and nothing else, until it expires, from where it may', () => {
    const { files, modes } = render({
      site: site({
        reader: [
          { key: pub['reader'], expires: '2027-02-20T00:00:00Z', from: ['192.0.2.0/24', '!192.0.2.9'] },
        ],
        runner: [{ key: pub['runner'] }],
      }),
    });
    expect(files[`${KEYS}/mcp-reader`]).toBe(
      `restrict,command="/usr/local/bin/mcp-wrapper",from="192.0.2.0/24,!192.0.2.9",expiry-time="20270220000000Z" ${pub['reader']}\n`,
    );
    expect(files[`${KEYS}/pra-runner`]).toBe(`restrict,command="/usr/local/bin/pra-exec" ${pub['runner']}\n`);
    expect(modes).toEqual(['0644']);
  });

  test('a break-glass key is one of the runner alone', () => {
    const { files } = render({
      site: site({ break_glass: [{ key: pub['glass'], expires: null, from: ['192.0.2.9'] }] }),
    });
    expect(files[`${KEYS}/mcp-reader`]).toBe('');
    expect(files[`${KEYS}/pra-runner`]).toBe(
      `restrict,command="/usr/local/bin/pra-exec",from="192.0.2.9" ${pub['glass']}\n`,
    );
  });

  test('without certificates there is no file that names an authority or a principal', () => {
    const { files, paths } = render({ site: site({}) });
    expect(Object.keys(files).toSorted()).toEqual([
      `${KEYS}/mcp-reader`,
      `${KEYS}/pra-runner`,
      '/etc/mcp-pra/key-expiry',
    ]);
    expect(paths).toEqual(expect.arrayContaining(Object.keys(files)));
  });
});

describe('the moment a key ends', () => {
  const endings = (openssh: readonly number[], zone: string, expires: readonly string[]): string[] => {
    const names = Object.keys(pub);
    const reader = expires.map((moment, at) => ({ key: pub[names[at] ?? ''], expires: moment }));
    const made = render({ openssh, site: site({ reader }) }, zone).files[`${KEYS}/mcp-reader`] ?? '';
    return [...made.matchAll(/expiry-time="([^"]*)"/gu)].map((found) => found[1] ?? '');
  };
  /** What sshd before 9.1 makes of them: mktime(3) with tm_isdst 0. */
  const readByOldSshd = (texts: readonly string[], zone: string): string[] => {
    const program = `import sys, time
for text in sys.argv[1:]:
    fields = (int(text[:4]), *(int(text[at : at + 2]) for at in range(4, 14, 2)), 0, 0, 0)
    print(time.strftime('%Y-%m-%dT%H:%M:%SZ', time.gmtime(time.mktime(fields))))`;
    return execFileSync('python3', ['-c', program, ...texts], {
      encoding: 'utf8',
      env: { ...process.env, TZ: zone },
    })
      .trim()
      .split('\n');
  };

  test.each([
    [[9, 1], '20270720103000Z'],
    [[10, 0], '20270720103000Z'],
    [[9, 0], '20270720103000'],
    [[8, 2], '20270720103000'],
  ])('OpenSSH %j: UTC has a Z from 9.1 on, which an older one does not know', (openssh, expected) => {
    expect(endings(openssh, 'UTC', ['2027-07-20T10:30:00Z'])).toEqual([expected]);
  });

  test.each(['Europe/Paris', 'America/New_York', 'Australia/Sydney', 'Asia/Kolkata', 'Pacific/Chatham'])(
    'before 9.1, in %s: the local time that its mktime takes for the same moment, summer or winter',
    (zone) => {
      const moments = [
        '2027-01-20T10:30:00Z',
        '2027-07-20T10:30:00Z',
        '2027-03-28T01:30:00Z', // the hours in which clocks change in Paris
        '2027-10-31T00:30:00Z',
        '2027-10-31T01:30:00Z',
        '2032-02-29T23:59:59Z',
      ];
      expect(readByOldSshd(endings([8, 9], zone, moments), zone)).toEqual(moments);
    },
  );

  test('from 9.1 on the zone of the host does not matter', () => {
    expect(endings([9, 2], 'Australia/Sydney', ['2027-07-20T10:30:00Z'])).toEqual(['20270720103000Z']);
  });
});

describe('certificates', () => {
  test('name the account, or the account on this host; the program and the addresses are those of a key', () => {
    const { files } = render({
      site: site({}, { certificates: { ca_keys: [pub['ca']], from: ['192.0.2.0/24'] } }),
    });
    expect(files['/etc/mcp-pra/user_ca_keys']).toBe(`${pub['ca']}\n`);
    const options = 'restrict,command="/usr/local/bin/mcp-wrapper",from="192.0.2.0/24"';
    expect(files['/etc/mcp-pra/principals/mcp-reader']).toBe(
      `${options} mcp-reader\n${options} mcp-reader@web1\n`,
    );
    expect(files['/etc/mcp-pra/principals/pra-runner']).toMatch(
      /^restrict,command="\/usr\/local\/bin\/pra-exec",from="192\.0\.2\.0\/24" pra-runner$/mu,
    );
  });
});

describe('a probe', () => {
  const probe = (): Record<string, unknown> => ({
    reader: pub['probe1'],
    runner: pub['probe2'],
    expires: '2026-12-01T00:05:00+00:00',
  });

  test('has a line like the others, which ends in minutes, from where the keys of its channel may come from', () => {
    const { files } = render({
      probe: probe(),
      site: site({
        reader: [
          { key: pub['reader'], from: ['192.0.2.1'] },
          { key: pub['reader2'], from: ['192.0.2.2', '192.0.2.1'] },
        ],
        runner: [{ key: pub['runner'], from: ['192.0.2.3'] }],
        break_glass: [{ key: pub['glass'], from: ['198.51.100.1'] }],
      }),
    });
    expect(files[`${KEYS}/mcp-reader`]).toContain(
      `\nrestrict,command="/usr/local/bin/mcp-wrapper",from="192.0.2.1,192.0.2.2",expiry-time="20261201000500Z" ${pub['probe1']}\n`,
    );
    expect(files[`${KEYS}/pra-runner`]).toContain(
      `\nrestrict,command="/usr/local/bin/pra-exec",from="192.0.2.3",expiry-time="20261201000500Z" ${pub['probe2']}\n`,
    );
  });

  test('comes from anywhere where a key may, and from where certificates may where there are no keys', () => {
    const open = render({
      probe: probe(),
      site: site({
        reader: [{ key: pub['reader'], from: ['192.0.2.1'] }, { key: pub['reader2'] }],
      }),
    });
    expect(open.files[`${KEYS}/mcp-reader`]).toContain(
      `"/usr/local/bin/mcp-wrapper",expiry-time="20261201000500Z" ${pub['probe1']}`,
    );
    const signed = render({
      probe: probe(),
      site: site({}, { certificates: { ca_keys: [pub['ca']], from: ['192.0.2.7'] } }),
    });
    expect(signed.files[`${KEYS}/mcp-reader`]).toContain('from="192.0.2.7",expiry-time=');
  });
});

test('key-expiry lists every transport key by its fingerprint, and when it ends', () => {
  const { files } = render({
    site: site({
      reader: [{ key: pub['reader'], expires: '2027-02-20T00:00:00Z' }],
      runner: [{ key: pub['runner'] }],
      break_glass: [{ key: pub['glass'], from: ['192.0.2.9'] }],
    }),
  });
  const fingerprint = (name: string): string =>
    execFileSync('ssh-keygen', ['-lf', join(dir, name)], { encoding: 'utf8' }).split(' ')[1] ?? '';
  expect(files['/etc/mcp-pra/key-expiry']).toBe(
    `reader ${fingerprint('reader')} 2027-02-20T00:00:00Z\nrunner ${fingerprint('runner')} -\nbreak-glass ${fingerprint('glass')} -\n`,
  );
});

test('the addresses of an account: those of its keys one by one, or none when one key may come from anywhere', () => {
  const { sources } = render({
    site: site({
      reader: [{ key: pub['reader'], from: ['192.0.2.1'] }, { key: pub['reader2'] }],
      runner: [{ key: pub['runner'], from: ['192.0.2.0/24', '!192.0.2.9'] }],
      break_glass: [{ key: pub['glass'], from: ['198.51.100.1'] }],
    }),
  });
  expect(sources).toEqual({
    'mcp-reader': null,
    'pra-runner': [['192.0.2.0/24', '!192.0.2.9'], ['198.51.100.1']],
  });
  expect(render({ site: site({}) }).sources).toEqual({ 'mcp-reader': null, 'pra-runner': null });
});
