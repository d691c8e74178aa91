/** Bytes that do not hold what they should. Whoever reads a whole text or key turns this into a code of its own. */
export class SshDataError extends Error {
  override readonly name = 'SshDataError';
}

/** Reads the data types of RFC 4251 §5, strictly: nothing is read past the end and `end` refuses what is left over. */
export class SshReader {
  readonly #data: Buffer;
  #at = 0;

  constructor(data: Buffer) {
    this.#data = data;
  }

  /** Bytes that have not been read. */
  get left(): number {
    return this.#data.length - this.#at;
  }

  bytes(count: number): Buffer {
    const end = this.#at + count;
    if (end > this.#data.length) throw new SshDataError('short');
    const piece = this.#data.subarray(this.#at, end);
    this.#at = end;
    return piece;
  }

  byte(): number {
    return this.bytes(1).readUInt8();
  }

  uint32(): number {
    return this.bytes(4).readUInt32BE();
  }

  string(): Buffer {
    return this.bytes(this.uint32());
  }

  /** A string of 1–255 visible ASCII characters. */
  text(): string {
    const text = this.string().toString('latin1');
    if (!/^[!-~]{1,255}$/u.test(text)) throw new SshDataError('text');
    return text;
  }

  /** The magnitude of an mpint greater than zero, which must have its shortest form. */
  positive(): Buffer {
    const data = this.string();
    const first = data[0] ?? 0;
    const padded = first === 0 && data.length > 1 && ((data[1] ?? 0) & 0x80) !== 0;
    if (first >= 0x80 || (first === 0 && !padded)) throw new SshDataError('mpint');
    return padded ? data.subarray(1) : data;
  }

  end(): void {
    if (this.#at !== this.#data.length) throw new SshDataError('trailing');
  }
}

const uint32 = (value: number): Buffer => {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value);
  return bytes;
};

/** An RFC 4251 string: its length and its bytes. */
export const sshString = (data: Buffer | string): Buffer => {
  const bytes = Buffer.from(data);
  return Buffer.concat([uint32(bytes.length), bytes]);
};

/** An RFC 4251 uint32. */
export const sshUint32 = uint32;
