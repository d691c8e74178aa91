/** Reads one DER INTEGER at `offset`: its content bytes and where it ends. Lengths of signatures up to P-521 fit one or two bytes. */
const readInteger = (der: Buffer, offset: number): { readonly value: Buffer; readonly end: number } => {
  const length = der[offset + 1] ?? 0;
  const start = offset + 2;
  return { value: der.subarray(start, start + length), end: start + length };
};

const mpint = (value: Buffer): Buffer => {
  const length = Buffer.alloc(4);
  length.writeUInt32BE(value.length);
  return Buffer.concat([length, value]);
};

/**
 * The ECDSA signature blob of RFC 5656 §3.1.2 (mpint r, mpint s) from node:crypto's DER SEQUENCE of two INTEGERs. DER and
 * mpint agree on the integers themselves: two's complement, shortest form.
 */
export const sshEcdsaSignature = (der: Buffer): Buffer => {
  const first = der[1] === 0x81 ? 3 : 2;
  const r = readInteger(der, first);
  const s = readInteger(der, r.end);
  return Buffer.concat([mpint(r.value), mpint(s.value)]);
};
