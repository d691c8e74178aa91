import { PraError } from '../../../src/errors.ts';

/** The refusal that `run` throws, undefined when it throws none; anything else that is thrown goes on. */
export const thrownBy = (run: () => unknown): PraError | undefined => {
  try {
    run();
  } catch (error) {
    if (error instanceof PraError) return error;
    throw error;
  }
  return undefined;
};
