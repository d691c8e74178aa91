// Secrets that are known by the name or the place that they stand behind. Every pattern is linear: gaps are bounded, and what
// starts with a run of characters looks behind itself so that it starts only once in that run.
import { MARKED, type SecretKind } from './mask-mark.ts';

/** A form of secrets: all of a match is the secret but the named groups `before` and `after`. */
export interface MaskRule {
  readonly kind: SecretKind;
  /** Cheap test of the text and of the line; the pattern runs only where it is true. */
  readonly hint: RegExp;
  readonly pattern: RegExp;
  /** A last look at what was found: check digits, say. */
  readonly accepts?: ((secret: string) => boolean) | undefined;
}

/** Names that hold secrets; `DB_PASSWORD`, `clientSecret` and `x-api-key` end in one of them. */
const KEY_NAMES =
  'pass(?:word|wd|phrase|code)s?|mot[_ -]?de[_ -]?passe|secrets?|token(?:s(?!["\'\\s]{0,4}[:=]\\s?\\d{1,7}(?![\\w.])))?|(?:api|access|auth|account|private|preshared|encryption|signing|master|shared|secret|license)[_.-]?keys?|credentials?|psk|(?<=[a-z][_.-])(?:pwd|pass|pw)|(?<=["\'])(?:pwd|pass|pw)(?=\\\\?["\'])|(?<![a-z])(?:pass|pwd)(?==[^/])';
const KEY_SUFFIX = '(?:[_.-]?(?:hash|value|base64|base|b64|plain|data|[0-9]{1,3}))?';
/** Never the kind in a mark, whose letters could be a suffix, nor the service in `pam_unix(passwd:chauthtok)`. */
const KEY = `(?<!\\[masked:|pam_[a-z]{2,16}\\()(?:${KEY_NAMES})${KEY_SUFFIX}(?![A-Za-z0-9])`;
const ASSIGN = '\\s{0,8}(?:=>|:=|=(?!>)|:(?!=)|>)\\s{0,8}';
/** An unquoted value, up to white space or to what ends it in JSON, XML, a query or around a quoted `NAME=value`. */
const BARE =
  '(?![{[(<](?:["\'\\s]|$))[^\\s"\'`](?:[^\\s"\'`<,&]|&(?![\\w.-]{1,32}=)|["\'`<,](?![\\s,}\\])"\'/]|$))*';
/** Values that are no secret (also the architecture in `passwd:amd64`), or masked already. */
const HARMLESS = `(?!(?:true|false|null|none|nil|yes|no|unset|undefined|amd64|arm64|i386|armhf|all|any|x86_64|\\*+|-|0|${MARKED}|<[a-z_ -]{1,30}>)(?:[\\s,;"'}\\])<&@]|$))`;

const rule = (kind: SecretKind, hint: RegExp, source: string): MaskRule => ({
  kind,
  hint,
  pattern: new RegExp(source, 'giu'),
});

const KEY_HINT = /pass|pwd|secret|token|key|credential|psk|[_."'-]pw/iu;

export const NAME_RULES: readonly MaskRule[] = [
  // Authorization: Digest username="bob", response="…"
  rule(
    'secret',
    /digest/iu,
    `(?<before>authorization\\\\?["']?\\s{0,8}[:=]\\s{0,8}(?:\\[(?!masked))?\\\\?["']?digest\\s{1,8})(?!${MARKED}).+`,
  ),
  // Authorization: Bearer x · {"authorization":["Bearer x"]}
  rule(
    'secret',
    /authorization/iu,
    `(?<before>authorization\\\\?["']?\\s{0,8}[:=]\\s{0,8}(?:\\[(?!masked))?\\\\?["']?(?:(?:bearer|basic|digest|negotiate|token|apikey|aws4-hmac-sha256)\\s{1,8})?)(?!(?:\\w{1,16}\\s{1,8})?${MARKED})[^"'\\s\\\\[][^"'\\\\]*`,
  ),
  // "Cookie": "a=b; c=d"
  rule(
    'cookie',
    /cookie/iu,
    `(?<before>cookie2?\\\\?["']?\\s{0,8}[:=]\\s{0,8}(?:\\[(?!masked))?\\\\?["']?)(?!${MARKED})(?=[^"'\\s\\\\=]{1,128}=)[^"'\\\\]+`,
  ),
  // PHPSESSID=x, wherever
  rule(
    'cookie',
    /sess|\.sid|csrf|xsrf/iu,
    `(?<before>(?<![a-z])(?:phpsessid|jsessionid|asp\\.net_sessionid|connect\\.sid|laravel_session|(?:csrf|xsrf)[_-]?token|session_?id)\\\\?["']?[=:]\\s?\\\\?["']?)(?=[^\\s[]{0,64}[0-9])[\\w%.~+/-]{16,512}`,
  ),
  rule('secret', /bearer/iu, '(?<before>(?<![a-z])bearer\\s{1,8})(?=[^\\s[]{0,64}[0-9._])[\\w.~+/=-]{8,}'),
  // "password": "x" · password='x y'
  rule(
    'secret',
    KEY_HINT,
    `(?<before>${KEY}\\\\?["'\`]?\\]?${ASSIGN}(?=["'\`](?!${MARKED}(?:["'\`\\\\]|$)))["'\`])(?<=(?<quote>.))(?:\\\\.|(?!\\k<quote>)[^\\\\])+`,
  ),
  // password: some words, at the start of a line
  rule(
    'secret',
    KEY_HINT,
    `(?<before>^\\s{0,64}(?:[-#]\\s{1,4})?(?:[a-z0-9]{1,32}[_.-]){0,6}${KEY}(?:\\s{0,8}:\\s{1,8}|\\s{1,8}=\\s{1,8}))${HARMLESS}[^\\s"'\`{[].*`,
  ),
  // DB_PASSWORD=x · token: x · <secret>x
  rule('secret', KEY_HINT, `(?<before>${KEY}["'\`]?\\]?${ASSIGN})${HARMLESS}(?!\\\\")${BARE}`),
  // {\"password\":\"x\"}, JSON inside JSON
  rule('secret', KEY_HINT, `(?<before>${KEY}\\\\"${ASSIGN}\\\\")(?!${MARKED})[^"\\\\]+`),
  // --password x · --api-key=x
  rule(
    'secret',
    KEY_HINT,
    `(?<before>(?<!\\S)--?(?:[a-z0-9]{1,32}-){0,6}${KEY}(?:=|\\s{1,8}))(?!-)${HARMLESS}(?:["'][^"']*|[^\\s"']\\S*)`,
  ),
  // mysql -pSecret · sshpass -p secret · redis-cli -a secret · ldapsearch -w secret · zip -P secret · curl -u user:secret
  rule(
    'secret',
    /mysql|maria|sshpass|mongo/iu,
    `(?<before>(?:mysql|mariadb|sshpass|mongo)[^\\n]{0,200}?\\s-p\\s{0,2})(?![\\s-]|${MARKED})\\S+`,
  ),
  rule(
    'secret',
    /redis-cli|valkey-cli/iu,
    `(?<before>(?:redis|valkey)-cli[^\\n]{0,200}?\\s-a\\s{1,4})(?!${MARKED})\\S+`,
  ),
  rule(
    'secret',
    /ldap/iu,
    `(?<before>ldap(?:search|add|modify|delete|passwd|whoami|compare)[^\\n]{0,200}?\\s-w\\s{0,2})(?!${MARKED})\\S+`,
  ),
  {
    kind: 'secret',
    hint: /zip|ipmitool|sqlcmd/u,
    pattern: new RegExp(
      `(?<before>(?<![\\w-])(?:zip|unzip|ipmitool|sqlcmd)\\s[^\\n]{0,200}?\\s{0,2}-P\\s{1,2})(?!-|${MARKED})\\S+`,
      'gu',
    ),
  },
  rule(
    'secret',
    /curl|wget/iu,
    `(?<before>(?:curl|wget)[^\\n]{0,200}?\\s(?:-u|--user)[\\s=]{0,4}["']?[^\\s:"']{1,128}:)(?!${MARKED})[^\\s"']+`,
  ),
  rule(
    'secret',
    /smbclient|mount\.cifs|rpcclient/iu,
    `(?<before>(?:smbclient|rpcclient)[^\\n]{0,200}?\\s-U\\s{0,4}["']?[^\\s%"']{1,128}%)(?!${MARKED})[^\\s"']+`,
  ),
  // openssl -passin pass:x
  rule('secret', /pass:/iu, `(?<before>-pass(?:in|out)?\\s{1,4}pass:)(?!${MARKED})\\S+`),
  // .netrc, SQL, .pgpass, "user:password" of docker's config.json
  rule(
    'secret',
    /login/iu,
    `(?<before>(?<!\\S)login\\s{1,8}\\S{1,128}\\s{1,8}password\\s{1,8})(?!${MARKED})\\S+`,
  ),
  rule(
    'secret',
    /identified/iu,
    `(?<before>identified\\s{1,8}(?:with\\s{1,8}\\S{1,64}\\s{1,8})?(?:by|as)\\s{1,8}["'])(?!${MARKED})[^"']+`,
  ),
  rule('secret', /password\s{1,8}'/iu, `(?<before>(?<![a-z])password\\s{1,8}')(?!${MARKED})[^']+(?=')`),
  rule(
    'secret',
    /:(?:\d{4,5}|\*):/u,
    `(?<before>^\\s{0,16}(?:#\\s?)?[\\w.*/-]{1,128}:(?:\\d{4,5}|\\*):[\\w.*-]{1,64}:[a-z_*][\\w.*-]{0,64}:)(?!${MARKED})(?:[^:\\\\\\s]|\\\\.)+$`,
  ),
  rule(
    'secret',
    /:(?:5432|5433|6432):/u,
    `(?<before>(?<![^\\s"'=])[\\w.*/-]{1,128}:(?:5432|5433|6432):[\\w.*-]{1,64}:[a-z_*][\\w.*-]{0,64}:)(?!${MARKED})(?:[^:\\\\\\s"']|\\\\[:\\\\])+`,
  ),
  rule(
    'secret',
    /auth/iu,
    `(?<before>\\\\?"auth\\\\?"\\s{0,4}:\\s{0,4}\\\\?")(?!${MARKED})[a-z0-9+/]{8,512}={0,2}(?=\\\\?")`,
  ),
  // signatures that open what they sign: ?sig= of Azure, X-Amz-Signature
  rule(
    'secret',
    /sig/iu,
    '(?<before>[?&](?:sig|signature|x-amz-signature|x-goog-signature)=)(?!\\[masked)[\\w%+/=-]{20,512}',
  ),
  // scheme://user:secret@host · scheme://longtoken@host
  rule(
    'secret',
    /:\/\//u,
    `(?<before>:\\/\\/[^\\s:@/[]{0,128}:)(?![^\\s/]{0,256}${MARKED}@)[^\\s/]{1,256}(?<after>@)`,
  ),
  rule('secret', /:\/\//u, '(?<before>:\\/\\/)[^\\s:@/[]{20,256}(?<after>@)'),
];
