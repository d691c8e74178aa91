import { hasMark, isMasked, markOf, type SecretKind } from './mask-mark.ts';
import { PERSONAL_RULES } from './mask-personal.ts';
import { maskPrivateKeys } from './mask-private-keys.ts';
import { type MaskRule, NAME_RULES } from './mask-rules.ts';
import { SHAPE_RULES } from './mask-shapes.ts';
import { vendorTokens } from './mask-vendors.ts';

/** A text and how many secrets were masked in it. */
export interface Masked {
  readonly text: string;
  readonly redactions: number;
}

/**
 * Masks secrets and personal data: private keys (also when cut off at either end), what stands behind a name or an option
 * for secrets, tokens of known shape, addresses, numbers of people, accounts and cards. Each becomes `[masked:<kind>-<id>]`,
 * the same secret the same id as long as this process lives. Lines stay lines. `redactions` counts what was masked. A help
 * against leaks, no proof of their absence: what has neither shape nor name is not found (docs/masking.md). Linear in the
 * text, and idempotent.
 */
export const mask = (text: string): Masked => {
  const lines = text.split('\n');
  const keys = maskPrivateKeys(lines);
  // Names first: what a shape finds is often only a part of what a name says is secret.
  const named = maskLines(keys === 0 ? text : lines.join('\n'), NAME_RULES, kindOf);
  const tokens = maskVendorTokens(named.text);
  const shaped = maskLines(tokens.text, SHAPE_RULES);
  const personal = maskLines(shaped.text, PERSONAL_RULES);
  return {
    text: personal.text,
    redactions: keys + named.redactions + tokens.redactions + shaped.redactions + personal.redactions,
  };
};

/** Each line by each rule whose hint is true; `kind` may know better what a secret is than its rule. */
const maskLines = (
  text: string,
  rules: readonly MaskRule[],
  kind: (secret: string, by: SecretKind) => SecretKind = (_, by) => by,
): Masked => {
  const hinted = rules.filter(({ hint }) => hint.test(text));
  if (hinted.length === 0) return { text, redactions: 0 };
  let redactions = 0;
  const lines = text.split('\n').map((line) => {
    let masked = line;
    for (const rule of hinted) {
      if (!rule.hint.test(masked)) continue;
      masked = masked.replace(rule.pattern, (...found: unknown[]) => {
        const whole = String(found[0]);
        const { before = '', after = '' } = (found.at(-1) ?? {}) as { before?: string; after?: string };
        const secret = whole.slice(before.length, whole.length - after.length);
        if (rule.accepts?.(secret) === false || isMasked(secret)) return whole;
        redactions += 1;
        return before + markOf(kind(secret, rule.kind), secret) + after;
      });
    }
    return masked;
  });
  return { text: lines.join('\n'), redactions };
};

const maskVendorTokens = (text: string): Masked => {
  let [masked, from, redactions] = ['', 0, 0];
  for (const { at, secret } of vendorTokens(text)) {
    if (hasMark(secret)) continue;
    masked += text.slice(from, at) + markOf('token', secret);
    from = at + secret.length;
    redactions += 1;
  }
  return { text: masked + text.slice(from), redactions };
};

/** Shortest token of known shape. */
const SHORTEST_TOKEN = 16;
/** Most vendors begin their tokens with letters of their own: `glsa_`, `sk-`. */
const PREFIXED = /^\w{2,8}[-_.]/u;

/** A token behind a name is called what it is called elsewhere. */
const kindOf = (secret: string, by: SecretKind): SecretKind => {
  if (secret.length < SHORTEST_TOKEN || secret.length > 512) return by;
  const isAll = (found: string | undefined): boolean =>
    found !== undefined && found.length >= secret.length - 2;
  for (const { kind, hint, pattern } of SHAPE_RULES) {
    if (hint.test(secret) && isAll(secret.match(pattern)?.[0])) return kind;
  }
  return PREFIXED.test(secret) && isAll(vendorTokens(secret)[0]?.secret) ? 'token' : by;
};
