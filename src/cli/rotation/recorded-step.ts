import type { CliContext } from '../cli-context.ts';
import { readKeyFiles } from './key-files.ts';

/**
 * Does one step of a rotation of the key at `path`. A step that went on is a row of the ledger; one that found itself done is none,
 * since a playbook repeats them.
 */
export const recordedStep = async <T>(
  context: CliContext,
  what: { readonly key: string; readonly step: string; readonly skipped?: readonly string[] | undefined },
  path: string,
  work: () => T | Promise<T>,
): Promise<T> => {
  const before = readKeyFiles(path);
  const result = await work();
  const after = readKeyFiles(path);
  const both = before.phase === 'idle' ? after : before;
  const { key, step, skipped = [] } = what;
  if (after.phase !== before.phase)
    await context.record({
      code: 'KEY_ROTATION',
      detail: {
        key,
        step,
        old: both.old.fingerprint,
        new: both.new.fingerprint,
        ...(skipped.length === 0 ? {} : { skipped: skipped.join(' ').slice(0, 1_000) }),
      },
    });
  return result;
};
