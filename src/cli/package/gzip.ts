import { crc32 } from 'node:zlib';

const MOST = 0xffff;

/**
 * The gzip form (RFC 1952) of some bytes, stored, not compressed: what a compressor makes depends on its version, and a package
 * that anybody can build again byte for byte is worth more here than its size.
 */
export const gzip = (content: Buffer): Buffer => {
  const blocks: Buffer[] = [];
  for (let at = 0; at === 0 || at < content.length; at += MOST) {
    const part = content.subarray(at, at + MOST);
    const head = Buffer.alloc(5);
    head.writeUInt8(at + MOST >= content.length ? 1 : 0, 0);
    head.writeUInt16LE(part.length, 1);
    head.writeUInt16LE(part.length ^ 0xffff, 3);
    blocks.push(head, part);
  }
  const tail = Buffer.alloc(8);
  tail.writeUInt32LE(crc32(content), 0);
  tail.writeUInt32LE(content.length % 2 ** 32, 4);
  // No name, no time, an operating system that is not told.
  return Buffer.concat([Buffer.from([0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 0xff]), ...blocks, tail]);
};
