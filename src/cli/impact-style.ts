import type { RequestView } from '../request/desk.ts';
import type { Style } from './cli-io.ts';

/** The colour of an impact; it never says more than the word beside it. */
export const IMPACT_STYLE: Readonly<Record<RequestView['impact'], Style>> = {
  LOW: 'green',
  MEDIUM: 'yellow',
  HIGH: 'red',
};
