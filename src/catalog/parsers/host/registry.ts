import type { FactParser } from '../parser.ts';
import { bootHistory } from './boot-history.ts';
import { cpu } from './cpu.ts';
import { crashDumps } from './crash-dumps.ts';
import { hardwareSummary } from './hardware-summary.ts';
import { kernelErrors } from './kernel-errors.ts';
import { kernelLimits } from './kernel-limits.ts';
import { kernel } from './kernel.ts';
import { meminfo } from './meminfo.ts';
import { namedThings } from './named-things.ts';
import { oomKills } from './oom-kills.ts';
import { osIdentity } from './os-identity.ts';
import { pressure } from './pressure.ts';
import { rebootRequired } from './reboot-required.ts';
import { swap } from './swap.ts';
import { thermal } from './thermal.ts';
import { timeSync } from './time-sync.ts';
import { uptime } from './uptime.ts';
import { virtualization } from './virtualization.ts';

/** Parsers of diagnostics about host, by the name a definition gives. */
export const hostParsers: readonly (readonly [name: string, parser: FactParser])[] = [
  ['boot_history', bootHistory],
  ['cpu', cpu],
  ['crash_dumps', crashDumps],
  ['hardware_summary', hardwareSummary],
  ['kernel_errors', kernelErrors],
  ['kernel_limits', kernelLimits],
  ['kernel', kernel],
  ['meminfo', meminfo],
  ['named_things', namedThings],
  ['oom_kills', oomKills],
  ['os_identity', osIdentity],
  ['pressure', pressure],
  ['reboot_required', rebootRequired],
  ['swap', swap],
  ['thermal', thermal],
  ['time_sync', timeSync],
  ['uptime', uptime],
  ['virtualization', virtualization],
];
