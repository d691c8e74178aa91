import { integerOf, outputLines, words } from '../../output-lines.ts';
import type { FactParser } from '../parser.ts';

/** Bits of /proc/sys/kernel/tainted (the kernel's Documentation/admin-guide/tainted-kernels.rst), from bit 0 on. */
const TAINTS = [
  'proprietary module',
  'module forced to load',
  'processor out of specification',
  'module forced to unload',
  'machine check',
  'bad page',
  'asked for by userspace',
  'kernel died recently (oops)',
  'ACPI table overridden',
  'warning',
  'staging driver',
  'platform firmware workaround',
  'out-of-tree module',
  'unsigned module',
  'soft lockup',
  'live patched',
  'auxiliary taint',
  'struct randomisation',
  'in-kernel test',
] as const;

/** `system`: uname -srvm; `tainted`: the bits; `parameters`: grep -o of /proc/cmdline, one a line. */
export const kernel: FactParser = (sections) => {
  const system = words(sections.get('system')?.trim() ?? '');
  const tainted = integerOf(sections.get('tainted')?.trim());
  const reasons = TAINTS.filter((_, bit) => ((tainted ?? 0) & (1 << bit)) !== 0);
  return {
    release: system[1],
    build: system.slice(2, -1).join(' '),
    architecture: system.length > 3 ? system.at(-1) : undefined,
    tainted: tainted === undefined ? undefined : tainted !== 0,
    taint_reasons:
      tainted === undefined ? undefined : reasons.join(', ') || (tainted === 0 ? 'none' : 'unknown'),
    parameters: outputLines(sections.get('parameters') ?? '').join(' '),
  };
};
