// The shapes of secrets, ours and on purpose few. Every pattern is linear: gaps are bounded, and what starts with a run of
// characters looks behind itself so that it starts only once in that run.

/** What stands in place of a secret. */
export const MARK = '[masked]';

/** A shape: all of the match is replaced by MARK but the named groups `before` and `after`. */
export interface MaskRule {
  readonly name: string;
  /** Cheap test of the line; the pattern runs only where it is true. */
  readonly hint: RegExp;
  readonly pattern: RegExp;
}

/** Names that hold secrets; `DB_PASSWORD`, `clientSecret` and `x-api-key` end in one of them. */
const KEY_NAMES =
  'pass(?:word|wd|phrase|code)s?|secrets?|tokens?|(?:api|access|auth|account|private|preshared|encryption|signing|master|shared|secret)[_.-]?keys?|credentials?|psk|(?<=[a-z][_.-])(?:pwd|pass|pw)|(?<![a-z])pass(?==)';
const KEY_SUFFIX = '(?:[_.-]?(?:hash|value|base64|b64|plain|data|[0-9]{1,3}))?';
const KEY = `(?:${KEY_NAMES})${KEY_SUFFIX}(?![A-Za-z0-9])`;
const ASSIGN = '\\s{0,8}(?:=>|:=|=(?!>)|:(?!=)|>)\\s{0,8}';
/** An unquoted value, up to white space or to what ends it in JSON, XML or around a quoted `NAME=value`. */
const BARE = '(?![{[(<](?:["\'\\s]|$))[^\\s"\'`](?:[^\\s"\'`<,]|["\'`<,](?![\\s,}\\])"\'/]|$))*';
/** Values that are no secret, or masked already. */
const HARMLESS =
  '(?!(?:true|false|null|none|nil|yes|no|unset|\\*+|-|0|\\[masked\\]|<[a-z_ -]{1,30}>)(?:[\\s,;"\'}\\])<]|$))';

const rule = (name: string, hint: RegExp, source: string): MaskRule => ({
  name,
  hint,
  pattern: new RegExp(source, 'giu'),
});

const KEY_HINT = /pass|pwd|secret|token|key|credential|psk|_pw|-pw|\.pw/iu;

export const MASK_RULES: readonly MaskRule[] = [
  // Authorization: Bearer x · "Cookie": "a=b; c=d"
  rule(
    'header',
    /authorization|cookie/iu,
    `(?<before>(?:authorization|cookie2?)["']?\\s{0,8}[:=]\\s{0,8}["']?(?:(?:bearer|basic|digest|negotiate|token|apikey)\\s{1,8})?)(?!(?:\\w{1,16}\\s{1,8})?\\[masked\\])[^"'\\s][^"']*`,
  ),
  rule('bearer', /bearer/iu, '(?<before>(?<![a-z])bearer\\s{1,8})(?=[^\\s]{0,64}[0-9._])[\\w.~+/=-]{8,}'),
  // "password": "x" · password='x y'
  rule(
    'quoted assignment',
    KEY_HINT,
    `(?<before>${KEY}\\\\?["'\`]?\\]?${ASSIGN}(?=["'\`](?!\\[masked\\]))["'\`])(?<=(?<quote>.))(?:\\\\.|(?!\\k<quote>)[^\\\\])+`,
  ),
  // password: some words, at the start of a line
  rule(
    'line assignment',
    KEY_HINT,
    `(?<before>^\\s{0,64}(?:[-#]\\s{1,4})?(?:[a-z0-9]{1,32}[_.-]){0,6}${KEY}(?:\\s{0,8}:\\s{1,8}|\\s{1,8}=\\s{1,8}))${HARMLESS}[^\\s"'\`{[].*`,
  ),
  // DB_PASSWORD=x · token: x · <secret>x
  rule('assignment', KEY_HINT, `(?<before>${KEY}["'\`]?\\]?${ASSIGN})${HARMLESS}(?!\\\\")${BARE}`),
  // {\"password\":\"x\"}, JSON inside JSON
  rule('escaped assignment', KEY_HINT, `(?<before>${KEY}\\\\"${ASSIGN}\\\\")(?!\\[masked\\])[^"\\\\]+`),
  // --password x · --api-key=x
  rule(
    'option',
    KEY_HINT,
    `(?<before>(?<!\\S)--?(?:[a-z0-9]{1,32}-){0,6}${KEY}(?:=|\\s{1,8}))(?!-)${HARMLESS}(?:["'][^"']*|[^\\s"']\\S*)`,
  ),
  // mysql -pSecret · sshpass -p secret · redis-cli -a secret · curl -u user:secret
  rule(
    'short option',
    /mysql|maria|sshpass|mongo/iu,
    '(?<before>(?:mysql|mariadb|sshpass|mongo)[^\\n]{0,200}?\\s-p\\s{0,2})(?![\\s-]|\\[masked\\])\\S+',
  ),
  rule('short option', /redis-cli/iu, '(?<before>redis-cli[^\\n]{0,200}?\\s-a\\s{1,4})(?!\\[masked\\])\\S+'),
  rule(
    'short option',
    /curl|wget/iu,
    '(?<before>(?:curl|wget)[^\\n]{0,200}?\\s(?:-u|--user)[\\s=]{1,4}["\']?[^\\s:"\']{1,128}:)(?!\\[masked\\])[^\\s"\']+',
  ),
  // .netrc, SQL
  rule(
    'netrc',
    /login/iu,
    '(?<before>(?<!\\S)login\\s{1,8}\\S{1,128}\\s{1,8}password\\s{1,8})(?!\\[masked\\])\\S+',
  ),
  rule(
    'sql',
    /identified/iu,
    '(?<before>identified\\s{1,8}(?:with\\s{1,8}\\S{1,64}\\s{1,8})?(?:by|as)\\s{1,8}["\'])(?!\\[masked\\])[^"\']+',
  ),
  // scheme://user:secret@host · scheme://longtoken@host
  rule('url', /:\/\//u, '(?<before>:\\/\\/[^\\s:@/]{0,128}:)(?!\\[masked\\]@)[^\\s/]{1,256}(?<after>@)'),
  rule('url', /:\/\//u, '(?<before>:\\/\\/)[^\\s:@/[]{20,256}(?<after>@)'),
  // tokens that are known by their shape
  rule('aws', /A(?:KI|SI|BI|CC)A/u, '(?<![A-Za-z0-9])(?:AKIA|ASIA|ABIA|ACCA)[A-Z0-9]{16}(?![A-Za-z0-9])'),
  rule('github', /gh[pousr]_|github_pat_/u, '(?<!\\w)(?:gh[pousr]_[a-z0-9]{30,255}|github_pat_\\w{22,255})'),
  rule('gitlab', /gl[a-z]{1,7}-/u, '(?<![\\w-])gl(?:pat|dt|rt|cbt|ptt|ft|imt|agent|soat)-[\\w-]{20,255}'),
  rule('slack', /xox|xapp-|hooks\.slack/u, '(?<![\\w-])(?:xox[a-z]|xapp)-[\\w-]{10,255}'),
  rule('slack', /hooks\.slack/u, '(?<before>hooks\\.slack\\.com\\/(?:services|workflows)\\/)[\\w/]{10,255}'),
  rule('jwt', /eyJ/u, '(?<![\\w-])eyJ[\\w-]{8,}\\.[\\w-]{8,}(?:\\.[\\w-]*)?'),
  rule(
    'registry',
    /npm_|pypi-|dckr_|rubygems_/u,
    '(?<![\\w-])(?:npm_[a-z0-9]{36}|pypi-[\\w-]{50,255}|dckr_pat_[\\w-]{20,255}|rubygems_[a-f0-9]{48})',
  ),
  rule(
    'vendor',
    /[sr]k[-_]|AIza|SG\.|hv[sbr]\.|dop_v1_|shp/u,
    '(?<![\\w-])(?:[sr]k_(?:live|test)_[a-z0-9]{16,255}|sk-[\\w-]{20,255}|AIza[\\w-]{35}|SG\\.[\\w-]{16,64}\\.[\\w-]{16,64}|hv[sbr]\\.[\\w-]{20,255}|dop_v1_[a-f0-9]{64}|shp(?:at|ca|pa|ss)_[a-f0-9]{32})',
  ),
  rule('age', /age-secret-key/iu, '(?<![\\w-])age-secret-key-1[a-z0-9]{50,80}'),
  // crypt(5) hashes, as in /etc/shadow
  rule(
    'crypt',
    /\$/u,
    '(?<![\\w$])\\$(?:1|2[abxy]|5|6|7|y|gy|sha1|argon2(?:id|i|d)|scrypt)\\$[\\w./$=,+-]{16,512}',
  ),
];
