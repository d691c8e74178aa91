import { readFileSync } from 'node:fs';
import type { BootTime, Clock } from '../request/ports.ts';
import { birthOf } from './processes.ts';

let bootId: string | undefined;

/** The kernel's boot and the birth of its first process: where a container has a time since boot of its own, it begins with that. */
const idOfBoot = (): string => {
  bootId ??= `${readFileSync('/proc/sys/kernel/random/boot_id', 'ascii').trim()} ${birthOf('/proc', 1) ?? '-'}`;
  return bootId;
};

/** The clocks of this machine. Time since boot is CLOCK_BOOTTIME, as proc_uptime(5) gives it; elsewhere than on Linux there is none. */
export const systemClock: Clock = {
  now: () => Date.now(),
  awake: () => Number(process.hrtime.bigint() / 1_000_000n),
  boot: (): BootTime | undefined => {
    try {
      const seconds = Number(readFileSync('/proc/uptime', 'ascii').split(' ')[0]);
      return Number.isFinite(seconds) ? { id: idOfBoot(), ms: Math.round(seconds * 1_000) } : undefined;
    } catch {
      return undefined;
    }
  },
};
