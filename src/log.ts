import { pino } from 'pino';

/** Fields of a log record: plain values only, so that no object carries a secret in by accident. */
export type LogFields = Readonly<Record<string, string | number | boolean | null | undefined>>;

export interface Log {
  debug(event: string, fields?: LogFields): void;
  info(event: string, fields?: LogFields): void;
  warn(event: string, fields?: LogFields): void;
  /** `thrown` is written with the chain of its causes; this is the only place where those appear. */
  error(event: string, thrown?: unknown, fields?: LogFields): void;
}

const LEVELS = ['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent'] as const;
export type LogLevel = (typeof LEVELS)[number];

const SECRET_NAME = /pass|secret|token|credential|cookie|authorization|otp|private|signature/iu;
const SECRET_TEXT =
  /-----BEGIN[^-]*-----[\s\S]*?(?:-----END[^-]*-----|$)|(?<=[a-z]:\/\/)[^\s/@]+(?=@)|\b(?:pass(?:word|phrase|wd)?|secret|token|api_?key)\b["']?\s*[=:]\s*\S+/giu;
const MAX_TEXT = 2_000;
const MAX_CAUSES = 5;

const masked = (text: string): string => text.slice(0, MAX_TEXT).replace(SECRET_TEXT, '[masked]');

const harmless = (fields: LogFields): Record<string, unknown> =>
  Object.fromEntries(
    Object.entries(fields).map(([name, value]) => [
      name,
      SECRET_NAME.test(name) ? '[masked]' : typeof value === 'string' ? masked(value) : value,
    ]),
  );

/** An error and its causes: names, codes, masked messages and stacks; no other property, since libraries hang anything there. */
const described = (thrown: unknown): readonly Record<string, unknown>[] => {
  const chain: Record<string, unknown>[] = [];
  for (let one: unknown = thrown; one !== undefined && chain.length < MAX_CAUSES;) {
    if (!(one instanceof Error)) {
      chain.push({ thrown: typeof one });
      break;
    }
    const code = 'code' in one && typeof one.code === 'string' ? one.code : undefined;
    chain.push({ name: one.name, code, message: masked(one.message), stack: masked(one.stack ?? '') });
    one = one.cause;
  }
  return chain;
};

/** The level that MCP_PRA_LOG names; a word that is none says nothing less than the default. */
export const levelFrom = (env: Readonly<Record<string, string | undefined>>, fallback: LogLevel): LogLevel =>
  LEVELS.find((level) => level === env['MCP_PRA_LOG']) ?? fallback;

/** JSON lines on standard error (standard output belongs to MCP); written at once, so that none is lost at exit. */
export const openLog = (
  level: LogLevel,
  destination: { write(line: string): void } = pino.destination({ fd: 2, sync: true }),
): Log => {
  const log = pino(
    { level, base: { pid: process.pid }, timestamp: pino.stdTimeFunctions.isoTime },
    destination,
  );
  return {
    debug: (event, fields = {}) => log.debug(harmless(fields), event),
    info: (event, fields = {}) => log.info(harmless(fields), event),
    warn: (event, fields = {}) => log.warn(harmless(fields), event),
    error: (event, thrown, fields = {}) =>
      log.error(
        { ...harmless(fields), ...(thrown === undefined ? {} : { errors: described(thrown) }) },
        event,
      ),
  };
};
