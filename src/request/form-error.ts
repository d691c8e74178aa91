/** Which text was malformed; the names are those of docs/wire-protocol.md §3 where it has one. */
export type FormCode =
  | 'DRAFT_FORM'
  | 'OFFER_FORM'
  | 'TICKET_FORM'
  | 'QUERY_FORM'
  | 'RECEIPT_FORM'
  | 'SIZE'
  | 'SUBMISSION_FORM'
  | 'SIGNATURE_FORM'
  | 'SIGNATURE_MISSING'
  | 'BLOCK_FORM'
  | 'PERCENT_FORM'
  | 'EVENTS_FORM';

/**
 * A text that breaks a rule of its form. `where` is a word of ours (the key of the line that was expected), for the log;
 * nothing of the text itself is in the error.
 */
export class FormError extends Error {
  override readonly name = 'FormError';
  readonly code: FormCode;
  readonly where: string;

  constructor(code: FormCode, where: string) {
    super(`${code} at ${where}`);
    this.code = code;
    this.where = where;
  }
}
