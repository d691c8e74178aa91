import type { Impact } from '../catalog/types.ts';

const RANK: Readonly<Record<Impact, number>> = { LOW: 0, MEDIUM: 1, HIGH: 2 };

/** The higher of two impacts. */
export const higher = (a: Impact, b: Impact): Impact => (RANK[a] >= RANK[b] ? a : b);
