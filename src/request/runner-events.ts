import { z } from 'zod';
import { FormError } from './form-error.ts';
import { word } from './strict-lines.ts';
import { TIME } from './wire-time.ts';

/** Bytes of one line of pra-run's standard output; the longest is an offer of 32 KiB with its signature. */
const LINE_BYTES = 131_072;
/** Decoded bytes of one `output` event. */
const OUTPUT_BYTES = 8_192;
const FIRST_LINE = 'mcp-pra 1';

const matching = (source: string): z.ZodString => z.string().regex(new RegExp(`^(?:${source})$`, 'u'));
const count = z.number().int().nonnegative();
const hex = matching('[0-9a-f]{64}');
const text = z.string().max(LINE_BYTES);
const isOutput = (data: string): boolean => {
  const bytes = Buffer.from(data, 'base64');
  return bytes.length > 0 && bytes.length <= OUTPUT_BYTES && bytes.toString('base64') === data;
};

const event = z.discriminatedUnion('event', [
  z.strictObject({ event: z.literal('offer'), offer: text, signature: text }),
  z.strictObject({ event: z.literal('claimed'), id: matching(word.id), durable: z.boolean() }),
  z.strictObject({ event: z.literal('output'), data: z.string().refine(isOutput), offset: count }),
  z.strictObject({ event: z.literal('receipt'), receipt: text, signature: text }),
  z.strictObject({
    event: z.literal('version'),
    host: matching(word.host),
    host_key: matching(word.fingerprint),
    scripts: z.record(z.string().max(64), z.strictObject({ version: z.string().max(64), sha256: hex })),
    actions: z.record(matching(word.name), hex),
    policy: matching(word.digest),
    boot_id: matching(word.uuid),
    boottime_ms: count,
    wallclock: matching(TIME),
    /** The freeze in force; `null` within for what the host does not know, since root may have made the file by hand. */
    frozen: z
      .strictObject({
        since: matching(TIME).nullable(),
        by: matching(word.principal).nullable(),
        /** A person's words: neutralise them before they are shown. */
        reason: z.string().min(1).max(400).nullable(),
      })
      .nullable(),
    /**
     * The last break-glass session, `id` of the ticket that opened it. Until `reviewed`, no other can be opened; `open`: more may run
     * under it. `unreadable`: the host cannot say, and opens none.
     */
    break_glass: z
      .strictObject({
        id: matching(word.id),
        incident: matching(word.incident),
        principal: matching(word.principal),
        opened: matching(TIME),
        open: z.boolean(),
        reviewed: z.boolean(),
      })
      .or(z.literal('unreadable'))
      .nullable(),
  }),
  z.strictObject({ event: z.literal('warning'), code: matching('[A-Z][A-Z_]{0,39}') }),
]);

/** One line of pra-run's answer (docs/wire-protocol.md §3). What is signed in it is verified elsewhere. */
export type RunnerEvent = z.infer<typeof event>;

const strictUtf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/**
 * Reads pra-run's standard output as it arrives: the line `mcp-pra 1`, then a JSON object a line. Throws EVENTS_FORM for
 * anything else, and from then on for every call: what follows a broken line means nothing.
 */
export class RunnerEvents {
  #pending: Buffer[] = [];
  #size = 0;
  #begun = false;
  #broken: FormError | undefined;

  /** The events that this chunk completed. A line that has not ended stays for the next one. */
  push(chunk: Buffer): RunnerEvent[] {
    if (this.#broken !== undefined) throw this.#broken;
    try {
      return this.#lines(chunk).flatMap((line) => this.#read(line));
    } catch (error) {
      this.#broken = error instanceof FormError ? error : new FormError('EVENTS_FORM', 'line');
      throw this.#broken;
    }
  }

  #lines(chunk: Buffer): Buffer[] {
    const lines: Buffer[] = [];
    let rest = chunk;
    for (let end = rest.indexOf(0x0a); end >= 0; end = rest.indexOf(0x0a)) {
      this.#keep(rest.subarray(0, end));
      lines.push(Buffer.concat(this.#pending));
      this.#pending = [];
      this.#size = 0;
      rest = rest.subarray(end + 1);
    }
    this.#keep(rest);
    return lines;
  }

  #keep(piece: Buffer): void {
    this.#size += piece.length;
    if (this.#size > LINE_BYTES) throw new FormError('EVENTS_FORM', 'length');
    if (piece.length > 0) this.#pending.push(piece);
  }

  #read(line: Buffer): RunnerEvent[] {
    if (!this.#begun) {
      if (line.toString('latin1') !== FIRST_LINE) throw new FormError('EVENTS_FORM', 'first line');
      this.#begun = true;
      return [];
    }
    return [event.parse(JSON.parse(strictUtf8.decode(line)))];
  }
}

/** Bytes of standard error that are looked at. */
const STDERR_BYTES = 65_536;

/**
 * The refusal on a forced command's standard error: a whole line `refused <layer> <CODE>`, the first of them. Other lines
 * (`warning …`, what sudo or sshd say) are not read.
 */
export const parseRefusal = (
  stderr: Buffer,
): { readonly layer: string; readonly code: string } | undefined => {
  const lines = stderr.subarray(0, STDERR_BYTES).toString('latin1').split('\n').slice(0, -1);
  for (const line of lines) {
    const found = /^refused (wrapper|pra-exec|pra-run) ([A-Z][A-Z_]{0,39})$/u.exec(line);
    if (found !== null) return { layer: String(found[1]), code: String(found[2]) };
  }
  return undefined;
};
