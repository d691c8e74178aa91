import type { ExitCode } from '../errors.ts';
import type { RequestView } from '../request/desk.ts';
import type { Page } from './page.ts';
import { say } from './say.ts';

/** What came of a denial or a withdrawal: `done` where nothing was signed, else what the host said of the signed ticket. */
export const takenBackLine = (page: Page, view: RequestView, done: 'deny.done' | 'withdraw.done'): Page => {
  const { id, host, state } = view;
  if (state === 'REVOKED') return page.line(say('revoke.done', { id, host }));
  if (state === 'REVOKE_UNCONFIRMED') return page.line(say('revoke.unconfirmed', { id, host }));
  if (state === 'DENIED' || state === 'WITHDRAWN') return page.line(say(done, { id }));
  if (state === 'EXPIRED') return page.line(say('revoke.expired', { id, host }));
  return page.line(say('revoke.late', { id, host, state }));
};

/** Done, or the host has not confirmed it, or it was too late. */
export const exitOfTakenBack = ({ state }: RequestView): ExitCode => {
  if (state === 'REVOKE_UNCONFIRMED' || state === 'EXPIRED') return 6;
  return state === 'REVOKED' || state === 'DENIED' || state === 'WITHDRAWN' ? 0 : 1;
};
