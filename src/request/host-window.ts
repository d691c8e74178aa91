import type { StoredRequest } from './types.ts';

/** How long a host takes an offer after it made it, at most: with one signature, and where it asks for more (docs/wire-protocol.md). */
const OFFER_MS = { one: 480_000, several: 1_200_000 } as const;

/** Until when the host of a request takes its ticket. Steady time. */
export const hostTakesUntil = (request: Pick<StoredRequest, 'offeredAt' | 'offer' | 'incident'>): number =>
  request.offeredAt + (needsSeveral(request) ? OFFER_MS.several : OFFER_MS.one);

/** For an incident one person is enough, and then the host gives no more time than to one. */
const needsSeveral = ({ offer, incident }: Pick<StoredRequest, 'offer' | 'incident'>): boolean =>
  incident === undefined && /^requires [2-9] /mu.test(offer?.text ?? '');
