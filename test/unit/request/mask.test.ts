import { execFileSync } from 'node:child_process';
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { mask as maskNamed } from '../../../src/request/mask.ts';
import { MARKED } from '../../../src/request/mask-mark.ts';

// No real secret below. Shapes that scanners of repositories know are put together at run time.
/** Without the names of the secrets: those are another matter below. */
const mask = (text: string): ReturnType<typeof maskNamed> => {
  const { text: named, redactions } = maskNamed(text);
  return { text: named.replaceAll(new RegExp(MARKED, 'gu'), '[masked]'), redactions };
};
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
    ['GET /x?access_token=abc&x=1 HTTP/1.1', 'GET /x?access_token=[masked]&x=1 HTTP/1.1'],
    ['spring.datasource.password=abc', 'spring.datasource.password=[masked]'],
    ['x-api-key: abc', 'x-api-key: [masked]'],
    ['wpa_psk=abcdefgh', 'wpa_psk=[masked]'],
    ['SECRET_KEY_BASE=abc', 'SECRET_KEY_BASE=[masked]'],
    ['{"pw":"abc","n":1}', '{"pw":"[masked]","n":1}'],
    ['Server=db;Pwd=abc;X=1', 'Server=db;Pwd=[masked]'],
    // options
    ['prog --password hunter2 --host x', 'prog --password [masked] --host x'],
    ['prog --api-key=abc x', 'prog --api-key=[masked] x'],
    ['prog -password "a b" x', 'prog -password [masked]" x'],
    ['mysql -u root -pSecret1 db', 'mysql -u root -p[masked] db'],
    ['sshpass -p secret ssh host', 'sshpass -p [masked] ssh host'],
    ['redis-cli -h x -a secret ping', 'redis-cli -h x -a [masked] ping'],
    ['curl -s -u bob:pw https://x', 'curl -s -u bob:[masked] https://x'],
    ['ldapsearch -x -D cn=a -w abc uid=b', 'ldapsearch -x -D cn=a -w [masked] uid=b'],
    ['zip -r -P abc x.zip y', 'zip -r -P [masked] x.zip y'],
    ['openssl rsa -passin pass:abc -in k', 'openssl rsa -passin pass:[masked] -in k'],
    ['smbclient //nas/x -U bob%abc -c ls', 'smbclient //nas/x -U bob%[masked] -c ls'],
    // headers
    ['Authorization: Digest username="b", response="abc"', 'Authorization: Digest [masked]'],
    ['{"Authorization":["Bearer abc"],"n":1}', '{"Authorization":["Bearer [masked]"],"n":1}'],
    [
      String.raw`{\"authorization\":\"Basic Ym9i\",\"n\":1}`,
      String.raw`{\"authorization\":\"Basic [masked]\",\"n\":1}`,
    ],
    [`GET /x;jsessionid=${letters(32)} x`, 'GET /x;jsessionid=[masked] x'],
    [`?sv=1&sig=${letters(40)}%3D&x=1`, '?sv=1&sig=[masked]&x=1'],
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
    // .pgpass
    ['db1:5432:shop:app:abc', 'db1:5432:shop:app:[masked]'],
    [String.raw`*:*:*:app:a\:b`, '*:*:*:app:[masked]'],
    ['line "db1:5432:shop:app:abc" of it', 'line "db1:5432:shop:app:[masked]" of it'],
    // others
    ["ALTER USER x PASSWORD 'pw'", "ALTER USER x PASSWORD '[masked]'"],
    [`{"auth":"${letters(20)}="}`, '{"auth":"[masked]"}'],
    [`md5${'0a'.repeat(16)}`, '[masked]'],
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
    // of secretlint's
    [`x figd_${letters(40)} y`, 'x [masked] y'],
    [String.raw`"a\ngsk_${letters(52)}"`, String.raw`"a\n[masked]"`],
    // people
    ['to=<bob.x+y@mail.example.co.uk>,', 'to=<[masked]>,'],
    ['rené@example.fr', '[masked]'],
    ['?email=bob%40example.com&x', '?email=[masked]&x'],
    [String.raw`"to:\nbob@example.com"`, String.raw`"to:\n[masked]"`],
    [String.raw`\u003cbob@example.com\u003e`, String.raw`\u003c[masked]\u003e`],
    ['call +33 6 12 34 56 78 now', 'call [masked] now'],
    ['call +1 (202) 555-0143.', 'call [masked].'],
    ['tel:+12025550143', 'tel:[masked]'],
    ['0033 6 12 34 56 78', '[masked]'],
    ['06.12.34.56.78', '[masked]'],
    ['202-555-0143', '[masked]'],
    ['"phone":"0612345678"', '"phone":"[masked]"'],
    ['SMS sent to 020 7946 0958', 'SMS sent to [masked]'],
    ['ssn 123-45-6789', 'ssn [masked]'],
    ['nir 1 85 05 78 006 084 91', 'nir [masked]'],
    ['1850578006084 91', '[masked]'],
    ['FR76 3000 6000 0112 3456 7890 189', '[masked]'],
    ['iban=DE89370400440532013000;', 'iban=[masked];'],
    ['4111 1111 1111 1111', '[masked]'],
    ['378282246310005', '[masked]'],
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
    'password=[masked:secret-abcdef]',
    'Authorization: Digest  [masked:secret-abcdef]',
    '[masked:secret-base64]: x',
    'passwd:amd64 1:4.13',
    'pam_unix(passwd:chauthtok): done',
    '{"tokens":4096,"cookie":"^0.7.1"}',
    // no address
    'getty@tty1.service user@1000.service postgresql@15-main.service foo@a.service.d/x.conf',
    'git@github.com:x/y hg@example.com',
    'curve25519-sha256@libssh.org chacha20-poly1305@openssh.com',
    'lodash@4.17.21 vite@5.0.0-beta.next tool@v1.2.3.tar.gz nginx@sha256:00 veth1@if2 @scope/x@1.2.3',
    'ssh://deploy@host.example.com/x',
    // no number of a person, an account, a card
    '+1.234567890 seconds, +12345678 bytes, 2026-11-22T10:00:00+0100',
    '0012 3456 7890 1234 06 12 34 56 78 9a',
    '00:06:12:34:56:78 06-12-34-56-78-9a',
    '1234567890 1764000000000 1764000000000000 20261122031201',
    '0.0.0.0:22 10.20.30.40 202.555.0.143',
    'ssn 000-45-6789 666-45-6789 900-45-6789 123-00-6789 123-45-0000 1123-45-6789',
    'nir 1 85 05 78 006 084 92',
    'FR76 3000 6000 0112 3456 7890 188 DE8937040044053201300',
    '4111 1111 1111 1112 4111111111111111a 94111111111111111',
    'phone=2026-11-22 phone=10.20.30.40 telnet 12345678',
    // no token
    'sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08 1234567890ab',
    'f47ac10b-58cc-4372-a567-0e02b2c3d479 da39a3ee5e6b4b0d3255bfef95601890afd80709',
  ])('leaves alone: %s', (text) => {
    expect(maskNamed(text)).toEqual({ text, redactions: 0 });
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

describe('pseudonyms', () => {
  const named = (text: string): string =>
    /\[masked:([a-z-]+-[a-z2-7]{6})\]/u.exec(maskNamed(text).text)?.[1] ?? '';
  const idOf = (text: string): string => named(text).slice(-6);

  it.each([
    ['password=hunter2', 'secret'],
    ['Cookie: a=b', 'cookie'],
    [`x ghp_${letters(36)}`, 'token'],
    [`GITHUB_TOKEN=ghp_${letters(36)}`, 'token'],
    [`root:$6$salt$${letters(86)}:1`, 'hash'],
    [`${begin()}\n${LINE}\n${end()}`, 'private-key'],
    ['bob@example.com', 'email'],
    ['+33612345678', 'phone'],
    ['4111111111111111', 'card'],
  ])('%s is a %s', (text, kind) => {
    expect(named(text)).toMatch(new RegExp(`^${kind}-[a-z2-7]{6}$`, 'u'));
  });

  it.each([
    ['behind several names', 'DB_PASSWORD=hunter2', '{"password":"hunter2"}'],
    ['in a URL', 'password: hunter2', 'postgres://app:hunter2@db/x'],
    ['as an argument', 'password=hunter2;', 'mysql -phunter2 x'],
    ['with a name and without', `GITHUB_TOKEN=ghp_${letters(36)}`, `x ghp_${letters(36)} y`],
    ['in capitals', 'Bob@Example.com', 'bob@example.com'],
    ['escaped', 'bob%40example.com', 'bob@example.com'],
    ['with and without gaps', '4111 1111 1111 1111', '4111-1111-1111-1111'],
    ['with another prefix', '+33 6 12 34 56 78', '+33 (0)6.12.34.56.78'],
    [
      'as lines, and in JSON',
      `${begin()}\n${BODY.join('\n')}\n${end()}`,
      `{"k":"${begin()}\\n${BODY.join('\\n')}\\n${end()}"}`,
    ],
    ['as lines of a log', `${begin()}\n${LINE}\n${end()}`, `x: ${begin()}\nx: ${LINE}\nx: ${end()}`],
  ])('the same secret is the same one %s', (_, one, other) => {
    expect(idOf(one)).toMatch(/^[a-z2-7]{6}$/u);
    expect(idOf(other)).toBe(idOf(one));
  });

  it('another secret is another one', () => {
    const ids = Array.from({ length: 500 }, (_, at) => idOf(`password=hunter${String(at)}`));
    expect(new Set(ids).size).toBe(500);
  });

  it('another process calls it otherwise', () => {
    const url = new URL('../../../src/request/mask.ts', import.meta.url).href;
    const program = `const { mask } = await import(${JSON.stringify(url)}); process.stdout.write(mask('password=hunter2').text);`;
    const said = execFileSync(process.execPath, ['--input-type=module', '-e', program], { encoding: 'utf8' });
    expect(said).toMatch(/^password=\[masked:secret-[a-z2-7]{6}\]$/u);
    expect(said).not.toBe(maskNamed('password=hunter2').text);
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
  '[masked:token-abcdef]',
  'bob@example.com',
  '+33612345678',
  ':5432:',
  'x:',
  'digest ',
  '%40',
  '4111 1111 1111 1111',
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
      const once = maskNamed(text);
      expect(once.text.split('\n')).toHaveLength(text.split('\n').length);
      expect(maskNamed(once.text)).toEqual({ text: once.text, redactions: 0 });
    }),
    { numRuns: 10_000 },
  );
});

/** Milliseconds of this thread's processor time, so that other tests and a busy machine do not count; the least of three. */
const work = (text: string, times = 1): number =>
  Math.min(
    ...Array.from({ length: 3 }, () => {
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
    'a@',
    'a@b.',
    'a.a',
    '@a.a',
    'bob@example.com ',
    '+33 6',
    '+1(2',
    '00',
    '06 12 ',
    '1 ',
    '4111 ',
    '4111111111111111 ',
    'FR76 ',
    'FR76',
    '123-45-',
    'phone 0',
    'x:5432:',
    'x:5432:a:b:',
    'SG.aaaaaaaaaaaaaaaa.',
    'xoxb-a-',
    'SECRET_KEY =',
    '_authToken=',
    'secretlint-disable ',
  ];
  it.each(repeated)('%j', (unit) => {
    const text = (bytes: number): string => unit.repeat(Math.ceil(bytes / unit.length));
    const [parts, whole] = [work(text(16_000), 16), work(text(256_000))];
    // The clock of a thread may tick every 4 ms only; a square would be far above eight times two ticks.
    expect(whole, `16 parts: ${parts.toFixed(1)} ms`).toBeLessThan(8 * Math.max(parts, 8));
  });
});
