import { integerOf, outputLines } from '../../output-lines.ts';
import type { FactParser } from '../parser.ts';

/** `Inst name [installed] (candidate Origin:version/suite, … [arch])`: what apt-get --simulate would do (apt-get(8)). */
const INSTALL =
  /^Inst (\S{1,120})(?: \[([^\]\s]{1,120})\])? \((\S{1,120}) ([^[\]()]{0,400}?)(?: ?\[[a-z0-9, -]{1,60}\])?\)/u;
/** Debian's and Ubuntu's archives of security updates: `Debian-Security:12/stable-security`, `Ubuntu:22.04/jammy-security`. */
const SECURITY = /(?:^|, )(?:Debian-Security:|[^,]*-security(?:,|$))/u;

/** `plan`: apt-get --simulate upgrade; `lists`: when the lists were fetched, seconds since the epoch (stat %Y); `clock`: the host's time. */
export const pendingUpdates: FactParser = (sections, codes) => {
  const lines = outputLines(sections.get('plan') ?? '');
  if (codes.get('plan') !== 0 && lines.length === 0) return {};
  const updates = lines.flatMap((line) => {
    const [, name, installed, candidate, origin = ''] = INSTALL.exec(line) ?? [];
    if (name === undefined) return [];
    return [
      {
        package: name,
        from: installed,
        to: candidate,
        security: SECURITY.test(origin.trim()),
        origin: origin.trim(),
      },
    ];
  });
  const heldAt = lines.findIndex((line) => line.startsWith('The following packages have been kept back'));
  const held = heldAt < 0 ? [] : indented(lines.slice(heldAt + 1));
  const fetched = outputLines(sections.get('lists') ?? '').map((line) => integerOf(line.trim()) ?? 0);
  const newest = Math.max(...fetched, 0);
  const now = integerOf(sections.get('clock')?.trim());
  return {
    count: updates.length,
    security: updates.filter(({ security }) => security).length,
    kept_back: held.length,
    lists_age_seconds: newest === 0 || now === undefined ? undefined : now - newest,
    updates: updates.toSorted((a, b) => Number(b.security) - Number(a.security)),
    kept_back_packages: held.length === 0 ? 'none' : held.join(' '),
  };
};

/** The words of the lines that begin with a space, to the first that does not. */
const indented = (lines: readonly string[]): readonly string[] => {
  const end = lines.findIndex((line) => !line.startsWith(' '));
  return lines
    .slice(0, end < 0 ? lines.length : end)
    .flatMap((line) => line.split(/\s+/u))
    .filter((word) => word !== '');
};
