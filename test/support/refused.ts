import type { Json, Said } from './runner-target.ts';

/** What a refusal is about, to be compared with `refusal`: it says nothing else. */
export const refused = ({ code, exit, events }: Said): Json => ({ code, exit, events: events.length });
/** A refusal by a rule has exit 77. */
export const refusal = (code: string, exit = 77): Json => ({ code, exit, events: 0 });
