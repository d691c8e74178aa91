import type { ApprovalSheet } from '../request/desk.ts';
import type { Page } from './page.ts';
import { oneLine, wrap } from './plain-text.ts';
import { say } from './say.ts';

/** Right above the question: that glass is broken, and which sessions nobody has reviewed. Nothing on an ordinary sheet. */
export const glassSection = (page: Page, { breakGlass, reviews = [], offer }: ApprovalSheet): Page => {
  const red = (text: string): void => {
    for (const line of wrap(text, page.width)) page.line(page.paint('red', line));
  };
  if (breakGlass !== undefined) {
    page.line();
    red(say('glass.title', { incident: breakGlass.incident }));
    red(say('glass.what', { host: offer.host }));
    page.words(oneLine(breakGlass.reason));
  }
  if (reviews.length > 0) page.line();
  for (const { host, incident, principal } of reviews)
    red(say('glass.missing', { host, incident, principal }));
  return page;
};
