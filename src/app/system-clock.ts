import { readFileSync } from 'node:fs';
import type { BootTime, Clock } from '../request/ports.ts';

/** The clocks of this machine. Time since boot is CLOCK_BOOTTIME, as proc_uptime(5) gives it; elsewhere than on Linux there is none. */
export const systemClock: Clock = {
  now: () => Date.now(),
  boot: (): BootTime | undefined => {
    try {
      const id = readFileSync('/proc/sys/kernel/random/boot_id', 'ascii').trim();
      const seconds = Number(readFileSync('/proc/uptime', 'ascii').split(' ')[0]);
      return Number.isFinite(seconds) && id !== '' ? { id, ms: Math.round(seconds * 1_000) } : undefined;
    } catch {
      return undefined;
    }
  },
};
