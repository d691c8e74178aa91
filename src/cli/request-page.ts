import type { ApprovalSheet, RequestView } from '../request/desk.ts';
import { isBuiltIn } from '../request/built-in.ts';
import type { Offer } from '../request/types.ts';
import type { UndoHint } from '../request/view.ts';
import { neutralise } from '../request/neutralise.ts';
import { IMPACT_STYLE } from './impact-style.ts';
import type { Page } from './page.ts';
import { oneLine, showToken } from './plain-text.ts';
import { receiptSection } from './receipt-page.ts';
import { say } from './say.ts';

/**
 * A request for a person to read. With the sheet of a pending one: first what the host signed, then what the catalog
 * says of it, then the requester's words marked as such, and last the ticket, which is what a signature covers.
 */
export const requestPage = (page: Page, view: RequestView, sheet?: ApprovalSheet): Page => {
  headSection(page, view, sheet !== undefined);
  if (sheet === undefined) commandSection(page, view);
  else {
    offerSection(page, sheet.offer);
    if (sheet.rules !== '') page.field(say('offer.rules_here'), sheet.rules);
    definitionSection(page, sheet);
  }
  page.title(say('reason.title', { requester: oneLine(view.requester) })).words(oneLine(view.reason));
  if (sheet !== undefined) page.title(say('ticket.title')).verbatim(sheet.ticket.replace(/\n$/u, ''));
  if (view.output !== null && view.output !== '') {
    page.title(say('output.title')).verbatim(neutralise(view.output).text.replace(/\n+$/u, ''));
    if (view.output_truncated) page.field('', say('output.truncated'));
  }
  if (view.receipt !== null) receiptSection(page, view.receipt);
  if (sheet === undefined) page.line().text(say('request.next', { next: view.next }));
  return page;
};

/** The end of a long page, right above the question: what it is about, once more. */
export const recapSection = (page: Page, { offer, view, effects }: ApprovalSheet): Page => {
  page.title(say('recap.title')).line(headLine(page, view));
  for (const [index, [name, value]] of offer.args.entries())
    page.field(index === 0 ? say('offer.args') : '', `${name} = ${showToken(value)}`);
  return warningFields(page.field(say('catalog.effects'), oneLine(effects)), view);
};

/** How it ended, for somebody who has just read the request: state, refusal, receipt, next step. */
export const outcomePage = (page: Page, view: RequestView): Page => {
  page.line().field(say('request.state'), view.state);
  warningFields(page, view);
  if (view.refusal !== null) page.field(say('request.refusal'), oneLine(view.refusal));
  if (view.receipt !== null) receiptSection(page, view.receipt);
  return page.line().text(say('request.next', { next: view.next }));
};

const headSection = (page: Page, view: RequestView, hasOffer: boolean): void => {
  page.title(say('request.title', { id: view.id })).line(headLine(page, view));
  page.line(`  ${say('request.asked', { requester: oneLine(view.requester), created: view.created_at })}`);
  page.field(say('request.state'), view.state);
  if (view.renew_of !== null) page.field(say('request.renews'), view.renew_of);
  if (view.undo_of !== null) page.field(say('request.undoes'), view.undo_of);
  if (view.decided_by !== null) page.field(say('request.decided'), oneLine(view.decided_by));
  if (view.state === 'PENDING' && (view.signatures_needed ?? 1) > 1)
    page.field(say('request.signatures'), signaturesLine(view));
  if (view.decision_note !== null) page.field(say('request.note'), oneLine(view.decision_note));
  if (view.rule !== null && !hasOffer) page.field(say('request.rule'), oneLine(view.rule));
  if (view.refusal !== null) page.field(say('request.refusal'), oneLine(view.refusal));
  warningFields(page, view);
};

/** What the host warned of, and what was in the session that asked, in our words. */
const warningFields = (page: Page, { warnings, taint }: RequestView): Page => {
  if (taint !== null) page.field(say('request.taint'), page.paint('yellow', oneLine(taint)));
  for (const { code, text } of warnings) page.field(say('request.warning'), `${code}: ${text}`);
  return page;
};

const headLine = (page: Page, view: RequestView): string => {
  const impact = page.paint(IMPACT_STYLE[view.impact], view.impact);
  return `  ${impact}  ${view.action} @ ${view.host}  ${timeLeft(view.seconds_left)}`.trimEnd();
};

/** How many of several signatures are there, by whom, and until when the others can come. */
export const signaturesLine = (view: RequestView): string => {
  const needed = view.signatures_needed ?? 1;
  const given = view.signed_by.length;
  const minutes = Math.ceil((view.seconds_left ?? 0) / 60);
  const values = { given, needed, more: needed - given, minutes, by: oneLine(view.signed_by.join(', ')) };
  // Of what no model can ask for, who asked may be one of them.
  if (given === 0)
    return say(isBuiltIn(view.action) ? 'request.signatures_none_yet' : 'request.signatures_none', values);
  return say(
    view.seconds_left === null ? 'request.signatures_some_elsewhere' : 'request.signatures_some',
    values,
  );
};

/** Time until the deadline that the request has now; nothing when it has none. */
export const timeLeft = (seconds: number | null): string => {
  if (seconds === null) return '';
  return seconds === 0
    ? say('request.over')
    : say('request.left', { minutes: Math.floor(seconds / 60), seconds: seconds % 60 });
};

const offerSection = (page: Page, offer: Offer): void => {
  page.title(say('offer.title', { key: offer.hostKey }));
  page.field(say('offer.host'), offer.host).field(say('offer.action'), offer.action);
  for (const [index, [name, value]] of offer.args.entries())
    page.field(index === 0 ? say('offer.args') : '', `${name} = ${showToken(value)}`);
  page.field(say('offer.impact'), page.paint(IMPACT_STYLE[offer.impact], offer.impact));
  commandLines(page, offer.argv);
  for (const [index, file] of offer.files.entries()) {
    if (index === 0) page.field(say('offer.files'), '');
    page.line(`      ${showToken(file.path)}`).line(`        sha256 ${file.sha256}`);
  }
  for (const [index, { diagnostic, fact, value }] of offer.facts.entries()) {
    if (index === 0) page.field(say('offer.facts'), '');
    page.line(
      `      ${diagnostic}.${fact} = ${value === undefined ? say('offer.absent') : showToken(value)}`,
    );
  }
  const { count, namespace, signer } = offer.requires;
  page.field(say('offer.requires'), say('offer.requires_value', { count, namespace, signer }));
  page.field(say('offer.rule'), oneLine(offer.rule));
  page.field(say('offer.clock'), offer.wallclock);
};

/** What the catalog says: effects, what the host asks afterwards, the way back and what can be proposed for it. */
const definitionSection = (page: Page, { effects, verify, undo, undoAction }: ApprovalSheet): void => {
  page.title(say('catalog.title')).field(say('catalog.effects'), oneLine(effects));
  if (verify.length === 0) page.field(say('catalog.verify'), say('catalog.verify_none'));
  for (const [index, { diagnostic, args, expect, within }] of verify.entries()) {
    const wanted = expect.map(({ fact, op, value }) => `${fact} ${OPERATOR[op]} ${showToken(String(value))}`);
    const time = within === 0 ? '' : `, ${say('catalog.verify_within', { seconds: within })}`;
    const asked = `${diagnostic}${argsText(args)}: ${wanted.join(', ')}${time}`;
    page.field(index === 0 ? say('catalog.verify') : '', asked);
  }
  page.field(say('catalog.undo'), oneLine(undo));
  if (undoAction !== undefined)
    page.field('', say('catalog.undo_action', { call: `${undoAction.action}${argsText(undoAction.args)}` }));
};

const OPERATOR = { eq: '=', ne: '≠', lt: '<', le: '≤', gt: '>', ge: '≥' } as const;

const argsText = (args: UndoHint['args']): string =>
  Object.entries(args)
    .map(([name, value]) => ` ${name}=${showToken(String(value))}`)
    .join('');

const commandSection = (page: Page, view: RequestView): void => {
  if (view.argv.length > 0) commandLines(page, view.argv);
};

const commandLines = (page: Page, argv: readonly string[]): void => {
  page.field(say('offer.command'), say('offer.command_note'));
  for (const [index, token] of argv.entries())
    page.line(`  ${String(index).padStart(5)}  ${showToken(token)}`);
};
