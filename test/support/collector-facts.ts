import { z } from 'zod';

/** What every collector writes around its facts; it writes them once in so many seconds. */
export const headOf = <Period extends number>(period: Period) => ({
  v: z.literal(1),
  collected_at: z.iso.datetime(),
  period: z.literal(period),
});

/** How collectors name a process: by nothing that its arguments say. */
export const PROCESS = {
  pid: z.int().positive(),
  user: z.string().min(1),
  comm: z.string().regex(/^[ -~]{1,15}$/u),
  unit: z
    .string()
    .regex(/\.(?:service|scope)$/u)
    .optional(),
};
