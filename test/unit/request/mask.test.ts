import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { mask } from '../../../src/request/mask.ts';

// No real secret below. Shapes that scanners of repositories know are put together at run time.
const letters = (count: number): string => 'aB3dE5gH7j'.repeat(30).slice(0, count);
const KIND = ['PRIVATE', 'KEY'].join(' ');
const begin = (kind = ''): string => `-----BEGIN ${kind}${KIND}-----`;
const end = (kind = ''): string => `-----END ${kind}${KIND}-----`;
const LINE = letters(64);
const BODY = [LINE, LINE, 'AAECAw=='];

describe('mask', () => {
  it.each([
    // assignments
    ['DB_PASSWORD=hunter2', 'DB_PASSWORD=[masked]'],
    ['export DB_PASS=hunter2 FOO=1', 'export DB_PASS=[masked] FOO=1'],
    ['DB_PWD=hunter2', 'DB_PWD=[masked]'],
    ['password: correct horse battery', 'password: [masked]'],
    ['  api_key: abc def', '  api_key: [masked]'],
    ['user=bob token: s3cret next', 'user=bob token: [masked] next'],
    ['client_secret = abc def', 'client_secret = [masked]'],
    ['"password": "x y", "user": "bob"', '"password": "[masked]", "user": "bob"'],
    ['{"token":"a\\"b","n":1}', '{"token":"[masked]","n":1}'],
    ['{"token":12345,"n":1}', '{"token":[masked],"n":1}'],
    ['{\\"password\\":\\"abc\\",\\"n\\":1}', '{\\"password\\":\\"[masked]\\",\\"n\\":1}'],
    ["'passwd' => 'x y',", "'passwd' => '[masked]',"],
    ["['secret'] = 'x'", "['secret'] = '[masked]'"],
    ['password="unterminated rest', 'password="[masked]'],
    ['Environment="DB_PASSWORD=a,b" "X=1"', 'Environment="DB_PASSWORD=[masked]" "X=1"'],
    ['DB_PASSWORD=(a{b[c', 'DB_PASSWORD=[masked]'],
    ['<secret>abc</secret>', '<secret>[masked]</secret>'],
    ['PrivateKey = mE5gH7=', 'PrivateKey = [masked]'],
    ['GET /x?access_token=abc&x=1 HTTP/1.1', 'GET /x?access_token=[masked] HTTP/1.1'],
    ['spring.datasource.password=abc', 'spring.datasource.password=[masked]'],
    ['x-api-key: abc', 'x-api-key: [masked]'],
    ['wpa_psk=abcdefgh', 'wpa_psk=[masked]'],
    // options
    ['prog --password hunter2 --host x', 'prog --password [masked] --host x'],
    ['prog --api-key=abc x', 'prog --api-key=[masked] x'],
    ['prog -password "a b" x', 'prog -password [masked]" x'],
    ['mysql -u root -pSecret1 db', 'mysql -u root -p[masked] db'],
    ['sshpass -p secret ssh host', 'sshpass -p [masked] ssh host'],
    ['redis-cli -h x -a secret ping', 'redis-cli -h x -a [masked] ping'],
    ['curl -s -u bob:pw https://x', 'curl -s -u bob:[masked] https://x'],
    // headers
    ['Authorization: Bearer abc.def', 'Authorization: Bearer [masked]'],
    ["curl -H 'Authorization: Basic Ym9i' https://x", "curl -H 'Authorization: Basic [masked]' https://x"],
    ['"Cookie": "sid=1; b=2", "n": 1', '"Cookie": "[masked]", "n": 1'],
    ['Set-Cookie: sid=1; Path=/', 'Set-Cookie: [masked]'],
    ['sent bearer abcd1234efgh ok', 'sent bearer [masked] ok'],
    // URLs
    ['url https://user:p@ss@host/x', 'url https://user:[masked]@host/x'],
    ['postgres://app:pw@db:5432/x', 'postgres://app:[masked]@db:5432/x'],
    ['redis://:pw@db', 'redis://:[masked]@db'],
    [`https://${letters(40)}@host/x`, 'https://[masked]@host/x'],
    // others
    ["CREATE USER x IDENTIFIED BY 'pw'", "CREATE USER x IDENTIFIED BY '[masked]'"],
    ['machine h login bob password xyz', 'machine h login bob password [masked]'],
    [`root:$6$salt$${letters(86)}:19000:0`, 'root:[masked]:19000:0'],
    [`bcrypt $2b$12$${letters(53)}`, 'bcrypt [masked]'],
    // shapes
    [`key AKIA${letters(16).toUpperCase()} x`, 'key [masked] x'],
    [`ghp_${letters(36)}`, '[masked]'],
    [`glpat-${letters(20)}`, '[masked]'],
    [`xoxb-${letters(24)}`, '[masked]'],
    [`https://hooks.slack.com/services/${letters(24)}`, 'https://hooks.slack.com/services/[masked]'],
    [`jwt eyJ${letters(20)}.${letters(20)}.${letters(20)} x`, 'jwt [masked] x'],
    [`npm_${letters(36)}`, '[masked]'],
    [`sk_live_${letters(24)}`, '[masked]'],
    [`AGE-SECRET-KEY-1${letters(58).toUpperCase()}`, '[masked]'],
  ])('%s', (input, expected) => {
    expect(mask(input)).toEqual({ text: expected, redactions: 1 });
  });

  it.each([
    'Nov 20 10:00:00 web1 sshd[1]: Failed password for root from 192.0.2.1 port 22 ssh2',
    'PWD=/home/x OLDPWD=/tmp',
    'pass: 3 fail: 0',
    'passwordless=yes',
    'password=null',
    'token: -',
    'secretName: foo',
    'keys: 5',
    'compass=north',
    'mkdir -pv /x; ssh -p 22 h',
    'https://example.test/a@b:c',
    'http://[::1]:80/',
    '-----BEGIN CERTIFICATE-----',
    'ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAI alice',
    'bearer of the news',
    'price $5$ and $6$',
    'password=[masked]',
  ])('leaves alone: %s', (text) => {
    expect(mask(text)).toEqual({ text, redactions: 0 });
  });

  it('counts what it masks', () => {
    expect(mask('password=a token=b\nsecret=c\n')).toEqual({
      text: 'password=[masked] token=[masked]\nsecret=[masked]\n',
      redactions: 3,
    });
  });
});

describe('private keys', () => {
  const M = '[masked]';
  const cases: [string, string[], string[], number][] = [
    ['whole', ['a', begin(), ...BODY, end(), 'b'], ['a', M, M, M, M, M, 'b'], 1],
    ['of OpenSSH', [begin('OPENSSH '), ...BODY, end('OPENSSH ')], [M, M, M, M, M], 1],
    [
      'with old headers',
      [begin('RSA '), 'Proc-Type: 4,ENCRYPTED', '', ...BODY, end('RSA '), 'b'],
      [M, M, M, M, M, M, M, 'b'],
      1,
    ],
    [
      'two of them',
      [begin(), LINE, end(), 'between', begin(), LINE, end()],
      [M, M, M, 'between', M, M, M],
      2,
    ],
    [
      'cut off at its end',
      ['a', begin(), ...BODY, 'not a key: b', 'c'],
      ['a', M, M, M, M, 'not a key: b', 'c'],
      1,
    ],
    ['cut off in the middle of a line', [begin(), LINE, letters(20)], [M, M, M], 1],
    ['cut off at its beginning', [letters(40), ...BODY, end(), 'b'], [M, M, M, M, M, 'b'], 1],
    [
      'behind a log prefix',
      [`Nov 20 web1 x: ${begin()}`, `Nov 20 web1 x: ${letters(64)}`, `Nov 20 web1 x: ${end()}`],
      [`Nov 20 web1 x: ${M}`, M, M],
      1,
    ],
    [
      'behind a log prefix, cut off',
      [`x: ${begin()}`, `x: ${letters(64)}`, 'x: done with it'],
      [`x: ${M}`, M, 'x: done with it'],
      1,
    ],
    ['on one line', [`k ${begin()}\\n${letters(64)}\\n${end()}\\n z`], [`k ${M}\\n z`], 1],
    ['two on one line', [`${begin()}x${end()} and ${begin()}y${end()}.`], [`${M} and ${M}.`], 2],
    [
      'begun on the line where another ends',
      [begin(), LINE, `${end()}${begin()}`, LINE, end()],
      [M, M, M + M, M, M],
      2,
    ],
    [
      'never ended, then another',
      [begin(), LINE, 'some text', begin(), LINE, end()],
      [M, M, 'some text', M, M, M],
      2,
    ],
    [
      'an OpenPGP block',
      [
        `-----BEGIN PGP ${KIND} BLOCK-----`,
        'Version: x',
        '',
        LINE,
        '=abcd',
        `-----END PGP ${KIND} BLOCK-----`,
      ],
      [M, M, M, M, M, M],
      1,
    ],
  ];
  it.each(cases)('%s', (_, lines, expected, redactions) => {
    expect(mask(lines.join('\n'))).toEqual({ text: expected.join('\n'), redactions });
  });
});

const piece = fc.constantFrom(
  'password',
  'token',
  '=',
  ':',
  ' ',
  '\n',
  '"',
  "'",
  '\\',
  '--',
  '-p',
  'mysql',
  '://',
  '@',
  'Authorization: ',
  'Bearer ',
  'cookie',
  'eyJ',
  '.',
  begin(),
  end(),
  letters(40),
  'x',
  '[masked]',
  '{',
  '}',
  ',',
  '<',
  '>',
  '$6$',
  'login ',
  '[',
);

it('keeps every line, and finds nothing more the second time', () => {
  fc.assert(
    fc.property(fc.array(piece, { maxLength: 60 }), (parts) => {
      const text = parts.join('');
      const once = mask(text);
      expect(once.text.split('\n')).toHaveLength(text.split('\n').length);
      expect(mask(once.text).text).toBe(once.text);
    }),
    { numRuns: 3_000 },
  );
});

/** Milliseconds of this thread's processor time, so that other tests and a busy machine do not count; the least of five. */
const work = (text: string, times = 1): number =>
  Math.min(
    ...Array.from({ length: 5 }, () => {
      const before = process.threadCpuUsage();
      for (let n = 0; n < times; n += 1) mask(text);
      const { user, system } = process.threadCpuUsage(before);
      return (user + system) / 1e3;
    }),
  );

// Not a limit of time but of growth: a text is as much work as its sixteen parts, not sixteen times as much.
describe('the work grows with the text, not with its square', () => {
  const repeated: readonly string[] = [
    'password',
    'password=',
    'password="',
    'password: ',
    '"password":"\\',
    'eyJ',
    'eyJaaaaaaaa.',
    '://',
    '://a:',
    '://a:b@',
    'mysql -p',
    'mysql ',
    'curl -u a',
    'authorization',
    'authorization: bearer ',
    'cookie=',
    'bearer ',
    'login a ',
    'login a password ',
    begin(),
    end(),
    `${begin()}\n`,
    `${end()}\n`,
    `${begin()}\n${letters(40)}\n`,
    `${letters(40)}\n`,
    '-',
    '--a-',
    '$6$',
    '$6$aaaaaaaaaaaaaaaa',
    'glpat-',
    'xoxb-',
    'sk-',
    ' ',
    '\t',
    '\\"',
    'a-',
    'a_',
    '<',
    '{"token":',
    'identified by "',
  ];
  it.each(repeated)('%j', (unit) => {
    const text = (bytes: number): string => unit.repeat(Math.ceil(bytes / unit.length));
    const [parts, whole] = [work(text(50_000), 16), work(text(800_000))];
    // The clock of a thread may tick every 4 ms only; a square would be far above eight times two ticks.
    expect(whole, `16 parts: ${parts.toFixed(1)} ms`).toBeLessThan(8 * Math.max(parts, 8));
  });
});
