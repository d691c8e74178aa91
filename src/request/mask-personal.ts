// E-mail addresses, phone numbers, numbers of people, accounts and cards: in forms that can be told from what logs are full of
// (times, sizes, process ids, addresses, digests, versions), with their check digits where they have any.
import { hasCardDigits, hasIbanDigits, hasNirKey, IBAN_LENGTHS } from './mask-check-digits.ts';
import { NOT_BEHIND_MARK, type SecretKind } from './mask-mark.ts';
import type { MaskRule } from './mask-rules.ts';

/** Where a number may start: not within a word, a number with a point, or digits that hang together with dashes. */
const START = `(?:(?<![\\w.-])|(?<=(?<!\\\\)\\\\[nrt]))${NOT_BEHIND_MARK}`;
const END = '(?![\\w-]|\\.\\d)';

const rule = (
  kind: SecretKind,
  hint: RegExp,
  source: string,
  accepts?: (secret: string) => boolean,
  flags = 'giu',
): MaskRule => ({ kind, hint, pattern: new RegExp(source, flags), accepts });

/** What systemd's units end in (systemd.unit(5)): `user@1000.service` is no address. */
const UNIT =
  /\.(?:service|socket|device|mount|automount|swap|target|path|timer|slice|scope|nspawn|network|netdev|link)(?:\.|$)/iu;
/** What versions end in: `tool@v1.2.3.tar.gz`, `lib@5.0.0-beta.next`. */
const FILE =
  /^v?\d+\.\d|\.(?:gz|xz|bz2|zst|tgz|tar|deb|rpm|json|js|ts|log|conf|ya?ml|txt|html?|xml|cfg|ini|so|sock)$/iu;
/** Accounts of version control and names of algorithms (OpenSSH) are nobody's addresses. */
const NOBODY =
  /^(?:git|hg|svn|gitea|gitlab|forgejo|gogs|aur)@|@(?:openssh\.com|libssh\.org|lysator\.liu\.se|putty\.projects\.tartarus\.org)$/iu;

const isAddress = (secret: string): boolean => {
  const address = secret.replace(/%40/iu, '@');
  const domain = address.slice(address.indexOf('@') + 1);
  return !UNIT.test(domain) && !FILE.test(domain) && !NOBODY.test(address);
};

const digitsOf = (text: string): number => text.replaceAll(/\D/gu, '').length;

/** Country codes of ITU-T E.164. */
const COUNTRY =
  '(?:1|7|2(?:0|7|[1-689]\\d)|3(?:[0-469]|[578]\\d)|4(?:[013-9]|2\\d)|5(?:[1-8]|[09]\\d)|6(?:[0-6]|[789]\\d)|8(?:[1246]|[03578]\\d)|9(?:[0-58]|[679]\\d))';

/** 10 to 15 digits in one piece or 9 to 15 in pieces; a decimal fraction is none, nor a row of words. */
const isInternational = (secret: string): boolean => {
  const digits = digitsOf(secret.replace('(0)', ''));
  const isWhole = /^\+\d+$/u.test(secret);
  return digits >= (isWhole ? 10 : 9) && digits <= 15 && !/^\+?\d+\.\d+$|^(?:\d{4} )+\d{4}$/u.test(secret);
};

/** A number that something calls a phone: 8 to 15 digits, and no date, no address. */
const isNamedPhone = (secret: string): boolean =>
  digitsOf(secret) >= 8 &&
  digitsOf(secret) <= 15 &&
  !/^(?:19|20)\d\d[-./]\d|^\d{1,3}\.\d{1,3}\.\d{1,3}\.\d|\.\d{1,3}$/u.test(secret);

const IBAN = [...IBAN_LENGTHS]
  .map(([length, countries]) => `(?:${countries.join('|')})\\d{2}(?: ?[A-Z0-9]){${String(length - 4)}}`)
  .join('|');

export const PERSONAL_RULES: readonly MaskRule[] = [
  rule(
    'email',
    /@|%40/u,
    "(?:(?<before>\\\\u[0-9a-f]{4}|\\\\[nrtbf]|\\\\|%(?!40)[0-9a-f]{2})|(?<![\\p{L}\\p{N}_.%+\\\\-]|:\\/\\/))[\\p{L}\\p{N}_][\\p{L}\\p{N}_.+'-]{0,63}(?:@|%40)(?:[\\p{L}\\p{N}-]{1,63}\\.){1,8}[a-z]{2,24}(?![\\w-])",
    isAddress,
  ),
  rule('iban', /[A-Z]{2}\d{2}/u, `${START}(?:${IBAN})${END}`, hasIbanDigits, 'gu'),
  rule(
    'card',
    /\d{4}[ -]?\d{4,6}[ -]?\d{4}/u,
    `${START}(?<!(?<![\\w])[0-9a-f]{4} )(?:(?:4\\d{3}|5[1-5]\\d\\d|2[2-7]\\d\\d|6011|64[4-9]\\d|65\\d\\d|62\\d\\d|35\\d\\d)(?<gap>[ -]?)\\d{4}\\k<gap>\\d{4}\\k<gap>\\d{4}|3[47]\\d\\d(?<gap2>[ -]?)\\d{6}\\k<gap2>\\d{5}|3(?:0[0-5]|[68]\\d)\\d(?<gap3>[ -]?)\\d{6}\\k<gap3>\\d{4})(?! [0-9a-f]{4}(?!\\w))${END}`,
    hasCardDigits,
  ),
  rule(
    'nir',
    /\d ?\d\d ?\d\d ?(?:\d\d|2[AB]) ?\d{3} ?\d{3}/iu,
    `${START}[1-478](?<gap> ?)\\d{2}\\k<gap>(?:0[1-9]|1[0-2]|[2-9]\\d)\\k<gap>(?:\\d{2}|2[AB])\\k<gap>\\d{3}\\k<gap>\\d{3}(?: ?| - ?)\\d{2}${END}`,
    hasNirKey,
  ),
  // Never given out: 000, 666, 900 to 999; group 00; serial 0000 (SSA).
  rule('ssn', /\d-\d\d-\d{4}/u, `${START}(?!000|666|9\\d\\d)\\d{3}-(?!00)\\d{2}-(?!0000)\\d{4}${END}`),
  // +33 6 12 34 56 78 · +1 (202) 555-0143 · 0044 20 7946 0958
  rule(
    'phone',
    /\+\d|00\d{1,3}[ .(-]/u,
    `(?:(?<![\\w.+])|(?<=(?<!\\\\)\\\\[nrt]))${NOT_BEHIND_MARK}(?:\\+|(?<![-:])00(?=\\d{1,3}[ .(-]))${COUNTRY}(?:[ .-]?\\(0\\))?(?:[ .-]?\\(?\\d{1,4}\\)?){2,6}${END}`,
    isInternational,
  ),
  // 06 12 34 56 78, but not in a row of bytes
  rule(
    'phone',
    /0[1-9][ .-]\d\d[ .-]/u,
    `${START}(?<![0-9a-f]{2} )0[1-9](?<gap>[ .-])\\d\\d\\k<gap>\\d\\d\\k<gap>\\d\\d\\k<gap>\\d\\d(?![ .-][0-9a-f]{2}(?!\\w))${END}`,
  ),
  // (202) 555-0143 · 202-555-0143 (NANP)
  rule(
    'phone',
    /\d{3}\)? ?[.-]?\d{3}[.-]\d{4}/u,
    `${START}(?:1[ .-])?(?:\\([2-9]\\d\\d\\) ?[2-9]\\d\\d[.-]|[2-9]\\d\\d(?<gap>[.-])[2-9]\\d\\d\\k<gap>)\\d{4}${END}`,
  ),
  // phone=0612345678 · "tel":"020 7946 0958" · SMS to 07700 900123
  rule(
    'phone',
    /phone|tel|mobile|gsm|fax|sms|msisdn|portable|whatsapp/iu,
    `(?<before>(?<![a-z])(?:(?:tele)?phone|t[eé]l[eé]phone|t[eé]l|mobile|gsm|fax|sms|msisdn|portable|whatsapp)(?:[_ -]?(?:number|num|no|nr))?\\\\?["']?(?:\\s{0,3}[:=]\\s{0,3}\\\\?["']?(?:\\+(?=0)|%2B)?|\\s{1,3}(?:(?:sent|to|at|is|from|number)\\s{1,3}){0,3}(?=\\(?0[1-9])))\\(?\\d[\\d ()./-]{6,18}\\d${END}`,
    isNamedPhone,
  ),
];
