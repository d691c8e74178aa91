import { cliEn } from '../messages/cli-en.ts';
import { keysEn } from '../messages/keys-en.ts';
import { lookEn } from '../messages/look-en.ts';
import { stopEn } from '../messages/stop-en.ts';

const sentences = { ...cliEn, ...keysEn, ...lookEn, ...stopEn };

export type LabelKey = keyof typeof sentences;

/** A label or sentence with its places filled. Values are of this program or were made plain (plain-text.ts). */
export const say = (key: LabelKey, values: Readonly<Record<string, string | number>> = {}): string =>
  sentences[key].replace(/\{(\w+)\}/gu, (_, name: string) => String(values[name] ?? '?'));
