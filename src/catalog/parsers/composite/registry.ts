import type { FactParser } from '../parser.ts';
import { hostOverview } from './host-overview.ts';
import { timeline } from './timeline.ts';
import { whatCanIAsk } from './what-can-i-ask.ts';
import { whatChanged } from './what-changed.ts';

/** Parsers of diagnostics about several things at once, by the name a definition gives. */
export const compositeParsers: readonly (readonly [name: string, parser: FactParser])[] = [
  ['host_overview', hostOverview],
  ['timeline', timeline],
  ['what_can_i_ask', whatCanIAsk],
  ['what_changed', whatChanged],
];
