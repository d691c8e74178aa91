import { asPraError, type PraError } from '../errors.ts';
import { detailsOf } from './print-error.ts';

/** One line of the doctor. */
export interface Finding {
  readonly level: 'ok' | 'warn' | 'fail';
  readonly text: string;
  readonly fix?: string;
}

/** The sentence of a check that passes, or how it failed. */
export const check = async (work: () => Promise<string>): Promise<readonly Finding[]> => {
  try {
    return [{ level: 'ok', text: await work() }];
  } catch (thrown) {
    return failure(asPraError(thrown));
  }
};

/** A failure with what to do; each problem of a file is a finding of its own. */
export const failure = (error: PraError): readonly Finding[] => {
  const details = detailsOf(error);
  if (details.length > 0) return details.map((text) => ({ level: 'fail', text }));
  return [{ level: 'fail', text: `${error.message} [${error.layer} ${error.code}]`, fix: error.hint }];
};
