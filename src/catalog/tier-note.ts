import { tierNotes } from '../messages/mcp-en.ts';
import type { Diagnostic } from './types.ts';

/** What a tier says about a diagnostic; empty where there is nothing to be careful about. */
export const tierNote = ({ tier }: Pick<Diagnostic, 'tier'>): string =>
  tier === undefined ? '' : tierNotes[tier];
