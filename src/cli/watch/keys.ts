const CTRL_C = 0x03;
const CTRL_D = 0x04;
const CTRL_Z = 0x1a;
const ESCAPE = 0x1b;

/** A key that was pressed: a printable ASCII character as itself, the others by name. */
export type Key = 'up' | 'down' | 'enter' | 'quit' | 'suspend' | 'redraw' | (string & {});

/** The last byte of an arrow key's sequence; both of its forms end alike (ECMA-48, DECCKM). */
const ARROWS: Readonly<Record<string, Key>> = { A: 'up', B: 'down' };

/**
 * Keys from the bytes of a terminal in raw mode. A sequence that is split between two reads loses its meaning, never gets another one:
 * none of its bytes is a command here.
 */
export const keysOf = (bytes: Buffer): readonly Key[] => {
  const keys: Key[] = [];
  for (let at = 0; at < bytes.length; at += 1) {
    const byte = bytes[at] ?? 0;
    if (byte === ESCAPE) {
      const rest = bytes.subarray(at).toString('latin1');
      // eslint-disable-next-line no-control-regex
      const sequence = /^\u001b[[O][0-9;?]*([A-Za-z~])?/u.exec(rest);
      const arrow = ARROWS[sequence?.[1] ?? ''];
      if (arrow !== undefined) keys.push(arrow);
      at += Math.max(0, (sequence?.[0].length ?? 1) - 1);
    } else if (byte === CTRL_C || byte === CTRL_D) keys.push('quit');
    else if (byte === CTRL_Z) keys.push('suspend');
    else if (byte === 0x0c) keys.push('redraw');
    else if (byte === 0x0d || byte === 0x0a) keys.push('enter');
    else if (byte > 0x20 && byte < 0x7f) keys.push(String.fromCodePoint(byte));
  }
  return keys;
};
