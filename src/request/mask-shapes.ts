import { MARKED, NOT_BEHIND_MARK, type SecretKind } from './mask-mark.ts';
import type { MaskRule } from './mask-rules.ts';

/** Where a word may start: also behind an escape in JSON. */
const START = `(?:(?<![\\w-])|(?<=\\\\[nrt]))${NOT_BEHIND_MARK}`;

const shape = (kind: SecretKind, hint: RegExp, source: string, flags = 'giu'): MaskRule => ({
  kind,
  hint,
  pattern: new RegExp(source, flags),
});

/**
 * Tokens and hashes that are known by their shape, ours beside those of secretlint: vendors that it has none for, and forms of
 * its vendors that are longer, shorter or newer than what it looks for. Linear, as in mask-rules.ts.
 */
export const SHAPE_RULES: readonly MaskRule[] = [
  shape('token', /A(?:KI|SI|BI|CC)A/u, `${START}(?:AKIA|ASIA|ABIA|ACCA)[A-Z0-9]{16}(?![A-Za-z0-9])`, 'gu'),
  shape('token', /gh[pousr]_|github_pat_/u, `${START}(?:gh[pousr]_[a-z0-9]{30,255}|github_pat_\\w{22,255})`),
  shape(
    'token',
    /gl[a-z]{1,7}-/u,
    `${START}gl(?:pat|dt|rt|cbt|ptt|ft|imt|agent|soat|oas|wt)-[\\w.-]{20,255}`,
  ),
  shape('token', /xox|xapp-/u, `${START}(?:xox[a-z]|xapp)-[\\w-]{10,255}`),
  shape(
    'token',
    /hooks\.slack|discord|webhook\.office/u,
    '(?<before>(?:hooks\\.slack\\.com\\/(?:services|workflows)|discord(?:app)?\\.com\\/api\\/webhooks|webhook\\.office\\.com\\/webhookb2)\\/)(?!\\[masked)[\\w/@-]{10,255}',
  ),
  shape('token', /eyJ/u, `${START}eyJ[\\w-]{8,}\\.[\\w-]{8,}(?:\\.[\\w-]*)?`),
  shape(
    'token',
    /npm_|pypi-|dckr_|rubygems_|hf_|nvapi-/u,
    `${START}(?:npm_[a-z0-9]{36}|pypi-[\\w-]{50,255}|dckr_(?:pat|oat)_[\\w-]{20,255}|rubygems_[a-f0-9]{48}|hf_[a-z0-9]{30,64}|nvapi-[\\w-]{40,128})`,
  ),
  shape(
    'token',
    /[sr]k[-_]|whsec_|AIza|ya29\.|GOCSPX-|SG\.|hv[sbr]\.|do[opr]_v1_|shp/u,
    `${START}(?:[sr]k_(?:live|test)_[a-z0-9]{16,255}|whsec_[a-z0-9+/]{24,128}|sk-[\\w-]{20,255}|AIza[\\w-]{35}|ya29\\.[\\w.-]{20,512}|GOCSPX-[\\w-]{20,64}|SG\\.[\\w-]{16,64}\\.[\\w-]{16,64}|hv[sbr]\\.[\\w-]{20,512}|do[opr]_v1_[a-f0-9]{64}|shp(?:at|ca|pa|ss)_[a-f0-9]{32})`,
  ),
  shape(
    'token',
    /tskey-|NRAK-|sntry|glsa_|glc_|ATATT3|ATCTT3|HRKU-|pul-|dp\.|atlasv1|lin_api_|pscale_|PMAK-|dt0c01|bkua_/u,
    `${START}(?:tskey-[a-z]{3,16}-[\\w-]{16,128}|NRAK-[A-Z0-9]{27}|sntr[ys]{1,2}_[\\w+/=-]{32,512}|glsa_\\w{32,64}|glc_[\\w+/=]{32,512}|AT[AC]TT3[\\w=-]{40,512}|HRKU-[\\w-]{30,128}|pul-[a-f0-9]{40}|dp\\.(?:pt|st|ct|sa|scim|audit)\\.[\\w.-]{30,128}|[a-z0-9]{14}\\.atlasv1\\.[\\w-]{60,128}|lin_api_[a-z0-9]{32,128}|pscale_(?:tkn|pw|oauth)_[\\w.-]{32,128}|PMAK-[a-f0-9]{24}-[a-f0-9]{34}|dt0c01\\.[A-Z0-9]{24}\\.[A-Z0-9]{64}|bkua_[a-f0-9]{40})`,
  ),
  // Telegram, Mailgun, Mailchimp, Twilio: in small letters or capitals only, so that digests stay.
  shape(
    'token',
    /:AA/u,
    `(?:(?<![\\w])|(?<=bot))${NOT_BEHIND_MARK}\\d{8,10}:AA[\\w-]{32,34}(?![\\w-])`,
    'gu',
  ),
  shape(
    'token',
    /key-|-us\d|SK[0-9a-f]/u,
    `${START}(?:key-[0-9a-f]{32}|[0-9a-f]{32}-us\\d{1,2}|SK[0-9a-f]{32})(?![\\w-])`,
    'gu',
  ),
  shape('token', /age-secret-key/iu, `${START}age-secret-key-(?:pq-)?1[a-z0-9]{50,2000}`),
  // crypt(5), as in /etc/shadow; the verifiers of PostgreSQL and MySQL
  shape(
    'hash',
    /\$/u,
    `(?<![\\w$])${NOT_BEHIND_MARK}\\$(?:1|2[abxy]|5|6|7|y|gy|apr1|sha1|argon2(?:id|i|d)|scrypt|pbkdf2-sha\\d{1,3})\\$(?!${MARKED})[\\w./$=,+-]{16,512}`,
  ),
  shape('hash', /SCRAM-SHA/u, 'SCRAM-SHA-(?:1|256)\\$\\d{1,8}:[\\w+/=]{8,64}\\$[\\w+/=:]{40,200}'),
  shape('hash', /md5[0-9a-f]/u, `${START}md5[0-9a-f]{32}(?![\\w-])`, 'gu'),
  shape('hash', /\*[0-9A-F]/u, `(?<![\\w*])${NOT_BEHIND_MARK}\\*[0-9A-F]{40}(?![\\w])`, 'gu'),
];
