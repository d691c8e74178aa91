import { rules } from '@secretlint/secretlint-rule-preset-recommend';

/** As much of secretlint's rules as is used here. */
interface VendorRule {
  readonly meta: { readonly id: string };
  create(
    context: {
      createTranslator(): (message: string, values: Readonly<Record<string, unknown>>) => unknown;
      report(found: { readonly message: unknown; readonly range: readonly [number, number] }): void;
      ignore(): void;
    },
    options: object,
  ): { file(source: { content: string; filePath: string; contentType: 'text' }): unknown };
}

/** Rules of secretlint's recommended preset that we use: tokens of vendors, known by their shape. */
export const VENDORS: readonly string[] = [
  '1password',
  'anthropic',
  'aws',
  'databricks',
  'docker',
  'figma',
  'github',
  'gitlab',
  'grafana',
  'groq',
  'hashicorp-vault',
  'huggingface',
  'linear',
  'notion',
  'npm',
  'openai',
  'sendgrid',
  'shopify',
  'slack',
  'vercel',
];

/** And those that we do not (docs/decisions/0019-secretlint-beside-our-own-rules.md). */
export const LEFT_OUT: readonly string[] = [
  // What is in the text would switch the masking off.
  'filter-comments',
  // It opens files.
  'gcp',
  // Ours find more of these.
  'basicauth',
  'database-connection-string',
  'privatekey',
];

/** Names of all rules of the preset. */
export const presetNames = (): readonly string[] =>
  (rules as unknown as readonly VendorRule[]).map(({ meta }) => nameOf(meta.id));

const nameOf = (id: string): string => id.replace('@secretlint/secretlint-rule-', '');

/** A secret in a text: where it starts, and its characters. */
export interface Found {
  readonly at: number;
  readonly secret: string;
}

/** The secret itself is among what a rule tells for its message; the range it reports is that of a longer match. */
const told = (message: string, values: Readonly<Record<string, unknown>>): string => {
  const secret = Object.values(values).find((value) => typeof value === 'string');
  // Numbers of accounts are no secret.
  return message === 'AWSAccountID' || secret === undefined ? '' : (/^\S*/u.exec(secret)?.[0] ?? '');
};

let content = '';
let found: Found[] = [];

const context = {
  createTranslator: () => told,
  report: ({ message, range }: { readonly message: unknown; readonly range: readonly [number, number] }) => {
    const secret = String(message);
    const at = secret === '' ? -1 : content.indexOf(secret, range[0]);
    if (at >= 0) found.push({ at, secret });
  },
  ignore: () => undefined,
};

const scanners = (rules as unknown as readonly VendorRule[])
  .filter(({ meta }) => VENDORS.includes(nameOf(meta.id)))
  .map((rule) => rule.create(context, {}));

/** An escape in JSON is no letter before a token; as many characters as before. */
const ESCAPED = /\\[nrt]/gu;

/** Tokens of vendors in a text, none within another, from the first to the last. Linear in the text. */
export const vendorTokens = (text: string): readonly Found[] => {
  content = text.includes('\\') ? text.replace(ESCAPED, '  ') : text;
  found = [];
  for (const scanner of scanners) scanner.file({ content, filePath: '', contentType: 'text' });
  let end = 0;
  const tokens = found
    .sort((one, other) => one.at - other.at || other.secret.length - one.secret.length)
    .filter(({ at, secret }) => {
      const isFree = at >= end;
      if (isFree) end = at + secret.length;
      return isFree;
    });
  [content, found] = ['', []];
  return tokens;
};
