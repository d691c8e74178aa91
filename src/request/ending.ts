import { PraError } from '../errors.ts';
import { endingWords } from '../messages/next-en.ts';
import type { Ending, StoredRequest } from './types.ts';

/** Endings by time alone: nobody said no, so that somebody may ask for the same once more. */
const LAPSED: readonly (Ending | undefined)[] = ['undecided', 'half_signed', 'unexecuted'];

/** True of a request whose time is over: it has expired, or its host is to confirm that, or has. */
export const hasLapsed = ({ state, ending }: Pick<StoredRequest, 'state' | 'ending'>): boolean =>
  state === 'EXPIRED' || (['REVOKE_UNCONFIRMED', 'REVOKED'].includes(state) && LAPSED.includes(ending));

/** True of a lapsed request that can never run any more, and of no other: what may be filed again. */
export const isRenewable = (request: Pick<StoredRequest, 'state' | 'ending'>): boolean =>
  request.state !== 'REVOKE_UNCONFIRMED' && hasLapsed(request);

/** Why a request goes on no more: its time is over. */
export const expiredError = ({ id, ending }: Pick<StoredRequest, 'id' | 'ending'>): PraError =>
  new PraError('REQUEST_EXPIRED', { id, why: ending === undefined ? '' : endingWords[ending] });
