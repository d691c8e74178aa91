import { cliEn } from '../messages/cli-en.ts';

export type LabelKey = keyof typeof cliEn;

/** A label or sentence with its places filled. Values are of this program or were made plain (plain-text.ts). */
export const say = (key: LabelKey, values: Readonly<Record<string, string | number>> = {}): string =>
  cliEn[key].replace(/\{(\w+)\}/gu, (_, name: string) => String(values[name] ?? '?'));
