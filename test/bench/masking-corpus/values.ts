// Secrets that are nobody's, and other values, from a seed. Shapes that scanners of repositories know are put together here.
import { hasCardDigits, IBAN_LENGTHS } from '../../../src/request/mask-check-digits.ts';

/** Numbers in [0, 1): mulberry32. */
const numbers = (seed: number): (() => number) => {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
};

const LOWER = 'abcdefghijklmnopqrstuvwxyz';
const DIGITS = '0123456789';
const UPPER = LOWER.toUpperCase();
const HEX = '0123456789abcdef';
const ALNUM = UPPER + LOWER + DIGITS;
const BASE64 = `${ALNUM}+/`;
const BASE64URL = `${ALNUM}-_`;

/** Not one string in this file: scanners of repositories look for what a token begins with. */
const seam = (one: string, other: string): string => one + other;

const MONTHS = ['01', '02', '03', '04', '05', '06', '07', '08', '09', '10', '11', '12'];
const NAMES = ['alice', 'bob.martin', 'carol_x', 'd.o-connor', 'erin+shop', 'f.lefevre', 'grace1987'];
const DOMAINS = ['example.com', 'mail.example.org', 'example.co.uk', 'corp-example.fr', '163.example.net'];

const mod97 = (digits: string): number => {
  let rest = 0;
  for (const digit of digits) rest = (rest * 10 + Number(digit)) % 97;
  return rest;
};
const groups = (text: string, ...sizes: readonly number[]): string[] => {
  let at = 0;
  return sizes.map((size) => text.slice(at, (at += size)));
};

/** Makes values of a form (`values.ts`): the same seed makes the same ones. */
export const valuesFrom = (seed: number): ((form: string) => string) => {
  const next = numbers(seed);
  const below = (limit: number): number => Math.floor(next() * limit);
  const one = <T>(from: readonly T[]): T => from[below(from.length)] as T;
  const some = (letters: string, count: number): string =>
    Array.from({ length: count }, () => letters[below(letters.length)]).join('');
  const hex = (count: number): string => some(HEX, count);

  const card = (): string => {
    const body = one([`4${some(DIGITS, 14)}`, `5${1 + below(5)}${some(DIGITS, 13)}`]);
    return body + (Array.from(DIGITS).find((last) => hasCardDigits(body + last)) ?? '0');
  };
  const iban = (): string => {
    const [length, country] = one([
      [27, 'FR'],
      [22, 'DE'],
      [24, 'ES'],
      [18, 'NL'],
      [16, 'BE'],
    ] as const);
    if (IBAN_LENGTHS.get(length)?.includes(country) !== true) throw new Error(`no such IBAN: ${country}`);
    const letters = country === 'NL' ? 'BANK' : '';
    const body = letters + some(DIGITS, length - 4 - letters.length);
    const asNumber = (text: string): string =>
      text.replaceAll(/[A-Z]/gu, (letter) => String((letter.codePointAt(0) ?? 0) - 55));
    const check = 98 - mod97(`${asNumber(body + country)}00`);
    return country + String(check).padStart(2, '0') + body;
  };
  const nir = (): string => {
    const body = `${one(['1', '2'])}${some(DIGITS, 2)}${one(MONTHS)}${10 + below(80)}${some(DIGITS, 6)}`;
    return body + String(97 - mod97(body)).padStart(2, '0');
  };
  const french = (gap: string): string =>
    ['0' + String(1 + below(7)), ...Array.from({ length: 4 }, () => some(DIGITS, 2))].join(gap);
  const international = (gap: string): string =>
    one([
      () => ['+33', String(1 + below(7)), ...Array.from({ length: 4 }, () => some(DIGITS, 2))].join(gap),
      () => ['+1', `2${some(DIGITS, 2)}`, '555', `01${some(DIGITS, 2)}`].join(gap),
      () => ['+44', '20', `7${some(DIGITS, 3)}`, some(DIGITS, 4)].join(gap),
      () => ['+49', '30', `9${some(DIGITS, 3)}`, some(DIGITS, 3)].join(gap),
    ])();
  const jwt = (): string =>
    [`${seam('ey', 'J')}${some(BASE64URL, 20)}`, some(BASE64URL, 60), some(BASE64URL, 43)].join('.');
  const pem = (gap: string): string => {
    const kind = `${one(['', 'RSA ', 'OPENSSH ', 'EC '])}${['PRIVATE', 'KEY'].join(' ')}`;
    const body = [...Array.from({ length: 2 + below(4) }, () => some(BASE64, 64)), `${some(BASE64, 22)}==`];
    return [`-----BEGIN ${kind}-----`, ...body, `-----END ${kind}-----`].join(gap);
  };
  /** Of a password: a digit at least, and no character that ends it where it stands. */
  const word = (): string => `${some(LOWER, 4)}${some(ALNUM + '!#%+*_-.', 4 + below(10))}${some(DIGITS, 2)}`;
  const cookie = (): string => `${one(['sid', 'remember', 'session'])}=${some(ALNUM, 24)}`;

  const forms: Readonly<Record<string, () => string>> = {
    // no secrets
    pid: () => String(100 + below(99_000)),
    port: () => String(1_024 + below(60_000)),
    epoch: () => String(1_700_000_000 + below(90_000_000)),
    ms: () => String(1_700_000_000_000 + below(90_000_000) * 1_000 + below(1_000)),
    us: () => `${String(1_700_000_000_000 + below(90_000_000) * 1_000)}${some(DIGITS, 3)}`,
    ip4: () => [1 + below(222), below(256), below(256), 1 + below(254)].join('.'),
    ip6: () => `2001:db8:${hex(4)}:${hex(4)}::${hex(3)}`,
    uuid: () => groups(hex(32), 8, 4, 4, 4, 12).join('-'),
    hex2: () => hex(2),
    hex8: () => hex(8),
    hex12: () => hex(12),
    hex16: () => hex(16),
    hex32: () => hex(32),
    hex40: () => hex(40),
    hex64: () => hex(64),
    b64of30: () => some(BASE64, 40),
    b64of32: () => `${some(BASE64, 43)}=`,
    b64of64: () => `${some(BASE64, 86)}==`,
    // passwords and what is like them
    word,
    plain: () => some(ALNUM, 8 + below(12)),
    words: () => [word(), some(LOWER, 6), some(LOWER, 5)].join(' '),
    basic: () => Buffer.from(`${one(NAMES)}:${word()}`).toString('base64'),
    cookie: () => `${cookie()}; Path=/; HttpOnly`,
    cookies: () => `${cookie()}; theme=dark; lang=fr`,
    sas: () => `${some(ALNUM, 41)}%3D`,
    pem: () => pem('\n'),
    pemescaped: () => pem('\\n'),
    // hashes
    crypt6: () => `$6$${some(ALNUM, 16)}$${some(`${ALNUM}./`, 86)}`,
    yescrypt: () => `$y$j9T$${some(ALNUM, 22)}$${some(`${ALNUM}./`, 43)}`,
    bcrypt: () => `$2b$12$${some(`${ALNUM}./`, 53)}`,
    scram: () => `SCRAM-SHA-256$4096:${some(BASE64, 22)}==$${some(BASE64, 43)}=:${some(BASE64, 43)}=`,
    md5pg: () => `md5${hex(32)}`,
    // tokens
    jwt,
    github: () =>
      one([`gh${one(['p', 'o', 's'])}_${some(ALNUM, 36)}`, `${seam('github_', 'pat_')}${some(ALNUM, 82)}`]),
    gitlab: () => `${seam('gl', 'pat-')}${some(BASE64URL, 20)}`,
    aws: () => `${seam('AK', 'IA')}${some(UPPER + '234567', 16)}`,
    slack: () => `${seam('xo', 'xb-')}${some(DIGITS, 12)}-${some(DIGITS, 12)}-${some(ALNUM, 24)}`,
    slackhook: () => `T${some(UPPER, 8)}/B${some(UPPER, 8)}/${some(ALNUM, 24)}`,
    discord: () => `${some(DIGITS, 18)}/${some(BASE64URL, 68)}`,
    npm: () => `${seam('np', 'm_')}${some(ALNUM, 36)}`,
    pypi: () => `${seam('py', 'pi-')}AgEIcHlwaS5vcmc${some(BASE64URL, 150)}`,
    docker: () => `${seam('dckr_', 'pat_')}${some(BASE64URL, 27)}`,
    stripe: () => `${seam('sk_', 'live_')}${some(ALNUM, 24)}`,
    openai: () =>
      `${seam('sk-', 'proj-')}${some(BASE64URL, 74)}${seam('T3Blbk', 'FJ')}${some(BASE64URL, 73)}x`,
    anthropic: () => `${seam('sk-', 'ant-')}api03-${some(BASE64URL, 93)}AA`,
    groq: () => `${seam('gs', 'k_')}${some(ALNUM, 52)}`,
    hf: () => `${seam('hf', '_')}${some(UPPER + LOWER, 34)}`,
    google: () => `${seam('AI', 'za')}${some(BASE64URL, 35)}`,
    sendgrid: () => `${seam('SG', '.')}${some(BASE64URL, 22)}.${some(BASE64URL, 42)}x`,
    vault: () => `${seam('hv', 's.')}${some(BASE64URL, 94)}x`,
    digitalocean: () => `${seam('dop_', 'v1_')}${hex(64)}`,
    shopify: () => `${seam('shp', 'at_')}${hex(32)}`,
    figma: () => `${seam('fig', 'd_')}${some(BASE64URL, 40)}x`,
    databricks: () => `${seam('da', 'pi')}${hex(32)}`,
    grafana: () => `${seam('gl', 'sa_')}${some(ALNUM, 32)}_${hex(8)}`,
    linear: () => `${seam('lin_', 'api_')}${some(ALNUM, 40)}`,
    notion: () => `${seam('nt', 'n_')}${some(DIGITS, 11)}${some(ALNUM, 35)}`,
    vercel: () => `${seam('vc', 'p_')}${some(ALNUM, 56)}`,
    telegram: () => `${some('123456789', 10)}:AA${some(BASE64URL, 32)}x`,
    twilio: () => `${seam('S', 'K')}${hex(32)}`,
    mailgun: () => `${seam('ke', 'y-')}${hex(32)}`,
    mailchimp: () => `${hex(32)}-us21`,
    tailscale: () => `${seam('ts', 'key-')}auth-${some(ALNUM, 16)}-${some(ALNUM, 32)}`,
    newrelic: () => `${seam('NR', 'AK-')}${some(UPPER + DIGITS, 27)}`,
    atlassian: () => `${seam('ATA', 'TT3')}xFfGF0${some(BASE64URL, 160)}=${hex(8)}`,
    age: () => `${seam('AGE-SECRET-', 'KEY-1')}${some('QPZRY9X8GF2TVDW0S3JN54KHCE6MUA7L', 58)}`,
    // people
    address: () => `${one(NAMES)}@${one(DOMAINS)}`,
    urlescaped: () => `${one(['alice', 'bob.martin', 'grace1987'])}%40${one(DOMAINS)}`,
    intl: () => international(one([' ', '', '-'])),
    intldigits: () => international('').slice(1),
    fr: () => french(one([' ', '.', '-'])),
    frplain: () => french(''),
    nanp: () =>
      one([
        () => `(2${some(DIGITS, 2)}) 555-01${some(DIGITS, 2)}`,
        () => `2${some(DIGITS, 2)}-555-01${some(DIGITS, 2)}`,
        () => `2${some(DIGITS, 2)}.555.01${some(DIGITS, 2)}`,
      ])(),
    uk: () => `020 7946 0${some(DIGITS, 3)}`,
    ssn: () =>
      [`${1 + below(5)}${some('123456789', 2)}`, some('123456789', 2), some('123456789', 4)].join('-'),
    card,
    iban,
    nir,
  };
  const spelled: Readonly<Record<string, () => string>> = {
    'card|plain': card,
    'card|spaced': () => groups(card(), 4, 4, 4, 4).join(' '),
    'card|dashed': () => groups(card(), 4, 4, 4, 4).join('-'),
    'iban|plain': iban,
    'iban|spaced': () => iban().replaceAll(/.{4}(?=.)/gu, '$& '),
    'nir|plain': nir,
    'nir|spaced': () => groups(nir(), 1, 2, 2, 2, 3, 3, 2).join(' '),
    'ssn|dashed': () => forms['ssn']?.() ?? '',
  };
  return (form) => {
    const make = spelled[form] ?? forms[form.slice(form.indexOf('|') + 1)];
    if (make === undefined) throw new Error(`no such form: ${form}`);
    return make();
  };
};
