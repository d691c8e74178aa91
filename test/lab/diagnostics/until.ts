/** Asks until it says so; the time limit of the test is the limit. */
export const until = async (says: () => Promise<boolean>): Promise<void> => {
  while (!(await says()));
};
