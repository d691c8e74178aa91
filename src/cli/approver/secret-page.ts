import type { ApproverSeat } from './sign-as-person.ts';

const OPEN = '\u001b[?1049h\u001b[2J\u001b[H';
const CLOSE = '\u001b[2J\u001b[H\u001b[?1049l';

/**
 * Shows secrets on the terminal's alternate screen while `work` asks for something, then wipes it: they stay in no scroll-back,
 * however it ends.
 */
export const onSecretPage = async <T>(
  write: ApproverSeat['write'],
  text: string,
  work: () => Promise<T>,
): Promise<T> => {
  const wipe = (): unknown => write(CLOSE);
  process.once('exit', wipe);
  write(OPEN + text);
  try {
    return await work();
  } finally {
    process.removeListener('exit', wipe);
    wipe();
  }
};
