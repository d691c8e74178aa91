import { maskPrivateKeys } from './mask-private-keys.ts';
import { MARK, MASK_RULES } from './mask-rules.ts';

/**
 * Masks secrets: private keys (also when cut off at either end), assignments, URL credentials, options, headers, cookies
 * and tokens of known shape. Lines stay lines. `redactions` counts what was masked. A help against leaks, no proof of
 * their absence: what has neither shape nor name is not found. Linear in the text, and idempotent.
 */
export const mask = (text: string): { readonly text: string; readonly redactions: number } => {
  const lines = text.split('\n');
  let redactions = maskPrivateKeys(lines);
  for (const [index, line] of lines.entries()) {
    let masked = line;
    for (const { hint, pattern } of MASK_RULES) {
      if (!hint.test(masked)) continue;
      masked = masked.replace(pattern, (...found: unknown[]) => {
        redactions += 1;
        const { before, after } = (found.at(-1) ?? {}) as { before?: string; after?: string };
        return `${before ?? ''}${MARK}${after ?? ''}`;
      });
    }
    lines[index] = masked;
  }
  return { text: lines.join('\n'), redactions };
};
