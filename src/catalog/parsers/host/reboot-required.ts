import { integerOf, outputLines, words } from '../../output-lines.ts';
import { utcTime } from '../../utc-time.ts';
import type { FactParser } from '../parser.ts';

/** `running`: uname -r; `flag`: when the flag file was written; `packages`: who asked; `boot`: ls -v of /boot, oldest first. */
export const rebootRequired: FactParser = (sections, codes) => {
  const running = words(sections.get('running')?.trim() ?? '')[0];
  const isSet = codes.get('flag') === 0;
  const kernels = outputLines(sections.get('boot') ?? '')
    .map((name) => /^vmlinuz-([0-9]\S*)$/u.exec(name)?.[1])
    // A rescue image is made once and is never the one to boot.
    .filter((release) => release !== undefined && !release.startsWith('0-rescue'));
  const newest = kernels.at(-1);
  const isOutdated = newest === undefined || running === undefined ? undefined : newest !== running;
  const asked = new Set(outputLines(sections.get('packages') ?? '').map((line) => line.trim()));
  return {
    reboot_required: isSet || isOutdated === true,
    flag_set: isSet,
    flag_since: isSet ? utcTime(integerOf(sections.get('flag')?.trim())) : undefined,
    packages: [...asked].join(' ') || 'none',
    running_kernel: running,
    newest_kernel: newest,
    kernel_outdated: isOutdated,
  };
};
